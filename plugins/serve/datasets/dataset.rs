//! Handlers of one dataset.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::{Value, json};
use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::conditional::source_modified;
use thermocline_http::html::{self, Escaped, link};
use thermocline_http::links::{BaseUrl, path, segment};
use thermocline_http::negotiate::Form;
use thermocline_http::query::Query;
use thermocline_http::{AccessMethod, AppState, DatasetName, DatasetPath, OpenDataset, Problem, find_group};
use thermocline_model::Group;
use thermocline_zarr::ascii_json;

use crate::answer::{self, Freshness};
use crate::decoded::{DecodedGroup, times};
use crate::{JSON, report as reports, repr, structured, views};

/// Most groups on one page.
const MAX_SHOWN_GROUPS: usize = 200;

/// Views of a dataset that its page links to.
const VIEWS: [&str; 6] = ["keys", "dict", "info", "tree", "groups", "report"];

/// The dataset as xarray shows it.
pub(crate) async fn page(
    State(app): State<AppState>,
    DatasetName(id): DatasetName,
    opened: Result<OpenDataset, Problem>,
    form: Form,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let manifest = match refusal(opened)? {
        Opened::Ready(manifest) => manifest,
        Opened::Refused(reason) => return Ok(refused_page(&parts, form, &base, &id, &reason)),
    };
    let freshness = freshness(&app, &manifest);
    let described = app.search.describe(&manifest).await?;
    let methods = app.access_methods(&described);
    let response = match form {
        Form::Json => answer::json(&parts, &summary(&methods, &manifest, &base), freshness),
        Form::Html => {
            let id = manifest.id.as_str();
            let preview = repr::preview(&dataset_href(&base, id), &methods);
            let opening = format!("{preview}{}", repr::opening(&base, id, &methods));
            let head = structured::head(&app, &described, &methods, &base);
            let html = with_group(&app, &manifest, "", move |manifest, _, decoded| {
                html::page_with_head(
                    manifest.id.as_str(),
                    &head,
                    &dataset_body(manifest, &decoded, &base, &opening),
                )
            });
            answer::page(&parts, html.await?, freshness)
        }
    };
    Ok(answer::negotiated(response))
}

/// Data variables, then coordinates.
pub(crate) async fn keys(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    view(&app, &manifest, "", View::Keys, &parts).await
}

/// `xarray.Dataset.to_dict(data=False)`.
pub(crate) async fn dict(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    view(&app, &manifest, "", View::Dict, &parts).await
}

/// The dataset as it is stored, or decoded.
pub(crate) async fn info(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    view(&app, &manifest, "", View::Info, &parts).await
}

/// All groups on one page.
pub(crate) async fn tree(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let mut paths = Vec::new();
    manifest.dataset.root.visit(&mut |path, _| paths.push(path.to_owned()));
    let mut body = format!("<h1>{}</h1>", dataset_link(&base, &manifest));
    for group_path in paths.iter().take(MAX_SHOWN_GROUPS) {
        let shown = with_group(&app, &manifest, group_path, |_, _, decoded| repr::group(&decoded)).await?;
        body.push_str(&repr::branch(group_path, &shown));
    }
    if paths.len() > MAX_SHOWN_GROUPS {
        let all = link(&format!("{}/groups", dataset_href(&base, manifest.id.as_str())), "all groups");
        body.push_str(&format!("<p>… {} more: {all}</p>", paths.len() - MAX_SHOWN_GROUPS));
    }
    let html = html::page(&format!("{} – tree", manifest.id), &body);
    Ok(answer::page(&parts, html, freshness(&app, &manifest)))
}

