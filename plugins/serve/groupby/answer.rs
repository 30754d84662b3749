//! A result as an answer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_DISPOSITION, LINK};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use thermocline_core::Error;
use thermocline_groupby::{Grouped, Plan};
use thermocline_http::conditional::{
    Representation, Wanted, evaluate, precondition, respond_head, respond_head_of_stream,
    respond_head_of_text, respond_part, respond_stream, respond_text, respond_whole, vary_on_accept,
};
use thermocline_http::hold::{self, Wait, parts_copy};
use thermocline_http::links::{BaseUrl, peer};
use thermocline_http::{AppState, OpenDataset, Problem, live};

use crate::address::{Address, Asked};
use crate::api::Api;
use crate::arrow::Arrow;
use crate::body::{self, MAX_WHOLE, Made};
use crate::cold::{self, Answered};
use crate::csv::Csv;
use crate::file::sent;
use crate::form::Form;
use crate::json::Json;
use crate::plans::Planned;
use crate::trouble::{document, problem};
use crate::{lazy, page};

/// Longest body that is kept for the next who asks, in bytes.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// A result in whatever form, or a key of its Zarr group.
pub(crate) async fn show(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    base: BaseUrl,
    parts: Parts,
) -> Result<Response, Problem> {
    let address = Address::of(&manifest, &parts, api.forms())?;
    let planned = api.plans.plan(&api.engine, &manifest, address.request()?).await?;
    match address.asked {
        Asked::Key(key) => lazy::answer(&api, &app, planned, (key, &parts)).await,
        Asked::Named(form) => result(&api, &app, &planned, form, (&base, &parts)).await,
        Asked::Negotiated(form) => {
            result(&api, &app, &planned, form, (&base, &parts)).await.map(vary_on_accept)
        }
    }
}

/// `PROPFIND` of a key of the Zarr group.
pub(crate) async fn list_keys(
    Extension(api): Extension<Arc<Api>>,
    State(app): State<AppState>,
    OpenDataset(manifest): OpenDataset,
    parts: Parts,
) -> Result<Response, Problem> {
    let address = Address::of(&manifest, &parts, api.forms())?;
    let Asked::Key(key) = &address.asked else {
        let allow = HeaderValue::from_static("GET, HEAD, OPTIONS");
        return Err(Problem::method_not_allowed(&parts.method, allow));
    };
    let planned = api.plans.plan(&api.engine, &manifest, address.request()?).await?;
    lazy::propfind(&api, &app, planned, (key.clone(), &parts)).await
}

/// A result in a form.
async fn result(
    api: &Arc<Api>,
    app: &AppState,
    planned: &Arc<Planned>,
    form: Form,
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Response, Problem> {
    let answer = ResultAnswer::new(app, base, &planned.plan, form);
    let response = match form {
        Form::Estimate => {
            let estimate = api.engine.estimate(&app.reader, &planned.plan).await.map_err(problem)?;
            live::json(parts, StatusCode::OK, &document(&estimate))?
        }
        Form::Html => page::answer(app, planned, (base, parts)).await?,
        _ => values(api, app, planned, (form, &answer.representation), (base, parts)).await?,
    };
    Ok(answer.complete(response))
}

/// The values of a result in a form: those of conditions and of HEAD without computing anything.
async fn values(
    api: &Arc<Api>,
    app: &AppState,
    planned: &Arc<Planned>,
    (form, representation): (Form, &Representation),
    (base, parts): (&BaseUrl, &Parts),
) -> Result<Response, Problem> {
    if let Some(response) = precondition(&parts.headers, representation) {
        return Ok(response);
    }
    if let Some(body) = api.documents.get(&representation.etag) {
        return Ok(respond_text(&parts.method, &parts.headers, representation, body));
    }
    if parts.method == Method::HEAD {
        return Ok(head(&planned.plan, form, representation, parts));
    }
    let grouped = match cold::answer_or_accept(api, app, &planned.plan, (base, parts)).await? {
        Answered::Grouped(grouped) => grouped,
        Answered::Accepted(response) => return Ok(response),
        Answered::Cold(error) => {
            let again = Again::new((api, app, planned), (form, representation), (base, parts));
            return Ok(again.held(error));
        }
    };
    match made(api, form, grouped).await? {
        Made::Whole(body) => {
            api.keep(&representation.etag, &body, MAX_KEPT_BYTES);
            Ok(respond_text(&parts.method, &parts.headers, representation, body))
        }
        Made::Stream(body) => Ok(respond_stream(representation, body)),
        Made::File(file, len_bytes) => {
            Ok(match evaluate(&parts.method, &parts.headers, representation, len_bytes) {
                Wanted::Whole => respond_whole(representation, len_bytes, sent(file, 0..len_bytes)),
                Wanted::Part(part) => respond_part(representation, part.clone(), len_bytes, sent(file, part)),
                Wanted::Nothing(response) => response,
            })
        }
    }
}

/// The answer to HEAD of a body that has not been made.
fn head(plan: &Plan, form: Form, representation: &Representation, parts: &Parts) -> Response {
    if form == Form::NetCdf {
        return respond_head(&parts.headers, representation, None);
    }
    let n_cells = plan.shape.iter().try_fold(1_u64, |n_cells, len| n_cells.checked_mul(*len));
    if n_cells.is_some_and(|n_cells| n_cells <= MAX_WHOLE as u64) {
        return respond_head_of_text(&parts.headers, representation);
    }
    respond_head_of_stream(&parts.headers, representation)
}

/// A request that begins again when what it needs is online: of a server without jobs.
struct Again {
    api: Arc<Api>,
    app: AppState,
    planned: Arc<Planned>,
    form: Form,
    representation: Representation,
    base: BaseUrl,
    parts: Parts,
}

impl Again {
    fn new(
        (api, app, planned): (&Arc<Api>, &AppState, &Arc<Planned>),
        (form, representation): (Form, &Representation),
        (base, parts): (&BaseUrl, &Parts),
    ) -> Self {
        Self {
            api: Arc::clone(api),
            app: Arc::clone(app),
            planned: Arc::clone(planned),
            form,
            representation: representation.clone(),
            base: base.clone(),
            parts: parts_copy(parts),
        }
    }

    /// The request waits for the objects that an error names.
    fn held(self, error: Error) -> Response {
        let asked =
            hold::Asked { headers: &self.parts.headers, uri: &self.parts.uri, peer: peer(&self.parts) };
        let wait = Wait::of(&self.app, &asked, &self.planned.plan.manifest.id);
        hold::held(error, wait, Box::new(move || self.answer()))
    }

    fn answer(self) -> BoxFuture<'static, Response> {
        let answer = async move {
            let Self { api, app, planned, form, representation, base, parts } = self;
            let said = ResultAnswer::new(&app, &base, &planned.plan, form);
            let response = values(&api, &app, &planned, (form, &representation), (&base, &parts)).await;
            response.map(|response| said.complete(response)).into_response()
        };
        answer.boxed()
    }
}

