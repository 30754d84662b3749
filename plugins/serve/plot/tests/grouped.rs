//! Plots of groupby results.

use thermocline_groupby::EngineSettings;

use super::*;

pub(super) fn plugin() -> Arc<PlotPlugin> {
    let engine = Arc::new(Engine::new(EngineSettings::default()));
    Arc::new(PlotPlugin::with_groupby(PlotPluginSettings::default(), engine))
}

async fn server() -> TestServer {
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![plugin()];
    TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap()
}

async fn facts(server: &TestServer, query: &str) -> Value {
    let answer = plot(server, &format!("plot/tas.json?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    json_of(&answer)
}

fn range(facts: &Value) -> (f64, f64) {
    (facts["vmin"].as_f64().unwrap(), facts["vmax"].as_f64().unwrap())
}

#[tokio::test]
async fn a_result_is_drawn_in_every_form() {
    let server = server().await;
    for (path, media_type, begin) in [
        ("plot/tas.png?groupby=time.month&action=mean&width=300", "image/png", PNG),
        ("plot/tas.webp?groupby=time.month&action=mean&width=300", "image/webp", b"RIFF".as_slice()),
        ("plot/tas.svg?groupby=time&action=max&freq=2D&width=300", "image/svg+xml", b"<svg"),
        ("plot/tas.gif?groupby=time.day&action=mean&dim=day&width=300", "image/gif", b"GIF"),
        ("plot/tas/contourf/magma?groupby=time.month&action=mean&f=png&width=300", "image/png", PNG),
        ("plot/ocean/thetao.png?groupby=lat&action=mean&over=lon&width=300", "image/png", PNG),
        ("legend/tas.png?groupby=time.month&action=mean", "image/png", PNG),
    ] {
        let answer = plot(&server, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert!(answer.body.starts_with(begin), "{path}");
    }
}

#[tokio::test]
async fn the_values_are_those_of_the_result_and_the_facts_say_so() {
    let server = server().await;
    let mean = facts(&server, "groupby=time.month&action=mean").await;
    assert_eq!(range(&mean), (100.0, 131.0));
    assert!(mean["title"].as_str().is_some_and(|title| title.starts_with("Monthly mean of ")), "{mean}");
    assert_eq!(mean["derivation"][0], serde_json::json!(["groupby", "time.month"]));
    assert_eq!(mean["dims"][0]["name"], "month");
    let last = facts(&server, "groupby=time.day&action=mean&day=3").await;
    assert_eq!(range(&last), (200.0, 231.0), "a day of the result");
    let anomaly = facts(&server, "groupby=time.month&action=mean&anomaly=1&time=2000-01-03").await;
    assert_eq!(range(&anomaly), (100.0, 100.0), "a step of the anomalies, whose mean is that of all steps");
}

#[tokio::test]
async fn what_the_result_has_not_is_selected_before() {
    let server = server().await;
    let two_days = facts(&server, "groupby=time.month&action=mean&time=2000-01-01:2000-01-02").await;
    assert_eq!(range(&two_days), (50.0, 81.0));
    let positions = facts(&server, "groupby=time.month&action=mean&isel=time=0:2").await;
    assert_eq!(range(&positions), (50.0, 81.0));
    let box_of_result = facts(&server, "groupby=time.month&action=mean&bbox=-10,-80,100,0").await;
    assert_eq!(range(&box_of_result), (100.0, 110.0));
    let chosen =
        facts(&server, "groupby=time.month&action=mean&anomaly=1&source=time=2000-01-01:2000-01-02").await;
    assert_eq!(range(&chosen).0.abs(), 50.0, "half of what is between the two days that are selected");
    let box_of_source = facts(&server, "groupby=time.day&action=min&over=lon&bbox=40,0,100,80").await;
    assert_eq!(range(&box_of_source), (17.0, 225.0));
}

#[tokio::test]
async fn one_dimension_is_a_line_and_bars_are_not_bins() {
    let server = server().await;
    let line = facts(&server, "groupby=time.day&action=mean&over=lat,lon").await;
    assert_eq!(line["kind"], "line");
    let bars = facts(&server, "groupby=lat&action=mean&over=time&bins=n:2&kind=hist&bins=7").await;
    assert_eq!((&bars["kind"], &bars["options"]["bins"]), (&"hist".into(), &"7".into()));
    assert!(bars["derivation"].as_array().unwrap().contains(&serde_json::json!(["bins", "n:2"])));
}

#[tokio::test]
async fn seasons_stand_beside_their_axis_by_name() {
    let server = server().await;
    let svg = plot(&server, "plot/tas.svg?groupby=time.season&action=mean&over=lat,lon").await;
    assert!(svg.text().contains(">DJF<"), "{}", svg.text());
}

#[tokio::test]
async fn the_canonical_address_leads_back_and_is_known_before_anything_is_computed() {
    let queries = [
        "groupby=time.month&action=std&ddof=1&isel=time=0:2&over=lon&cmap=magma&width=300",
        "groupby=time&action=max&freq=D&source=time=2000-01-02:2000-01-03&time=2000-01-03&width=300",
    ];
    for query in queries {
        leads_back(query).await;
    }
}

async fn leads_back(query: &str) {
    let plugin = plugin();
    let plugins: Vec<Arc<dyn ServePlugin>> = vec![Arc::clone(&plugin) as _];
    let server = TestServer::start(vec![("toy", toy())], plugins, HttpConfig::default()).await.unwrap();
    let path = format!("/datasets/toy/plot/tas.png?{query}");
    let head = server.send("HEAD", &path, &[]).await.unwrap();
    let etag = head.header("etag").unwrap().to_owned();
    let same = server.send("GET", &path, &[("if-none-match", &etag)]).await.unwrap();
    assert_eq!((head.status.as_u16(), same.status.as_u16()), (200, 304));
    let engine = plugin.api.groupby.as_ref().unwrap();
    assert_eq!((plugin.cached_bytes(), engine.used_bytes()), (Some(0), 0), "nothing was computed");

    let drawn = server.get(&path).await.unwrap();
    assert_eq!(drawn.header("etag"), Some(etag.as_str()), "{}", drawn.text());
    let link = drawn.header("link").unwrap();
    let canonical = link.strip_prefix("<http://test.example").unwrap().split('>').next().unwrap();
    let again = server.get(canonical).await.unwrap();
    assert_eq!((again.header("etag"), again.body == drawn.body), (Some(etag.as_str()), true), "{canonical}");
}

#[tokio::test]
async fn another_action_is_another_picture_and_the_plot_of_the_variable_stays() {
    let server = server().await;
    let etag = async |query: &str| {
        let answer = plot(&server, &format!("plot/tas.png?width=300{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.header("etag").unwrap().to_owned()
    };
    let plain = etag("").await;
    let mean = etag("&groupby=time.month&action=mean").await;
    let max = etag("&groupby=time.month&action=max").await;
    assert!(plain != mean && mean != max);
    assert_eq!(etag("").await, plain);
}

#[tokio::test]
async fn a_page_keeps_what_is_drawn_and_names_its_numbers() {
    let server = server().await;
    let page = plot(&server, "plot/tas.html?groupby=time.day&action=mean&ddof=0").await;
    assert_eq!(page.status, 400, "mean has no ddof");
    let page = plot(&server, "plot/tas.html?groupby=time.day&action=std&ddof=1").await;
    let html = page.text();
    for part in [
        "name=\"groupby\" value=\"time.day\"",
        "name=\"action\" value=\"std\"",
        "name=\"ddof\" value=\"1\"",
        "name=\"isel.day\"",
        "href=\"/datasets/toy/groupby/tas/time.day/std/ddof=1?f=html\"",
        "Standard deviation by day of",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("name=\"isel.time\""), "the source's dimension has no slider");
}

#[tokio::test]
async fn mistakes_have_the_status_of_groupby() {
    let server = server().await;
    for (query, status, culprit) in [
        ("groupby=time.month", 400, "action"),
        ("groupby=time.month&action=shout", 400, "Groupby action 'shout' not recognized"),
        ("groupby=time.fortnight&action=mean", 400, "fortnight"),
        ("groupby=nope&action=mean", 404, "Groupby coordinate 'nope' not found in dataset"),
        ("groupby=time.month&action=mean&colour=red", 400, "colour"),
        ("groupby=time.month&action=mean&q=0.5", 400, "q"),
        ("groupby=time.month&action=quantile", 400, "q"),
        ("groupby=time.month&action=mean&action=max", 400, "action"),
        ("groupby=time.month&action=mean&cmap=beige", 400, "cmap"),
        ("groupby=time.month&action=mean&month=13", 400, "month"),
        ("groupby=time.month&action=mean&time=1999", 400, "time"),
        ("action=mean", 400, "action"),
    ] {
        let answer = plot(&server, &format!("plot/tas.png?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        let detail = json_of(&answer)["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains(culprit), "{query}: {detail}");
    }
}

#[tokio::test]
async fn a_server_without_groupby_says_so() {
    let server = super::server().await;
    let answer = plot(&server, "plot/tas.png?groupby=time.month&action=mean").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("groupby"));
}
