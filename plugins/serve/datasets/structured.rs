//! What search engines for datasets read in the head of a dataset's page.
//!
//! # Specification
//! <https://schema.org/Dataset> as JSON-LD, with the members that Google Dataset Search names as required and
//! recommended; RFC 8288 for links to the same dataset in other catalogs.

use serde_json::{Map, Value, json};
use thermocline_core::catalog::DataProvider;
use thermocline_http::html::Escaped;
use thermocline_http::links::BaseUrl;
use thermocline_http::{AccessMethod, App};
use thermocline_search::{Extent, Summary, instant_text};
use thermocline_zarr::ascii_json;

/// Most data variables that are named.
const MAX_VARIABLES: usize = 500;

/// Media types of catalogs that tell of the same dataset.
const CATALOGS: [&str; 2] = ["application/geo+json", "text/yaml"];

/// Elements for the head of a dataset's page.
pub(crate) fn head(app: &App, summary: &Summary, methods: &[AccessMethod], base: &BaseUrl) -> String {
    let mut head = alternates(app, &base.dataset(&summary.id));
    head.push_str("<script type=\"application/ld+json\">");
    head.push_str(&script(&json_ld(summary, methods, base)));
    head.push_str("</script>");
    head
}

/// A document as the content of a `script` element: nothing in it ends the element or begins a comment.
///
/// # Source
/// HTML Living Standard, section 4.12.1.3. In JSON these characters stand within texts only.
fn script(document: &Value) -> String {
    let json = String::from_utf8_lossy(&ascii_json(document)).into_owned();
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Links to the dataset in the catalogs of plugins that run.
fn alternates(app: &App, url: &str) -> String {
    let routes = app.running().flat_map(|plugin| plugin.dataset_routes());
    let links = routes.filter(|route| !route.path.contains('{')).filter_map(|route| {
        let get = route.operations.iter().find(|operation| operation.method == "get")?;
        let media_type = get.media_type.split(';').next().unwrap_or_default();
        let href = format!("{url}{}", route.path);
        CATALOGS
            .contains(&media_type)
            .then(|| format!("<link rel=\"alternate\" type=\"{media_type}\" href=\"{}\">", Escaped(&href)))
    });
    links.collect()
}

fn json_ld(summary: &Summary, methods: &[AccessMethod], base: &BaseUrl) -> Value {
    let url = base.dataset(&summary.id);
    let mut document = json!({
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": summary.display_title(),
        "description": description(summary),
        "identifier": summary.id,
        "url": url,
        "temporalCoverage": format!("{}/{}", summary.span.start_text(), summary.span.end_text()),
        "variableMeasured": variables(summary),
        "distribution": distribution(methods, &url),
        "includedInDataCatalog": {"@type": "DataCatalog", "name": "Thermocline", "url": base.0},
    });
    if let Some(document) = document.as_object_mut() {
        add_optional(document, summary);
        document.extend(thumbnail(methods, &url).map(|url| ("thumbnailUrl".to_owned(), url.into())));
    }
    document
}

fn add_optional(document: &mut Map<String, Value>, summary: &Summary) {
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), value);
        }
    };
    add("license", license(summary).map(Value::from));
    add("keywords", (!summary.keywords.is_empty()).then(|| summary.keywords.clone().into()));
    add("version", summary.version.clone().map(Value::from));
    add("sameAs", summary.doi.as_ref().map(|doi| format!("https://doi.org/{doi}").into()));
    add("creator", organizations(summary, |roles| has(roles, "producer") || has(roles, "processor")));
    add(
        "provider",
        organizations(summary, |roles| has(roles, "host") || has(roles, "licensor") || roles.is_empty()),
    );
    add("spatialCoverage", summary.extent.as_ref().map(place));
    add("dateModified", (summary.updated_ns > 0).then(|| instant_text(summary.updated_ns / 1000).into()));
}

/// Never empty: without a description search engines leave a dataset out.
fn description(summary: &Summary) -> String {
    if let Some(description) = summary.description.as_deref().filter(|text| !text.trim().is_empty()) {
        return description.to_owned();
    }
    let names = summary
        .data_variables()
        .take(20)
        .map(|variable| variable.long_name.as_ref().unwrap_or(&variable.name));
    let names: Vec<&str> = names.map(String::as_str).collect();
    let title = summary.display_title();
    if names.is_empty() { format!("{title}.") } else { format!("{title}. Variables: {}.", names.join(", ")) }
}

/// Where the licence stands.
fn license(summary: &Summary) -> Option<String> {
    let is_spdx = |id: &&str| {
        let is_in_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+');
        !["other", "various", "proprietary"].contains(id) && !id.is_empty() && id.chars().all(is_in_id)
    };
    let of_id = || {
        summary.license.as_deref().filter(is_spdx).map(|id| format!("https://spdx.org/licenses/{id}.html"))
    };
    summary.license_url.clone().or_else(of_id)
}

