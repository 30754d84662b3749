//! Handlers of the server itself.

use axum::extract::{Path, State};
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, Value, json};
use thermocline_core::catalog::DatasetState;
use thermocline_http::catalogs::SeenDatasets;
use thermocline_http::html::{self, Escaped, link};
use thermocline_http::links::BaseUrl;
use thermocline_http::negotiate::Form;
use thermocline_http::{
    App, AppState, Health, Identity, PluginStatus, Problem, openapi as documents, problem as problem_types,
};

use crate::answer::{self, Freshness};

/// Media type of health documents.
pub(crate) const HEALTH_JSON: &str = "application/health+json";

/// Most datasets on the overview; the list has them all.
const MAX_SHOWN: usize = 1000;

/// What the server has.
pub(crate) async fn overview(
    State(app): State<AppState>,
    who: Identity,
    form: Form,
    base: BaseUrl,
    parts: Parts,
) -> Response {
    let freshness = Freshness::default();
    answer::negotiated(match form {
        Form::Json => answer::json(&parts, &overview_document(&app, &base), freshness),
        Form::Html => answer::page(&parts, overview_page(&app, &who, &base), freshness),
    })
}

/// Ids of the datasets that the client may see.
pub(crate) async fn datasets(State(app): State<AppState>, who: Identity, parts: Parts) -> Response {
    let ids: Value = app.catalog.ids_seen_by(&who.view).iter().map(|id| id.as_str()).collect();
    answer::json(&parts, &ids, Freshness::default())
}

/// Plugins and their state. Why one does not run is told to those to whom [`health`] tells it.
pub(crate) async fn plugins(State(app): State<AppState>, who: Identity, parts: Parts) -> Response {
    let is_told = is_told(&app, &who);
    let mut described = Map::new();
    for (plugin, status) in &app.plugins {
        let (status, error) = match status {
            PluginStatus::Running => ("ok", None),
            PluginStatus::Disabled => ("disabled", None),
            PluginStatus::Failed(error) => ("failed", told(Some(error.clone()), is_told)),
        };
        let path = format!("plugins/serve/{}", plugin.id());
        let mut entry = json!({"path": path, "version": plugin.version(), "status": status});
        if let (Some(error), Some(entry)) = (error, entry.as_object_mut()) {
            entry.insert("error".to_owned(), error.into());
        }
        described.insert(plugin.id().to_owned(), entry);
    }
    answer::json(&parts, &Value::Object(described), Freshness::default())
}

/// Versions of all components.
pub(crate) async fn versions(State(app): State<AppState>, parts: Parts) -> Response {
    let mut versions: Map<String, Value> =
        app.versions.iter().map(|(name, version)| (name.clone(), version.as_str().into())).collect();
    versions.entry("thermocline").or_insert_with(|| app.version().into());
    versions
        .entry("os")
        .or_insert_with(|| format!("{} {}", std::env::consts::OS, std::env::consts::ARCH).into());
    answer::json(&parts, &Value::Object(versions), Freshness::default())
}

/// How the server feels: `pass`, or `warn` while something does not work. The server itself answers.
///
/// Reasons name files and datasets: where some of these are hidden from somebody, who administers is told them.
pub(crate) async fn health(
    State(app): State<AppState>,
    who: Identity,
    SeenDatasets(seen): SeenDatasets,
    parts: Parts,
) -> Response {
    let is_told = is_told(&app, &who);
    let mut checks = Map::new();
    for (plugin, status) in &app.plugins {
        let (status, output) = feeling(plugin.health(), status);
        checks.insert(format!("plugin:{}", plugin.id()), check(status, told(output, is_told)));
    }
    let mut problems = app.catalog.problems();
    problems.extend(seen.unknown_rules().iter().map(|rule| nobody_sees(rule)));
    let catalog = if problems.is_empty() { "pass" } else { "warn" };
    let output = (!problems.is_empty()).then(|| problems.join("; "));
    checks.insert("catalog".to_owned(), check(catalog, told(output, is_told)));
    for store in app.staging.iter().flat_map(thermocline_core::staging::Staging::stores) {
        let status = if store.trouble.is_some() { "warn" } else { "pass" };
        checks.insert(format!("cold:{}", store.name), check(status, told(store.trouble, is_told)));
    }
    let is_well = checks.values().all(|checks| checks.pointer("/0/status") == Some(&Value::from("pass")));
    let document = json!({
        "status": if is_well { "pass" } else { "warn" },
        "version": app.version(),
        "serviceId": "thermocline",
        "description": "Thermocline",
        "checks": checks,
    });
    answer::document(&parts, HEALTH_JSON, document.to_string().into_bytes(), Freshness::default())
}

