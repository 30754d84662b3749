//! What the global attributes of data say for catalogs.
//!
//! # Source
//! Attribute Convention for Data Discovery 1.3, CF Conventions 1.11, section 2.6, and the global attributes of CMIP6.

use thermocline_core::catalog::{About, DataProvider};
use thermocline_model::{Attribute, Attributes, Number, NumberType};

use super::variables::shortest;
use crate::summary::Value;

/// Most keywords of one dataset.
const MAX_KEYWORDS: usize = 100;

/// Longest text that is searchable, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Most texts of one searchable attribute.
const MAX_TEXTS: usize = 64;

/// Names of global attributes that searches find datasets by.
///
/// ```
/// # use thermocline_search::SearchableAttributes;
/// let cmip6 = SearchableAttributes::default();
/// assert!(cmip6.names().any(|name| name == "experiment_id"));
/// let own = SearchableAttributes::new(["station"]);
/// assert_eq!(own.names().count(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchableAttributes(Vec<String>);

impl SearchableAttributes {
    /// These.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Those that tell data sets of climate models apart.
impl Default for SearchableAttributes {
    fn default() -> Self {
        Self::new([
            "mip_era",
            "activity_id",
            "institution_id",
            "institution",
            "source_id",
            "source_type",
            "experiment_id",
            "sub_experiment_id",
            "member_id",
            "variant_label",
            "table_id",
            "variable_id",
            "grid_label",
            "nominal_resolution",
            "frequency",
            "realm",
            "product",
        ])
    }
}

/// Searchable attributes in the order of the data, then the fields that the catalog found in names of sources.
pub(super) fn searchable(
    names: &SearchableAttributes,
    about: &About,
    attrs: &Attributes,
) -> Vec<(String, Value)> {
    let is_named = |name: &str| names.names().any(|other| other == name);
    let of_data = attrs.iter().filter(|(name, _)| is_named(name));
    let mut found: Vec<(String, Value)> =
        of_data.filter_map(|(name, attribute)| Some((name.to_owned(), value(attribute)?))).collect();
    for (name, field) in &about.fields {
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.clone(), Value::Text(field.clone())));
        }
    }
    found
}

/// An attribute as a value that is compared; `None` for what is none.
fn value(attribute: &Attribute) -> Option<Value> {
    let is_short = |text: &String| text.len() <= MAX_TEXT_BYTES;
    match attribute {
        Attribute::Text(text) => is_short(text).then(|| Value::Text(text.clone())),
        Attribute::Texts(texts) => match texts.as_slice() {
            [only] => is_short(only).then(|| Value::Text(only.clone())),
            texts => {
                (texts.len() <= MAX_TEXTS && texts.iter().all(is_short)).then(|| Value::Texts(texts.to_vec()))
            }
        },
        Attribute::Numbers { dtype, .. } => match attribute.as_number()? {
            Number::Integer(integer) => i64::try_from(integer).ok().map(Value::Integer),
            Number::Float(float) if matches!(dtype, NumberType::F32 | NumberType::F16) => {
                shortest(float).map(Value::Float)
            }
            Number::Float(float) => float.is_finite().then_some(Value::Float(float)),
        },
    }
}

/// A text attribute without white space around it; `None` if nothing is left.
pub(super) fn text(attrs: &Attributes, name: &str) -> Option<String> {
    let text = attrs.text(name)?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Keywords of the catalog, else those of the data, which commas separate.
pub(super) fn keywords(about: &About, attrs: &Attributes) -> Vec<String> {
    if !about.keywords.is_empty() {
        return about.keywords.clone();
    }
    let mut keywords: Vec<String> = Vec::new();
    for keyword in attrs.text("keywords").unwrap_or_default().split(',').map(str::trim) {
        if !keyword.is_empty()
            && keywords.len() < MAX_KEYWORDS
            && !keywords.iter().any(|known| known == keyword)
        {
            keywords.push(keyword.to_owned());
        }
    }
    keywords
}

/// Who made the data: those whom the catalog names, else `institution` and `creator_name`.
pub(super) fn providers(about: &About, attrs: &Attributes) -> Vec<DataProvider> {
    if !about.providers.is_empty() {
        return about.providers.clone();
    }
    let producer = |name: &str, url: &str| {
        let url = text(attrs, url).filter(|url| is_web(url));
        Some(DataProvider { name: text(attrs, name)?, roles: vec!["producer".to_owned()], url })
    };
    let mut providers: Vec<DataProvider> = producer("institution", "institution_url").into_iter().collect();
    providers.extend(
        producer("creator_name", "creator_url")
            .filter(|creator| providers.iter().all(|known| known.name != creator.name)),
    );
    providers
}

/// The digital object identifier that the data name.
pub(super) fn doi(attrs: &Attributes) -> Option<String> {
    let named = ["doi", "identifier_product_doi"].into_iter().find_map(|name| text(attrs, name))?;
    let bare = ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:"]
        .iter()
        .find_map(|prefix| named.strip_prefix(prefix))
        .unwrap_or(&named)
        .trim();
    (bare.starts_with("10.") && bare.contains('/')).then(|| bare.to_owned())
}

/// Licence and where it stands: what the catalog says, else the attribute `license`.
///
/// A text that is no SPDX id is `other`, with the first address in it.
pub(super) fn license(about: &About, attrs: &Attributes) -> (Option<String>, Option<String>) {
    if about.license.is_some() || about.license_url.is_some() {
        return (about.license.clone(), about.license_url.clone());
    }
    let Some(text) = text(attrs, "license") else { return (None, None) };
    let url = text.split(|c: char| c.is_whitespace() || "()<>\"'".contains(c)).find(|word| is_web(word));
    let url = url.map(|url| url.trim_end_matches(['.', ',', ';']).to_owned());
    let spdx = spdx(&text).or_else(|| url.as_deref().and_then(spdx_of_address));
    (Some(spdx.unwrap_or("other").to_owned()), url)
}

fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Licences that data are given under.
///
/// # Source
/// SPDX License List 3.27, <https://spdx.org/licenses/>.
const LICENSES: [&str; 25] = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-3.0",
    "CC-BY-2.5",
    "CC-BY-2.0",
    "CC-BY-SA-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-3.0",
    "CC-BY-ND-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-ND-4.0",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
    "OGL-UK-3.0",
    "OGL-UK-2.0",
    "OGL-Canada-2.0",
    "etalab-2.0",
    "DL-DE-BY-2.0",
    "DL-DE-ZERO-2.0",
    "MIT",
    "BSD-3-Clause",
    "Apache-2.0",
];

