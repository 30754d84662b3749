//! Data on a cold store: recalled for pictures, never for what is known without them.

use std::path::PathBuf;

use super::*;

struct Archive {
    server: TestServer,
    tape: Arc<FakeTape>,
    file: PathBuf,
}

impl Archive {
    async fn cold() -> Self {
        Self::cold_with(Arc::new(PlotPlugin::default())).await
    }

    async fn cold_with(plugin: Arc<PlotPlugin>) -> Self {
        let plugins: Vec<Arc<dyn ServePlugin>> = vec![plugin];
        let tape = FakeTape::new();
        let server =
            TestServer::on_tape(vec![("toy", toy())], plugins, HttpConfig::default(), &tape).await.unwrap();
        server.catalog().open("toy").await.unwrap();
        let file = server.file("toy").canonicalize().unwrap();
        tape.release(&file).unwrap();
        Self { server, tape, file }
    }
}

#[tokio::test]
async fn lists_pages_legends_thumbnails_and_head_recall_nothing() {
    let archive = Archive::cold().await;
    for path in ["plot", "plot/tas.html", "legend/tas.png?vmin=0&vmax=1", "plot/thumbnail.png"] {
        let answer = plot(&archive.server, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let head = archive.server.send("HEAD", "/datasets/toy/plot/tas.png", &[]).await.unwrap();
    assert_eq!(head.status, 200);
    let thumbnail = plot(&archive.server, "plot/thumbnail.png").await;
    assert_eq!(thumbnail.header("cache-control"), Some("no-store"), "a picture without data is not kept");
    assert!(thumbnail.body.starts_with(PNG));
    assert!(archive.tape.joined().is_empty());
}

#[tokio::test]
async fn without_jobs_a_request_waits_until_the_data_are_online() {
    let archive = Archive::cold().await;
    let (answer, ()) = tokio::join!(plot(&archive.server, "plot/tas.png?width=300"), async {
        while archive.tape.n_waiting() == 0 {
            tokio::task::yield_now().await;
        }
        archive.tape.recall(&archive.file).unwrap();
    });
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("image/png")));
    assert_eq!(archive.tape.joined().len(), 1);

    let thumbnail = plot(&archive.server, "plot/thumbnail.png").await;
    assert_ne!(thumbnail.header("cache-control"), Some("no-store"), "now there is something to show");
    archive.tape.release(&archive.file).unwrap();
    let kept = plot(&archive.server, "plot/thumbnail.png").await;
    assert_eq!(kept.body, thumbnail.body, "what was drawn stays");
    assert_eq!(archive.tape.joined().len(), 1);
}

#[tokio::test]
async fn a_result_of_cold_data_has_its_page_at_once_and_its_picture_after_the_recall() {
    let archive = Archive::cold_with(grouped::plugin()).await;
    let query = "groupby=time.month&action=mean&width=300";
    let page = plot(&archive.server, &format!("plot/tas.html?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(archive.tape.joined().is_empty());
    let path = format!("plot/tas.png?{query}");
    let (answer, ()) = tokio::join!(plot(&archive.server, &path), async {
        while archive.tape.n_waiting() == 0 {
            tokio::task::yield_now().await;
        }
        archive.tape.recall(&archive.file).unwrap();
    });
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("image/png")));
    assert_eq!(archive.tape.joined().len(), 1);
}