/// Paths of all groups.
pub(crate) async fn groups(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Response {
    answer::json(&parts, &views::groups(&manifest.dataset.root), freshness(&app, &manifest))
}

/// A group's page, or one of its views.
pub(crate) async fn group(
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    DatasetPath(rest): DatasetPath,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let (group_path, view_of) = split_view(&rest);
    if let Some(view_of) = view_of {
        return view(&app, &manifest, group_path, view_of, &parts).await;
    }
    let shown_path = group_path.to_owned();
    let html = with_group(&app, &manifest, group_path, move |manifest, group, decoded| {
        group_page(manifest, (&shown_path, group), &decoded, &base)
    });
    Ok(answer::page(&parts, html.await?, freshness(&app, &manifest)))
}

/// Which route each variable takes, what is refused and why.
pub(crate) async fn report(
    State(app): State<AppState>,
    DatasetName(id): DatasetName,
    opened: Result<OpenDataset, Problem>,
    parts: Parts,
) -> Result<Response, Problem> {
    match refusal(opened)? {
        Opened::Refused(reason) => {
            Ok(answer::json(&parts, &reports::refused(&id, &reason), Freshness::default()))
        }
        Opened::Ready(manifest) => {
            let report = reports::report(&app.reader, &manifest).await?;
            let modified = source_modified(&manifest.dataset);
            Ok(answer::json(&parts, &report, Freshness { modified, ..Freshness::default() }))
        }
    }
}

/// The JSON views of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Keys,
    Dict,
    Info,
}

/// A path below `groups/`: the group, and the view that its last name asks for. The suffixes win over
/// groups of that name.
fn split_view(rest: &str) -> (&str, Option<View>) {
    let (group_path, last) = rest.rsplit_once('/').unwrap_or(("", rest));
    match last {
        "keys" => (group_path, Some(View::Keys)),
        "dict" => (group_path, Some(View::Dict)),
        "info" => (group_path, Some(View::Info)),
        _ => (rest, None),
    }
}

async fn view(
    app: &AppState,
    manifest: &Arc<Manifest>,
    group_path: &str,
    view: View,
    parts: &Parts,
) -> Result<Response, Problem> {
    let is_encoded = view == View::Info && !wants_decoded(parts)?;
    let body = with_group(app, manifest, group_path, move |manifest, group, decoded| {
        ascii_json(&match view {
            View::Info if is_encoded => views::info(group),
            View::Info => views::decoded_info(&decoded),
            View::Keys => views::keys(&decoded),
            View::Dict => views::dict(&decoded, &xpublish_id(manifest)),
        })
    });
    Ok(answer::document(parts, JSON, body.await?, freshness(app, manifest)))
}

fn wants_decoded(parts: &Parts) -> Result<bool, Problem> {
    match Query::of(parts).value("decoded").as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(other) => {
            Err(Problem::invalid_input(format!("decoded is '{other}'")).with_allowed(["true", "false"]))
        }
    }
}

/// What xpublish's plugins take as cache key.
fn xpublish_id(manifest: &Manifest) -> String {
    format!("{}:{}", manifest.id, manifest.revision)
}

/// A dataset, or the reason why there is none.
enum Opened {
    Ready(Arc<Manifest>),
    Refused(String),
}

/// Takes a refusal for an answer; every other error stays one.
fn refusal(opened: Result<OpenDataset, Problem>) -> Result<Opened, Problem> {
    match opened {
        Ok(OpenDataset(manifest)) => Ok(Opened::Ready(manifest)),
        Err(problem) if problem.error.kind() == ErrorKind::Refused => {
            Ok(Opened::Refused(problem.detail().into_owned()))
        }
        Err(problem) => Err(problem),
    }
}

/// Makes a document of a group, away from the threads that answer requests: groups can be large.
async fn with_group<T: Send + 'static>(
    app: &AppState,
    manifest: &Arc<Manifest>,
    group_path: &str,
    make: impl FnOnce(&Manifest, &Group, DecodedGroup) -> T + Send + 'static,
) -> Result<T, Problem> {
    let ends = times::ends(&app.reader, manifest, find_group(manifest, group_path)?).await;
    let (manifest, group_path) = (Arc::clone(manifest), group_path.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let group = find_group(&manifest, &group_path)?;
        Ok(make(&manifest, group, DecodedGroup::new(group, &ends)))
    });
    made.await.map_err(|cause| Error::internal("a document was not finished").with_source(cause))?
}

fn freshness(app: &AppState, manifest: &Manifest) -> Freshness {
    Freshness { max_age: app.config.metadata_max_age, modified: source_modified(&manifest.dataset) }
}

