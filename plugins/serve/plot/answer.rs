//! A plot as an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CONTENT_DISPOSITION, LINK};
use http::request::Parts;
use http::{HeaderValue, Method};
use thermocline_core::manifest::Manifest;
use thermocline_core::{Error, ErrorKind};
use thermocline_http::clients::Computations;
use thermocline_http::conditional::{
    Representation, content_tag, precondition, respond, respond_head, vary_on_accept,
};
use thermocline_http::hold::{Asked, Wait, headers_copy, held};
use thermocline_http::links::{BaseUrl, path, peer};
use thermocline_http::{AppState, OpenDataset, Problem};
use thermocline_plot::{Failure, Format, Plan};

use crate::address::Address;
use crate::api::Api;
use crate::cold::{self, Answered};
use crate::grouped::Subject;
use crate::page;
use crate::trouble::{Trouble, problem};

/// How long caches may keep lists and pages.
const DOCUMENT_MAX_AGE: Duration = Duration::from_secs(60);

/// A plot in whatever form.
pub(crate) async fn plot(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let address = Address::of(&manifest, &parts, "plot")?;
    let plotter = api.plotter(&app.reader);
    if address.format == Format::Html {
        let subject =
            api.subject(&app.reader, &manifest, address.words(Format::Png)).await.map_err(problem)?;
        return Ok(page::answer(&subject, &address, &base, &parts));
    }
    let words = address.words(address.format);
    let subject = api.subject(&app.reader, &manifest, words).await.map_err(problem)?;
    let answer = PlotAnswer::new(&app, &manifest, &base, &address, &subject.plan);
    if let Some(response) = precondition(&parts.headers, &answer.representation) {
        return Ok(answer.complete(response));
    }
    if parts.method == Method::HEAD {
        let len_bytes = api.pictures.get(&answer.representation.etag).map(|picture| picture.len() as u64);
        return Ok(answer.complete(respond_head(&parts.headers, &answer.representation, len_bytes)));
    }
    let computations = Computations::of(&app, &parts);
    let turn = match api.pictures.get(&answer.representation.etag) {
        Some(_) => None,
        None => Some(computations.turn()?),
    };
    let drawn = api.pictures.get_or_draw(&plotter, subject.clone()).await;
    drop(turn);
    let picture = match drawn {
        Err(Trouble(Failure::Core(error))) if error.kind() == ErrorKind::NotStaged => {
            let Some(jobs) = app.jobs.as_ref().filter(|_| app.staging.is_some()) else {
                return Ok(hold((&api, &app), error, subject, (answer, computations), &parts));
            };
            match cold::answer((&app, jobs), &subject, &address, &error, (&base, &parts)).await? {
                Answered::Picture(picture) => picture,
                Answered::Accepted(response) => return Ok(response),
            }
        }
        drawn => drawn?,
    };
    Ok(answer.complete(respond(&parts.method, &parts.headers, &answer.representation, picture)))
}

/// The request waits for the data as requests for chunks do: of a server without jobs.
fn hold(
    (api, app): (&Arc<Api>, &AppState),
    error: Error,
    subject: Subject,
    (answer, computations): (PlotAnswer, Computations),
    parts: &Parts,
) -> Response {
    let asked = Asked { headers: &parts.headers, uri: &parts.uri, peer: peer(parts) };
    let wait = Wait::of(app, &asked, &subject.plan.manifest.id);
    let (api, app) = (Arc::clone(api), Arc::clone(app));
    let (method, headers) = (parts.method.clone(), headers_copy(&parts.headers));
    let again = async move {
        let _turn = match computations.turn() {
            Ok(turn) => turn,
            Err(problem) => return problem.into_response(),
        };
        match api.pictures.get_or_draw(&api.plotter(&app.reader), subject).await {
            Ok(picture) => answer.complete(respond(&method, &headers, &answer.representation, picture)),
            Err(trouble) => Problem::from(trouble).into_response(),
        }
    };
    held(error, wait, Box::new(move || again.boxed()))
}

/// What is said of a plot beside its bytes.
struct PlotAnswer {
    representation: Representation,
    disposition: Option<HeaderValue>,
    canonical: Option<HeaderValue>,
    is_negotiated: bool,
}

impl PlotAnswer {
    fn new(app: &AppState, manifest: &Manifest, base: &BaseUrl, address: &Address, plan: &Plan) -> Self {
        let representation = Representation {
            media_type: address.format.media_type(),
            etag: plan.etag(),
            // The picture changes with the code too, of which the date of the source says nothing.
            modified: None,
            max_age: app.config.metadata_max_age,
        };
        let canonical = canonical_url(base, manifest, address, plan);
        Self {
            representation,
            disposition: disposition(&plan.file_name()),
            canonical: HeaderValue::try_from(format!("<{canonical}>; rel=\"canonical\"")).ok(),
            is_negotiated: address.is_negotiated,
        }
    }

    fn complete(&self, mut response: Response) -> Response {
        if self.is_negotiated {
            response = vary_on_accept(response);
        }
        let headers = response.headers_mut();
        for (name, value) in [(CONTENT_DISPOSITION, &self.disposition), (LINK, &self.canonical)] {
            if let Some(value) = value {
                headers.append(name, value.clone());
            }
        }
        response
    }
}

/// The address of the same plot with every choice in it.
pub(crate) fn canonical_url(base: &BaseUrl, manifest: &Manifest, address: &Address, plan: &Plan) -> String {
    let dataset = base.dataset(manifest.id.as_str());
    // The group is among the words of the query.
    let (variable, extension) = (path(&address.variable), address.format.extension());
    let canonical = plan.canonical();
    let query = if canonical.is_empty() { String::new() } else { format!("?{canonical}") };
    format!("{dataset}/plot/{variable}.{extension}{query}")
}

/// Says under which name a browser saves a picture that it shows.
fn disposition(file_name: &str) -> Option<HeaderValue> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = file_name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    HeaderValue::try_from(format!("inline; filename=\"{plain}\"")).ok()
}

/// A document whose entity tag is a hash of its bytes.
pub(crate) fn document(parts: &Parts, media_type: &'static str, body: Vec<u8>) -> Response {
    let (etag, max_age) = (content_tag(&body), DOCUMENT_MAX_AGE);
    let representation = Representation { media_type, etag, modified: None, max_age };
    respond(&parts.method, &parts.headers, &representation, body.into())
}
