//! What entries say of datasets and collections besides where the data are.

use std::sync::Arc;

use thermocline_core::catalog::{About, CollectionSpec, DataProvider, PlotDefaults};

use crate::merged::Merged;
use crate::node::{Node, Value};

/// The keys that [`about`] reads.
pub(super) const KEYS: &[&str] = &[
    "collection",
    "license",
    "license_url",
    "keywords",
    "providers",
    "version",
    "doi",
    "spatial",
    "temporal",
    "plot",
];

/// What an entry says of its dataset.
pub(super) fn about(merged: &Merged<'_>) -> About {
    let spatial = merged.get("spatial");
    About {
        collection: merged.text("collection"),
        license: merged.text("license"),
        license_url: merged.text("license_url"),
        keywords: merged.texts("keywords"),
        providers: merged.get("providers").map(providers).unwrap_or_default(),
        version: merged.text("version"),
        doi: merged.text("doi"),
        bbox: spatial.and_then(|spatial| bbox(spatial.get("bbox")?)),
        has_footprint: spatial.is_some_and(|spatial| spatial.text_of("geometry") == Some("footprint")),
        temporal: merged.get("temporal").and_then(temporal),
        fields: Vec::new(),
        plots: merged.get("plot").map(plots).unwrap_or_default(),
    }
}

/// How variables are plotted.
fn plots(node: &Node) -> Vec<PlotDefaults> {
    let defaults = node.entries().iter().map(|variable| {
        let options = variable.node.entries().iter();
        let options = options.filter_map(|option| Some((option.key.clone(), option_text(&option.node)?)));
        PlotDefaults { variable: variable.key.clone(), options: options.collect() }
    });
    defaults.collect()
}

/// The value of an option as a query writes it; lists with commas.
fn option_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(is_on) => Some(if *is_on { "1" } else { "0" }.to_owned()),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(option_text).collect();
            items.map(|items| items.join(","))
        }
        Value::Map(_) | Value::Null => None,
    }
}

/// The collections that a file declares, with their lines.
pub(super) fn collections(file: &Node) -> Vec<(usize, Arc<CollectionSpec>)> {
    let items = file.get("collections").map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| Some((item.line_of("id"), Arc::new(collection(item)?)))).collect()
}

fn collection(item: &Node) -> Option<CollectionSpec> {
    let text = |key: &str| item.text_of(key).map(str::to_owned);
    Some(CollectionSpec {
        id: text("id")?,
        title: text("title"),
        description: text("description")?,
        license: text("license"),
        license_url: text("license_url"),
        keywords: item.get("keywords").map(Node::texts).unwrap_or_default(),
        providers: item.get("providers").map(providers).unwrap_or_default(),
    })
}

fn providers(node: &Node) -> Vec<DataProvider> {
    let provider = |item: &Node| {
        Some(DataProvider {
            name: item.text_of("name")?.to_owned(),
            roles: item.get("roles").map(Node::texts).unwrap_or_default(),
            url: item.text_of("url").map(str::to_owned),
        })
    };
    node.items().iter().filter_map(provider).collect()
}

fn bbox(node: &Node) -> Option<[f64; 4]> {
    let numbers: Vec<f64> = node.items().iter().filter_map(Node::float).collect();
    <[f64; 4]>::try_from(numbers).ok()
}

fn temporal(node: &Node) -> Option<(Option<String>, Option<String>)> {
    match <[String; 2]>::try_from(node.texts()) {
        Ok([start, end]) => Some((Some(start), Some(end))),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_its_data_do_not() {
        let file = crate::yaml::parse(
            "defaults: {license: CC-BY-4.0, keywords: [a, b], spatial: {geometry: footprint}}
item:
  collection: reanalysis
  license_url: https://x.org/l
  keywords: [c]
  providers: [{name: N, roles: [host], url: 'https://n.org'}, {name: M}]
  version: v2
  doi: 10.1/x
  spatial: {bbox: [170, -10.5, -170, 10]}
  temporal: ['1940-01-01T00:00:00Z', '2024-12-31T23:00:00Z']
",
        )
        .unwrap();

        let about = about(&Merged { item: file.get("item").unwrap(), defaults: file.get("defaults") });

        assert_eq!(about.collection.as_deref(), Some("reanalysis"));
        assert_eq!(about.license.as_deref(), Some("CC-BY-4.0"));
        assert_eq!(about.license_url.as_deref(), Some("https://x.org/l"));
        assert_eq!(about.keywords, ["c"]);
        let [first, second] = <[DataProvider; 2]>::try_from(about.providers).unwrap();
        assert_eq!((first.name.as_str(), first.url.as_deref()), ("N", Some("https://n.org")));
        assert_eq!((first.roles, second.roles), (vec!["host".to_owned()], Vec::new()));
        assert_eq!((about.version.as_deref(), about.doi.as_deref()), (Some("v2"), Some("10.1/x")));
        assert_eq!(about.bbox, Some([170.0, -10.5, -170.0, 10.0]));
        // The merge is shallow: the entry's `spatial` takes the place of the whole of the defaults'.
        assert!(!about.has_footprint);
        let temporal = about.temporal.unwrap();
        assert_eq!(temporal.0.as_deref(), Some("1940-01-01T00:00:00Z"));
        assert_eq!(temporal.1.as_deref(), Some("2024-12-31T23:00:00Z"));
    }

    #[test]
    fn plots_of_variables_have_options_as_a_query_writes_them() {
        let file = crate::yaml::parse(
            "item:
  plot:
    tas: {cmap: cmo.thermal, vmin: -40, vmax: 40.5, norm: centered, robust: true}
    ocean/thetao: {levels: [0, 0.5, 1e3]}
",
        )
        .unwrap();
        let about = about(&Merged { item: file.get("item").unwrap(), defaults: None });
        let [tas, thetao] = about.plots.as_slice() else { panic!("{about:?}") };
        let texts = |defaults: &PlotDefaults| -> Vec<String> {
            defaults.options.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert_eq!(tas.variable, "tas");
        assert_eq!(texts(tas), ["cmap=cmo.thermal", "vmin=-40", "vmax=40.5", "norm=centered", "robust=1"]);
        assert_eq!(
            (thetao.variable.as_str(), texts(thetao)),
            ("ocean/thetao", vec!["levels=0,0.5,1000".to_owned()])
        );
    }

    #[test]
    fn collections_are_declared_in_order() {
        let text = "collections:
  - {id: a, title: A, description: All., license: other, license_url: 'https://x.org', keywords: [k]}
  - {id: b, description: Both., providers: [{name: N}]}
";
        let declared = collections(&crate::yaml::parse(text).unwrap());
        let [(2, a), (3, b)] = declared.as_slice() else { panic!("{declared:?}") };
        assert_eq!((a.id.as_str(), a.title.as_deref(), a.description.as_str()), ("a", Some("A"), "All."));
        assert_eq!((a.license.as_deref(), a.license_url.as_deref()), (Some("other"), Some("https://x.org")));
        assert_eq!(a.keywords, ["k"]);
        assert_eq!((b.title.as_deref(), b.license.as_deref()), (None, None));
        assert_eq!(b.providers[0].name, "N");
    }
}
