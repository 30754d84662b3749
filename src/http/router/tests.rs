use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use thermocline_core::access::{Rule, Rules, Who};
use thermocline_core::bytes::{ObjectSettings, Objects};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DatasetSpec, Provider, SourceSpec};
use thermocline_core::clock::SystemClock;
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::InProcess;
use thermocline_core::{ErrorKind, Result};
use tower::ServiceExt;

use super::*;
use crate::conditional::{Representation, respond, respond_head};
use crate::identity::{Access, AccessRules, Token};
use crate::links::BaseUrl;
use crate::plugin::{Operation, Route, ServePlugin, with_propfind};
use crate::{App, DatasetPath, HttpConfig, OpenDataset, PluginStatus};

struct Toy {
    id: &'static str,
    app_routes: fn() -> Vec<Route>,
    dataset_routes: fn() -> Vec<Route>,
}

#[async_trait]
impl ServePlugin for Toy {
    fn id(&self) -> &'static str {
        self.id
    }

    fn app_routes(&self) -> Vec<Route> {
        (self.app_routes)()
    }

    fn dataset_routes(&self) -> Vec<Route> {
        (self.dataset_routes)()
    }
}

fn route(path: &'static str, handler: MethodRouter<AppState>) -> Route {
    Route { path, handler, operations: vec![Operation::get("a test", "text/plain")] }
}

fn representation(media_type: &'static str) -> Representation {
    Representation { media_type, etag: "tag".into(), modified: None, max_age: Duration::from_secs(60) }
}

const LONG_TEXT: &[u8] = &[b'x'; 100_000];

async fn text(method: Method, headers: HeaderMap) -> Response {
    respond(&method, &headers, &representation("application/json"), Bytes::from_static(LONG_TEXT))
}

async fn chunk(method: Method, headers: HeaderMap) -> Response {
    respond(&method, &headers, &representation("application/octet-stream"), Bytes::from_static(LONG_TEXT))
}

async fn cold(headers: HeaderMap) -> Response {
    respond_head(&headers, &representation("application/octet-stream"), None)
}

async fn panicking() -> &'static str {
    panic!("a mistake in /private/file")
}

async fn slow() -> &'static str {
    std::future::pending::<()>().await;
    "never"
}

async fn corrupt() -> Result<&'static str, Problem> {
    Err(Error::corrupt("cannot decode chunk 3 of /data/private/tas.nc"))?
}

async fn number(
    axum::extract::Query(query): axum::extract::Query<std::collections::HashMap<String, u8>>,
) -> String {
    format!("{query:?}")
}

fn app_routes() -> Vec<Route> {
    let upload = Operation { method: "post", ..Operation::get("a test", "text/plain") };
    let listed = with_propfind(get(|| async { "page" }), || async { "listing" });
    vec![
        route("/", get(|| async { "overview" })),
        route("/text", get(text)),
        route("/chunk", get(chunk)),
        route("/cold", get(cold)),
        route("/panic", get(panicking)),
        route("/slow", get(slow)),
        route("/corrupt", get(corrupt)),
        route("/number", get(number)),
        route("/base", get(|base: BaseUrl| async move { base.0 })),
        route("/listed", listed),
        Route {
            path: "/upload",
            handler: post(|body: Bytes| async move { body.len().to_string() }),
            operations: vec![upload],
        },
    ]
}

fn dataset_routes() -> Vec<Route> {
    vec![
        route(
            "/",
            get(|State(app): State<AppState>| async move { app.config.single.clone().unwrap_or_default() }),
        ),
        route("/keys", get(|_: OpenDataset| async { "keys" })),
        route("/zarr/{*key}", get(|DatasetPath(key): DatasetPath| async move { key })),
    ]
}

fn none() -> Vec<Route> {
    Vec::new()
}

struct Site {
    router: Stack,
    _dir: TempDir,
}