fn has(roles: &[String], role: &str) -> bool {
    roles.iter().any(|found| found == role)
}

fn organizations(summary: &Summary, is_meant: impl Fn(&[String]) -> bool) -> Option<Value> {
    let meant = summary.providers.iter().filter(|provider| is_meant(&provider.roles));
    let described: Vec<Value> = meant.map(organization).collect();
    (!described.is_empty()).then(|| described.into())
}

fn organization(provider: &DataProvider) -> Value {
    match &provider.url {
        Some(url) => json!({"@type": "Organization", "name": provider.name, "url": url}),
        None => json!({"@type": "Organization", "name": provider.name}),
    }
}

fn place(extent: &Extent) -> Value {
    let [west, south, east, north] = extent.bbox;
    json!({"@type": "Place", "geo": {"@type": "GeoShape", "box": format!("{south} {west} {north} {east}")}})
}

fn variables(summary: &Summary) -> Vec<Value> {
    let named = summary.data_variables().take(MAX_VARIABLES).map(|variable| {
        let mut described = Map::from_iter([
            ("@type".to_owned(), "PropertyValue".into()),
            ("name".to_owned(), variable.name.as_str().into()),
        ]);
        let texts = [
            ("alternateName", &variable.standard_name),
            ("description", &variable.long_name),
            ("unitText", &variable.unit),
        ];
        for (member, text) in texts {
            if let Some(text) = text {
                described.insert(member.to_owned(), text.as_str().into());
            }
        }
        Value::Object(described)
    });
    named.collect()
}

fn distribution(methods: &[AccessMethod], url: &str) -> Vec<Value> {
    let described = methods.iter().filter(|method| !is_thumbnail(method)).map(|method| {
        json!({
            "@type": "DataDownload",
            "name": method.title,
            "encodingFormat": method.media_type,
            "contentUrl": format!("{url}{}", method.path),
        })
    });
    described.collect()
}

/// The address of a small picture of the dataset.
pub(crate) fn thumbnail(methods: &[AccessMethod], url: &str) -> Option<String> {
    methods.iter().find(|method| is_thumbnail(method)).map(|method| format!("{url}{}", method.path))
}

fn is_thumbnail(method: &AccessMethod) -> bool {
    method.roles.contains(&"thumbnail")
}

#[cfg(test)]
mod tests {
    use thermocline_search::Span;

    use super::*;

    fn summary() -> Summary {
        Summary {
            id: "a b".to_owned(),
            collection: "datasets".to_owned(),
            title: Some("</script><script>alert(1)</script><!-- & é".to_owned()),
            description: Some("  ".to_owned()),
            keywords: Vec::new(),
            providers: Vec::new(),
            license: None,
            license_url: None,
            version: None,
            doi: None,
            extent: Some(Extent { bbox: [169.5, -10.0, -169.5, 20.25], footprint: None }),
            span: Span { start_us: 0, end_us: 0, is_instant: true, note: None },
            dimensions: Vec::new(),
            variables: Vec::new(),
            attributes: Vec::new(),
            sources: Vec::new(),
            n_sources: 0,
            len_bytes: 0,
            format: "hdf5".to_owned(),
            created_ns: 0,
            updated_ns: 0,
        }
    }

    #[test]
    fn no_title_breaks_out_of_the_script() {
        let summary = summary();
        let document = json_ld(&summary, &[], &BaseUrl("http://h".into()));
        let text = script(&document);
        assert!(text.is_ascii() && !text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
        assert_eq!(document["name"].as_str(), summary.title.as_deref());
    }

    #[test]
    fn boxes_are_south_west_north_east_and_instants_are_ranges() {
        let document = json_ld(&summary(), &[], &BaseUrl("http://h".into()));
        assert_eq!(document["spatialCoverage"]["geo"]["box"], "-10 169.5 20.25 -169.5");
        assert_eq!(document["temporalCoverage"], "1970-01-01T00:00:00Z/1970-01-01T00:00:00Z");
        assert!(!document["description"].as_str().unwrap().trim().is_empty());
    }

    #[test]
    fn licences_are_addresses() {
        for (license, url, expected) in [
            (Some("CC-BY-4.0"), None, Some("https://spdx.org/licenses/CC-BY-4.0.html")),
            (Some("CC-BY-4.0"), Some("https://a/b"), Some("https://a/b")),
            (Some("other"), None, None),
            (Some("free to all"), None, None),
            (None, None, None),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let summary = Summary { license: owned(license), license_url: owned(url), ..summary() };
            assert_eq!(super::license(&summary).as_deref(), expected, "{license:?} {url:?}");
        }
    }
}
