//! What clients get through the whole stack.

use std::sync::Arc;

use serde_json::Value;
use thermocline_http::HttpConfig;
use thermocline_model::{Attribute, ByteOrder, DataType};
use thermocline_testkit::{Answer, FakeTape, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;

mod cold;
mod grouped;

const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };

const PNG: &[u8] = b"\x89PNG\r\n";

fn bytes_of(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

fn text(name: &str, value: &str) -> (String, Attribute) {
    (name.to_owned(), Attribute::Text(value.to_owned()))
}

/// `tas` of three steps on a grid of 4 × 8 cells, `wind.u` of one, `ocean/thetao` in a group.
fn toy() -> ToyDataset {
    let chunk = |step: u64| ToyChunk::Stored(bytes_of((0..32).map(|cell| (step * 100 + cell) as f64)));
    let coordinate = |name: &str, len: u64, attrs: &[(&str, &str)]| {
        let mut variable = toy_variable(name, &[name], (&[len], &[len]), F8, vec![]);
        for (name, value) in attrs {
            let (name, value) = text(name, value);
            variable.attrs.set(&name, value);
        }
        variable
    };
    let mut tas = toy_variable("tas", &["time", "lat", "lon"], (&[3, 4, 8], &[1, 4, 8]), F8, vec![]);
    tas.attrs.set("long_name", Attribute::Text("</script><b>Air & \"heat\"".into()));
    tas.attrs.set("units", Attribute::Text("K".into()));
    let flat = |name: &str| toy_variable(name, &["lat", "lon"], (&[4, 8], &[4, 8]), F8, vec![]);
    let inline = |values: Vec<f64>| ToyChunk::Inline(bytes_of(values));
    ToyDataset::default()
        .with("", tas, &[(0, chunk(0)), (1, chunk(1)), (2, chunk(2))])
        .with("", flat("wind.u"), &[(0, chunk(3))])
        .with(
            "",
            coordinate("time", 3, &[("units", "days since 2000-01-01"), ("standard_name", "time")]),
            &[(0, inline(vec![0.0, 1.0, 2.0]))],
        )
        .with(
            "",
            coordinate("lat", 4, &[("units", "degrees_north")]),
            &[(0, inline(vec![-67.5, -22.5, 22.5, 67.5]))],
        )
        .with(
            "",
            coordinate("lon", 8, &[("units", "degrees_east")]),
            &[(0, inline((0..8).map(|i| f64::from(i) * 45.0).collect()))],
        )
        .with("ocean", flat("thetao"), &[(0, chunk(4))])
}

async fn server() -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::new(PlotPlugin::default())];
    TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap()
}

