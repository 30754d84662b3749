//! Parameters in a request's query.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The query of a request.
///
/// # Source
/// WHATWG URL Standard, `application/x-www-form-urlencoded`: names and values are percent-decoded, `+` is a
/// space, and a name without `=` has an empty value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// The query of a request; empty if it has none.
    pub fn of(parts: &Parts) -> Self {
        Self(parts.uri.query().unwrap_or_default().to_owned())
    }

    /// What follows `?` in the target of a request.
    pub fn parse(query: &str) -> Self {
        Self(query.to_owned())
    }

    /// The first value of a parameter.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).next()
    }

    /// All values of a parameter, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.written().filter(move |(found, _)| decoded(found) == name).map(|(_, value)| decoded(value))
    }

    /// All parameters with their values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.written().map(|(name, value)| (decoded(name), decoded(value)))
    }

    /// Names and values as they are written.
    fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_counts() {
        let query = Query("group=ocean%2Fdeep+sea&flag&f=json&f=html&a%20b=%2B&=x".to_owned());
        for (name, value) in [
            ("group", Some("ocean/deep sea")),
            ("flag", Some("")),
            ("f", Some("json")),
            ("a b", Some("+")),
            ("", Some("x")),
            ("grou", None),
            ("html", None),
        ] {
            assert_eq!(query.value(name).as_deref(), value, "{name:?}");
        }
        assert_eq!(Query::default().value(""), None);
        let pairs: Vec<_> = Query("b=%32&a&b=1+2".to_owned()).pairs().collect();
        assert_eq!(pairs, [("b", "2"), ("a", ""), ("b", "1 2")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
