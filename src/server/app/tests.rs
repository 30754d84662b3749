use std::io::{Read, Write};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::config::{CredentialsConfig, CredentialsKind, RootConfig};

/// A plugin whose start returns an error.
struct Erring;

/// A plugin whose start panics.
struct Panicking;

#[async_trait]
impl ServePlugin for Erring {
    fn id(&self) -> &'static str {
        "erring"
    }
    async fn start(&self, _: &AppState) -> Result<()> {
        Err(Error::invalid_input("no such port"))
    }
}

#[async_trait]
impl ServePlugin for Panicking {
    fn id(&self) -> &'static str {
        "panicking"
    }
    async fn start(&self, _: &AppState) -> Result<()> {
        panic!("a plugin panics")
    }
}

fn config(state: &tempfile::TempDir) -> Config {
    let mut config = Config::default();
    config.catalogs.dirs.clear();
    // Workers are this program started again, which is not the server here.
    config.index.verify = VerifyConfig::Off;
    config.state.dir = Some(state.path().to_owned());
    config.state.index_dir = Some(state.path().join("index"));
    config
}

async fn parts_of(path: &std::path::Path, state: &tempfile::TempDir, registry: &Registry) -> Parts {
    let sources =
        Sources { paths: vec![path.to_string_lossy().into_owned()], is_single: true, ..Sources::default() };
    assemble(registry, &config(state), &sources, Purpose::Recall).await.unwrap()
}

