//! From the entries of a file to what they declare.

mod about;
mod attributes;
mod family;
mod harvest;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::catalog::{About, AttributeOverride, CollectionSpec, DatasetSpec, SourceSpec};
use thermocline_model::DatasetId;

use crate::merged::Merged;
use crate::node::Node;
use crate::pool::{Pool, Texts};

pub(crate) use attributes::attribute;
pub(crate) use family::{Family, mistake};
pub(crate) use harvest::{DeclaredHarvest, Look};
pub(crate) use source::{DeclaredSource, Prefix};

/// Everything that a file declares.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) datasets: Vec<Declared>,
    pub(crate) families: Vec<Family>,
    pub(crate) harvests: Vec<DeclaredHarvest>,
    /// With their lines.
    pub(crate) collections: Vec<(usize, Arc<CollectionSpec>)>,
}

/// A dataset of a file.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) line: usize,
    /// The dataset; its source is refused before it was looked for.
    pub(crate) spec: Arc<DatasetSpec>,
    pub(crate) source: DeclaredSource,
    /// The cold store on which its files are said to lie.
    pub(crate) store: Option<Arc<str>>,
}

/// Reads a file that has no mistakes. What many entries say alike is kept once.
pub(crate) fn parsed(file: &Node, path: &Path) -> Parsed {
    let mut maker = Maker { path, defaults: file.get("defaults"), ..Maker::new(path) };
    let items = |section: &str| file.get(section).map(Node::items).unwrap_or_default();
    Parsed {
        datasets: items("datasets").iter().filter_map(|item| maker.dataset(item)).collect(),
        families: items("families").iter().filter_map(|item| maker.family(item)).collect(),
        harvests: items("harvest").iter().filter_map(|item| maker.harvest(item)).collect(),
        collections: about::collections(file),
    }
}

impl Parsed {
    /// Ids of all entries with their lines.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&str, usize)> {
        let datasets = self.datasets.iter().map(|dataset| (dataset.spec.id.as_str(), dataset.line));
        let families = self.families.iter().map(|family| (family.id.as_str(), family.line));
        let harvests = self.harvests.iter().map(|harvest| (harvest.spec.id.as_str(), harvest.line));
        datasets.chain(families).chain(harvests)
    }
}

/// Makes specifications of the entries of one file.
struct Maker<'a> {
    path: &'a Path,
    defaults: Option<&'a Node>,
    texts: Texts,
    abouts: Pool<Arc<About>>,
    attributes: Pool<Arc<[AttributeOverride]>>,
}

impl<'a> Maker<'a> {
    fn new(path: &'a Path) -> Self {
        Self {
            path,
            defaults: None,
            texts: Texts::default(),
            abouts: Pool::default(),
            attributes: Pool::default(),
        }
    }

