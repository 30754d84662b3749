//! Sources in a bucket of a real S3 server on this machine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::Value;
use thermocline_core::bytes::{Credentials, Root, StoreOptions};
use thermocline_testkit::TestServer;

use crate::archive::{N_RECORDS, netcdf, only_value};
use crate::served::{get_in_time, install_tls, serve};

/// Real files and stores of every format and layout.
const SOURCES: [&str; 8] = [
    "air_temperature_small.nc",
    "bzip2.h5",
    "chunked_lz4_zeros.h5",
    "temp_air_01082000.nc",
    "H.2.1.1.nc",
    "hierarchy.zarr",
    "sharded_array_write_read.zarr",
    "zarrita_v2_data.zarr",
];

/// Values of a record.
const N_VALUES: usize = 16_384;

/// Most chunks of an array that are compared.
const MAX_CHUNKS: usize = 64;

/// An S3 server with one bucket; requests must be signed.
struct Bucket {
    folder: tempfile::TempDir,
    endpoint: String,
}

impl Bucket {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self { folder, endpoint }
    }

    fn root(&self, secret: &str) -> Root {
        install_tls();
        let credentials =
            Credentials::Key { key_id: "key".to_owned(), secret: secret.to_owned(), token: None };
        let options = StoreOptions {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            credentials,
            ..StoreOptions::default()
        };
        Root::store("s3://bucket/archive", &options).unwrap()
    }

    async fn serve(&self) -> TestServer {
        serve(vec![self.root("secret")], &["s3://bucket/archive/"], Duration::from_millis(50)).await
    }

    /// Puts an object into the bucket at once.
    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join("bucket").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let next = self.folder.path().join("next");
        fs::write(&next, bytes).unwrap();
        fs::rename(next, path).unwrap();
    }
}

fn data_files() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/files"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_a_bucket_are_served_as_the_same_files_in_a_folder() {
    let bucket = Bucket::start().await;
    let folder = tempfile::tempdir().unwrap();
    for name in SOURCES {
        copy(&data_files().join(name), &folder.path().join(name));
        copy(&data_files().join(name), &bucket.folder.path().join("bucket/archive").join(name));
    }
    let local = Root::directory(folder.path()).unwrap();
    let local = serve(vec![local], &[folder.path().to_str().unwrap()], Duration::from_secs(60)).await;
    let remote = bucket.serve().await;
    let ids = local.catalog().ids();
    assert_eq!(ids.len(), SOURCES.len());
    assert_eq!(remote.catalog().ids(), ids);

    let mut n_chunks = 0;
    for id in &ids {
        let path = format!("/datasets/{id}/zarr-v2/.zmetadata");
        let (here, there) = (get_in_time(&local, &path).await, get_in_time(&remote, &path).await);
        assert_eq!(here.status, 200, "{id}: {}", here.text());
        assert_eq!(here.body, there.body, "{id}: {}", there.text());
        for key in chunk_keys(&here.body) {
            let path = format!("/datasets/{id}/zarr-v2/{key}");
            let (here, there) = (local.get(&path).await.unwrap(), remote.get(&path).await.unwrap());
            assert_eq!((here.status, here.body), (there.status, there.body), "{path}");
            n_chunks += usize::from(here.status == 200);
        }
    }
    assert!(n_chunks > 40, "only {n_chunks} chunks");
}

/// The first chunk keys of every array of a `.zmetadata` document.
fn chunk_keys(document: &[u8]) -> Vec<String> {
    let document: Value = serde_json::from_slice(document).unwrap();
    let mut keys = Vec::new();
    for (path, array) in document["metadata"].as_object().unwrap() {
        let Some(path) = path.strip_suffix(".zarray") else { continue };
        let numbers = |key: &str| -> Vec<usize> {
            array[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let counts: Vec<usize> = numbers("shape")
            .iter()
            .zip(numbers("chunks"))
            .map(|(n, chunk)| n.div_ceil(chunk.max(1)))
            .collect();
        let n_chunks = counts.iter().product::<usize>().min(MAX_CHUNKS);
        for linear in 0..n_chunks {
            let mut rest = linear;
            let mut index: Vec<String> = counts
                .iter()
                .rev()
                .map(|count| {
                    let position = rest % count;
                    rest /= count;
                    position.to_string()
                })
                .collect();
            index.reverse();
            let separator = array["dimension_separator"].as_str().unwrap_or(".");
            let key = if index.is_empty() { "0".to_owned() } else { index.join(separator) };
            keys.push(format!("{path}{key}"));
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_replaced_is_sent_in_one_version_or_not_at_all() {
    let bucket = Bucket::start().await;
    bucket.put("archive/a.nc", &netcdf(0, N_VALUES));
    let server = bucket.serve().await;
    for version in 0..8 {
        bucket.put("archive/a.nc", &netcdf(version, N_VALUES));
        for n in 0..400 {
            let path = format!("/datasets/a/zarr/v0/c/{}/0", n % N_RECORDS);
            let answer = server.get(&path).await.unwrap();
            if answer.status != 200 {
                assert!(answer.status.is_server_error(), "{}", answer.text());
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            let seen = only_value(&answer.body, N_VALUES).unwrap();
            assert!(seen <= version, "{seen} before {version} was stored");
            if seen == version && n > 40 {
                break;
            }
        }
        let answer = get_in_time(&server, "/datasets/a/zarr/v0/c/0/0").await;
        assert_eq!(only_value(&answer.body, N_VALUES), Ok(version), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_signs_of_addresses_are_read() {
    let bucket = Bucket::start().await;
    for name in ["run#1.nc", "a b.nc", "50%.nc", "what?.nc", "%20.nc"] {
        bucket.put(&format!("archive/{name}"), &netcdf(7, N_VALUES));
    }
    let server = bucket.serve().await;
    let ids = server.catalog().ids();
    assert_eq!(ids.len(), 5, "{ids:?}");
    for id in ids {
        let id =
            id.to_string().replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F");
        let answer = get_in_time(&server, &format!("/datasets/{id}/zarr/v0/c/0/0")).await;
        assert_eq!(only_value(&answer.body, N_VALUES), Ok(7), "{id}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_the_key_is_no_empty_bucket() {
    let bucket = Bucket::start().await;
    bucket.put("archive/a.nc", &netcdf(7, N_VALUES));
    let places = ["s3://bucket/archive/"];
    let server = serve(vec![bucket.root("wrong")], &places, Duration::from_secs(60)).await;
    let problems = server.catalog().problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("s3://bucket/archive") && problems[0].contains("403"), "{problems:?}");
    assert_eq!(server.get("/datasets/a/zarr/zarr.json").await.unwrap().status, 503);
}