fn demo() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_nothing_is_a_redirect_whose_scheme_could_be_wrong_behind_a_proxy() {
    let (state, registry) = (tempfile::tempdir().unwrap(), Registry::builtin());
    let parts = parts_of(&demo(), &state, &registry).await;
    let app = start(&registry, &config(&state), None, &parts).await.unwrap();
    let router = thermocline_http::router::build(app).unwrap();
    parts.catalog.scan().await;
    let paths = ["", "datasets", "datasets/winds", "datasets/winds/zarr", "datasets/winds/kerchunk", "docs"];
    for path in paths.iter().flat_map(|path| [format!("/{path}"), format!("/{path}/")]) {
        let request = Request::builder().uri(&path).header("host", "h").header("x-forwarded-proto", "https");
        let answer = router.answer(request.body(Body::empty()).unwrap()).await;
        assert!(!answer.status().is_redirection(), "{path}: {}", answer.status());
        assert_eq!(answer.headers().get("location"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_plugins_that_do_not_start_are_shown_and_the_others_go_on() {
    let state = tempfile::tempdir().unwrap();
    let registry = Registry::builtin().with(Erring).with(Panicking);
    let parts = parts_of(&demo(), &state, &registry).await;
    let app = start(&registry, &config(&state), None, &parts).await.unwrap();
    let router = thermocline_http::router::build(app).unwrap();
    parts.catalog.scan().await;
    let get = async |path: &str| {
        let request = Request::builder().uri(path).header("host", "h").body(Body::empty()).unwrap();
        let answer = router.answer(request).await;
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };

    let (_, plugins) = get("/plugins").await;
    assert!(plugins.contains("no such port") && plugins.contains("it stopped by a mistake"), "{plugins}");
    let (status, health) = get("/health").await;
    assert_eq!(status, 200);
    assert!(health.contains("\"warn\"") && health.contains("plugin:panicking"), "{health}");
    assert_eq!(get("/datasets/winds/zarr/zarr.json").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_serves_the_only_dataset_however_its_path_is_written() {
    let (state, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(demo().join("winds.nc"), folder.path().join("winds.nc")).unwrap();
    let registry = Registry::builtin();
    for path in [folder.path().join("winds.nc"), folder.path().join("."), folder.path().to_owned()] {
        assert_eq!(parts_of(&path, &state, &registry).await.only_dataset().await.unwrap(), "winds");
    }
    std::fs::copy(demo().join("winds.nc"), folder.path().join("more.nc")).unwrap();
    let error = parts_of(folder.path(), &state, &registry).await.only_dataset().await.unwrap_err();
    assert!(error.to_string().contains("PATH holds 2"), "{error}");
}

/// A web server that tells the `Authorization` of each request.
fn web_server() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(std::io::Result::ok) {
            let mut request = [0; 4096];
            let n_bytes = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..n_bytes]).to_lowercase();
            let token = text.lines().find_map(|line| line.strip_prefix("authorization: "));
            let _ = sender.send(token.unwrap_or("none").to_owned());
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e\"\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
        }
    });
    (format!("http://{address}"), receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_used_and_a_wrong_one_is_reported() {
    // As `run` does; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (state, (host, authorizations)) = (tempfile::tempdir().unwrap(), web_server());
    let token_file = state.path().join("token");
    std::fs::write(&token_file, "first").unwrap();
    let mut config = config(&state);
    let web =
        RootConfig { url: Some(host.clone()), credentials: Some("c".to_owned()), ..RootConfig::default() };
    config.roots.insert("web".to_owned(), web);
    let token = Some(token_file.clone());
    let credentials =
        CredentialsConfig { kind: CredentialsKind::Bearer, token_file: token, ..Default::default() };
    config.credentials.insert("c".to_owned(), credentials);
    let sources = Sources { paths: vec![format!("{host}/a.nc")], ..Sources::default() };
    let parts = assemble(&Registry::builtin(), &config, &sources, Purpose::Recall).await.unwrap();

    let last_seen = async || {
        parts.catalog.scan().await;
        // The dataset is refused, and looked at again: what was sent is what counts.
        let _ = parts.catalog.refresh("a").await;
        authorizations.try_iter().last()
    };
    assert_eq!(last_seen().await.as_deref(), Some("bearer first"));
    std::fs::write(&token_file, "the second").unwrap();
    assert_eq!(last_seen().await.as_deref(), Some("bearer the second"));

    std::fs::remove_file(&token_file).unwrap();
    parts.catalog.scan().await;
    let problems = parts.catalog.problems().join("");
    assert!(problems.contains("credentials: ") && problems.contains("web"), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_the_configuration_show_until_they_are_mended() {
    let state = tempfile::tempdir().unwrap();
    let parts = parts_of(&demo(), &state, &Registry::builtin()).await;
    parts.reloads.take_over(|| Err("no such key".to_owned()));
    assert_eq!(parts.catalog.problems(), ["configuration: no such key"]);
    parts.reloads.take_over(|| Ok(config(&state)));
    assert!(parts.catalog.problems().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stood_in_the_configuration_last_is_what_counts() {
    let state = tempfile::tempdir().unwrap();
    let parts = parts_of(&demo(), &state, &Registry::builtin()).await;
    let (reads, was_read) = std::sync::mpsc::channel();
    let stands = Arc::new(parking_lot::Mutex::new("first"));
    let slow = {
        let (reloads, stands) = (Arc::clone(&parts.reloads), Arc::clone(&stands));
        move || {
            reloads.take_over(|| {
                let stood = stands.lock().to_owned();
                reads.send(()).unwrap();
                // The other one, which reads what stands there now, has all the time to be faster.
                std::thread::sleep(Duration::from_millis(100));
                Err(stood)
            });
        }
    };
    let slow = tokio::task::spawn_blocking(slow);
    was_read.recv().unwrap();
    *stands.lock() = "second";
    let (reloads, stands) = (Arc::clone(&parts.reloads), Arc::clone(&stands));
    let fast = tokio::task::spawn_blocking(move || reloads.take_over(|| Err(stands.lock().to_owned())));
    slow.await.unwrap();
    fast.await.unwrap();
    assert_eq!(parts.catalog.problems(), ["configuration: second"]);
}

/// A path with every parameter named "none".
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "none" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Whoever checks every route takes them from the OpenAPI document: what is not there would be checked by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_the_methods_that_it_declares_and_no_others() {
    let (state, registry) = (tempfile::tempdir().unwrap(), Registry::builtin());
    let parts = parts_of(&demo(), &state, &registry).await;
    let app = start(&registry, &config(&state), None, &parts).await.unwrap();
    let document = thermocline_http::openapi::document(&app);
    let plugins: Vec<_> = app.running().cloned().collect();
    let router = thermocline_http::router::build(app).unwrap();
    parts.catalog.scan().await;
    let mut n_routes = 0;
    for plugin in plugins {
        let of_server = plugin.app_routes().into_iter().map(|route| route.path.to_owned());
        let of_dataset = plugin.dataset_routes().into_iter().map(|route| match route.path {
            "/" => "/datasets/{dataset_id}".to_owned(),
            path => format!("/datasets/{{dataset_id}}{path}"),
        });
        for path in of_server.chain(of_dataset) {
            n_routes += 1;
            let described = document["paths"].get(path.replace("{*", "{"));
            let declared = described.and_then(|described| described.as_object());
            let declared = declared.unwrap_or_else(|| panic!("{path} is not in the document"));
            for method in ["get", "post", "put", "patch", "delete"] {
                let request = Request::builder().method(method.to_uppercase().as_str()).uri(filled(&path));
                let request = request.header("host", "h").body(Body::empty()).unwrap();
                let status = router.answer(request).await.status().as_u16();
                // What declares nothing says of everything that it is not there.
                let is_offered = status != 405 && !(declared.is_empty() && status == 404);
                assert_eq!(is_offered, declared.contains_key(method), "{method} {path}: {status}");
            }
        }
    }
    assert!(n_routes > 80, "{n_routes} routes");
}
