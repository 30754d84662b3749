//! What clients get through the whole stack.

use std::path::PathBuf;

use serde_json::{Value, json};
use thermocline_groupby::EngineSettings;
use thermocline_http::HttpConfig;
use thermocline_testkit::{Answer, FakeTape, TestServer, ToyChunk, ToyDataset, toy_variable};

use super::*;
use crate::{GroupbyPlugin, GroupbyPluginSettings};
use thermocline_groupby::Engine;
use thermocline_http::ServePlugin;

const MEAN: &str = "/datasets/toy/groupby/tas/time.month/mean";

const F8: DataType = DataType::Float { size: 8, order: ByteOrder::Little };

fn bytes_of(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}

/// `tas(time, lat, lon)` of 31 January to 3 February, `100 time + 10 lat + lon`, in chunks that stand over the edge.
fn toy() -> ToyDataset {
    let value = |time: u32, lat: u32, lon: u32| f64::from(100 * time + 10 * lat + lon);
    let chunk = |first_time: u32, first_lat: u32| {
        let times = first_time..first_time + 2;
        let cells = times.flat_map(move |time| {
            let lats = first_lat..first_lat + 2;
            lats.flat_map(move |lat| (0..2).map(move |lon| value(time, lat, lon)))
        });
        ToyChunk::Stored(bytes_of(cells))
    };
    let mut tas = toy_variable("tas", &["time", "lat", "lon"], (&[4, 3, 2], &[2, 2, 2]), F8, vec![]);
    tas.attrs.set("units", Attribute::Text("<K>".into()));
    let mut time = toy_variable("time", &["time"], (&[4], &[4]), F8, vec![]);
    time.attrs.set("units", Attribute::Text("days since 2000-01-31".into()));
    let lat = toy_variable("lat", &["lat"], (&[3], &[3]), F8, vec![]);
    ToyDataset::default()
        .with("", tas, &[(0, chunk(0, 0)), (1, chunk(0, 2)), (2, chunk(2, 0)), (3, chunk(2, 2))])
        .with("", time, &[(0, ToyChunk::Inline(bytes_of([0.0, 1.0, 2.0, 3.0])))])
        .with("", lat, &[(0, ToyChunk::Inline(bytes_of([-45.0, 0.0, 45.0])))])
}

fn plugins() -> Vec<Arc<dyn ServePlugin>> {
    plugins_of(EngineSettings::default())
}

fn plugins_of(settings: EngineSettings) -> Vec<Arc<dyn ServePlugin>> {
    let engine = Arc::new(Engine::new(settings));
    vec![Arc::new(GroupbyPlugin::new(GroupbyPluginSettings::default(), engine, None))]
}

async fn server() -> TestServer {
    TestServer::start(vec![("toy", toy())], plugins(), HttpConfig::default()).await.unwrap()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// The means: of 31 January, and of the three days of February.
fn expected() -> Value {
    json!([[[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]], [[200.0, 201.0], [210.0, 211.0], [220.0, 221.0]]])
}

#[tokio::test]
async fn a_result_has_the_form_that_was_asked_for() {
    let server = server().await;
    for (query, accept, media_type) in [
        ("", "*/*", "application/json"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("", "text/csv", "text/csv; charset=utf-8"),
        ("?f=arrow", "text/html", "application/vnd.apache.arrow.stream"),
        ("/f=csv", "text/html", "text/csv; charset=utf-8"),
        ("?f=estimate", "text/html", "application/json"),
    ] {
        let answer = server.send("GET", &format!("{MEAN}{query}"), &[("accept", accept)]).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some(media_type)),
            "{query}"
        );
        let link = answer.header("link").unwrap();
        assert!(link.contains("/mean>; rel=\"canonical\"") && link.contains("/mean/zarr>"), "{link}");
    }
    let json = json_of(&server.get(MEAN).await.unwrap());
    assert_eq!(json["data_vars"]["tas"]["data"], expected());
    assert_eq!(json["coords"]["month"]["data"], json!([1, 2]));
}