/// The SPDX id that a whole text is, in any case and with spaces or hyphens.
fn spdx(text: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace([' ', '_'], "-").to_ascii_lowercase();
    let text = plain(text.trim().trim_end_matches('.'));
    LICENSES.into_iter().find(|id| plain(id) == text)
}

/// The SPDX id of an address at Creative Commons.
fn spdx_of_address(url: &str) -> Option<&'static str> {
    let path = url.split_once("creativecommons.org/")?.1.to_ascii_lowercase();
    let mut parts = path.split('/');
    match (parts.next()?, parts.next()?, parts.next()?) {
        ("licenses", kind, version) => spdx(&format!("cc-{kind}-{version}")),
        ("publicdomain", "zero", version) => spdx(&format!("cc0-{version}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), Attribute::Text((*text).to_owned()))).collect()
    }

    #[test]
    fn licences_are_spdx_ids_or_other() {
        let of = |text: &str| license(&About::default(), &texts(&[("license", text)]));
        let pair = |id: &str, url: Option<&str>| (Some(id.to_owned()), url.map(str::to_owned));
        assert_eq!(of("CC-BY-4.0"), pair("CC-BY-4.0", None));
        assert_eq!(of("cc by 4.0"), pair("CC-BY-4.0", None));
        assert_eq!(of("  "), (None, None));
        assert_eq!(of("Free to use"), pair("other", None));
        let address = "https://creativecommons.org/licenses/by-sa/4.0/";
        assert_eq!(of(&format!("Share Alike (see {address}).")), pair("CC-BY-SA-4.0", Some(address)));
        assert_eq!(of("see https://example.org/terms."), pair("other", Some("https://example.org/terms")));
        let about = About { license: Some("MIT".into()), ..About::default() };
        assert_eq!(license(&about, &texts(&[("license", "CC-BY-4.0")])), pair("MIT", None));
    }

    #[test]
    fn numbers_stay_numbers_and_fields_of_names_come_after() {
        let mut attrs = texts(&[("source_id", "X"), ("comment", "no")]);
        attrs.set("table_id", Attribute::number(NumberType::I32, Number::Integer(128)));
        attrs.set("product", Attribute::number(NumberType::F32, Number::Float(f64::from(0.1_f32))));
        attrs.set("realm", Attribute::number(NumberType::F64, Number::Float(f64::NAN)));
        let about = About {
            fields: vec![("source_id".into(), "Y".into()), ("member".into(), "r1".into())],
            ..About::default()
        };
        let found = searchable(&SearchableAttributes::default(), &about, &attrs);
        let expected = [
            ("source_id", Value::Text("X".into())),
            ("table_id", Value::Integer(128)),
            ("product", Value::Float(0.1)),
            ("member", Value::Text("r1".into())),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn keywords_producers_and_identifiers_come_from_the_data_where_the_catalog_is_silent() {
        let attrs = texts(&[
            ("keywords", "sea, ice,, sea "),
            ("institution", "A"),
            ("creator_name", "B"),
            ("creator_url", "javascript:1"),
            ("doi", "https://doi.org/10.1/x"),
        ]);
        assert_eq!(keywords(&About::default(), &attrs), ["sea", "ice"]);
        let providers = providers(&About::default(), &attrs);
        assert_eq!(providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        assert!(providers.iter().all(|provider| provider.url.is_none() && provider.roles == ["producer"]));
        assert_eq!(doi(&attrs).as_deref(), Some("10.1/x"));
        assert_eq!(doi(&texts(&[("doi", "unknown")])), None);
    }
}