async fn app(plugins: Vec<Toy>, config: HttpConfig) -> (App, TempDir) {
    app_of(plugins, config, Vec::new()).await
}

async fn app_of(plugins: Vec<Toy>, config: HttpConfig, providers: Vec<Arc<dyn Provider>>) -> (App, TempDir) {
    let dir = TempDir::new().unwrap();
    let objects = Objects::new(Vec::new(), ObjectSettings::default(), tokio::runtime::Handle::current());
    let catalog = Catalog::new(CatalogParts {
        providers,
        index: Arc::new(IndexStore::open(IndexSettings::new(dir.path().join("index"))).unwrap()),
        opener: Arc::clone(&objects) as _,
        formats: Vec::new(),
        references: Arc::new(InProcess),
        settings: CatalogSettings::default(),
    });
    catalog.scan().await;
    let reader = Reader::new(Arc::clone(&objects) as _, objects, Vec::new(), ReadSettings::default());
    let plugins = plugins
        .into_iter()
        .map(|plugin| (Arc::new(plugin) as Arc<dyn ServePlugin>, PluginStatus::Running))
        .collect();
    (App { plugins, ..App::new(Arc::new(catalog), Arc::new(reader), config) }, dir)
}

impl Site {
    async fn new(config: HttpConfig) -> Self {
        let (app, dir) = app(vec![Toy { id: "toy", app_routes, dataset_routes }], config).await;
        Self { router: build(Arc::new(app)).unwrap(), _dir: dir }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let request =
            headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        let mut request = request.body(Body::empty()).unwrap();
        let peer: SocketAddr = "127.0.0.1:1".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[]).await
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&body(response).await).unwrap()
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_with_its_instance() {
    let site = Site::new(HttpConfig::default()).await;

    let response = site.get("/no/such?x=1").await;

    assert_eq!(response.status(), 404);
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let problem = json(response).await;
    assert_eq!(problem["detail"], "No resource at '/no/such'");
    assert_eq!(problem["instance"], "/no/such");
}

