//! Finds the file, puts the layers together, and reports every mistake at once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde_path_to_error::Segment;
use toml::Value;

use super::layers::{Flag, KeyPath, Layers};
use super::mistake::{Mistake, Mistakes, Origin};
use super::{CheckStore, Config, StorePaths, cold, unsupported};

/// File descriptors that are neither connections nor files of the archive.
const OTHER_DESCRIPTORS: u64 = 256;

/// What a configuration depends on besides its file, so that tests can make it up.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// The working directory: relative paths of flags and variables are below it.
    pub working_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.into_string().ok();
        Self {
            variables: std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect(),
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A folder of the XDG base directory specification, or its default below the home folder.
    fn xdg(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let set = self.variable(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        set.or_else(|| Some(Path::new(self.variable("HOME")?).join(below_home)))
    }
}

/// A configuration, and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective configuration; every path in it is absolute.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    layers: Layers,
}

impl Loaded {
    /// Where the value of a key was set.
    pub fn origin(&self, key: &[String]) -> Origin {
        self.layers.exact_origin(key)
    }
}

/// What the program has beyond what the configuration itself knows.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// Ids of plugins beyond the built-in ones.
    pub private_plugins: &'a [&'a str],
    /// Says what is wrong with the keys of a cold store; without it they are not looked at.
    pub check_store: Option<&'a CheckStore<'a>>,
    /// Says which keys of a cold store are paths; without it they stay as they are written.
    pub store_paths: Option<&'a StorePaths<'a>>,
}

/// Reads the configuration. `file` is what `--config` names.
///
/// # Errors
/// All mistakes at once.
pub fn load(
    surroundings: &Surroundings,
    file: Option<&Path>,
    flags: &[Flag],
    known: &Known<'_>,
) -> Result<Loaded, Mistakes> {
    let mut mistakes = Vec::new();
    let mut layers = Layers::default();
    let file = find(surroundings, file);
    let dirs = super::catalogs::DIRS.map(str::to_owned);
    if let Some((path, origin)) = &file {
        match std::fs::read_to_string(path) {
            Ok(text) => layers.merge_file(path, &text, &mut mistakes),
            Err(cause) => mistakes.push(Mistake {
                origin: origin.clone(),
                key: String::new(),
                message: format!("cannot read {}: {cause}", path.display()),
            }),
        }
    }
    let folder = file.as_ref().and_then(|(path, _)| path.parent());
    layers.place_paths(&dirs, folder.unwrap_or(&surroundings.working_dir));
    layers.merge_environment(&surroundings.variables);
    // Without a file there is no folder beside it, and a stray `catalogs` must not change what is served.
    let beside = folder.map(|folder| folder.join("catalogs")).filter(|dir| dir.is_dir());
    layers.set_default(&dirs, Value::Array(beside.into_iter().map(path_value).collect()));
    layers.place_paths(&dirs, &surroundings.working_dir);
    layers.merge_flags(flags);
    layers.place_paths(&dirs, &surroundings.working_dir);
    unsupported::reject(&mut layers, &mut mistakes);
    let others = super::plugins::take_private(&mut layers, known.private_plugins);
    let mut config = read(&mut layers, &mut mistakes);
    config.plugins.private = others;
    let file = file.map(|(path, _)| path);
    let mut check = Check { layers: &layers, surroundings, file: file.as_deref(), mistakes: &mut mistakes };
    config.complete(known, &mut check);
    if mistakes.is_empty() { Ok(Loaded { config, file, layers }) } else { Err(Mistakes(mistakes)) }
}

fn path_value(path: PathBuf) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

