//! Which path belongs to which plugin.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::routing::MethodRouter;
use thermocline_core::Error;

use super::{DATASET_PREFIX, join, panic_text};
use crate::plugin::Route;
use crate::{App, AppState, KeyHandler, KeyRoute};

/// A path, whose it is and what answers.
pub(super) struct Entry {
    /// Path in axum's syntax.
    pub(super) path: String,
    /// Plugin that owns it.
    pub(super) plugin: &'static str,
    /// Whether it is a path of a dataset, also where a server of one dataset has it without its name.
    pub(super) is_of_dataset: bool,
    /// Methods in lower case, each with the plugin that answers it.
    methods: Vec<(&'static str, &'static str)>,
    /// What answers.
    pub(super) handler: MethodRouter<AppState>,
    /// What answers GET of a key without axum's routing.
    pub(super) keys: Option<Arc<dyn KeyHandler>>,
}

/// All paths of all plugins.
pub(super) struct Table {
    /// In the order of the plugins.
    pub(super) entries: Vec<Entry>,
}

impl Table {
    /// The routes of the plugins that run.
    pub(super) fn of(app: &App) -> Result<Self, Error> {
        let mut table = Self { entries: Vec::new() };
        for plugin in app.running() {
            for route in plugin.app_routes() {
                let is_hidden = app.config.single.is_some() && route.path == "/";
                if !is_hidden {
                    table.insert((route.path.to_owned(), false), plugin.id(), route)?;
                }
            }
            for route in plugin.dataset_routes() {
                table.insert((join(DATASET_PREFIX, route.path), true), plugin.id(), route)?;
            }
        }
        if app.config.single.is_some() {
            table.insert_at_root(app)?;
        }
        for plugin in app.running() {
            for KeyRoute { path, handler } in plugin.key_routes() {
                table.add_keys(plugin.id(), path, &handler);
            }
        }
        Ok(table)
    }

    /// The routes of the one dataset of a server, also without its prefix, unless the server itself has
    /// something there.
    fn insert_at_root(&mut self, app: &App) -> Result<(), Error> {
        for plugin in app.running() {
            for route in plugin.dataset_routes() {
                if !self.entries.iter().any(|entry| shape(&entry.path) == shape(route.path)) {
                    self.insert((route.path.to_owned(), true), plugin.id(), route)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the short way for a plugin's own route, with the dataset's prefix and without.
    fn add_keys(&mut self, plugin: &str, path: &str, handler: &Arc<dyn KeyHandler>) {
        let prefixed = join(DATASET_PREFIX, path);
        for entry in &mut self.entries {
            let answers_get = entry.methods.contains(&("get", plugin));
            if answers_get && (entry.path == prefixed || entry.path == path) {
                entry.keys = Some(Arc::clone(handler));
            }
        }
    }

    fn insert(
        &mut self,
        (path, is_of_dataset): (String, bool),
        plugin: &'static str,
        route: Route,
    ) -> Result<(), Error> {
        let claimed: Vec<_> = route.operations.iter().map(|operation| (operation.method, plugin)).collect();
        let claimed = if claimed.is_empty() { vec![("get", plugin)] } else { claimed };
        let Some(entry) = self.entries.iter_mut().find(|entry| shape(&entry.path) == shape(&path)) else {
            let (methods, handler) = (claimed, route.handler);
            self.entries.push(Entry { path, plugin, is_of_dataset, methods, handler, keys: None });
            return Ok(());
        };
        let taken = entry.methods.iter().find(|(method, _)| claimed.iter().any(|(other, _)| method == other));
        if let Some((method, other)) = taken {
            return Err(claimed_twice(method, &path, other, plugin));
        }
        if entry.path != path {
            return Err(Error::invalid_input(format!(
                "plugins \"{}\" and \"{plugin}\" name the parameters of one path differently: {} and {path}",
                entry.plugin, entry.path
            )));
        }
        let merged = catch_unwind(AssertUnwindSafe(|| entry.handler.clone().merge(route.handler)));
        entry.handler = merged.map_err(|panic| {
            let cause = panic_text(panic.as_ref());
            Error::invalid_input(format!(
                "plugins \"{}\" and \"{plugin}\" both claim {path}: {cause}",
                entry.plugin
            ))
        })?;
        entry.is_of_dataset |= is_of_dataset;
        entry.methods.extend(claimed);
        Ok(())
    }
}

fn claimed_twice(method: &str, path: &str, first: &str, second: &str) -> Error {
    let method = method.to_uppercase();
    Error::invalid_input(format!("plugins \"{first}\" and \"{second}\" both claim {method} {path}"))
}

/// A path without the names of its parameters: two paths of one shape answer the same requests.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        rest if rest.starts_with("{*") => "{*}",
        name if name.starts_with('{') => "{}",
        word => word,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parameters_do_not_tell_paths_apart() {
        assert_eq!(shape("/datasets/{dataset_id}/zarr/{*key}"), shape("/datasets/{id}/zarr/{*path}"));
        assert_ne!(shape("/a/{b}"), shape("/a/{*b}"));
        assert_ne!(shape("/a/b"), shape("/a/{b}"));
    }
}
