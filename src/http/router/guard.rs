//! Keeps datasets from clients that may not read them: the one place where that is decided for every path below a dataset.
//!
//! A dataset that a client may not read is not there for it: its documents are those of a dataset that does not exist, or
//! 401 where credentials would help that did not come. Bytes are never "not found", which Zarr clients read as the fill
//! value: they are 401, also those of datasets that do not exist, so that nobody learns which do.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use matchit::Match;
use thermocline_core::catalog::DatasetAccess;

use super::front::Place;
use crate::extract::{DATASET_ID, names_values};
use crate::identity::{AskedDataset, Credentials, Presented, Right, audit_refused};
use crate::keys::KeyNames;
use crate::{App, Identity, Problem};

/// How a request passes.
pub(super) enum Passage {
    /// What it asks for is everybody's.
    Open,
    /// What it asks for depends on who asks.
    Private,
    /// It is answered as if there were no such dataset.
    Hidden(AskedDataset),
    /// It is answered so.
    Refused(Box<Problem>),
}

impl Passage {
    /// How the rules let a request pass.
    pub(super) fn of(app: &App, request: &mut Request, matched: Option<&Match<'_, '_, &Place>>) -> Self {
        if !app.restricts() || request.method() == Method::OPTIONS {
            return Self::Open;
        }
        let Some(matched) = matched.filter(|matched| is_of_dataset(matched)) else { return Self::Private };
        // What cannot be read names no dataset that there is.
        let Some(names) = KeyNames::of(app, &matched.params) else {
            return Self::Hidden(AskedDataset { id: "".into(), is_hidden: true });
        };
        let access = app.catalog.access(&names.dataset_id);
        let rule = access.as_ref().and_then(|access| access.rule.as_deref());
        if access.is_some() && app.access.is_open(rule) {
            return Self::Open;
        }
        let who = Identity::noted(app, request);
        if who.sees(app, &names.dataset_id) {
            return Self::Private;
        }
        let is_declared = || app.catalog.spec(&names.dataset_id).is_some();
        let would_help = who.credentials != Credentials::Valid
            && is_declared()
            && app.access.some_token_has(rule, Right::Read);
        // Before all is declared that there is, what is hidden is as what may come yet.
        if !would_help && !app.catalog.is_complete() {
            return Self::Refused(Box::new(Problem::unavailable("the catalog is being loaded")));
        }
        if is_reading(request) && names_values(request.uri().path(), Some(&names.key)) {
            return Self::Refused(Box::new(who.may_not_read()));
        }
        if would_help {
            let problem = who.may_not_read();
            if !is_reading(request) {
                audit_refused(&who, request.method(), request.uri(), problem.status);
            }
            return Self::Refused(Box::new(problem));
        }
        Self::Hidden(AskedDataset { id: names.dataset_id.into(), is_hidden: true })
    }

    /// True if caches must not give the answer to others.
    pub(super) fn is_private(&self) -> bool {
        !matches!(self, Self::Open)
    }
}

/// Looks again whether a client may read a dataset, of which it waited for cold bytes.
///
/// # Errors
/// 401 if it may not any more.
pub(super) fn check_still_reads(app: &App, presented: &Presented, dataset: &str) -> Result<(), Problem> {
    if !app.restricts() {
        return Ok(());
    }
    let is_open = |access: DatasetAccess| app.access.is_open(access.rule.as_deref());
    let who = presented.identity(app);
    if app.catalog.access(dataset).is_some_and(is_open) || who.sees(app, dataset) {
        return Ok(());
    }
    Err(who.may_not_read())
}

/// The dataset that a request's path names, for what is asked without a key; `None` for paths of the whole server.
pub(super) fn asked_dataset(app: &App, matched: &Match<'_, '_, &Place>) -> Option<AskedDataset> {
    let names = is_of_dataset(matched).then(|| KeyNames::of(app, &matched.params))??;
    Some(AskedDataset { id: names.dataset_id.into(), is_hidden: false })
}

fn is_reading(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// A call that would change something of a dataset that is hidden: who sends it, and what.
pub(super) struct Call {
    who: Identity,
    method: Method,
    uri: Uri,
}

impl Call {
    /// `None` for what only reads.
    pub(super) fn of(app: &App, request: &Request) -> Option<Self> {
        let call = || Self {
            who: Identity::of_request(app, request),
            method: request.method().clone(),
            uri: request.uri().clone(),
        };
        (!is_reading(request)).then(call)
    }

    /// Notes what came of it, unless a handler did that had another reason to refuse it.
    pub(super) fn audit(&self, status: StatusCode) {
        if status == StatusCode::NOT_FOUND {
            self.note(status);
        }
    }

    /// Notes that it was refused.
    pub(super) fn note(&self, status: StatusCode) {
        audit_refused(&self.who, &self.method, &self.uri, status);
    }
}

fn is_of_dataset(matched: &Match<'_, '_, &Place>) -> bool {
    matched.value.is_of_dataset || matched.params.get(DATASET_ID).is_some()
}

/// The answer of whatever handles a path of a dataset that is hidden: what a dataset that does not exist is answered,
/// whatever the handler thinks.
pub(super) fn as_unknown(asked: &AskedDataset, response: Response) -> Response {
    let is_that_of_unknown = matches!(
        response.status(),
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    if is_that_of_unknown { response } else { Problem::no_dataset(&asked.id).into_response() }
}

/// Says to caches that an answer is for whoever asked only.
pub(super) fn mark_private(headers: &mut HeaderMap) {
    let of_all = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()?.strip_prefix("public"));
    if let Some(value) = of_all.and_then(|rest| HeaderValue::try_from(format!("private{rest}")).ok()) {
        headers.insert(CACHE_CONTROL, value);
    }
    let names = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|name| name.trim().eq_ignore_ascii_case("authorization") || name.trim() == "*")
    };
    if !headers.get_all(VARY).iter().any(names) {
        headers.append(VARY, HeaderValue::from_static("Authorization"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_says_so_once() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        for _ in 0..2 {
            mark_private(&mut headers);
            assert_eq!(headers[CACHE_CONTROL], "private, max-age=60");
            let vary: Vec<_> = headers.get_all(VARY).iter().collect();
            assert_eq!(vary, ["Accept-Encoding", "Authorization"]);
        }
    }
}
