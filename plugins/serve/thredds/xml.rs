//! Elements of XML.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// A document that is being written.
pub(crate) type Xml = Writer<Vec<u8>>;

/// Adds what a document begins with.
pub(crate) fn push_declaration(xml: &mut Xml) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
}

/// Adds an element that holds a text.
pub(crate) fn push_text(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

/// Adds an element with an attribute that holds a text.
pub(crate) fn push_attributed(
    xml: &mut Xml,
    name: &str,
    attribute: (&str, &str),
    text: &str,
) -> io::Result<()> {
    let element = xml.create_element(name).with_attribute(attribute);
    element.write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

/// A text in which every character that XML does not have is U+FFFD.
///
/// # Source
/// XML 1.0, section 2.2, production `Char`.
pub(crate) fn allowed(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect())
}

fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_have_no_other_characters() {
        let mut xml = Writer::new(Vec::new());
        push_attributed(&mut xml, "a", ("b", "\"<&>'"), "<c>&]]>\u{1}\u{1b}\u{fffe}é\n").unwrap();
        let text = String::from_utf8(xml.into_inner()).unwrap();
        assert_eq!(
            text,
            "<a b=\"&quot;&lt;&amp;&gt;&apos;\">&lt;c&gt;&amp;]]&gt;\u{fffd}\u{fffd}\u{fffd}é\n</a>"
        );
    }
}
