//! Texts in HTML and XML, and the shell of all pages: small styles inside, nothing from elsewhere.

use std::fmt;

use serde_json::Value;
use thermocline_model::{Attribute, Attributes};

/// Longest text of an attribute on a page, in characters.
const MAX_SHOWN: usize = 2_000;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem 1.5rem 4rem;color:#1b1f23;background:#fff}\
a{color:#0b62a4}code,pre{font-family:ui-monospace,monospace;font-size:.9em}\
pre{background:#f4f6f8;padding:.7rem 1rem;overflow-x:auto;border-radius:6px;margin:.4rem 0 1rem}\
table{border-collapse:collapse;margin:.3rem 0 1rem}td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}\
th{font-weight:600}summary{cursor:pointer}.muted{color:#5c6770}.dim{font-weight:700}\
.attrs td:first-child{color:#5c6770}.attrs td{font-size:.88em;overflow-wrap:anywhere}\
.group{border-left:3px solid #d5dbe1;padding-left:1rem;margin:.6rem 0}.bad{color:#a3261b}\
@media(prefers-color-scheme:dark){body{background:#14181c;color:#dde3e8}a{color:#69b3e7}pre{background:#1e242a}\
.muted,.attrs td:first-child{color:#97a3ad}.group{border-color:#39424b}.bad{color:#ff8a7d}}";

/// A text as HTML and XML show it; for elements and for attributes in double or single quotes.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(position) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(position);
            f.write_str(plain)?;
            let mut characters = special.chars();
            f.write_str(match characters.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                _ => "&#39;",
            })?;
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// A whole page. `body` is HTML, `title` is text.
pub fn page(title: &str, body: &str) -> String {
    page_with_head(title, "", body)
}

/// The same with further elements in its head; `head` is HTML too.
pub fn page_with_head(title: &str, head: &str, body: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>{head}</head>\
         <body>{body}</body></html>\n"
    )
}

/// A link.
pub fn link(href: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", Escaped(href), Escaped(text))
}

/// Attributes as a table: texts as they are, what `json` makes of others as JSON, each only so far as
/// [`shortened`] shows it.
pub fn attributes(attrs: &Attributes, json: impl Fn(&Attribute) -> Value) -> String {
    let rows = attrs.iter().map(|(name, value)| {
        let shown = match value {
            Attribute::Text(text) => shortened(text),
            other => shortened(&json(other).to_string()),
        };
        format!("<tr><td>{}</td><td>{}</td></tr>", Escaped(name), Escaped(&shown))
    });
    format!("<table class=\"attrs\">{}</table>", rows.collect::<String>())
}

/// A text that may be of any length: all of it up to 2000 characters, else the first 2000 and an ellipsis.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_in_texts_is_shown_not_obeyed() {
        assert_eq!(
            Escaped("<b>\"R&D\"</b> it's °C").to_string(),
            "&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt; it&#39;s °C"
        );
    }

    #[test]
    fn markup_in_links_is_shown_not_obeyed() {
        assert_eq!(link("/a?b=\"c", "<x>"), "<a href=\"/a?b=&quot;c\">&lt;x&gt;</a>");
    }

    #[test]
    fn attributes_are_a_table_of_texts_and_json() {
        let mut attrs = Attributes::new();
        attrs.set("<u>", Attribute::Text("\"K\"".into()));
        attrs.set("flags", Attribute::Texts(vec!["a".into(), "b".into()]));

        let table = attributes(&attrs, |_| json!(["a", "b"]));

        assert_eq!(
            table,
            "<table class=\"attrs\"><tr><td>&lt;u&gt;</td><td>&quot;K&quot;</td></tr>\
             <tr><td>flags</td><td>[&quot;a&quot;,&quot;b&quot;]</td></tr></table>"
        );
    }

    #[test]
    fn long_attributes_show_their_beginning() {
        let long = "°".repeat(2_001);
        let shown = format!("<td>{} …</td>", "°".repeat(2_000));
        let mut attrs = Attributes::new();
        attrs.set("text", Attribute::Text(long.clone()));
        assert!(attributes(&attrs, |_| Value::Null).contains(&shown));
        assert_eq!(shortened(&"°".repeat(2_000)), "°".repeat(2_000));

        attrs.set("text", Attribute::Texts(Vec::new()));
        assert!(attributes(&attrs, |_| json!(long)).contains("° …</td>"));
    }
}
