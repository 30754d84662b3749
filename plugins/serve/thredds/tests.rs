//! What clients get through the whole stack.

use quick_xml::Reader;
use quick_xml::events::Event;
use thermocline_http::{AccessMethod, HttpConfig};
use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_search::Summary;
use thermocline_testkit::{TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

/// Opens datasets as the plugins that serve them do.
struct Opening;

impl ServePlugin for Opening {
    fn id(&self) -> &'static str {
        "opening"
    }

    fn access_methods(&self, _summary: &Summary) -> Vec<AccessMethod> {
        let method = |name: &'static str, thredds_service| AccessMethod {
            name: name.to_owned(),
            title: "a test",
            path: format!("/{name}"),
            media_type: "application/octet-stream",
            xarray_call: None,
            roles: &["data"],
            fields: Default::default(),
            thredds_service,
            intake_method: None,
        };
        vec![
            method("zarr", Some("ZARR")),
            method("zarr3", None),
            method("objects/0", Some("HTTPServer")),
            method("objects/1", Some("HTTPServer")),
        ]
    }
}

fn toy() -> ToyDataset {
    let float = DataType::Float { size: 4, order: ByteOrder::Little };
    let mut variable = toy_variable("a<b", &["x"], (&[2], &[2]), float, Vec::new());
    variable.attrs.set("long_name", Attribute::Text("R&D \u{1}".to_owned()));
    let mut toy = ToyDataset::default().with("", variable, &[(0, ToyChunk::Stored(vec![0; 8]))]);
    toy.root_mut().attrs.set("title", Attribute::Text("<Toys> & \"more\"".to_owned()));
    toy
}

async fn server(ids: &[&str]) -> TestServer {
    let toys = ids.iter().map(|id| (*id, toy())).collect();
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ThreddsPlugin::default()), Arc::new(Opening)];
    let server = TestServer::start(toys, plugins, HttpConfig::default()).await.unwrap();
    server.summarise().await.unwrap();
    server
}

/// Every element of a document with its attributes as `name=value`; fails unless it is well-formed.
async fn elements(server: &TestServer, path: &str) -> Vec<(String, Vec<String>)> {
    let answer = server.get(path).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some(XML)),
        "{}",
        answer.text()
    );
    let text = answer.text();
    let mut reader = Reader::from_str(&text);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let attributes = element.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
                    format!("{}={value}", attribute.key.as_ref())
                });
                found.push((element.name().as_ref().to_owned(), attributes.collect()));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn named<'a>(elements: &'a [(String, Vec<String>)], name: &str) -> Vec<&'a [String]> {
    elements.iter().filter(|(found, _)| found == name).map(|(_, attributes)| attributes.as_slice()).collect()
}

#[tokio::test]
async fn the_only_collection_is_at_the_top_too() {
    let server = server(&["a b", "c"]).await;
    assert_eq!(named(&elements(&server, "/catalog.xml").await, "dataset").len(), 2);
}

#[tokio::test]
async fn datasets_have_one_address_for_each_type_of_service() {
    let server = server(&["a b", "c"]).await;
    let catalog = elements(&server, "/catalog/datasets.xml").await;
    let ids: Vec<&String> = named(&catalog, "dataset").into_iter().map(|attributes| &attributes[1]).collect();
    assert_eq!(ids, ["ID=a b", "ID=c"]);
    let accesses = named(&catalog, "access");
    assert_eq!(accesses[0], ["serviceName=zarr", "urlPath=a%20b/zarr"]);
    assert_eq!(accesses[1], ["serviceName=httpserver", "urlPath=a%20b/objects/0"]);
    assert_eq!(accesses.len(), 4);
    let services = named(&catalog, "service");
    assert!(services[1].contains(&"serviceType=HTTPServer".to_owned()), "{services:?}");
    assert!(services[2].contains(&"base=http://test.example/datasets/".to_owned()), "{services:?}");
    assert!(named(&catalog, "variable")[0].contains(&"name=a<b".to_owned()));
}

#[tokio::test]
async fn datasets_without_coordinates_have_no_place() {
    let catalog = elements(&server(&["a"]).await, "/catalog/datasets.xml").await;
    assert_eq!(named(&catalog, "geospatialCoverage").len(), 0);
    assert_eq!(named(&catalog, "timeCoverage").len(), 1);
}

#[tokio::test]
async fn titles_stand_in_pages_as_texts() {
    let server = server(&["a"]).await;
    let page = server.get("/catalog/datasets.html").await.unwrap();
    assert_eq!(page.header("content-type"), Some(HTML));
    assert!(page.text().contains("&lt;Toys&gt; &amp; &quot;more&quot;"), "{}", page.text());
    let top = server.get("/catalog.html").await.unwrap().text();
    assert!(top.contains("http://test.example/catalog.xml"), "{top}");
}

#[tokio::test]
async fn the_site_map_names_every_page() {
    let server = server(&["a&b", "c"]).await;
    let map = server.get("/sitemap.xml").await.unwrap().text();
    assert!(map.contains("<loc>http://test.example/datasets/a%26b</loc>"), "{map}");
    assert!(map.contains("<loc>http://test.example/datasets/c</loc>"), "{map}");
    assert_eq!(server.get("/sitemap/1.xml").await.unwrap().text(), map);
    assert_eq!(server.get("/sitemap/2.xml").await.unwrap().status, 404);
}

#[tokio::test]
async fn places_without_datasets_are_not_found() {
    let server = server(&["a"]).await;
    for path in ["/catalog/nope.xml", "/catalog/datasets/x.xml", "/catalog/datasets", "/catalog/.html"] {
        assert_eq!(server.get(path).await.unwrap().status, 404, "{path}");
    }
    let part = elements(&server, "/catalog/datasets/a.xml").await;
    assert_eq!(named(&part, "dataset").len(), 1);
}

#[tokio::test]
async fn every_document_answers_head_and_conditions() {
    let server = server(&["a"]).await;
    for path in ["/catalog.xml", "/catalog/datasets.xml", "/catalog.html", "/sitemap.xml"] {
        let whole = server.get(path).await.unwrap();
        let head = server.send("HEAD", path, &[]).await.unwrap();
        let same =
            server.send("GET", path, &[("if-none-match", whole.header("etag").unwrap())]).await.unwrap();
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{path}");
        assert_eq!(same.status, 304, "{path}");
    }
}

#[tokio::test]
async fn no_catalog_tells_of_a_dataset_that_one_may_not_read() {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(ThreddsPlugin::default()), Arc::new(Opening)];
    let mut secret = toy();
    secret.root_mut().attrs.set("title", Attribute::Text("Hush".to_owned()));
    let server = TestServer::with_secret(toy(), secret, plugins).await.unwrap();
    let paths =
        ["/catalog.xml", "/catalog.html", "/catalog/datasets.xml", "/catalog/datasets.html", "/sitemap.xml"];
    server.check_keeps_secret(&paths, &["secret", "hush"]).await.unwrap();
}