/// Whether the catalog is loaded.
pub(crate) async fn ready(
    State(app): State<AppState>,
    who: Identity,
    parts: Parts,
) -> Result<Response, Problem> {
    if !app.catalog.is_loaded() {
        return Err(Problem::unavailable("the catalog is being loaded"));
    }
    let counts = app.catalog.counts_seen_by(&who.view);
    let document = json!({"status": "pass", "datasets": counts.n_datasets, "indexing": counts.n_indexing});
    Ok(answer::document(&parts, HEALTH_JSON, document.to_string().into_bytes(), Freshness::default()))
}

/// The OpenAPI document.
pub(crate) async fn openapi(State(app): State<AppState>, base: BaseUrl, parts: Parts) -> Response {
    let mut document = documents::document(&app);
    if let Some(document) = document.as_object_mut() {
        document.insert("servers".to_owned(), json!([{"url": base.0}]));
    }
    answer::document(&parts, documents::MEDIA_TYPE, document.to_string().into_bytes(), freshness(&app))
}

/// Every route, as a page.
pub(crate) async fn docs(State(app): State<AppState>, base: BaseUrl, parts: Parts) -> Response {
    let document = documents::document(&app);
    let mut rows = String::new();
    for (path, operations) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            rows.push_str(&operation_row(method, path, operation));
        }
    }
    let body = format!(
        "<h1>Routes</h1><p>The same for programs: {}. GET answers HEAD too.</p>\
         <table><tr><th>Method</th><th>Path</th><th>Answer</th><th>Plugin</th></tr>{rows}</table>",
        link(&format!("{}/openapi.json", base.prefix()), "openapi.json")
    );
    answer::page(&parts, html::page("Routes", &body), freshness(&app))
}

/// The types of errors.
pub(crate) async fn problems(base: BaseUrl, State(app): State<AppState>, parts: Parts) -> Response {
    let rows = problem_types::TYPES.iter().map(|about| {
        let href = format!("{}/problems/{}", base.prefix(), about.name);
        format!("<tr><td>{}</td><td>{}</td></tr>", link(&href, about.name), Escaped(about.title))
    });
    let body = format!("<h1>Problems</h1><table>{}</table>", rows.collect::<String>());
    answer::page(&parts, html::page("Problems", &body), freshness(&app))
}

/// What an error means.
pub(crate) async fn problem(
    Path(name): Path<String>,
    State(app): State<AppState>,
    form: Form,
    parts: Parts,
) -> Result<Response, Problem> {
    let about = problem_types::TYPES.iter().find(|about| about.name == name).ok_or_else(|| {
        let names = problem_types::TYPES.iter().map(|about| about.name);
        Problem::not_found(format!("Problem '{name}' not found")).with_allowed(names)
    })?;
    let response = match form {
        Form::Json => {
            let document = json!({"type": format!("/problems/{}", about.name), "title": about.title,
                "status": about.status, "explanation": about.explanation});
            answer::json(&parts, &document, freshness(&app))
        }
        Form::Html => {
            let (title, explanation) = (Escaped(about.title), Escaped(about.explanation));
            let body = format!("<h1>{title}</h1><p>Status {}</p><p>{explanation}</p>", about.status);
            answer::page(&parts, html::page(about.title, &body), freshness(&app))
        }
    };
    Ok(answer::negotiated(response))
}

fn freshness(app: &App) -> Freshness {
    Freshness { max_age: app.config.metadata_max_age, modified: None }
}

fn feeling(health: Health, status: &PluginStatus) -> (&'static str, Option<String>) {
    match (status, health) {
        (PluginStatus::Disabled, _) | (PluginStatus::Running, Health::Pass) => ("pass", None),
        (PluginStatus::Failed(reason), _) => ("fail", Some(reason.clone())),
        (PluginStatus::Running, Health::Warn(reason)) => ("warn", Some(reason)),
        (PluginStatus::Running, Health::Fail(reason)) => ("fail", Some(reason)),
    }
}

/// True if a client may know what names files and datasets.
fn is_told(app: &App, who: &Identity) -> bool {
    !app.restricts() || who.may_administer
}