#[tokio::test]
async fn mistakes_are_problems_that_say_what_is_allowed() {
    let server = server().await;
    for (method, path, accept, status, detail) in [
        ("GET", "tas/time.month/shout", "*/*", 400, "Groupby action 'shout' not recognized"),
        ("GET", "nope/time.month/mean", "*/*", 404, "Variable 'nope' not found in dataset"),
        ("GET", "tas/nope.month/mean", "*/*", 404, "Groupby coordinate 'nope.month' not found in dataset"),
        ("GET", "tas/time.month", "*/*", 400, "an action"),
        ("GET", "tas/time.month/mean/max", "*/*", 400, "no option"),
        ("GET", "tas/time.month/std/ddof=1?ddof=1", "*/*", 400, "ddof"),
        ("GET", "tas/time.month/mean?f=csv&f=csv", "*/*", 400, "twice"),
        ("GET", "tas/time.month/mean?f=xls", "*/*", 400, "xls"),
        ("GET", "tas/time.month/mean?wait=1&wait=2", "*/*", 400, "twice"),
        ("GET", "tas/time.month/mean/wait=1", "*/*", 400, "into the query"),
        ("GET", "tas/time.month/mean?f=nc", "*/*", 406, "NetCDF"),
        ("GET", "tas/time.month/mean?lat=%00", "*/*", 400, "control"),
        ("GET", "tas/time.month/mean", "image/png", 406, "media types"),
        ("GET", "tas/time.month/mean/zarr/tas/7.0.0", "*/*", 404, "not found"),
        ("POST", "tas/time.month/mean", "*/*", 405, "POST"),
        ("PROPFIND", "tas/time.month/mean", "*/*", 405, "PROPFIND"),
    ] {
        let answer = server
            .send(method, &format!("/datasets/toy/groupby/{path}"), &[("accept", accept)])
            .await
            .unwrap();
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert!(json_of(&answer)["detail"].as_str().unwrap().contains(detail), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_result_that_is_too_large_has_its_size_or_none() {
    let settings = EngineSettings { max_groups: 3, max_result_bytes: 100, ..EngineSettings::default() };
    let server =
        TestServer::start(vec![("toy", toy())], plugins_of(settings), HttpConfig::default()).await.unwrap();
    for (request, groups, result_bytes) in [
        // Two months by three latitudes, on the two longitudes that stay, in 8 bytes each.
        ("tas/time.month,lat/mean", 6, json!(6 * 2 * 8)),
        // Three latitudes, at four times on two longitudes.
        ("tas/lat/mean", 3, json!(3 * 4 * 2 * 8)),
        // Nothing is counted beyond the first label that is too many.
        ("tas/time/mean", 4, Value::Null),
    ] {
        let answer = server.get(&format!("/datasets/toy/groupby/{request}")).await.unwrap();
        assert_eq!(answer.status, 413, "{request}: {}", answer.text());
        let estimate = &json_of(&answer)["estimate"];
        assert_eq!(estimate["groups"], json!(groups), "{request}");
        assert_eq!(estimate.get("result_bytes"), Some(&result_bytes), "{request}");
    }
}

#[tokio::test]
async fn head_says_what_get_says() {
    let short = format!("{MEAN}/lat=0/over=lon?f=csv");
    for (path, accepted, coding) in [
        (short.as_str(), "identity", None),
        (short.as_str(), "gzip", None),
        (MEAN, "identity", None),
        (MEAN, "gzip", Some("gzip")),
    ] {
        let server = server().await;
        let asked = [("accept-encoding", accepted)];
        let before = server.send("HEAD", path, &asked).await.unwrap();
        let get = server.send("GET", path, &asked).await.unwrap();
        let after = server.send("HEAD", path, &asked).await.unwrap();
        let statuses = [&before, &get, &after].map(|answer| answer.status.as_u16());
        assert_eq!(statuses, [200; 3], "{path}");
        assert_eq!(get.header("content-encoding"), coding, "{path} as {accepted}");
        for name in ["content-type", "accept-ranges", "content-disposition", "vary", "cache-control"] {
            assert_eq!(before.header(name), get.header(name), "{name} of {path} as {accepted}");
            assert_eq!(after.header(name), get.header(name), "{name} of {path} as {accepted}");
        }
        // Nobody knows before the body is made whether compression makes it shorter.
        let known_before = if accepted == "gzip" { None } else { get.header("etag") };
        assert_eq!(before.header("etag"), known_before, "{path} as {accepted}");
        assert_eq!(before.header("content-encoding"), None, "{path} as {accepted}");
        assert_eq!(before.header("content-length"), None, "{path} as {accepted}");
        for name in ["etag", "content-encoding", "content-length"] {
            assert_eq!(after.header(name), get.header(name), "{name} of {path} as {accepted}");
        }
    }
}

#[tokio::test]
async fn only_a_result_is_a_file() {
    let server = server().await;
    let path = format!("{MEAN}?f=csv");
    let whole = server.get(&path).await.unwrap();
    assert!(whole.header("content-disposition").is_some());
    let etag = whole.header("etag").unwrap();
    for (name, value, status) in
        [("if-none-match", etag, 304), ("if-match", "\"other\"", 412), ("range", "bytes=99999-", 416)]
    {
        let answer = server.send("GET", &path, &[(name, value)]).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("content-disposition")), (status, None));
    }
}

#[tokio::test]
async fn a_lazy_group_holds_the_values_of_the_result_in_both_formats() {
    let server = server().await;
    let all = bytes_of(expected().as_array().unwrap().iter().flat_map(|month| {
        let rows = month.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
        rows.map(|value| value.as_f64().unwrap()).collect::<Vec<_>>()
    }));
    let metadata = json_of(&server.get(&format!("{MEAN}/zarr/.zmetadata")).await.unwrap());
    assert_eq!(metadata["metadata"]["tas/.zarray"]["chunks"], json!([2, 3, 2]));
    for key in ["tas/0.0.0", "tas/c/0/0/0"] {
        let chunk = server.get(&format!("{MEAN}/zarr/{key}")).await.unwrap();
        assert_eq!((chunk.status.as_u16(), &chunk.body[..]), (200, &all[..]), "{key}");
        let tag = chunk.header("etag").unwrap().to_owned();
        let again =
            server.send("GET", &format!("{MEAN}/zarr/{key}"), &[("if-none-match", &tag)]).await.unwrap();
        assert_eq!(again.status, 304, "{key}");
        let part =
            server.send("GET", &format!("{MEAN}/zarr/{key}"), &[("range", "bytes=8-15")]).await.unwrap();
        assert_eq!((part.status.as_u16(), &part.body[..]), (206, &all[8..16]), "{key}");
    }
    let months = server.get(&format!("{MEAN}/zarr/month/0")).await.unwrap();
    assert_eq!(months.body, [1_i64, 2].map(i64::to_le_bytes).concat());
}

#[tokio::test]
async fn bounds_have_the_name_that_their_coordinate_says() {
    let server = server().await;
    let bins = "/datasets/toy/groupby/tas/lat/mean/bins=-90,0,90";
    let document = json_of(&server.get(bins).await.unwrap());
    let midpoints = &document["coords"]["lat_bins"];
    assert_eq!(midpoints["attrs"], json!({"bounds": "lat_bins_bnds", "closed": "right"}));
    assert_eq!(midpoints["data"], json!([-45.0, 45.0]));
    let bounds = &document["data_vars"]["lat_bins_bnds"];
    assert_eq!(bounds["dims"], json!(["lat_bins", "bnds"]));
    assert_eq!(bounds["data"], json!([[-90.0, 0.0], [0.0, 90.0]]));

    let metadata = json_of(&server.get(&format!("{bins}/zarr/.zmetadata")).await.unwrap());
    assert_eq!(metadata["metadata"]["lat_bins/.zattrs"]["bounds"], "lat_bins_bnds");
    assert_eq!(metadata["metadata"]["lat_bins_bnds/.zarray"]["shape"], json!([2, 2]));
    let stored = server.get(&format!("{bins}/zarr/lat_bins_bnds/0.0")).await.unwrap();
    assert_eq!(stored.body, bytes_of([-90.0, 0.0, 0.0, 90.0]));
}

#[tokio::test]
async fn resampled_times_name_no_bounds_that_are_not_there() {
    let mut toy = toy();
    let time = toy.root_mut().variables.iter_mut().find(|variable| variable.name == "time").unwrap();
    time.attrs.set("bounds", Attribute::Text("time_bnds".into()));
    let bounds = toy_variable("time_bnds", &["time", "bnds"], (&[4, 2], &[4, 2]), F8, vec![]);
    let ends = (0..4).flat_map(|day| [f64::from(day), f64::from(day + 1)]);
    let toy = toy.with("", bounds, &[(0, ToyChunk::Inline(bytes_of(ends)))]);
    let server = TestServer::start(vec![("toy", toy)], plugins(), HttpConfig::default()).await.unwrap();

    for (grouper, dim) in [("time/mean/freq=MS", "time"), ("time.month/mean", "month")] {
        let document = json_of(&server.get(&format!("/datasets/toy/groupby/tas/{grouper}")).await.unwrap());
        let groups = &document["coords"][dim];
        assert_eq!(groups["dims"], json!([dim]), "{document}");
        assert_eq!(groups["attrs"].get("bounds"), None, "{document}");
        for name in ["time_bnds", "month_bnds"] {
            let is_there = ["coords", "data_vars"].iter().any(|part| document[part].get(name).is_some());
            assert!(!is_there, "{name} of {grouper}");
        }
    }
}

#[tokio::test]
async fn results_of_another_state_of_a_dataset_are_not_listed() {
    let engine = Arc::new(Engine::new(EngineSettings::default()));
    let plugins = || -> Vec<Arc<dyn ServePlugin>> {
        vec![Arc::new(GroupbyPlugin::new(GroupbyPluginSettings::default(), Arc::clone(&engine), None))]
    };
    let mut changed = toy();
    changed.root_mut().attrs.set("title", Attribute::Text("corrected".into()));
    let changed = changed.with(
        "",
        toy_variable("lon", &["lon"], (&[2], &[2]), F8, vec![]),
        &[(0, ToyChunk::Stored(bytes_of([0.0, 180.0])))],
    );
    let before = TestServer::start(vec![("toy", toy())], plugins(), HttpConfig::default()).await.unwrap();
    let after = TestServer::start(vec![("toy", changed)], plugins(), HttpConfig::default()).await.unwrap();
    let listed = async |server: &TestServer| {
        let list = json_of(&server.get("/datasets/toy/groupby?f=json").await.unwrap());
        list["results"].as_array().unwrap().len()
    };

    assert_eq!(before.get(MEAN).await.unwrap().status, 200);
    assert_eq!((listed(&before).await, listed(&after).await), (1, 0));

    assert_eq!(after.get(MEAN).await.unwrap().status, 200);
    assert_eq!((listed(&before).await, listed(&after).await), (1, 1));
}

#[tokio::test]
async fn texts_of_a_dataset_are_shown_on_pages_and_not_obeyed() {
    let server = server().await;
    for path in [format!("{MEAN}?f=html"), "/datasets/toy/groupby?f=html".to_owned()] {
        let page = server.get(&path).await.unwrap().text();
        assert!(page.contains("&lt;K&gt;") && !page.contains("<K>"), "{page}");
    }
}

struct Archive {
    server: TestServer,
    tape: Arc<FakeTape>,
    file: PathBuf,
}

impl Archive {
    async fn cold() -> Self {
        let tape = FakeTape::new();
        let server =
            TestServer::on_tape(vec![("toy", toy())], plugins(), HttpConfig::default(), &tape).await.unwrap();
        server.catalog().open("toy").await.unwrap();
        let file = server.file("toy").canonicalize().unwrap();
        tape.release(&file).unwrap();
        Self { server, tape, file }
    }
}

#[tokio::test]
async fn what_is_known_without_values_recalls_nothing() {
    let Archive { server, tape, .. } = Archive::cold().await;
    let mut tag = String::new();
    for (method, path) in [
        ("GET", "?f=html"),
        ("GET", "?f=estimate"),
        ("GET", "/zarr"),
        ("GET", "/zarr/.zmetadata"),
        ("GET", "/zarr/zarr.json"),
        ("GET", "/zarr/lat/0"),
        ("HEAD", "/zarr/tas/0.0.0"),
        ("HEAD", ""),
    ] {
        let answer = server.send(method, &format!("{MEAN}{path}"), &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        tag = answer.header("etag").unwrap_or_default().to_owned();
    }
    let unchanged = server.send("GET", MEAN, &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!(unchanged.status, 304);
    assert!(tape.joined().is_empty());
}

#[tokio::test]
async fn cold_values_are_waited_for_and_never_absent() {
    for path in ["", "/zarr/tas/0.0.0"] {
        let Archive { server, tape, file } = Archive::cold().await;
        let impatient = server.get(&format!("{MEAN}{path}?wait=0")).await.unwrap();
        assert_eq!(impatient.status, 503, "{path}: {}", impatient.text());
        assert!(impatient.header("retry-after").is_some(), "{path}");

        let url = format!("{MEAN}{path}");
        let (answer, ()) = tokio::join!(server.get(&url), async {
            while tape.n_waiting() == 0 {
                tokio::task::yield_now().await;
            }
            tape.recall(&file).unwrap();
        });
        assert_eq!(answer.unwrap().status, 200, "{path}");
    }
}
