//! The JSON document of references, versions 0 and 1.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use thermocline_core::{Error, Result};

use crate::generate;
use crate::template::Templates;

/// Most references of a document, generated ones included.
pub(crate) const MAX_REFERENCES: usize = 10_000_000;

/// What a key refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The very bytes.
    Bytes(Vec<u8>),
    /// A whole object.
    Whole {
        /// Its path or URL.
        url: String,
    },
    /// A part of an object.
    Range {
        /// Its path or URL.
        url: String,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len_bytes: u64,
    },
}

/// All references by key.
pub(crate) type References = BTreeMap<String, Reference>;

/// Reads a document and expands its templates and generators.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Refused`] when it is no document of references.
pub(crate) fn parse(bytes: &[u8]) -> Result<References> {
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|cause| refused("not a document of references").with_source(cause))?;
    if let Some(version) = document.version.filter(|version| *version != 0 && *version != 1) {
        return Err(refused(format!("references of version {version}; 0 and 1 are known")));
    }
    let templates = Templates::new(document.templates);
    let mut references = References::new();
    for (key, raw) in document.references {
        references.insert(key, reference(raw, &templates)?);
    }
    generate::expand(&document.generators, &templates, &mut references)?;
    Ok(references)
}

pub(crate) fn refused(message: impl Into<String>) -> Error {
    Error::refused(message)
}

fn reference(raw: RawReference, templates: &Templates) -> Result<Reference> {
    Ok(match raw {
        RawReference::Text(text) => Reference::Bytes(text_bytes(text)?),
        RawReference::Whole([url]) => Reference::Whole { url: templates.render(url)? },
        RawReference::Range(url, offset, len_bytes) => {
            Reference::Range { url: templates.render(url)?, offset, len_bytes }
        }
        RawReference::Document(object) => Reference::Bytes(Value::Object(object).to_string().into_bytes()),
    })
}

fn text_bytes(text: String) -> Result<Vec<u8>> {
    match text.strip_prefix("base64:") {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|cause| refused("a reference is no base64").with_source(cause))
        }
        None => Ok(text.into_bytes()),
    }
}

/// A reference as it stands in the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawReference {
    Text(String),
    Range(String, u64, u64),
    Whole([String; 1]),
    Document(serde_json::Map<String, Value>),
}

#[derive(Default)]
struct Document {
    version: Option<u64>,
    templates: BTreeMap<String, String>,
    generators: Vec<generate::Generator>,
    references: Vec<(String, RawReference)>,
}

/// The map of references, which may not grow beyond its limit.
struct RawReferences(Vec<(String, RawReference)>);

impl<'de> Deserialize<'de> for RawReferences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawReferences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of references")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawReferences, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    push(&mut entries, entry)?;
                }
                Ok(RawReferences(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn push<E: serde::de::Error>(
    entries: &mut Vec<(String, RawReference)>,
    entry: (String, RawReference),
) -> Result<(), E> {
    if entries.len() >= MAX_REFERENCES {
        return Err(E::custom(format!("more than {MAX_REFERENCES} references")));
    }
    entries.push(entry);
    Ok(())
}

impl<'de> Deserialize<'de> for Document {
    /// What is no member of version 1 is a reference of version 0.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Document;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a document of references")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut document = Document::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "version" => document.version = Some(map.next_value()?),
                        "templates" => document.templates = map.next_value()?,
                        "gen" => document.generators = map.next_value()?,
                        "refs" => document.references = map.next_value::<RawReferences>()?.0,
                        _ => push(&mut document.references, (key, map.next_value()?))?,
                    }
                }
                Ok(document)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