fn summary(methods: &[AccessMethod], manifest: &Manifest, base: &BaseUrl) -> Value {
    let url = base.dataset(manifest.id.as_str());
    let opening: Vec<Value> = methods
        .iter()
        .map(|method| {
            let href = format!("{url}{}", method.path);
            let call = method.xarray_call.as_ref().map(|call| call.replace("{url}", &href));
            json!({"name": method.name, "href": href, "type": method.media_type, "xarray": call})
        })
        .collect();
    let links: Vec<Value> = VIEWS
        .iter()
        .map(|name| json!({"rel": "related", "title": name, "href": format!("{url}/{name}")}))
        .collect();
    json!({
        "id": manifest.id.as_str(),
        "title": manifest.title(),
        "description": manifest.description(),
        "revision": manifest.revision.to_string(),
        "format": manifest.format,
        "n_objects": manifest.dataset.objects.len(),
        "bytes": manifest.dataset.objects.iter().map(|object| object.len_bytes).sum::<u64>(),
        "refused": null,
        "access_methods": opening,
        "links": links,
    })
}

fn dataset_body(manifest: &Manifest, decoded: &DecodedGroup, base: &BaseUrl, opening: &str) -> String {
    let id = manifest.id.as_str();
    let href = dataset_href(base, id);
    let mut body = format!("<p>{}</p>", link(&format!("{}/", base.prefix()), "all datasets"));
    body.push_str(&heading(manifest));
    body.push_str(&repr::views(&href, &VIEWS));
    body.push_str(opening);
    body.push_str(&repr::group(decoded));
    body.push_str(&repr::subgroups(&format!("{href}/groups"), "", &manifest.dataset.root));
    body.push_str(&repr::refusals(&manifest.dataset));
    body
}

fn group_page(
    manifest: &Manifest,
    (group_path, group): (&str, &Group),
    decoded: &DecodedGroup,
    base: &BaseUrl,
) -> String {
    let href = format!("{}/groups", dataset_href(base, manifest.id.as_str()));
    let mut body = format!("<h1>{} <code>/{}</code></h1>", dataset_link(base, manifest), Escaped(group_path));
    body.push_str(&repr::views(&format!("{href}/{}", path(group_path)), &["keys", "dict", "info"]));
    body.push_str(&repr::subgroups(&href, group_path, group));
    body.push_str(&repr::group(decoded));
    html::page(&format!("{} – /{group_path}", manifest.id), &body)
}

fn heading(manifest: &Manifest) -> String {
    let id = manifest.id.as_str();
    let title = manifest.title().unwrap_or(id);
    let description = manifest.description().unwrap_or_default();
    format!(
        "<h1>{}</h1><p class=\"muted\"><code>{}</code> · {} · {} objects</p><p>{}</p>",
        Escaped(title),
        Escaped(id),
        Escaped(&manifest.format),
        manifest.dataset.objects.len(),
        Escaped(description)
    )
}

fn refused_page(parts: &Parts, form: Form, base: &BaseUrl, id: &str, reason: &str) -> Response {
    let response = match form {
        Form::Json => answer::json(parts, &json!({"id": id, "refused": reason}), Freshness::default()),
        Form::Html => {
            let href = dataset_href(base, id);
            let body = format!(
                "<h1>{}</h1><p class=\"bad\">This dataset cannot be opened: {}</p>{}",
                Escaped(id),
                Escaped(reason),
                repr::views(&href, &["report"])
            );
            answer::page(parts, html::page(id, &body), Freshness::default())
        }
    };
    answer::negotiated(response)
}

fn dataset_href(base: &BaseUrl, id: &str) -> String {
    format!("{}/datasets/{}", base.prefix(), segment(id))
}

fn dataset_link(base: &BaseUrl, manifest: &Manifest) -> String {
    let id = manifest.id.as_str();
    link(&dataset_href(base, id), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_win_over_groups_of_that_name() {
        let cases = [
            ("ocean/deep/keys", "ocean/deep", Some(View::Keys)),
            ("ocean/dict", "ocean", Some(View::Dict)),
            ("keys", "", Some(View::Keys)),
            ("keys/keys", "keys", Some(View::Keys)),
            ("ocean/info/x", "ocean/info/x", None),
            ("ocean", "ocean", None),
        ];
        for (rest, group, view) in cases {
            assert_eq!(split_view(rest), (group, view), "{rest}");
        }
    }
}
