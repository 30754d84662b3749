//! From the entries of a file to what they declare.

use std::time::Duration;

use thermocline_core::catalog::AttributeOverride;
use thermocline_model::{Attribute, Number, NumberType};

use crate::node::{Node, Value};

/// A dataset of a file, before its paths are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) id: String,
    pub(crate) line: usize,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) source: DeclaredSource,
    pub(crate) format: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) variables: Option<Vec<String>>,
    pub(crate) exclude_variables: Vec<String>,
    pub(crate) attributes: Vec<AttributeOverride>,
    pub(crate) is_hidden: bool,
    pub(crate) invalidate_after: Duration,
    /// The cold store on which its files are said to lie.
    pub(crate) store: Option<String>,
}

/// Where the bytes are, as a file says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeclaredSource {
    /// A path or pattern below a root.
    Path { path: String, root: Option<String> },
    /// A URL of one object.
    Url(String),
    /// A URL of a directory store.
    StoreUrl(String),
    /// A feature that is not built yet.
    Refused(String),
}

/// Everything that a file declares.
pub(crate) fn datasets(file: &Node) -> Vec<Declared> {
    let nothing = Node { line: file.line, value: Value::Map(Vec::new()) };
    let defaults = file.get("defaults").unwrap_or(&nothing);
    let mut declared = Vec::new();
    for (section, feature) in
        [("datasets", None), ("families", Some("families")), ("harvest", Some("harvest"))]
    {
        for item in file.get(section).map(Node::items).unwrap_or_default() {
            declared.extend(dataset(&Merged { item, defaults }, feature));
        }
    }
    declared
}

/// An entry over the defaults of its file: a shallow merge.
struct Merged<'a> {
    item: &'a Node,
    defaults: &'a Node,
}

impl<'a> Merged<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.item.get(key).or_else(|| self.defaults.get(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }
}

fn dataset(merged: &Merged<'_>, feature: Option<&str>) -> Option<Declared> {
    let refused = match feature {
        Some(feature) => Some(not_built(feature)),
        None => unbuilt_key(merged),
    };
    let source = match refused {
        Some(reason) => DeclaredSource::Refused(reason),
        None => source(merged.item.get("source")?),
    };
    let references = merged.item.get("source")?.get("references").map(|_| "kerchunk".to_owned());
    let invalidate_after = merged.text("invalidate_after").and_then(|text| duration(&text));
    Some(Declared {
        id: merged.item.text_of("id")?.to_owned(),
        line: merged.item.line_of("id"),
        title: merged.text("title"),
        description: merged.text("description"),
        source,
        format: merged.text("format").filter(|format| format != "auto").or(references),
        group: merged.text("group").filter(|group| group != "/" && group != "all"),
        variables: merged.get("variables").map(Node::texts),
        exclude_variables: merged.get("exclude_variables").map(Node::texts).unwrap_or_default(),
        attributes: merged.get("attributes").map(attributes).unwrap_or_default(),
        is_hidden: merged
            .item
            .bool_of("hidden")
            .or_else(|| merged.defaults.bool_of("hidden"))
            .unwrap_or(false),
        invalidate_after: invalidate_after.unwrap_or_default(),
        store: merged.text("cold"),
    })
}

fn not_built(feature: &str) -> String {
    format!("`{feature}` is not built yet")
}

/// The first key of an entry that asks for what is not built. Serving it without would be wrong: the
/// parts of a dataset as one, data to those who may not read them.
fn unbuilt_key(merged: &Merged<'_>) -> Option<String> {
    if merged.get("aggregate").is_some() {
        return Some(format!("{}: many files cannot be one dataset", not_built("aggregate")));
    }
    if merged.text("access").is_some_and(|access| access != "public") {
        return Some(format!("{}: only public datasets are served", not_built("access")));
    }
    let source = merged.item.get("source")?;
    let keys = ["prefix", "list", "stac", "cmr", "credentials", "start", "end"];
    keys.iter().find(|key| source.get(key).is_some()).map(|key| not_built(&format!("source.{key}")))
}

fn source(source: &Node) -> DeclaredSource {
    let root = source.text_of("root").map(str::to_owned);
    let several = |n: usize| {
        let reason = format!("{n} sources make one dataset only by aggregation; {}", not_built("aggregate"));
        DeclaredSource::Refused(reason)
    };
    if let Some(paths) = source.get("paths").map(Node::texts) {
        return match <[String; 1]>::try_from(paths) {
            Ok([path]) => DeclaredSource::Path { path, root },
            Err(paths) => several(paths.len()),
        };
    }
    if let Some(urls) = source.get("urls").map(Node::texts) {
        return match <[String; 1]>::try_from(urls) {
            Ok([url]) => DeclaredSource::Url(url),
            Err(urls) => several(urls.len()),
        };
    }
    match (source.text_of("store"), source.text_of("references")) {
        (Some(store), _) if store.contains("://") => {
            DeclaredSource::StoreUrl(store.trim_end_matches('/').to_owned())
        }
        (_, Some(references)) if references.contains("://") => DeclaredSource::Url(references.to_owned()),
        (Some(path), _) | (_, Some(path)) => DeclaredSource::Path { path: path.to_owned(), root },
        (None, None) => DeclaredSource::Refused("the source names nothing".to_owned()),
    }
}