#[tokio::test]
async fn a_method_that_is_not_offered_is_405_with_allow() {
    let site = Site::new(HttpConfig::default()).await;

    for (path, allow) in [
        ("/text", "GET,HEAD, OPTIONS"),
        ("/listed", "GET, HEAD, OPTIONS, PROPFIND"),
        ("/upload", "POST, OPTIONS"),
    ] {
        let response = site.send("DELETE", path, &[]).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(header(&response, "allow").replace(", ", ","), allow.replace(", ", ","), "{path}");
        assert_eq!(header(&response, "content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn propfind_reaches_its_handler() {
    let site = Site::new(HttpConfig::default()).await;

    assert_eq!(body(site.send("PROPFIND", "/listed", &[]).await).await, "listing");
    assert_eq!(body(site.get("/listed").await).await, "page");
    assert_eq!(site.send("PROPFIND", "/text", &[]).await.status(), 405);
}

#[tokio::test]
async fn a_trailing_slash_changes_nothing() {
    let site = Site::new(HttpConfig::default()).await;

    for path in ["/base", "/base/", "/base//", "/base/?x=1"] {
        let response = site.send("GET", path, &[("host", "a.example")]).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(body(response).await, "http://a.example");
    }
    assert_eq!(body(site.get("/datasets/x/zarr/a/b/").await).await, "a/b");
    assert_eq!(body(site.get("/").await).await, "overview");
}

#[tokio::test]
async fn a_panic_is_500_with_a_request_id_and_says_nothing_of_its_cause() {
    let site = Site::new(HttpConfig::default()).await;

    let response = site.send("GET", "/panic", &[("x-request-id", "my-id.1")]).await;

    assert_eq!(response.status(), 500);
    assert_eq!(header(&response, "x-request-id"), "my-id.1");
    let problem = json(response).await;
    assert_eq!(problem["request_id"], "my-id.1");
    assert!(!problem.to_string().contains("mistake"), "{problem}");
}

#[tokio::test]
async fn an_error_keeps_its_type_and_hides_folders() {
    let site = Site::new(HttpConfig::default()).await;

    let response = site.get("/corrupt").await;

    assert_eq!(response.status(), 500);
    let problem = json(response).await;
    assert_eq!(problem["type"], "/problems/corrupt");
    assert_eq!(problem["detail"], "cannot decode chunk 3 of tas.nc");
}

#[tokio::test]
async fn a_rejection_of_the_framework_becomes_a_problem() {
    let site = Site::new(HttpConfig::default()).await;

    let response = site.get("/number?n=many").await;

    assert_eq!(response.status(), 400);
    let problem = json(response).await;
    assert_eq!(problem["type"], "/problems/invalid-input");
    assert!(
        problem["detail"].as_str().unwrap().contains("many")
            || problem["detail"].as_str().unwrap().contains("invalid")
    );
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_503_with_retry_after() {
    let site =
        Site::new(HttpConfig { request_timeout: Duration::from_millis(5), ..HttpConfig::default() }).await;

    let response = site.get("/slow").await;

    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "60");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let site = Site::new(HttpConfig { max_body_bytes: 10, ..HttpConfig::default() }).await;
    let send = |length: usize| {
        let request = Request::post("/upload")
            .header("content-length", length)
            .body(Body::from(vec![0; length]))
            .unwrap();
        site.router.clone().oneshot(request)
    };

    assert_eq!(send(10).await.unwrap().status(), 200);
    assert_eq!(send(11).await.unwrap().status(), 413);
}

#[tokio::test]
async fn text_is_compressed_when_asked_with_a_tag_of_its_own() {
    let site = Site::new(HttpConfig::default()).await;

    let plain = site.get("/text").await;
    let packed = site.send("GET", "/text", &[("accept-encoding", "gzip, br")]).await;

    assert_eq!(header(&plain, "content-encoding"), "");
    assert_eq!(header(&plain, "etag"), "\"tag\"");
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    assert_eq!(header(&packed, "etag"), "\"tag-gz\"");
    assert_eq!(header(&packed, "vary"), "Accept-Encoding");
    let length: usize = header(&packed, "content-length").parse().unwrap();
    let bytes = body(packed).await;
    assert_eq!(bytes.len(), length);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, LONG_TEXT);
}

#[tokio::test]
async fn head_of_compressed_text_has_the_headers_of_get() {
    let site = Site::new(HttpConfig::default()).await;

    let get = site.send("GET", "/text", &[("accept-encoding", "gzip")]).await;
    let head = site.send("HEAD", "/text", &[("accept-encoding", "gzip")]).await;

    for name in ["content-length", "etag", "content-encoding"] {
        assert_eq!(header(&get, name), header(&head, name), "{name}");
    }
    assert!(body(head).await.is_empty());
}

#[tokio::test]
async fn a_client_that_has_the_compressed_text_gets_304() {
    let site = Site::new(HttpConfig::default()).await;

    let response =
        site.send("GET", "/text", &[("accept-encoding", "gzip"), ("if-none-match", "\"tag-gz\"")]).await;

    assert_eq!(response.status(), 304);
    assert_eq!(header(&response, "etag"), "\"tag-gz\"");
}

#[tokio::test]
async fn chunks_are_never_compressed() {
    let site = Site::new(HttpConfig::default()).await;

    let response = site.send("GET", "/chunk", &[("accept-encoding", "gzip")]).await;

    assert_eq!(header(&response, "content-encoding"), "");
    assert_eq!(header(&response, "vary"), "");
    assert_eq!(body(response).await, LONG_TEXT);
}

#[tokio::test]
async fn preflights_are_answered() {
    let site = Site::new(HttpConfig::default()).await;

    let asked = [("origin", "https://a.example"), ("access-control-request-headers", "range, authorization")];
    let response = site.send("OPTIONS", "/chunk", &asked).await;

    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "access-control-allow-headers"), "range, authorization");
    assert_eq!(
        header(&response, "access-control-allow-methods"),
        "GET, HEAD, POST, DELETE, OPTIONS, PROPFIND"
    );
}