/// The first file that exists, and what names it.
fn find(surroundings: &Surroundings, named: Option<&Path>) -> Option<(PathBuf, Origin)> {
    if let Some(path) = named {
        let origin = Origin::Flag(format!("--config {}", path.display()));
        return Some((surroundings.working_dir.join(path), origin));
    }
    if let Some(path) = surroundings.variable("THERMOCLINE_CONFIG") {
        let origin = Origin::Environment("THERMOCLINE_CONFIG".to_owned());
        return Some((surroundings.working_dir.join(path), origin));
    }
    let here = Some(surroundings.working_dir.join("thermocline.toml"));
    let personal =
        surroundings.xdg("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("thermocline/thermocline.toml"));
    let system = Some(PathBuf::from("/etc/thermocline/thermocline.toml"));
    let candidates = [here, personal, system];
    candidates.into_iter().flatten().find(|path| path.is_file()).map(|path| {
        let origin = Origin::File { path: path.clone(), line: 1 };
        (path, origin)
    })
}

/// Reads the merged values; what is wrong is reported, taken out, and the rest read again.
fn read(layers: &mut Layers, mistakes: &mut Vec<Mistake>) -> Config {
    loop {
        let error = match serde_path_to_error::deserialize(Value::Table(layers.table.clone())) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let error: serde_path_to_error::Error<toml::de::Error> = error;
        let key: KeyPath = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                _ => None,
            })
            .collect();
        if layers.restore_text(&key) {
            continue;
        }
        let origin = layers.origin(&key);
        let message = error.inner().message().trim().to_owned();
        mistakes.push(Mistake { origin, key: key.join("."), message });
        if !layers.remove(&key) {
            return Config::default();
        }
    }
}

/// Collects mistakes beyond types, and says where relative paths begin.
pub(super) struct Check<'a> {
    layers: &'a Layers,
    surroundings: &'a Surroundings,
    file: Option<&'a Path>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    /// Reports a mistake of a key.
    pub(super) fn mistake(&mut self, key: &[&str], message: impl Into<String>) {
        let path: KeyPath = key.iter().map(|level| (*level).to_owned()).collect();
        let origin = self.layers.origin(&path);
        self.mistakes.push(Mistake { origin, key: path.join("."), message: message.into() });
    }

    /// True if something set the key.
    pub(super) fn is_set(&self, key: &[&str]) -> bool {
        let path: KeyPath = key.iter().map(|level| (*level).to_owned()).collect();
        self.layers.value(&path).is_some()
    }

    /// Makes a path absolute: below the file's folder if the file set it, else below the working directory.
    pub(super) fn absolute(&self, key: &[&str], path: &Path) -> PathBuf {
        let levels: KeyPath = key.iter().map(|level| (*level).to_owned()).collect();
        let base = match (self.layers.origin(&levels), self.file) {
            (Origin::File { .. } | Origin::Default, Some(file)) => file.parent(),
            _ => None,
        };
        base.unwrap_or(&self.surroundings.working_dir).join(path)
    }

    /// The folder for this user's state.
    pub(super) fn state_home(&self) -> Option<PathBuf> {
        self.surroundings.xdg("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("thermocline"))
    }
}

impl Config {
    /// Most clients that are kept waiting at once.
    pub fn max_held(&self) -> usize {
        self.staging.max_held.unwrap_or_else(|| self.server.max_waiting())
    }

    /// The same with as few connections, and clients that wait, as so many file descriptors allow.
    #[must_use]
    pub fn within_descriptors(mut self, n_descriptors: u64) -> Self {
        // Files of the archive and databases need some too.
        let others = self.read.max_open_files.saturating_add(OTHER_DESCRIPTORS).min(n_descriptors / 2);
        let room = u32::try_from(n_descriptors.saturating_sub(others)).unwrap_or(u32::MAX);
        let room = NonZeroU32::new(room).unwrap_or(NonZeroU32::MIN);
        self.server.max_connections = self.server.max_connections.min(room);
        self.staging.max_held = Some(self.max_held().min(self.server.max_waiting()));
        self
    }

    /// Makes paths absolute and reports what only several keys together tell.
    fn complete(&mut self, known: &Known<'_>, check: &mut Check<'_>) {
        self.server.complete(check);
        self.state.complete(check);
        self.catalogs.complete(check);
        for (name, credentials) in &mut self.credentials {
            credentials.complete(name, check);
        }
        let credentials: Vec<String> = self.credentials.keys().cloned().collect();
        let rules: Vec<String> = self.access.keys().cloned().collect();
        for (name, root) in &mut self.roots {
            root.complete(name, (&credentials, &rules), check);
        }
        cold::place(&mut self.cold, known.store_paths, check);
        cold::complete(&self.cold, &self.roots, known.check_store, check);
        self.staging.complete(self.state.dir.as_deref(), &self.server, check);
        for (name, rule) in &self.access {
            rule.complete(name, self.access.len(), check);
        }
        for (name, token) in &mut self.tokens {
            token.complete(name, check);
        }
        for (name, issuer) in &self.oidc {
            issuer.complete(name, check);
        }
        self.jobs.complete(check);
        self.limits.complete(check);
        self.plugins.complete(check);
    }
}

#[cfg(test)]
mod tests;
