//! The forms of an answer: which one a client asks for.

use http::HeaderMap;
use thermocline_http::Problem;
use thermocline_http::negotiate::Weight;
use thermocline_http::problem::NOT_ACCEPTABLE;

/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";
/// Media type of pages.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// xarray's `to_dict`.
    Json,
    /// A page.
    Html,
    /// A NetCDF-4 file.
    NetCdf,
    /// A table as text.
    Csv,
    /// The same table as a stream of Arrow's.
    Arrow,
    /// What it would cost.
    Estimate,
}

impl Form {
    /// All forms with their words. Of those that a client likes the same the first is sent.
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("json", Self::Json),
        ("html", Self::Html),
        ("csv", Self::Csv),
        ("nc", Self::NetCdf),
        ("arrow", Self::Arrow),
        ("estimate", Self::Estimate),
    ];

    /// Its word: the value of `f`, and the extension of files.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, form)| *form == self).map_or("", |(word, _)| word)
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::Estimate => JSON,
            Self::Html => HTML,
            Self::NetCdf => "application/netcdf",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The media types that mean it in `Accept`; none of what only `f` names.
    fn ranges(self) -> Option<(&'static str, &'static [&'static str])> {
        Some(match self {
            Self::Json => ("application", &["json"]),
            Self::Html => ("text", &["html"]),
            Self::Csv => ("text", &["csv"]),
            Self::NetCdf => ("application", &["netcdf", "x-netcdf"]),
            Self::Arrow => ("application", &["vnd.apache.arrow.stream"]),
            Self::Estimate => return None,
        })
    }
}

/// The forms that this server can write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forms {
    /// Whether NetCDF files can be written.
    pub(crate) has_netcdf: bool,
}

impl Forms {
    fn can_write(self, form: Form) -> bool {
        form != Form::NetCdf || self.has_netcdf
    }

    fn all(self) -> impl Iterator<Item = (&'static str, Form)> {
        Form::ALL.into_iter().filter(move |(_, form)| self.can_write(*form))
    }

    /// The form that `f` names.
    ///
    /// # Errors
    /// 400 for a word that is none; 406 for what cannot be written here.
    pub(crate) fn named(self, word: &str) -> Result<Form, Problem> {
        let words = || self.all().map(|(word, _)| word);
        let Some((_, form)) = Form::ALL.into_iter().find(|(known, _)| *known == word) else {
            let detail = format!("f: {word:?} is no form of a result");
            return Err(Problem::invalid_input(detail).with_allowed(words()));
        };
        if !self.can_write(form) {
            let detail = "f: this server cannot write NetCDF files";
            return Err(Problem::new(&NOT_ACCEPTABLE, detail).with_allowed(words()));
        }
        Ok(form)
    }

    /// The form that a client likes best; JSON if it likes all the same.
    ///
    /// # Errors
    /// 406 if it likes none.
    pub(crate) fn accepted(self, headers: &HeaderMap) -> Result<Form, Problem> {
        let mut best: Option<(Weight, Form)> = None;
        for (_, form) in self.all() {
            let Some((kind, subtypes)) = form.ranges() else { continue };
            let weight = Weight::of(headers, kind, subtypes);
            if weight.quality > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, form));
            }
        }
        let media_types = self.all().filter(|(_, form)| form.ranges().is_some());
        best.map(|(_, form)| form).ok_or_else(|| {
            Problem::new(&NOT_ACCEPTABLE, "a result has none of the media types that Accept names")
                .with_allowed(media_types.map(|(_, form)| form.media_type()))
        })
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    const ALL: Forms = Forms { has_netcdf: true };

    fn accepted(accept: &str) -> Result<Form, u16> {
        let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
        ALL.accepted(&headers).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn programs_get_json_and_browsers_pages() {
        assert_eq!(ALL.accepted(&HeaderMap::new()).unwrap(), Form::Json);
        for (accept, expected) in [
            ("*/*", Ok(Form::Json)),
            ("application/*", Ok(Form::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Ok(Form::Html)),
            ("text/csv", Ok(Form::Csv)),
            ("text/csv;q=0.2, application/netcdf;q=0.3", Ok(Form::NetCdf)),
            ("application/x-netcdf", Ok(Form::NetCdf)),
            ("application/vnd.apache.arrow.stream", Ok(Form::Arrow)),
            ("application/json;q=0, */*", Ok(Form::Html)),
            ("image/png", Err(406)),
            ("text/html;q=nan", Err(406)),
            ("nonsense;;q=,=", Err(406)),
        ] {
            assert_eq!(accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_not_offered() {
        let forms = Forms { has_netcdf: false };
        let headers = HeaderMap::from_iter([(ACCEPT, "application/netcdf".parse().unwrap())]);
        assert_eq!(forms.accepted(&headers).unwrap_err().status, 406);
        assert_eq!(forms.named("nc").unwrap_err().status, 406);
        assert_eq!(forms.named("xls").unwrap_err().status, 400);
        assert_eq!(ALL.named("nc").unwrap(), Form::NetCdf);
    }
}