#[tokio::test]
async fn pages_of_others_read_where_a_cold_chunk_is() {
    let site = Site::new(HttpConfig::default()).await;
    let response = site.send("GET", "/chunk", &[("origin", "https://a.example")]).await;
    assert!(header(&response, "access-control-expose-headers").contains("X-Locality"));
}

#[tokio::test]
async fn pages_of_others_change_nothing_in_the_name_of_their_reader() {
    use sha2::Digest;

    let (mut app, _dir) =
        app(vec![Toy { id: "toy", app_routes, dataset_routes }], HttpConfig::default()).await;
    let token = Token {
        name: "portal".into(),
        digest: sha2::Sha256::digest("secret").into(),
        groups: std::sync::Arc::default(),
        may_read: true,
        owner: None,
        may_stage: true,
        may_administer: false,
        expires_ns: None,
    };
    let rules = AccessRules { tokens: vec![token], anonymous_stages: true, ..AccessRules::default() };
    app.access = Arc::new(Access::new(rules, Arc::new(SystemClock)));
    let site = Site { router: build(Arc::new(app)).unwrap(), _dir };
    let (evil, basic) = (("origin", "https://evil.example"), ("authorization", "Basic OnNlY3JldA=="));
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[], 200),
        (&[evil, ("sec-fetch-site", "cross-site"), ("content-type", "text/plain")], 403),
        (&[evil], 403),
        (&[evil, basic], 403),
        (&[evil, ("authorization", "Bearer none of ours")], 403),
        (&[evil, ("authorization", "Bearer secret")], 200),
        (&[basic], 200),
        (&[("host", "a.example"), ("origin", "http://a.example")], 200),
    ];
    for (headers, status) in cases {
        assert_eq!(site.send("POST", "/upload", headers).await.status(), status, "{headers:?}");
        assert_eq!(site.send("GET", "/text", headers).await.status(), 200, "reading changes nothing");
    }
    assert_eq!(site.send("DELETE", "/upload", &[evil]).await.status(), 403);
}

#[tokio::test]
async fn links_follow_trusted_proxies_only() {
    let forwarded =
        [("host", "inner:9000"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "data.example")];
    let cases = [
        (HttpConfig::default(), "https://data.example"),
        (
            HttpConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpConfig::default() },
            "http://inner:9000",
        ),
        (
            HttpConfig { public_url: Some("https://b.example/x/".into()), ..HttpConfig::default() },
            "https://b.example/x",
        ),
        (
            HttpConfig { is_tls: true, trusted_proxies: Vec::new(), ..HttpConfig::default() },
            "https://inner:9000",
        ),
    ];
    for (config, expected) in cases {
        let site = Site::new(config).await;
        assert_eq!(body(site.send("GET", "/base", &forwarded).await).await, expected);
    }
}

#[tokio::test]
async fn an_unknown_dataset_is_404_with_xpublishs_words() {
    let site = Site::new(HttpConfig::default()).await;

    let problem = json(site.get("/datasets/no%70e/keys").await).await;

    assert_eq!(problem["status"], 404);
    assert_eq!(problem["detail"], "Dataset 'nope' not found");
}

#[tokio::test]
async fn one_dataset_is_served_at_the_root_too() {
    let site = Site::new(HttpConfig { single: Some("only".into()), ..HttpConfig::default() }).await;

    assert_eq!(body(site.get("/").await).await, "only");
    assert_eq!(body(site.get("/datasets/only").await).await, "only");
    assert_eq!(body(site.get("/zarr/a/0.0").await).await, "a/0.0");
    assert_eq!(json(site.get("/keys").await).await["detail"], "Dataset 'only' not found");
}

