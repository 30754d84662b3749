//! Source objects on tape: read once they are online, never as stubs.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::Request;
use futures::StreamExt;
use thermocline_testkit::{Answer, FakeTape};

use super::*;

/// More than what is read of an object at once.
const LARGE: usize = 20 << 20;

struct Archive {
    server: TestServer,
    tape: Arc<FakeTape>,
    file: PathBuf,
}

impl Archive {
    async fn cold(toy: ToyDataset) -> Self {
        let plugins: Vec<Arc<dyn ServePlugin>> =
            vec![Arc::new(KerchunkPlugin::new(KerchunkSettings::default()))];
        let tape = FakeTape::new();
        let server =
            TestServer::on_tape(vec![("toy", toy)], plugins, HttpConfig::default(), &tape).await.unwrap();
        server.catalog().open("toy").await.unwrap();
        let file = server.file("toy").canonicalize().unwrap();
        tape.release(&file).unwrap();
        Self { server, tape, file }
    }

    async fn read_while_recalled(&self, headers: &[(&str, &str)]) -> Answer {
        let asked = self.server.send("GET", "/datasets/toy/objects/0", headers);
        let (answer, ()) = tokio::join!(asked, async {
            while self.tape.n_waiting() == 0 {
                tokio::task::yield_now().await;
            }
            self.tape.recall(&self.file).unwrap();
        });
        answer.unwrap()
    }
}

#[tokio::test]
async fn a_cold_object_is_sent_once_it_is_online() {
    let archive = Archive::cold(toy()).await;
    let answer = archive.read_while_recalled(&[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, toy().file()));
    assert_eq!(archive.tape.joined().len(), 1);

    let archive = Archive::cold(toy()).await;
    let answer = archive.read_while_recalled(&[("range", "bytes=0-3")]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (206, b"toy ".as_slice()));
}

#[tokio::test]
async fn references_and_head_of_cold_objects_recall_nothing() {
    let archive = Archive::cold(toy()).await;
    let refs = references(&archive.server, "kerchunk").await;
    assert_eq!(refs["tas/0"][0], json!(format!("{BASE}/objects/0")));
    assert!(refs["x/0"].as_str().is_some_and(|inline| inline.starts_with("base64:")));
    for path in ["kerchunk.parq/.zmetadata", "kerchunk.parq/tas/refs.0.parq", "kerchunk/x/0"] {
        let answer = archive.server.get(&format!("/datasets/toy/{path}")).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let head = archive.server.send("HEAD", "/datasets/toy/objects/0", &[]).await.unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("x-locality"), Some("nearline"));
    assert_eq!(head.header("content-length"), Some(toy().file().len().to_string().as_str()));
    assert!(archive.tape.joined().is_empty());
}

#[tokio::test]
async fn an_object_that_is_made_cold_while_it_is_sent_breaks_off_and_never_reads_as_zeros() {
    let variable = toy_variable("large", &["x"], (&[LARGE as u64], &[LARGE as u64]), I1, vec![]);
    let toy = ToyDataset::default().with("", variable, &[(0, ToyChunk::Stored(vec![7; LARGE]))]);
    let archive = Archive::cold(toy).await;
    archive.tape.recall(&archive.file).unwrap();

    let request = Request::get("/datasets/toy/objects/0").body(Body::empty()).unwrap();
    let response = archive.server.stack().answer(request).await;
    assert_eq!(response.status(), 200);
    let mut pieces = response.into_body().into_data_stream();
    let first = pieces.next().await.unwrap().unwrap();
    archive.tape.release(&archive.file).unwrap();
    let mut n_bytes = first.len();
    let broke_off = loop {
        match pieces.next().await {
            Some(Ok(piece)) => {
                assert!(piece.iter().all(|byte| *byte == 7), "a stub was read");
                n_bytes += piece.len();
            }
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broke_off && n_bytes < LARGE, "{n_bytes} bytes");
}
