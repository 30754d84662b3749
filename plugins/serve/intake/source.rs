//! One dataset as sources of an intake catalog.

use std::fmt::Write;
use std::sync::Arc;

use thermocline_http::links::BaseUrl;
use thermocline_http::{App, AppState};
use thermocline_search::{Summary, Value};

use crate::jinja;
use crate::yaml::{quoted, scalar};

/// Most variables that a source names.
const MAX_VARIABLES: usize = 100;

/// What is said of a method by which a dataset can be opened.
const KERCHUNK: &str = "kerchunk";

/// Writes sources for clients that reach the server at one address.
pub(crate) struct SourceWriter {
    app: AppState,
    base: BaseUrl,
    has_stac: bool,
}

impl SourceWriter {
    pub(crate) fn new(app: &AppState, base: &BaseUrl) -> Self {
        let has_stac = app.running().any(|plugin| plugin.id() == "stac");
        Self { app: Arc::clone(app), base: base.clone(), has_stac }
    }

    /// Adds the dataset with the parameter `method`, named by its id. Nothing if no plugin can open it for intake.
    pub(crate) fn push(&self, yaml: &mut String, summary: &Summary) {
        let methods = methods(&self.app, summary);
        let Some(default) = methods.first() else { return };
        let url = format!("{}/{{{{ method }}}}", jinja::escaped(&self.base.dataset(&summary.id)));
        self.push_head(yaml, (&summary.id, &url), summary);
        // Writing into a text does not fail.
        let _ = writeln!(
            yaml,
            "    parameters:\n      method: {{type: str, description: {}, default: {default}, allowed: [{}]}}",
            quoted(method_description(&methods)),
            methods.join(", ")
        );
    }

    /// Adds the dataset by one method only, named by its id and the method.
    pub(crate) fn push_method(&self, yaml: &mut String, summary: &Summary, method: &str) {
        let url = jinja::escaped(&self.base.dataset(&summary.id)).into_owned();
        self.push_head(yaml, (&format!("{}-{method}", summary.id), &format!("{url}/{method}")), summary);
    }

    fn push_head(&self, yaml: &mut String, (name, url): (&str, &str), summary: &Summary) {
        let _ = writeln!(
            yaml,
            "  {}:\n    description: {}\n    driver: zarr\n    args: {{urlpath: {}, consolidated: true}}\n    metadata:",
            scalar(name),
            quoted(summary.display_title()),
            quoted(url)
        );
        self.push_metadata(yaml, summary);
    }

    fn push_metadata(&self, yaml: &mut String, summary: &Summary) {
        let mut push = |name: &str, text: Option<&str>| {
            if let Some(text) = text {
                let _ = writeln!(yaml, "      {name}: {}", quoted(&jinja::escaped(text)));
            }
        };
        push("title", Some(summary.display_title()));
        push("institution", institution(summary));
        push("license", summary.license.as_deref());
        let variables = summary.data_variables().take(MAX_VARIABLES);
        let variables: Vec<String> =
            variables.map(|variable| quoted(&jinja::escaped(&variable.name))).collect();
        let _ = writeln!(yaml, "      variables: [{}]", variables.join(", "));
        if self.has_stac {
            let url = format!("{}/stac", self.base.dataset(&summary.id));
            let _ = writeln!(yaml, "      stac: {}", quoted(&jinja::escaped(&url)));
        }
    }
}

/// The values of the parameter `method` for a dataset, the default first.
///
/// The value is the last part of the address, so that only methods at their own name are meant.
pub(crate) fn methods(app: &App, summary: &Summary) -> Vec<&'static str> {
    let found = app.access_methods(summary).into_iter().filter_map(|access| {
        access.intake_method.filter(|method| access.path.strip_prefix('/') == Some(method))
    });
    let mut methods: Vec<&'static str> = found.collect();
    methods.sort_by_key(|method| *method != KERCHUNK);
    methods.dedup();
    methods
}

fn method_description(methods: &[&str]) -> &'static str {
    match methods {
        ["kerchunk", "zarr"] => "raw stored chunks (kerchunk) or decoded and re-encoded (zarr)",
        ["kerchunk"] => "raw stored chunks (kerchunk)",
        ["zarr"] => "decoded and re-encoded (zarr)",
        _ => "how the chunks are served",
    }
}

fn institution(summary: &Summary) -> Option<&str> {
    ["institution", "institution_id"].into_iter().find_map(|name| match summary.attribute(name)? {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    })
}