#[tokio::test]
async fn two_plugins_with_one_path_and_method_are_refused_by_name() {
    let first =
        Toy { id: "first", app_routes: || vec![route("/a/{x}", get(|| async { "" }))], dataset_routes: none };
    let second = Toy {
        id: "second",
        app_routes: || vec![route("/a/{y}", get(|| async { "" }))],
        dataset_routes: none,
    };

    let (app, _dir) = app(vec![first, second], HttpConfig::default()).await;
    let error = build(Arc::new(app)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.message(), "plugins \"first\" and \"second\" both claim GET /a/{y}");
}

#[tokio::test]
async fn two_plugins_share_a_path_with_different_methods() {
    let posts = || {
        let operation = Operation { method: "post", ..Operation::get("a test", "text/plain") };
        vec![Route { path: "/a", handler: post(|| async { "posted" }), operations: vec![operation] }]
    };
    let first =
        Toy { id: "first", app_routes: || vec![route("/a", get(|| async { "got" }))], dataset_routes: none };
    let second = Toy { id: "second", app_routes: posts, dataset_routes: none };

    let (app, _dir) = app(vec![first, second], HttpConfig::default()).await;
    let router = build(Arc::new(app)).unwrap();

    for (method, expected) in [("GET", "got"), ("POST", "posted")] {
        let request = Request::builder().method(method).uri("/a").body(Body::empty()).unwrap();
        assert_eq!(body(router.clone().oneshot(request).await.unwrap().into_response()).await, expected);
    }
}

#[tokio::test]
async fn plugins_that_do_not_run_have_no_routes() {
    let toy = Toy { id: "toy", app_routes, dataset_routes };
    let (mut app, _dir) = app(vec![toy], HttpConfig::default()).await;
    app.plugins[0].1 = PluginStatus::Failed("no".into());

    let router = build(Arc::new(app)).unwrap();

    let request = Request::get("/text").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), 404);
}

/// On the wire a missing length must be missing, whatever the layers between think of empty bodies.
#[tokio::test(flavor = "multi_thread")]
async fn lengths_on_the_wire_are_those_of_get_or_missing() {
    let site = Site::new(HttpConfig::default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = site.router.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(
            router.map_request(|request: http::Request<hyper::body::Incoming>| request.map(Body::new)),
        );
        let stream = hyper_util::rt::TokioIo::new(stream);
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await.unwrap();
    });

    let answers = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let requests = "HEAD /chunk HTTP/1.1\r\nHost: a\r\n\r\n\
            HEAD /cold HTTP/1.1\r\nHost: a\r\n\r\n\
            GET /chunk HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"tag\"\r\n\r\n\
            HEAD /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        socket.write_all(requests.as_bytes()).unwrap();
        let mut answers = String::new();
        socket.read_to_string(&mut answers).unwrap();
        answers
    })
    .await
    .unwrap();

    let answers: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    let length = |answer: &str| {
        let line = answer.lines().find(|line| line.starts_with("content-length: "));
        line.map(|line| line.trim_start_matches("content-length: ").to_owned())
    };
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!((&answers[0][..3], length(answers[0])), ("200", Some("100000".to_owned())));
    assert_eq!((&answers[1][..3], length(answers[1])), ("200", None));
    assert_eq!((&answers[2][..3], length(answers[2])), ("304", None));
    assert_eq!(&answers[3][..3], "404");
    assert!(length(answers[3]).unwrap().parse::<u32>().unwrap() > 50);
    assert!(!answers.concat().contains("transfer-encoding"), "{answers:?}");
}

/// Datasets by their ids and the rules that they name; there is nothing to open.
struct Declared(Vec<(&'static str, Option<&'static str>)>);

#[async_trait]
impl Provider for Declared {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let spec = |(id, access): &(&str, Option<&str>)| {
            let id = thermocline_model::DatasetId::new(*id).unwrap();
            let spec = DatasetSpec::new(id, SourceSpec::Refused("it is made up".to_owned()), "a test");
            Ok(DatasetSpec { access: access.map(Into::into), ..spec })
        };
        self.0.iter().map(spec).collect()
    }
}