/// The body of a result in a form.
async fn made(api: &Api, form: Form, grouped: Grouped) -> Result<Made, Problem> {
    let made = match (form, &api.files) {
        (Form::NetCdf, Some(files)) => files.write(grouped).await,
        (Form::Arrow, _) => body::write(move || Arrow::of(&grouped.described, &grouped.values)).await,
        (Form::Csv, _) => body::write(move || Csv::of(&grouped.described, &grouped.values)).await,
        _ => body::write(move || Json::of(&grouped.described, &grouped.values)).await,
    };
    Ok(made?)
}

/// What is said of a result beside its bytes.
struct ResultAnswer {
    representation: Representation,
    disposition: Option<HeaderValue>,
    link: Option<HeaderValue>,
}

impl ResultAnswer {
    fn new(app: &AppState, base: &BaseUrl, plan: &Plan, form: Form) -> Self {
        let representation = Representation {
            media_type: form.media_type(),
            etag: format!("{}-{}", plan.etag(), form.word()),
            // The result changes with the code too, of which the date of the source says nothing.
            modified: None,
            max_age: app.config.metadata_max_age,
        };
        let canonical = format!("{}{}", base.0, plan.canonical_path());
        let link = format!(
            "<{canonical}>; rel=\"canonical\", <{canonical}/zarr>; rel=\"alternate\"; type=\"application/vnd.zarr\""
        );
        let is_file = matches!(form, Form::NetCdf | Form::Csv | Form::Arrow);
        Self {
            representation,
            disposition: is_file.then(|| disposition(plan, form)).flatten(),
            link: HeaderValue::try_from(link).ok(),
        }
    }

    fn complete(&self, mut response: Response) -> Response {
        let is_result = response.status().is_success() && response.status() != StatusCode::ACCEPTED;
        let headers = response.headers_mut();
        if let Some(link) = &self.link {
            headers.append(LINK, link.clone());
        }
        // The document of a job is no file, nor is the answer that a copy is still good.
        if let Some(disposition) = self.disposition.as_ref().filter(|_| is_result) {
            headers.append(CONTENT_DISPOSITION, disposition.clone());
        }
        response
    }
}

/// Says under which name a browser saves a result.
fn disposition(plan: &Plan, form: Form) -> Option<HeaderValue> {
    let request = &plan.request;
    let name = format!("{}_{}_{}", request.variable, request.grouper_text(), request.action.word());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    HeaderValue::try_from(format!("attachment; filename=\"{plain}.{}\"", form.word())).ok()
}

impl Api {
    /// Keeps a short body for the next who asks.
    fn keep(&self, etag: &str, body: &Bytes, max_bytes: usize) {
        if body.len() <= max_bytes {
            self.documents.insert(etag.to_owned(), body.clone());
        }
    }
}