fn attributes(node: &Node) -> Vec<AttributeOverride> {
    let global = node.get("global").map(Node::entries).unwrap_or_default();
    let global = global.iter().map(|entry| (None, entry));
    let variables = node.get("variables").map(Node::entries).unwrap_or_default();
    let variables = variables
        .iter()
        .flat_map(|variable| variable.node.entries().iter().map(|entry| (Some(variable.key.clone()), entry)));
    global
        .chain(variables)
        .filter_map(|(variable, entry)| {
            Some(AttributeOverride { variable, name: entry.key.clone(), value: attribute(&entry.node)? })
        })
        .collect()
}

/// The value of an attribute, `Some(None)` for one that is to be removed; `None` if it cannot be one.
pub(crate) fn attribute(node: &Node) -> Option<Option<Attribute>> {
    Some(Some(match &node.value {
        Value::Null => return Some(None),
        Value::Text(text) => Attribute::Text(text.clone()),
        Value::List(items) if !items.is_empty() && items.iter().all(|item| item.text().is_some()) => {
            Attribute::Texts(node.texts())
        }
        Value::List(items) => {
            let numbers = items.iter().map(number).collect::<Option<Vec<_>>>()?;
            let is_float = numbers.iter().any(|(dtype, _)| dtype.is_float());
            let dtype = if is_float { NumberType::F64 } else { NumberType::I64 };
            let values = numbers
                .into_iter()
                .map(|(_, value)| if is_float { Number::Float(value.as_f64()) } else { value })
                .collect::<Vec<_>>();
            Attribute::Numbers { dtype, shape: vec![values.len() as u64], values }
        }
        Value::Map(_) => return None,
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
            let (dtype, value) = number(node)?;
            Attribute::number(dtype, value)
        }
    }))
}

fn number(node: &Node) -> Option<(NumberType, Number)> {
    match node.value {
        Value::Bool(value) => Some((NumberType::Bool, Number::Integer(i128::from(value)))),
        Value::Integer(value) => Some((NumberType::I64, Number::Integer(i128::from(value)))),
        Value::Float(value) => Some((NumberType::F64, Number::Float(value))),
        _ => None,
    }
}

/// A duration like `90s` or `7d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Vec<Declared> {
        datasets(&crate::yaml::parse(text).unwrap())
    }

    #[test]
    fn defaults_stand_under_every_dataset() {
        let text = "version: 1
defaults: {title: T, hidden: true, invalidate_after: 2h}
datasets:
  - {id: a, source: {paths: [a.nc]}}
  - {id: b, title: B, hidden: false, source: {paths: [b.nc]}}
";
        let [a, b] = <[Declared; 2]>::try_from(declared(text)).unwrap();
        assert_eq!((a.title.as_deref(), a.is_hidden), (Some("T"), true));
        assert_eq!(a.invalidate_after, Duration::from_secs(7200));
        assert_eq!((b.title.as_deref(), b.is_hidden), (Some("B"), false));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (rest, name) in [
            ("source: {paths: [a.nc]}, aggregate: {join: time}", "`aggregate`"),
            ("source: {paths: [a.nc, b.nc]}", "`aggregate`"),
            ("source: {urls: ['s3://a/b', 's3://a/c']}", "`aggregate`"),
            ("source: {paths: [a.nc]}, access: staff", "`access`"),
            ("source: {prefix: 's3://a/b/'}", "`source.prefix`"),
            ("source: {list: files.txt}", "`source.list`"),
            ("source: {stac: {url: 'https://x', collections: [c]}}", "`source.stac`"),
            ("source: {cmr: {short_name: x}}", "`source.cmr`"),
            ("source: {urls: ['s3://a/b'], credentials: c}", "`source.credentials`"),
            ("source: {paths: [a.nc], start: 2000-01-01}", "`source.start`"),
        ] {
            let [dataset] =
                <[Declared; 1]>::try_from(declared(&format!("datasets:\n  - {{id: a, {rest}}}\n"))).unwrap();
            let DeclaredSource::Refused(reason) = dataset.source else { panic!("{rest} is accepted") };
            assert!(reason.contains(name), "{rest}: {reason}");
        }
        let text = "families: [{id: 'x.{m}', source: {paths: ['{m}.nc']}}]\nharvest: [{id: h, source: {prefix: 's3://b/c/'}}]\n";
        let reasons: Vec<_> = declared(text).into_iter().map(|dataset| dataset.source).collect();
        assert_eq!(
            reasons,
            ["families", "harvest"].map(|name| DeclaredSource::Refused(format!("`{name}` is not built yet")))
        );
    }

    #[test]
    fn attributes_keep_their_kinds() {
        let text = "datasets:
  - id: a
    source: {paths: [a.nc]}
    attributes: {global: {t: x, gone: null, n: 1, f: 1.5, l: [1, 2.5], s: [a, b]}, variables: {v: {k: true}}}
";
        let [dataset] = <[Declared; 1]>::try_from(declared(text)).unwrap();
        let of = |name: &str| dataset.attributes.iter().find(|change| change.name == name).unwrap().clone();
        assert_eq!(of("gone").value, None);
        assert_eq!(of("n").value, Some(Attribute::number(NumberType::I64, Number::Integer(1))));
        assert_eq!(of("f").value, Some(Attribute::number(NumberType::F64, Number::Float(1.5))));
        assert_eq!(
            of("l").value,
            Some(Attribute::Numbers {
                dtype: NumberType::F64,
                shape: vec![2],
                values: vec![Number::Float(1.0), Number::Float(2.5)]
            })
        );
        assert_eq!(of("s").value, Some(Attribute::Texts(vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(of("k").variable.as_deref(), Some("v"));
    }
}