/// What a provider declares now.
struct Changing(parking_lot::Mutex<Declared>);

#[async_trait]
impl Provider for Changing {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        let declared = Declared(self.0.lock().0.clone());
        declared.specs().await
    }
}

/// A provider that does not answer.
struct Away;

#[async_trait]
impl Provider for Away {
    async fn specs(&self) -> Result<Vec<DatasetSpec>> {
        Err(Error::internal("it is away"))
    }
}

/// Rules and tokens of [`guarded`].
fn climate_rules(has_rules: bool) -> AccessRules {
    use sha2::Digest;

    let token = |name: &str, group: &str, may_read| Token {
        name: name.into(),
        digest: sha2::Sha256::digest(name).into(),
        groups: std::iter::once(Arc::from(group)).collect(),
        may_read,
        owner: None,
        may_stage: false,
        may_administer: name == "root",
        expires_ns: None,
    };
    let read = vec![Who::Group("climate".into()), Who::Network("10.0.0.0/8".parse().unwrap())];
    let rule = Rule { read, stage: Vec::new(), administer: Vec::new() };
    let tokens = vec![
        token("ann", "climate", true),
        token("bob", "ocean", true),
        token("dumb", "climate", false),
        token("root", "", false),
    ];
    let named = has_rules.then_some(("climate".into(), rule));
    AccessRules { tokens, datasets: Rules::new(named).unwrap(), ..AccessRules::default() }
}

/// A server of the datasets `open`, `mine` (of the group climate), `typo` (of a rule that does not exist).
async fn guarded(config: HttpConfig, has_rules: bool) -> Site {
    let declared = Declared(vec![("open", None), ("mine", Some("climate")), ("typo", Some("none"))]);
    let (app, dir) = guarded_app(config, has_rules, vec![Arc::new(declared)]).await;
    Site { router: build(app).unwrap(), _dir: dir }
}

async fn guarded_app(
    config: HttpConfig,
    has_rules: bool,
    providers: Vec<Arc<dyn Provider>>,
) -> (AppState, TempDir) {
    let toy = Toy { id: "toy", app_routes, dataset_routes };
    let (mut app, dir) = app_of(vec![toy], config, providers).await;
    app.access = Arc::new(Access::new(climate_rules(has_rules), Arc::new(SystemClock)));
    (Arc::new(app), dir)
}

impl Site {
    async fn status(&self, method: &str, path: &str, who: &str) -> u16 {
        let bearer = format!("Bearer {who}");
        let headers = [("authorization", &*bearer)];
        let response = self.send(method, path, if who.is_empty() { &[] } else { &headers }).await;
        let status = response.status().as_u16();
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            status == 401,
            "{method} {path} {who}"
        );
        status
    }
}