async fn plot(server: &TestServer, path: &str) -> Answer {
    server.get(&format!("/datasets/toy/{path}")).await.unwrap()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn a_plot_has_the_form_that_was_asked_for() {
    let server = server().await;
    for (path, media_type, begin) in [
        ("plot/tas.png", "image/png", PNG),
        ("plot/tas", "image/png", PNG),
        ("plot/tas.png?f=webp", "image/webp", b"RIFF".as_slice()),
        ("plot/tas.svg", "image/svg+xml", b"<svg"),
        ("plot/tas.json", "application/json", b"{"),
        ("plot/tas/image/viridis?f=png", "image/png", PNG),
        ("plot/tas/quadmesh/default/time/1_2/lat/-30_30?width=300", "image/png", PNG),
        ("plot/wind.u", "image/png", PNG),
        ("plot/wind.u.png", "image/png", PNG),
        ("plot/ocean%2Fthetao.png", "image/png", PNG),
        ("plot/ocean/thetao.png", "image/png", PNG),
        ("plot/ocean/thetao/image/magma", "image/png", PNG),
        ("plot/thetao.png?group=/ocean", "image/png", PNG),
        ("plot/thumbnail.png", "image/png", PNG),
        ("legend/tas.png", "image/png", PNG),
        ("legend/tas.svg?vmin=0&vmax=1", "image/svg+xml", b"<svg"),
        ("legend/tas.json", "application/json", b"{"),
    ] {
        let answer = plot(&server, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert!(answer.body.starts_with(begin), "{path}");
    }
}

#[tokio::test]
async fn mistakes_have_their_status_and_name_what_would_be_right() {
    let server = server().await;
    for (path, status, culprit) in [
        ("plot/nope.png", 404, "Variable 'nope' not found in dataset"),
        ("plot/nope/image/viridis", 404, "Variable 'nope' not found in dataset"),
        ("plot/tas.png?group=nope", 404, "nope"),
        ("legend/nope.png", 404, "Variable 'nope' not found in dataset"),
        ("plot/tas.jpg", 400, "jpg"),
        ("plot/tas.png?f=jpg", 400, "jpg"),
        ("plot/tas.png?f=png&f=png", 400, "f is given twice"),
        ("plot/tas.png?cmap=..%2f..%2fetc%2fpasswd", 400, "../../etc/passwd"),
        ("plot/tas.png?cmap=magma&cmap=magma", 400, "cmap"),
        ("plot/tas/violin/viridis", 400, "violin"),
        ("plot/tas/image", 400, "image"),
        ("plot/tas.png?vmin=", 400, "vmin"),
        ("plot/tas.png?isel.nope=1", 400, "nope"),
        ("legend/tas.gif", 400, "gif"),
        ("plot/tas.png?width=8193", 413, "8192"),
    ] {
        let answer = plot(&server, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let detail = json_of(&answer)["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(culprit), "{path}: {detail}");
    }
    let allowed = json_of(&plot(&server, "plot/tas.jpg").await)["allowed"].clone();
    assert!(allowed.as_array().is_some_and(|words| words.contains(&"webp".into())), "{allowed}");
}

#[tokio::test]
async fn what_a_client_has_is_not_drawn_again_and_head_draws_nothing() {
    let plugin = Arc::new(PlotPlugin::default());
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::clone(&plugin) as _];
    let server = TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap();
    let path = "/datasets/toy/plot/tas.png?width=300";
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, None));
    let etag = head.header("etag").unwrap().to_owned();
    let same = server.send("GET", path, &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!((same.status.as_u16(), same.header("etag")), (304, Some(etag.as_str())));
    assert_eq!(plugin.cached_bytes(), Some(0), "nothing was drawn");

    let drawn = server.get(path).await.unwrap();
    assert_eq!(drawn.header("etag"), Some(etag.as_str()));
    assert_eq!(
        drawn.header("content-disposition").map(|value| value.starts_with("inline; filename=\"")),
        Some(true)
    );
    assert!(drawn.header("link").is_some_and(|link| link.contains("rel=\"canonical\"")));
    assert!(plugin.cached_bytes() > Some(0));
    let length = drawn.body.len().to_string();
    let head = server.send("HEAD", path, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some(length.as_str()), "it is known now");
}

#[tokio::test]
async fn both_forms_of_an_address_and_the_canonical_one_give_the_same_picture() {
    let server = server().await;
    let first = plot(&server, "plot/tas.png?kind=image&cmap=magma&isel=time=1&width=300").await;
    let link = first.header("link").unwrap();
    let canonical = link.strip_prefix("<http://test.example").unwrap().split('>').next().unwrap().to_owned();
    for path in [
        "/datasets/toy/plot/tas/image/magma/time/1_2?f=png&width=300".to_owned(),
        "/datasets/toy/plot/tas.png?time=2000-01-02&width=300&cmap=magma".to_owned(),
        "/datasets/toy/plot/tas.png?isel.time=1&width=300&cmap=magma".to_owned(),
        canonical,
    ] {
        let other = server.get(&path).await.unwrap();
        assert_eq!(other.header("etag"), first.header("etag"), "{path}");
        assert!(other.body == first.body, "{path}");
    }
}

#[tokio::test]
async fn the_canonical_address_of_a_plot_in_a_group_leads_back_to_it() {
    let server = server().await;
    let first = plot(&server, "plot/thetao.png?group=ocean&width=300").await;
    assert_eq!(first.header("last-modified"), None, "the date of the data says nothing of the renderer");
    let link = first.header("link").unwrap();
    let canonical = link.strip_prefix("<http://test.example").unwrap().split('>').next().unwrap();
    let other = server.get(canonical).await.unwrap();
    assert_eq!((other.status.as_u16(), other.header("etag")), (200, first.header("etag")), "{canonical}");
}

#[tokio::test]
async fn browsers_get_a_small_page_that_loads_nothing_from_elsewhere() {
    let server = server().await;
    let path = "/datasets/toy/plot/tas?cmap=magma";
    let page = server.send("GET", path, &[("accept", "text/html,*/*;q=0.8")]).await.unwrap();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("vary").is_some_and(|vary| vary.contains("Accept")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text();
    assert!(html.len() <= 60_000, "{} bytes", html.len());
    for foreign in ["http://", "https://", "src=\"//", "@import"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(
        !html.contains("<b>Air") && html.contains("&lt;b&gt;Air &amp; &quot;heat&quot;"),
        "names are texts"
    );
    assert!(html.contains("name=\"isel.time\"") && html.contains("2000-01-03"), "a slider with its label");
    assert!(!html.contains("name=\"isel.lat\""), "what is drawn has no slider");
    assert_eq!(html.matches("</script>").count(), 2, "nothing ends a script but its end");

    let titled = server.get("/datasets/toy/plot/tas.html?page=1&title=&kind=").await.unwrap();
    assert!(titled.text().contains("name=\"title\" value=\"\""), "that there is no title is kept");

    let form = "page=1&kind=&cmap=magma&vmin=&vmax=&norm=&proj=&isel.time=0";
    let sent = server.get(&format!("/datasets/toy/plot/tas.html?{form}")).await.unwrap();
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert!(sent.text().contains("2000-01-01"), "the position of the slider counts");
}

#[tokio::test]
async fn lists_tell_what_can_be_asked_for() {
    let server = server().await;
    let list = plot(&server, "plot?f=json").await;
    let variables = json_of(&list)["variables"].clone();
    let names: Vec<&str> = variables.as_array().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["tas", "wind.u", "ocean/thetao"]);
    assert_eq!(variables[0]["kinds"][0], "image");
    let href = variables[2]["links"][0]["href"].as_str().unwrap().to_owned();
    let linked = server.get(href.strip_prefix("http://test.example").unwrap()).await.unwrap();
    assert_eq!((linked.status.as_u16(), linked.header("content-type")), (200, Some("image/png")), "{href}");
    for (path, word) in [
        ("/plot/kinds", "contourf"),
        ("/plot/projections", "mollweide"),
        ("/plot/colormaps", "viridis"),
        ("/plot/colormaps/viridis.json", "#440154"),
        ("/plot/colormaps/cmo.thermal", "#"),
        ("/plot/colormaps?f=html", "Brewer"),
    ] {
        let answer = server.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().contains(word), "{path}");
    }
    assert!(server.get("/plot/colormaps/viridis.png").await.unwrap().body.starts_with(PNG));
    assert_eq!(server.get("/plot/colormaps/virids.png").await.unwrap().status, 404);
}
