//! Sources on plain web servers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use thermocline_core::bytes::{Root, StoreOptions};
use thermocline_testkit::TestServer;

use crate::archive::{N_RECORDS, netcdf, only_value, zarr};
use crate::served::{get_in_time, install_tls, serve};
use crate::web_server::{Habits, Listing, Naming, WebServer};

/// Values of a record.
const N_VALUES: usize = 16_384;

async fn serve_web(web: &WebServer, path: &str) -> TestServer {
    install_tls();
    let root = Root::store(&web.address, &StoreOptions::default()).unwrap();
    serve(vec![root], &[&web.url(path)], Duration::from_millis(50)).await
}

async fn with_file(habits: Habits) -> (WebServer, TestServer) {
    let web = WebServer::start(habits).await;
    web.put("a.nc", netcdf(7, N_VALUES), 1);
    let server = serve_web(&web, "a.nc").await;
    (web, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_whatever_names_its_state() {
    for naming in [Naming::StrongTag, Naming::WeakTag, Naming::TimeOnly] {
        let (_web, server) = with_file(Habits { naming, ..Habits::default() }).await;
        for record in 0..N_RECORDS {
            let answer = get_in_time(&server, &format!("/datasets/a/zarr/v0/c/{record}/0")).await;
            assert_eq!(answer.status, 200, "{naming:?}: {}", answer.text());
            assert_eq!(only_value(&answer.body, N_VALUES), Ok(7), "{naming:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_state_has_no_name_is_refused_with_the_reason() {
    let (_web, server) = with_file(Habits { naming: Naming::Nothing, ..Habits::default() }).await;
    let answer = server.get("/datasets/a/zarr/zarr.json").await.unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("ETag"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ranges_is_refused_with_the_reason() {
    let (_web, server) = with_file(Habits { has_ranges: false, ..Habits::default() }).await;
    let answer = server.get("/datasets/a/zarr/zarr.json").await.unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("ranges"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_or_comes_whole_is_an_error() {
    let (web, server) = with_file(Habits::default()).await;
    assert_eq!(get_in_time(&server, "/datasets/a/zarr/v0/c/0/0").await.status, 200);
    let bad = Habits::default();
    for bad in [Habits { is_breaking_off: true, ..bad }, Habits { has_ranges: false, ..bad }] {
        web.set_habits(bad);
        let answer = server.get("/datasets/a/zarr/v0/c/1/0").await.unwrap();
        assert!(answer.status.is_server_error() || answer.status == 422, "{bad:?}: {}", answer.text());
        let text = answer.text();
        let is_said_once = text.matches(&web.address).count() == 1 && !text.contains("Error performing");
        assert!(is_said_once, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_while_it_is_sent_is_not_put_together() {
    for naming in [Naming::StrongTag, Naming::WeakTag, Naming::TimeOnly] {
        let (web, server) = with_file(Habits { naming, ..Habits::default() }).await;
        assert_eq!(get_in_time(&server, "/datasets/a/zarr/v0/c/0/0").await.status, 200);
        web.put_while_it_is_sent("a.nc", netcdf(8, N_VALUES), 2);
        let answer = server.get("/datasets/a/zarr/v0/c/1/0").await.unwrap();
        assert!(answer.status.is_server_error(), "{naming:?}: {:?}", only_value(&answer.body, N_VALUES));
        let answer = get_in_time(&server, "/datasets/a/zarr/v0/c/1/0").await;
        assert_eq!(only_value(&answer.body, N_VALUES), Ok(8), "{naming:?}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_an_object_that_is_replaced_are_of_one_version() {
    for naming in [Naming::StrongTag, Naming::WeakTag, Naming::TimeOnly] {
        let (web, server) = with_file(Habits { naming, ..Habits::default() }).await;
        let mut versions = BTreeSet::new();
        let started = Instant::now();
        let mut version = 1;
        while started.elapsed() < Duration::from_secs(2) {
            version += 1;
            web.put("a.nc", netcdf(version, N_VALUES), version);
            for record in 0..40 {
                let path = format!("/datasets/a/zarr/v0/c/{}/0", record % N_RECORDS);
                let answer = server.get(&path).await.unwrap();
                match answer.status.as_u16() {
                    200 => {
                        versions.insert(only_value(&answer.body, N_VALUES).unwrap());
                    }
                    404 => panic!("{naming:?}: 404, which reads as fill"),
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        }
        assert!(versions.len() > 2, "{naming:?}: {versions:?} of {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_read_from_servers_that_list_and_from_those_that_do_not() {
    let listings = [
        Listing::Refused(405),
        Listing::Refused(501),
        Listing::Refused(403),
        Listing::Refused(404),
        Listing::Page,
        Listing::OneLevel,
        Listing::All,
    ];
    for listing in listings {
        for separator in [".", "/"] {
            let web = WebServer::start(Habits { listing, ..Habits::default() }).await;
            for (name, bytes) in zarr(7, N_VALUES, separator) {
                web.put(&format!("x.zarr/{name}"), bytes, 1);
            }
            // Without its slash the address of the folder is redirected to a page.
            let path = if separator == "/" { "x.zarr/" } else { "x.zarr" };
            let server = serve_web(&web, path).await;
            for record in 0..N_RECORDS {
                let answer =
                    get_in_time_or_absent(&server, &format!("/datasets/x/zarr-v3/v/c/{record}/0")).await;
                let case = format!("{listing:?} {separator} record {record}: {}", answer.text());
                // Record 3 was never written: its fill value, sent or implied.
                let value = if record == 3 { -1_i32 } else { 7 };
                let is_absent = record == 3 && answer.status == 404;
                assert!(is_absent || answer.body == value.to_le_bytes().repeat(N_VALUES), "{case}");
            }
        }
    }
}

async fn get_in_time_or_absent(server: &TestServer, path: &str) -> thermocline_testkit::Answer {
    let opened = get_in_time(server, "/datasets/x/zarr-v3/zarr.json").await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    server.get(path).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_signs_of_addresses_are_found_by_listing() {
    let web = WebServer::start(Habits { listing: Listing::All, ..Habits::default() }).await;
    web.put("archive/run#1 50%.nc", netcdf(7, N_VALUES), 1);
    let server = serve_web(&web, "archive/").await;
    let ids = server.catalog().ids();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(ids[0].to_string(), "run#1 50%");
    let id = "run%231%2050%25";
    let answer = get_in_time(&server, &format!("/datasets/{id}/zarr/v0/c/0/0")).await;
    assert_eq!(only_value(&answer.body, N_VALUES), Ok(7), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_arrays_cannot_be_found_is_refused_and_not_empty() {
    let web = WebServer::start(Habits::default()).await;
    for (name, bytes) in zarr(7, N_VALUES, ".").into_iter().filter(|(name, _)| name != ".zmetadata") {
        web.put(&format!("x.zarr/{name}"), bytes, 1);
    }
    let server = serve_web(&web, "x.zarr").await;
    let answer = server.get("/datasets/x/zarr-v3/zarr.json").await.unwrap();
    assert_eq!(answer.status, 422, "{}", answer.text());
}