    fn merged<'n>(&self, item: &'n Node) -> Merged<'n>
    where
        'a: 'n,
    {
        Merged { item, defaults: self.defaults }
    }

    fn dataset(&mut self, item: &Node) -> Option<Declared> {
        let merged = self.merged(item);
        let (source, found) = source::source(&merged, &mut self.texts)?;
        Some(Declared {
            line: item.line_of("id"),
            spec: Arc::new(self.spec(&merged, found)?),
            source,
            store: self.store(&merged),
        })
    }

    fn store(&mut self, merged: &Merged<'_>) -> Option<Arc<str>> {
        merged.get("cold").and_then(Node::text).map(|store| self.texts.one(store))
    }

    /// What an entry says of each of its datasets, under the id of the entry.
    fn spec(&mut self, merged: &Merged<'_>, source: SourceSpec) -> Option<DatasetSpec> {
        let id = DatasetId::new(merged.item.text_of("id")?).ok()?;
        let references = merged.item.get("source")?.get("references").map(|_| "kerchunk".to_owned());
        let about = self.abouts.one(merged.hash_of(about::KEYS), Arc::new(about::about(merged)));
        let attributes = match merged.get("attributes") {
            Some(node) => {
                let changes = attributes::attributes(node).into();
                self.attributes.one(merged.hash_of(&["attributes"]), changes)
            }
            None => Arc::default(),
        };
        let origin = format!("{}:{}", self.path.display(), merged.item.line_of("id"));
        Some(DatasetSpec {
            title: merged.text("title"),
            description: merged.text("description"),
            format: merged.text("format").filter(|format| format != "auto").or(references),
            group: merged.text("group").filter(|group| group != "/" && group != "all"),
            variables: merged.get("variables").map(Node::texts),
            exclude_variables: merged.texts("exclude_variables"),
            attributes,
            is_hidden: merged.is_true("hidden"),
            access: merged.text("access").map(|rule| self.texts.one(&rule)),
            invalidate_after: merged
                .text("invalidate_after")
                .and_then(|text| duration(&text))
                .unwrap_or_default(),
            about,
            ..DatasetSpec::new(id, source, origin)
        })
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

/// The answer to what is not built.
fn not_built(feature: &str) -> String {
    format!("`{feature}` is not built yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Vec<Declared> {
        parsed(&crate::yaml::parse(text).unwrap(), Path::new("/c.yaml")).datasets
    }

    #[test]
    fn defaults_stand_under_every_dataset() {
        let text = "version: 1
defaults: {title: T, hidden: true, invalidate_after: 2h, license: MIT}
datasets:
  - {id: a, source: {paths: [a.nc]}}
  - {id: b, title: B, hidden: false, source: {paths: [b.nc]}}
";
        let [a, b] = <[Declared; 2]>::try_from(declared(text)).unwrap();
        assert_eq!((a.spec.title.as_deref(), a.spec.is_hidden), (Some("T"), true));
        assert_eq!(a.spec.invalidate_after, Duration::from_secs(7200));
        assert_eq!((b.spec.title.as_deref(), b.spec.is_hidden), (Some("B"), false));
        assert_eq!(b.spec.about.license.as_deref(), Some("MIT"));
        assert_eq!(b.spec.origin, "/c.yaml:5");
    }

    #[test]
    fn an_access_rule_holds_for_every_kind_of_entry_and_under_all_of_a_file() {
        let text = "version: 1
defaults: {access: staff}
datasets:
  - {id: a, source: {paths: [a.nc]}}
  - {id: b, access: public, source: {paths: [b.nc]}}
families:
  - {id: 'f.{x}', source: {paths: ['{x}.nc']}}
harvest:
  - {id: h, access: guests, source: {prefix: 'h/'}}
";
        let parsed = parsed(&crate::yaml::parse(text).unwrap(), Path::new("/c.yaml"));
        let rules: Vec<Option<&str>> =
            parsed.datasets.iter().map(|dataset| dataset.spec.access.as_deref()).collect();
        assert_eq!(rules, [Some("staff"), Some("public")]);
        assert_eq!(parsed.families[0].template.access.as_deref(), Some("staff"));
        assert_eq!((&parsed.families[0].refused, &parsed.harvests[0].refused), (&None, &None));
        assert_eq!(parsed.harvests[0].spec.template.access.as_deref(), Some("guests"));
        assert_eq!(declared("datasets:\n  - {id: a, source: {paths: [a.nc]}}\n")[0].spec.access, None);
    }

    #[test]
    fn what_entries_say_alike_is_kept_once() {
        let entry = |id: &str, license: &str| {
            format!(
                "  - {{id: {id}, license: {license}, attributes: {{global: {{a: 1}}}}, source: {{paths: [a.nc]}}}}\n"
            )
        };
        let text = ["datasets:\n".to_owned(), entry("a", "MIT"), entry("b", "MIT"), entry("c", "other")];
        let [a, b, c] = <[Declared; 3]>::try_from(declared(&text.concat())).unwrap();
        assert!(Arc::ptr_eq(&a.spec.about, &b.spec.about));
        assert!(!Arc::ptr_eq(&a.spec.about, &c.spec.about));
        assert!(Arc::ptr_eq(&a.spec.attributes, &c.spec.attributes));
    }

    #[test]
    fn durations_that_do_not_fit_are_none() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(duration("99999999999999999999d"), None);
    }
}