#[tokio::test]
async fn what_a_client_may_not_read_is_not_there_although_its_handler_does_not_look() {
    let site = guarded(HttpConfig::default(), true).await;
    // Without credentials, with wrong ones, with some of others, without the scope, with the right ones.
    for (path, statuses) in [
        ("/datasets/mine", [401, 401, 404, 404, 200, 200]),
        ("/datasets/mine/zarr/tas/.zarray", [401, 401, 404, 404, 200, 200]),
        ("/datasets/mine/zarr/tas/0.0", [401, 401, 401, 401, 200, 200]),
        ("/datasets/%6dine/zarr/tas/c/0/1", [401, 401, 401, 401, 200, 200]),
        ("/datasets/mine/keys", [401, 401, 404, 404, 422, 422]),
        ("/datasets/open/zarr/tas/0.0", [200; 6]),
        ("/datasets/typo/zarr/tas/.zarray", [404; 6]),
        ("/datasets/typo/zarr/tas/0.0", [401; 6]),
        ("/datasets/none/keys", [404; 6]),
        ("/datasets/%FF/keys", [404; 6]),
        ("/datasets/mine/zarr/%FF", [404; 6]),
        // Who may read all there is learns nothing by what there is not.
        ("/datasets/none/zarr/tas/0.0", [401, 401, 401, 401, 200, 200]),
    ] {
        for (who, status) in ["", "nobody", "bob", "dumb", "ann", "root"].into_iter().zip(statuses) {
            assert_eq!(site.status("GET", path, who).await, status, "{path} {who}");
            assert_eq!(site.status("HEAD", path, who).await, status, "HEAD {path} {who}");
        }
    }
    let as_bob = [("authorization", "Bearer bob")];
    let (hidden, unknown) = (
        site.send("GET", "/datasets/mine/keys", &as_bob).await,
        site.send("GET", "/datasets/none/keys", &as_bob).await,
    );
    let text = String::from_utf8(body(hidden).await.to_vec()).unwrap();
    assert_eq!(text.replace("mine", "none").as_bytes(), body(unknown).await);
    assert_eq!(
        site.status("OPTIONS", "/datasets/mine/keys", "").await,
        204,
        "of what is asked for nothing is said"
    );
}

#[tokio::test]
async fn a_rule_that_does_not_exist_is_nobody_s_also_where_there_are_no_rules() {
    let site = guarded(HttpConfig::default(), false).await;
    for who in ["", "ann", "root"] {
        assert_eq!(site.status("GET", "/datasets/typo/zarr/tas/0.0", who).await, 401, "{who}");
        assert_eq!(site.status("GET", "/datasets/typo/keys", who).await, 404, "{who}");
        assert_eq!(site.status("GET", "/datasets/open/zarr/tas/0.0", who).await, 200, "{who}");
    }
}

#[tokio::test]
async fn the_one_dataset_of_a_server_is_guarded_where_its_name_is_left_out() {
    let site = guarded(HttpConfig { single: Some("mine".to_owned()), ..HttpConfig::default() }, true).await;
    for (path, anonymous, stranger) in [
        ("/zarr/tas/0.0", 401, 401),
        ("/zarr/tas/.zarray", 401, 404),
        ("/keys", 401, 404),
        ("/text", 200, 200),
    ] {
        assert_eq!(site.status("GET", path, "").await, anonymous, "{path}");
        assert_eq!(site.status("GET", path, "bob").await, stranger, "{path}");
    }
    assert_eq!(site.status("GET", "/zarr/tas/0.0", "ann").await, 200);
}

#[tokio::test]
async fn caches_keep_for_everybody_what_everybody_may_read_only() {
    for (has_rules, control, vary) in
        [(false, "public, max-age=60", false), (true, "private, max-age=60", true)]
    {
        let (mut app, _dir) =
            app(vec![Toy { id: "toy", app_routes, dataset_routes }], HttpConfig::default()).await;
        let nobody = Rule { read: Vec::new(), stage: Vec::new(), administer: Vec::new() };
        let datasets = Rules::new(has_rules.then_some(("closed".into(), nobody))).unwrap();
        let rules = AccessRules { datasets, ..AccessRules::default() };
        app.access = Arc::new(Access::new(rules, Arc::new(SystemClock)));
        let site = Site { router: build(Arc::new(app)).unwrap(), _dir };
        let response = site.get("/text").await;
        assert_eq!(header(&response, "cache-control"), control);
        let mut varies = response.headers().get_all("vary").iter();
        assert_eq!(varies.any(|value| value == "Authorization"), vary);
    }
}

