//! HTML for people or JSON for programs, of paths that have both.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::ACCEPT;
use http::request::Parts;

use crate::Problem;
use crate::query::Query;

/// In which of two forms a client wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A page.
    Html,
    /// A JSON document.
    Json,
}

impl Form {
    /// From `?f=html` or `?f=json`, else from `Accept`; a page if a client likes both the same.
    ///
    /// # Errors
    /// 400 for another `f`.
    pub fn of(parts: &Parts) -> Result<Self, Problem> {
        match Query::of(parts).value("f").as_deref() {
            Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            Some(other) => Err(Problem::invalid_input(format!("'{other}' is no form of this answer"))
                .with_allowed(["html", "json"])),
            None => Ok(Self::accepted(&parts.headers)),
        }
    }

    /// The same of paths that programs ask first: JSON if a client likes both the same.
    ///
    /// # Errors
    /// 400 for another `f`.
    pub fn of_api(parts: &Parts) -> Result<Self, Problem> {
        if Query::of(parts).value("f").is_some() {
            return Self::of(parts);
        }
        let (html, json) = Self::weights(&parts.headers);
        let is_page =
            html.quality > json.quality || (html.quality == json.quality && html.detail > json.detail);
        Ok(if is_page { Self::Html } else { Self::Json })
    }

    /// How much a client likes pages, and documents.
    fn weights(headers: &HeaderMap) -> (Weight, Weight) {
        let (mut html, mut json) = (Weight::default(), Weight::default());
        for list in headers.get_all(ACCEPT) {
            for item in list.to_str().unwrap_or_default().split(',') {
                html.consider(item, "text", &["html"]);
                json.consider(item, "application", &["json", "geo+json", "ld+json"]);
            }
        }
        (html, json)
    }

    fn accepted(headers: &HeaderMap) -> Self {
        let (html, json) = Self::weights(headers);
        if json.quality > html.quality || (json.quality == html.quality && json.detail > html.detail) {
            return Self::Json;
        }
        Self::Html
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}

/// How much a client likes a media type, by the most detailed range that names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Weight {
    /// From 0, not at all, to 1.
    pub quality: f32,
    /// 0 if no range names it, 1 for `*/*`, 2 for `text/*`, 3 for the type itself.
    pub detail: u8,
}

impl Weight {
    /// That of the media type `kind/subtype`, where several subtypes mean the same form; of a request without `Accept`
    /// as if it were `*/*`.
    ///
    /// # Source
    /// RFC 9110, section 12.5.1.
    pub fn of(headers: &HeaderMap, kind: &str, subtypes: &[&str]) -> Self {
        if !headers.contains_key(ACCEPT) {
            return Self { quality: 1.0, detail: 1 };
        }
        let mut weight = Self::default();
        for list in headers.get_all(ACCEPT) {
            for item in list.to_str().unwrap_or_default().split(',') {
                weight.consider(item, kind, subtypes);
            }
        }
        weight
    }

    fn consider(&mut self, item: &str, kind: &str, subtypes: &[&str]) {
        let mut parameters = item.split(';').map(str::trim);
        let Some((range_kind, range_subtype)) = parameters.next().and_then(|range| range.split_once('/'))
        else {
            return;
        };
        let detail = match (range_kind, range_subtype) {
            ("*", "*") => 1,
            (found, "*") if found.eq_ignore_ascii_case(kind) => 2,
            (found, subtype) if found.eq_ignore_ascii_case(kind) && subtypes.contains(&subtype) => 3,
            _ => return,
        };
        let quality = parameters.find_map(|p| p.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        let quality = quality.unwrap_or(0.0);
        if detail > self.detail || (detail == self.detail && quality > self.quality) {
            *self = Self { quality, detail };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(uri: &str, accept: Option<&str>) -> Result<Form, Problem> {
        let mut request = http::Request::get(uri);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        Form::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn accept_chooses() {
        let cases = [
            (None, Form::Html),
            (Some("*/*"), Form::Html),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Html),
            (Some("application/json"), Form::Json),
            (Some("application/json, text/plain, */*"), Form::Json),
            (Some("text/html, application/json;q=0.9"), Form::Html),
            (Some("text/html;q=0.5, application/json"), Form::Json),
            (Some("application/*"), Form::Json),
            (Some("application/json;q=0, */*"), Form::Html),
            (Some("nonsense"), Form::Html),
        ];
        for (accept, expected) in cases {
            assert_eq!(form("/", accept).unwrap(), expected, "{accept:?}");
        }
    }

    #[test]
    fn programs_get_documents_and_browsers_pages_of_paths_for_both() {
        let cases = [
            (None, Form::Json),
            (Some("*/*"), Form::Json),
            (Some("application/geo+json"), Form::Json),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Html),
            (Some("text/html, */*"), Form::Html),
            (Some("text/html;q=0.5, application/json"), Form::Json),
        ];
        for (accept, expected) in cases {
            let mut request = http::Request::get("/");
            if let Some(accept) = accept {
                request = request.header(ACCEPT, accept);
            }
            assert_eq!(
                Form::of_api(&request.body(()).unwrap().into_parts().0).unwrap(),
                expected,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn the_query_wins_over_accept() {
        assert_eq!(form("/?f=json", Some("text/html")).unwrap(), Form::Json);
        assert_eq!(form("/?a=b&f=html", Some("application/json")).unwrap(), Form::Html);
        assert_eq!(form("/?f=xml", None).unwrap_err().status, 400);
    }
}
