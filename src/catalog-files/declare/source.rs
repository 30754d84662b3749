//! Where an entry says that its bytes are.

use std::sync::Arc;

use thermocline_core::catalog::SourceSpec;

use super::not_built;
use crate::merged::Merged;
use crate::node::Node;
use crate::pool::Texts;

/// What has to be looked for below the roots.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeclaredSource {
    /// A path or pattern below a root.
    Path { path: Arc<str>, root: Option<Arc<str>> },
    /// The only object below a folder.
    Prefix(Arc<Prefix>),
    /// A file that names the only object.
    List { path: Arc<str>, root: Option<Arc<str>> },
    /// Nothing: the entry says it all.
    Nowhere,
}

/// A folder whose objects are meant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prefix {
    pub(crate) path: String,
    pub(crate) root: Option<Arc<str>>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) is_recursive: bool,
}

impl Prefix {
    /// The prefix that a source names.
    pub(super) fn of(source: &Node, texts: &mut Texts) -> Option<Self> {
        let patterns = |key: &str| source.get(key).map(Node::texts).unwrap_or_default();
        Some(Self {
            path: source.text_of("prefix")?.to_owned(),
            root: root(source, texts),
            include: patterns("include"),
            exclude: patterns("exclude"),
            is_recursive: source.get("recursive").is_none_or(Node::is_true),
        })
    }
}

/// The name of the root that a source names.
pub(super) fn root(source: &Node, texts: &mut Texts) -> Option<Arc<str>> {
    source.text_of("root").map(|root| texts.one(root))
}

/// The source of a dataset: what has to be looked for, and what is known before.
pub(super) fn source(merged: &Merged<'_>, texts: &mut Texts) -> Option<(DeclaredSource, SourceSpec)> {
    let source = merged.item.get("source")?;
    if let Some(reason) = unbuilt_key(merged) {
        return Some((DeclaredSource::Nowhere, SourceSpec::Refused(reason)));
    }
    Some(match place(source, texts) {
        Ok(declared) => (declared, SourceSpec::Refused("it was not looked for yet".to_owned())),
        Err(known) => (DeclaredSource::Nowhere, known),
    })
}

/// The first key of an entry that asks for what is not built. Serving it without would be wrong: the
/// parts of a dataset as one, or what lies elsewhere.
fn unbuilt_key(merged: &Merged<'_>) -> Option<String> {
    if merged.get("aggregate").is_some() {
        return Some(format!("{}: many files cannot be one dataset", not_built("aggregate")));
    }
    unbuilt_key_of_any(merged)
}

/// The same for entries that have a meaning of their own for `aggregate`.
pub(super) fn unbuilt_key_of_any(merged: &Merged<'_>) -> Option<String> {
    let source = merged.item.get("source")?;
    let keys = ["stac", "cmr", "credentials", "start", "end"];
    keys.iter().find(|key| source.get(key).is_some()).map(|key| not_built(&format!("source.{key}")))
}

fn place(source: &Node, texts: &mut Texts) -> Result<DeclaredSource, SourceSpec> {
    let several = |n: usize| {
        let reason = format!("{n} sources make one dataset only by aggregation; {}", not_built("aggregate"));
        SourceSpec::Refused(reason)
    };
    let path = |path: &str, texts: &mut Texts| DeclaredSource::Path {
        path: texts.one(path),
        root: root(source, texts),
    };
    if let Some(paths) = source.get("paths").map(Node::items) {
        return match paths {
            [one] => Ok(path(one.text().unwrap_or_default(), texts)),
            paths => Err(several(paths.len())),
        };
    }
    if let Some(urls) = source.get("urls").map(Node::texts) {
        return Err(match <[String; 1]>::try_from(urls) {
            Ok([url]) => SourceSpec::Object(url),
            Err(urls) => several(urls.len()),
        });
    }
    if let Some(prefix) = Prefix::of(source, texts) {
        return match prefix.path.contains("://") {
            true => Err(SourceSpec::Refused(format!("{} for addresses", not_built("source.prefix")))),
            false => Ok(DeclaredSource::Prefix(Arc::new(prefix))),
        };
    }
    if let Some(list) = source.text_of("list") {
        return match list.contains("://") {
            true => Err(SourceSpec::Refused(format!("{} for addresses", not_built("source.list")))),
            false => Ok(DeclaredSource::List { path: texts.one(list), root: root(source, texts) }),
        };
    }
    match (source.text_of("store"), source.text_of("references")) {
        (Some(store), _) if store.contains("://") => {
            Err(SourceSpec::Directory(store.trim_end_matches('/').to_owned()))
        }
        (_, Some(references)) if references.contains("://") => Err(SourceSpec::Object(references.to_owned())),
        (Some(text), _) | (_, Some(text)) => Ok(path(text, texts)),
        (None, None) => Err(SourceSpec::Refused("the source names nothing".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn source_of(rest: &str) -> (DeclaredSource, SourceSpec) {
        let file = crate::yaml::parse(&format!("datasets:\n  - {{id: a, {rest}}}\n")).unwrap();
        let declared = super::super::parsed(&file, Path::new("/c.yaml")).datasets.pop().unwrap();
        (declared.source, declared.spec.source.clone())
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (rest, name) in [
            ("source: {paths: [a.nc]}, aggregate: {join: time}", "`aggregate`"),
            ("source: {paths: [a.nc, b.nc]}", "`aggregate`"),
            ("source: {urls: ['s3://a/b', 's3://a/c']}", "`aggregate`"),
            ("source: {prefix: 's3://a/b/'}", "`source.prefix`"),
            ("source: {list: 'https://x/files.txt'}", "`source.list`"),
            ("source: {stac: {url: 'https://x', collections: [c]}}", "`source.stac`"),
            ("source: {cmr: {short_name: x}}", "`source.cmr`"),
            ("source: {urls: ['s3://a/b'], credentials: c}", "`source.credentials`"),
            ("source: {paths: [a.nc], start: 2000-01-01}", "`source.start`"),
        ] {
            let (DeclaredSource::Nowhere, SourceSpec::Refused(reason)) = source_of(rest) else {
                panic!("{rest} is accepted")
            };
            assert!(reason.contains(name), "{rest}: {reason}");
        }
    }

    #[test]
    fn addresses_are_known_without_looking() {
        for (rest, expected) in [
            ("source: {urls: ['s3://a/b.nc']}", SourceSpec::Object("s3://a/b.nc".to_owned())),
            ("source: {store: 's3://a/b.zarr/'}", SourceSpec::Directory("s3://a/b.zarr".to_owned())),
            ("source: {references: 'https://a/b.json'}", SourceSpec::Object("https://a/b.json".to_owned())),
        ] {
            assert_eq!(source_of(rest), (DeclaredSource::Nowhere, expected), "{rest}");
        }
    }

    #[test]
    fn a_prefix_is_looked_into_with_its_patterns() {
        let (DeclaredSource::Prefix(prefix), _) = source_of(
            "source: {prefix: a/b, include: ['*.nc'], exclude: ['*_old.nc'], recursive: false, root: r}",
        ) else {
            panic!("no prefix")
        };
        assert_eq!((prefix.path.as_str(), prefix.root.as_deref()), ("a/b", Some("r")));
        assert_eq!(
            (&prefix.include, &prefix.exclude),
            (&vec!["*.nc".to_owned()], &vec!["*_old.nc".to_owned()])
        );
        assert!(!prefix.is_recursive);
    }
}