/// A reason, or that there is one.
fn told(output: Option<String>, is_told: bool) -> Option<String> {
    let whom = || "who administers the server is told the reason".to_owned();
    output.map(|output| if is_told { output } else { whom() })
}

/// Why the datasets of a rule are not there.
fn nobody_sees(rule: &str) -> String {
    match rule {
        // What is declared several times, under different rules: the catalog says so itself.
        "" => "datasets are declared under several access rules: nobody sees them".to_owned(),
        rule => format!("there is no access rule \"{rule}\": nobody sees the datasets that name it"),
    }
}

fn check(status: &str, output: Option<String>) -> Value {
    match output {
        Some(output) => json!([{"status": status, "output": output}]),
        None => json!([{"status": status}]),
    }
}

/// Paths without parameters that plugins answer: what there is to see besides the datasets.
fn entrances(app: &App) -> Vec<(&'static str, &'static str, &'static str)> {
    let routes = app.running().flat_map(|plugin| plugin.app_routes());
    let is_entrance = |path: &str| path != "/" && !path.contains('{');
    let entrances = routes.filter(|route| is_entrance(route.path)).filter_map(|route| {
        let get = route.operations.iter().find(|operation| operation.method == "get")?;
        Some((route.path, get.summary, get.media_type))
    });
    entrances.collect()
}

fn overview_document(app: &App, base: &BaseUrl) -> Value {
    let links = entrances(app).into_iter().map(|(path, title, media_type)| {
        let rel = match path {
            "/datasets" => "data",
            "/openapi.json" => "service-desc",
            "/docs" => "service-doc",
            "/health" | "/ready" | "/metrics" => "status",
            "/stac" => "root",
            _ => "related",
        };
        json!({"rel": rel, "href": format!("{}{path}", base.0), "type": media_type, "title": title})
    });
    json!({
        "name": "Thermocline",
        "version": app.version(),
        "links": links.collect::<Vec<_>>(),
        "plugins": app.running().map(|plugin| plugin.id()).collect::<Vec<_>>(),
    })
}

fn overview_page(app: &App, who: &Identity, base: &BaseUrl) -> String {
    let prefix = base.prefix();
    let ids = app.catalog.ids_seen_by(&who.view);
    let rows = ids.iter().take(MAX_SHOWN).map(|id| {
        let href = format!("{prefix}/datasets/{}", thermocline_http::links::segment(id.as_str()));
        let title = title(app, id.as_str()).unwrap_or_default();
        format!("<tr><td>{}</td><td>{}</td></tr>", link(&href, id.as_str()), Escaped(&title))
    });
    let mut list: String = rows.collect();
    if ids.len() > MAX_SHOWN {
        let more = link(&format!("{prefix}/datasets"), "all ids as JSON");
        list.push_str(&format!("<tr><td>… {} more: {more}</td></tr>", ids.len() - MAX_SHOWN));
    }
    let entrances = entrances(app).into_iter().map(|(path, title, _)| {
        format!("<tr><td>{}</td><td>{}</td></tr>", link(&format!("{prefix}{path}"), path), Escaped(title))
    });
    let body = format!(
        "<h1>Thermocline</h1><p class=\"muted\">version {} · {} datasets</p><h2>Datasets</h2><table>{list}</table>\
         <h2>Also here</h2><table>{}</table>",
        Escaped(app.version()),
        ids.len(),
        entrances.collect::<String>()
    );
    html::page("Thermocline", &body)
}

/// The title of a dataset; that of its file only if its manifest is in memory, since a list opens nothing.
fn title(app: &App, id: &str) -> Option<String> {
    if let Some(DatasetState::Ready(manifest)) = app.catalog.state(id) {
        return manifest.title().map(str::to_owned);
    }
    app.catalog.spec(id)?.title.clone()
}

fn operation_row(method: &str, path: &str, operation: &Value) -> String {
    let text =
        |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let query: Vec<String> = parameters
        .filter(|parameter| parameter.get("in") == Some(&Value::from("query")))
        .filter_map(|parameter| Some(format!("{}=", parameter.get("name")?.as_str()?)))
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!(
        "<tr><td>{}</td><td><code>{}</code><code class=\"muted\">{}</code></td><td>{}</td><td>{}</td></tr>",
        Escaped(&method.to_uppercase()),
        Escaped(path),
        Escaped(&query),
        Escaped(&text("/summary")),
        Escaped(&text("/tags/0"))
    )
}