#[tokio::test]
async fn while_a_provider_is_away_nothing_is_not_found_and_nobody_learns_what_is_hidden() {
    let declared = Declared(vec![("open", None), ("mine", Some("climate"))]);
    let providers: Vec<Arc<dyn Provider>> = vec![Arc::new(declared), Arc::new(Away)];
    let (app, _dir) = guarded_app(HttpConfig::default(), true, providers).await;
    assert!(app.catalog.is_loaded() && !app.catalog.is_complete());
    let site = Site { router: build(app).unwrap(), _dir };

    for path in ["/datasets/none/zarr/tas/0.0", "/datasets/none/keys"] {
        for who in ["", "bob"] {
            assert_eq!(site.status("GET", path, who).await, 503, "{path} {who}");
        }
        assert!(!header(&site.get(path).await, "retry-after").is_empty());
    }
    // Who sees all there is is told so by whatever opens the dataset.
    assert_eq!(site.status("GET", "/datasets/none/keys", "ann").await, 503);
    for path in ["/datasets/mine/zarr/tas/0.0", "/datasets/mine/keys"] {
        assert_eq!(site.status("GET", path, "bob").await, 503, "{path}: as what is not known");
        assert_eq!(site.status("GET", path, "").await, 401, "{path}: with a token it is there");
    }
    assert_eq!(site.status("GET", "/datasets/mine/zarr/tas/0.0", "ann").await, 200);
    assert_eq!(site.status("GET", "/datasets/open/zarr/tas/0.0", "").await, 200);
}

#[tokio::test]
async fn what_is_withdrawn_is_away_for_its_readers_and_unknown_to_others() {
    let all = vec![("open", None), ("mine", Some("climate")), ("last", None)];
    let changing = Arc::new(Changing(parking_lot::Mutex::new(Declared(all))));
    let provider = Arc::clone(&changing) as Arc<dyn Provider>;
    let (app, _dir) = guarded_app(HttpConfig::default(), true, vec![provider]).await;
    let site = Site { router: build(Arc::clone(&app)).unwrap(), _dir };
    *changing.0.lock() = Declared(vec![("last", None)]);
    app.catalog.scan().await;
    assert!(app.catalog.spec("open").is_none());

    for (path, statuses) in [
        ("/datasets/open/keys", [503, 503, 503]),
        ("/datasets/mine/keys", [404, 404, 503]),
        ("/datasets/mine/zarr/tas/0.0", [401, 401, 200]),
        ("/datasets/none/keys", [404, 404, 404]),
    ] {
        for (who, status) in ["", "bob", "ann"].into_iter().zip(statuses) {
            assert_eq!(site.status("GET", path, who).await, status, "{path} {who}");
        }
    }
}

#[tokio::test]
async fn what_is_forwarded_says_where_a_client_is_only_if_the_operator_named_the_proxy() {
    let forwarded = [("x-forwarded-for", "10.1.2.3")];
    let elsewhere = [("x-forwarded-for", "192.0.2.1")];
    for (names_proxies, headers, status) in
        [(false, forwarded, 401), (true, forwarded, 200), (true, elsewhere, 401)]
    {
        let site = guarded(HttpConfig { names_proxies, ..HttpConfig::default() }, true).await;
        let response = site.send("GET", "/datasets/mine/zarr/tas/0.0", &headers).await;
        assert_eq!(response.status(), status, "{names_proxies} {headers:?}");
    }
}

#[tokio::test]
async fn who_waited_for_bytes_gets_none_if_he_may_not_read_them_any_more() {
    let declared = Declared(vec![("open", None), ("mine", Some("climate"))]);
    let (app, _dir) = guarded_app(HttpConfig::default(), true, vec![Arc::new(declared)]).await;
    let bearer =
        HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer ann"))]);
    let ann = crate::identity::Presented::seen_by(&app, &bearer, None);
    assert!(guard::check_still_reads(&app, &ann, "mine").is_ok());

    let rules = climate_rules(true);
    let others = rules.tokens.iter().filter(|token| token.name != "ann").cloned().collect();
    app.access.replace(AccessRules { tokens: others, ..rules });

    assert_eq!(
        guard::check_still_reads(&app, &ann, "mine").err().map(|problem| problem.status.as_u16()),
        Some(401)
    );
    assert!(guard::check_still_reads(&app, &ann, "open").is_ok());
}
