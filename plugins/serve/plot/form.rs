//! The forms of an answer: which one a client asks for.

use http::HeaderMap;
use http::header::ACCEPT;
use thermocline_plot::Format;

/// Media type of PNG.
pub(crate) const PNG: &str = "image/png";
/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";
/// Media type of pages.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Words of the forms.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    Format::ALL.iter().map(|(word, _)| *word)
}

/// The form that a client likes best, if it names one of pages, JSON and PNG; of those that it likes the same the first.
/// PNG if it names none of them: browsers that load images name all but that.
pub(crate) fn accepted(headers: &HeaderMap) -> Format {
    let mut best = (0.0, Format::Png);
    let lists = headers.get_all(ACCEPT).into_iter().filter_map(|list| list.to_str().ok());
    for item in lists.flat_map(|list| list.split(',')) {
        let mut parameters = item.split(';').map(str::trim);
        let format = match parameters.next().map(str::to_ascii_lowercase).as_deref() {
            Some("text/html") => Format::Html,
            Some("application/json") => Format::Json,
            Some("image/png" | "image/*") => Format::Png,
            _ => continue,
        };
        let quality = parameters.find_map(|parameter| parameter.strip_prefix("q="));
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        if quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_everybody_else_pictures() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", Format::Png),
            ("*/*", Format::Png),
            ("", Format::Png),
            ("nonsense;;q=,=", Format::Png),
            ("application/json", Format::Json),
            ("application/json, text/plain, */*", Format::Json),
            ("image/png, text/html;q=0.5", Format::Png),
            ("text/html;q=0", Format::Png),
            ("image/*;q=0.2, TEXT/HTML;q=0.5", Format::Html),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(super::accepted(&headers), expected, "{accept:?}");
        }
    }
}
