//! The store over a site that is made up, and counts its recalls.

mod conforming;
mod site;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thermocline_core::ErrorKind;
use thermocline_core::bytes::{CredentialSource, Credentials, Refusal, Secret, StoreOptions};
use thermocline_core::clock::ManualClock;
use thermocline_core::cold::{
    ColdObject, ColdStore, FailureCause, Locality, NamespaceRoot, ObjectId, StageFailure, StageRequest,
    StageState, StageTicket, StoreContext,
};

use crate::{WlcgTapeConfig, WlcgTapeStore};
use site::{Fault, Site};

/// Roots of a site, each with its credentials.
fn context(site: &Site, roots: &[(&str, Credentials)]) -> StoreContext {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = format!("{}/webdav", site.address());
    let root = |(name, _): &(&str, Credentials)| NamespaceRoot {
        name: (*name).into(),
        base: base.clone(),
        map: Vec::new(),
        store: Some("tape".into()),
    };
    let place = |(name, credentials): &(&str, Credentials)| {
        ((*name).into(), StoreOptions { credentials: credentials.clone(), ..StoreOptions::default() })
    };
    let places = roots.iter().map(place).collect();
    StoreContext { places, ..StoreContext::new(roots.iter().map(root).collect()) }
}

fn bearer(token: &str) -> Credentials {
    Credentials::Bearer(token.to_owned())
}

fn store_with(site: &Site, config: WlcgTapeConfig) -> WlcgTapeStore {
    WlcgTapeStore::new(config, &context(site, &[("tape", bearer("secret"))])).unwrap()
}

fn config(site: &Site) -> WlcgTapeConfig {
    WlcgTapeConfig {
        endpoint: Some(site.address()),
        paths: [("/webdav".to_owned(), "/pnfs".to_owned())].into(),
        request_timeout: Duration::from_secs(5),
        remember: Duration::ZERO,
        ..WlcgTapeConfig::default()
    }
}

fn store(site: &Site) -> WlcgTapeStore {
    store_with(site, config(site))
}

fn object(site: &Site, name: &str) -> ColdObject {
    object_of("tape", site, name)
}

fn object_of(root: &str, site: &Site, name: &str) -> ColdObject {
    let id = ObjectId::new(root, &name.replace("%20", " ")).unwrap();
    ColdObject { id, href: format!("{}/webdav/{name}", site.address()).into() }
}

fn request(key: &str, objects: &[ColdObject]) -> StageRequest {
    StageRequest {
        key: key.to_owned(),
        objects: objects.to_vec(),
        lifetime: Duration::from_secs(3600),
        is_interactive: false,
    }
}

async fn states(store: &WlcgTapeStore, ticket: &StageTicket) -> BTreeMap<String, StageState> {
    let progress = store.progress(ticket).await.unwrap();
    progress.into_iter().map(|(id, state)| (id.path().to_owned(), state)).collect()
}

async fn locality(store: &WlcgTapeStore, object: &ColdObject) -> Result<Locality, ErrorKind> {
    let mut found = store.status(std::slice::from_ref(object)).await;
    found.remove(0).map(|status| status.locality).map_err(|error| error.kind())
}

fn unavailable<T: std::fmt::Debug>(found: thermocline_core::Result<T>) -> Duration {
    match found.map_err(|error| error.kind()) {
        Err(ErrorKind::Unavailable { retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn looking_tells_where_files_are_and_what_they_are_and_recalls_nothing() {
    let site = Site::start().await;
    let store = store(&site);
    let objects: Vec<ColdObject> =
        ["a.nc", "sp%20ace.nc", "missing.nc", "b.nc"].map(|name| object(&site, name)).into();
    site.bring_online("/pnfs/b.nc");

    let found = store.status(&objects).await;

    let localities: Vec<_> =
        found.iter().map(|found| found.as_ref().map(|status| status.locality).ok()).collect();
    let (cold, hot) = (Some(Locality::Nearline), Some(Locality::OnlineAndNearline));
    assert_eq!(localities, [cold, cold, None, hot]);
    assert_eq!(found[2].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    let first = found[0].as_ref().unwrap();
    assert_eq!((first.len_bytes, &*first.version), (site::LEN_BYTES as u64, "\"tag of /webdav/a.nc\""));
    assert_eq!(site.n_recalls(), 0);
    assert!(site.authorized_only(), "a call came without the token");
}

#[tokio::test]
async fn a_batch_is_one_request_of_the_site_and_ends_file_by_file() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "sp%20ace.nc", "missing.nc"].map(|name| object(&site, name));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    assert_eq!(ticket.store_id.as_deref(), Some("request-1"));
    assert_eq!(site.lifetimes(), ["PT3600S"; 3]);
    assert_eq!(site.staged_paths(), ["/pnfs/a.nc", "/pnfs/sp ace.nc", "/pnfs/missing.nc"]);

    let early = states(&store, &ticket).await;
    assert_eq!((&early["a.nc"], &early["sp ace.nc"]), (&StageState::Queued, &StageState::Queued));
    assert!(
        matches!(
            &early["missing.nc"],
            StageState::Failed(StageFailure { cause: FailureCause::NotFound, .. })
        ),
        "{early:?}"
    );
    site.bring_online("/pnfs/a.nc");
    let later = states(&store, &ticket).await;
    assert_eq!((&later["a.nc"], &later["sp ace.nc"]), (&StageState::Staged, &StageState::Queued));
    site.bring_online("/pnfs/sp ace.nc");
    let last = states(&store, &ticket).await;
    assert_eq!((&last["a.nc"], &last["sp ace.nc"]), (&StageState::Staged, &StageState::Staged));
    assert_eq!(locality(&store, &objects[0]).await, Ok(Locality::OnlineAndNearline));

    // The same key is the same request, and what has ended is not asked about again.
    let (n_calls, again) = (site.n_calls(), store.stage(&request("k", &objects)).await.unwrap());
    assert_eq!(again.store_id, ticket.store_id);
    assert_eq!(states(&store, &ticket).await, last);
    assert_eq!(site.n_calls(), n_calls);
}

#[tokio::test]
async fn after_a_restart_the_request_is_found_by_its_name() {
    let site = Site::start().await;
    let objects = [object(&site, "a.nc"), object(&site, "b.nc")];
    let ticket = store(&site).stage(&request("k", &objects)).await.unwrap();
    site.bring_online("/pnfs/a.nc");

    let restarted = store(&site);
    let found = states(&restarted, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Staged, &StageState::Queued));
    restarted.cancel(&ticket, &[objects[1].id.clone()]).await.unwrap();
    assert_eq!(states(&restarted, &ticket).await["b.nc"], StageState::Unknown);
    assert_eq!(site.n_requests(), 1, "nothing was asked for again");

    let nameless = StageTicket { store_id: None, ..ticket };
    assert!(states(&store(&site), &nameless).await.values().all(|state| *state == StageState::Unknown));
}

#[tokio::test]
async fn of_a_request_that_the_site_forgot_only_what_is_cold_is_asked_for_again() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    site.bring_online("/pnfs/a.nc");
    site.forget_requests();
    let found = states(&store, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Staged, &StageState::Unknown));
}

#[tokio::test]
async fn whether_a_request_was_accepted_whose_answer_got_lost_is_looked_at_before_it_is_made_again() {
    for fault in [Fault::BreakOff, Fault::Status(500), Fault::Status(504), Fault::Garbage] {
        let site = Site::start().await;
        let store = store(&site);
        let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
        // The site acts on it, and only its answer is lost.
        site.fail_next_stage(fault);
        unavailable(store.stage(&request("k", &objects)).await);
        site.bring_online("/pnfs/a.nc");

        let ticket = store.stage(&request("again", &objects)).await.unwrap();
        assert_eq!(site.staged_paths()[2..], ["/pnfs/b.nc"], "{fault:?}");
        assert_eq!(states(&store, &ticket).await["a.nc"], StageState::Staged, "{fault:?}");
        site.bring_online("/pnfs/b.nc");
        assert_eq!(states(&store, &ticket).await["b.nc"], StageState::Staged, "{fault:?}");
        assert_eq!(site.n_recalls(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_site_that_is_busy_or_does_not_know_us_says_when_to_come_back_and_nothing_has_begun() {
    for (status, after) in [(503, 7), (429, 7), (401, 7), (403, 7)] {
        let site = Site::start().await;
        let store = store(&site);
        site.fail_next_stage(Fault::Status(status));
        let objects = [object(&site, "a.nc")];
        let retry_after = unavailable(store.stage(&request("k", &objects)).await);
        assert_eq!(retry_after, Duration::from_secs(after), "{status}");
        assert!(store.trouble().is_some_and(|trouble| trouble.contains(&status.to_string())), "{status}");
        store.stage(&request("k", &objects)).await.unwrap();
        assert_eq!(store.trouble(), None);
    }
}

#[tokio::test]
async fn a_file_that_the_site_refuses_fails_alone_in_its_words_and_the_rest_goes_on() {
    let site = Site::start().await;
    let store = store(&site);
    let names = ["a.nc", "b.nc", "c.nc", "d.nc", "e.nc"];
    let objects = names.map(|name| object(&site, name));
    site.refuse("/pnfs/c.nc");
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    names.iter().for_each(|name| site.bring_online(&format!("/pnfs/{name}")));
    let mut found = states(&store, &ticket).await;
    let Some(StageState::Failed(StageFailure { cause, reason })) = found.remove("c.nc") else {
        panic!("{found:?}")
    };
    assert_eq!(cause, FailureCause::Denied);
    assert!(reason.contains("400") && reason.contains("made to fail"), "{reason}");
    assert!(found.values().all(|state| *state == StageState::Staged), "{found:?}");
    assert_eq!(site.n_recalls(), 4);
}

#[tokio::test]
async fn a_batch_that_is_longer_than_the_site_takes_is_several_requests_also_after_a_restart() {
    let site = Site::start().await;
    let objects = ["a.nc", "b.nc", "c.nc", "d.nc", "e.nc"].map(|name| object(&site, name));
    site.take_at_most(2);
    let ticket = store(&site).stage(&request("k", &objects)).await.unwrap();
    assert_eq!((site.n_requests(), site.n_recalls()), (3, 5));

    let restarted = store(&site);
    site.bring_online("/pnfs/a.nc");
    restarted.cancel(&ticket, &[objects[1].id.clone(), objects[4].id.clone()]).await.unwrap();
    let found = states(&restarted, &ticket).await;
    let of = |name: &str| found[name].clone();
    assert_eq!(of("a.nc"), StageState::Staged);
    assert_eq!((of("b.nc"), of("e.nc")), (StageState::Unknown, StageState::Unknown));
    assert_eq!((of("c.nc"), of("d.nc")), (StageState::Queued, StageState::Queued));
    assert_eq!(site.n_requests(), 3, "nothing was asked for again");
}

#[tokio::test]
async fn what_was_accepted_goes_on_when_the_site_takes_no_more() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc", "c.nc", "d.nc"].map(|name| object(&site, name));
    site.take_at_most(2);
    site.fail_stages([None, None, Some(Fault::Status(503))]);
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    let found = states(&store, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Queued, &StageState::Queued));
    for name in ["c.nc", "d.nc"] {
        let StageState::Failed(StageFailure { cause, .. }) = &found[name] else { panic!("{found:?}") };
        assert_eq!(*cause, FailureCause::Retryable { after: Some(Duration::from_secs(7)) });
    }
}

#[tokio::test]
async fn what_is_cancelled_while_it_is_being_asked_for_is_cancelled_at_the_site() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    site.hold_stages(true);
    let wanted = request("k", &objects);
    let cancel = async {
        while !store.batches.knows("k") {
            tokio::task::yield_now().await;
        }
        let ticket = StageTicket { key: "k".to_owned(), objects: objects.to_vec(), store_id: None };
        store.cancel(&ticket, &[objects[0].id.clone()]).await.unwrap();
        site.hold_stages(false);
    };
    let (ticket, ()) = tokio::join!(store.stage(&wanted), cancel);
    let ticket = ticket.unwrap();
    // The site's own word for it, as a server that was started again reads it.
    let restarted = store_with(&site, config(&site));
    let found = states(&restarted, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Unknown, &StageState::Queued));
}

#[tokio::test]
async fn cancelling_drops_the_interest_of_one_batch_only() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    let one = store.stage(&request("one", &objects)).await.unwrap();
    let two = store.stage(&request("two", &objects)).await.unwrap();
    for _ in 0..2 {
        store.cancel(&one, &[objects[0].id.clone()]).await.unwrap();
    }
    assert_eq!(states(&store, &one).await["a.nc"], StageState::Unknown);
    site.bring_online("/pnfs/a.nc");
    site.bring_online("/pnfs/b.nc");
    assert_eq!(states(&store, &one).await["b.nc"], StageState::Staged);
    assert_eq!(states(&store, &two).await["a.nc"], StageState::Staged);
    assert_eq!(site.n_recalls(), 2);
}

#[tokio::test]
async fn nothing_is_concluded_from_a_site_that_does_not_answer() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = [object(&site, "a.nc")];
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    for fault in [Fault::BreakOff, Fault::Status(502), Fault::Garbage, Fault::Status(401)] {
        site.fail_everything(Some(fault));
        unavailable(store.progress(&ticket).await);
        assert!(
            matches!(locality(&store, &objects[0]).await, Err(ErrorKind::Unavailable { .. })),
            "{fault:?}"
        );
    }
    // That the interface is not there says nothing of a file.
    site.fail_everything(Some(Fault::Status(404)));
    assert!(matches!(locality(&store, &objects[0]).await, Err(ErrorKind::Unavailable { .. })));
    site.fail_everything(None);
    assert_eq!(states(&store, &ticket).await["a.nc"], StageState::Queued);
}

#[tokio::test]
async fn credentials_are_not_taken_to_another_host() {
    let site = Site::start().await;
    let elsewhere = Site::start().await;
    site.say_interface_is_at("http://localhost.example:1/api/v1");
    let found = store(&site).status(&[object(&site, "a.nc")]).await.remove(0).unwrap_err();
    assert!(found.message().contains("another host"), "{found}");
    // Another port of the same host is usual.
    site.say_interface_is_at(&format!("{}/api/v1", elsewhere.address()));
    assert_eq!(locality(&store(&site), &object(&site, "a.nc")).await, Ok(Locality::Nearline));
    // Or the operator says where it is.
    let known = WlcgTapeConfig {
        endpoint: None,
        api: Some(format!("{}/api/v1", elsewhere.address())),
        ..config(&site)
    };
    assert_eq!(locality(&store_with(&site, known), &object(&site, "a.nc")).await, Ok(Locality::Nearline));
}

#[tokio::test]
async fn what_is_on_disk_stays_there_as_long_as_the_site_was_asked_for() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc", "c.nc"].map(|name| object(&site, name));
    let left = async |number: usize| {
        let status = store.status(&objects[number..=number]).await.remove(0).unwrap();
        let until_ns = status.online_until_ns?;
        Some((until_ns - store.clock.now_ns()) / 1_000_000_000)
    };
    store.stage(&request("k", &objects[..1])).await.unwrap();
    assert_eq!(left(0).await, None, "it is on tape");
    site.end_recalls();
    site.bring_online("/pnfs/b.nc");
    site.keep_off_tape("/pnfs/c.nc");
    assert!((3500..=3600).contains(&left(0).await.unwrap()), "an hour was asked for");
    assert!(left(1).await.unwrap() <= 20, "others have brought it there");
    assert_eq!(left(2).await, None, "it has no other place");

    store.prolong(&objects[1..2], Duration::from_secs(7200)).await.unwrap();
    assert!((7100..=7200).contains(&left(1).await.unwrap()));
}

#[tokio::test]
async fn a_site_that_keeps_files_for_a_while_only_is_asked_for_no_more() {
    let site = Site::start().await;
    let longest = Some(Duration::from_secs(1800));
    let store = store_with(&site, WlcgTapeConfig { max_lifetime: longest, ..config(&site) });
    let objects = [object(&site, "a.nc")];
    store.stage(&request("k", &objects)).await.unwrap();
    store.prolong(&objects, Duration::from_secs(7200)).await.unwrap();
    assert_eq!(site.lifetimes(), ["PT1800S", "PT1800S"]);
    site.end_recalls();
    let until_ns = store.status(&objects).await.remove(0).unwrap().online_until_ns.unwrap();
    assert!(until_ns - store.clock.now_ns() <= 1_800_000_000_000);
}

#[tokio::test]
async fn what_is_kept_longer_is_asked_for_again() {
    let site = Site::start().await;
    let store = store(&site);
    store.prolong(&[object(&site, "a.nc")], Duration::from_secs(7200)).await.unwrap();
    assert_eq!(site.lifetimes(), ["PT7200S"]);
    site.fail_next_stage(Fault::Status(400));
    assert!(store.prolong(&[object(&site, "a.nc")], Duration::from_secs(7200)).await.is_err());
}

#[tokio::test]
async fn a_file_of_which_the_site_says_nothing_is_asked_about_again() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    site.say_nothing_of("/pnfs/a.nc");
    let after = Err(ErrorKind::Unavailable { retry_after: Duration::from_secs(60) });
    assert_eq!(locality(&store, &objects[0]).await, after);
    assert_eq!(locality(&store, &objects[1]).await, Ok(Locality::Nearline));

    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    let found = states(&store, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Accepted, &StageState::Queued));
}

#[tokio::test]
async fn a_recall_fails_for_good_only_if_the_site_has_the_file_no_more() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc", "missing.nc"].map(|name| object(&site, name));
    site.fail_recall("/pnfs/a.nc", "Pool not found");
    site.fail_recall("/pnfs/b.nc", "No such file in the request");
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    site.fail_looks(Some(Fault::Status(502)));
    let early = states(&store, &ticket).await;
    assert_eq!((&early["b.nc"], &early["missing.nc"]), (&StageState::Accepted, &StageState::Accepted));
    site.fail_looks(None);
    let found = states(&store, &ticket).await;
    for (name, expected) in [
        ("a.nc", FailureCause::Retryable { after: None }),
        ("b.nc", FailureCause::Retryable { after: None }),
        ("missing.nc", FailureCause::NotFound),
    ] {
        let StageState::Failed(StageFailure { cause, .. }) = &found[name] else { panic!("{found:?}") };
        assert_eq!(*cause, expected, "{name}");
    }
}

#[tokio::test]
async fn a_batch_over_two_roots_is_asked_for_and_polled_and_cancelled_with_the_token_of_each() {
    let site = Site::start().await;
    let context = context(&site, &[("one", bearer("secret of one")), ("two", bearer("secret of two"))]);
    let open = || WlcgTapeStore::new(config(&site), &context).unwrap();
    let objects =
        [("one", "a.nc"), ("two", "b.nc"), ("one", "c.nc")].map(|(root, name)| object_of(root, &site, name));
    let ids = objects.clone().map(|object| object.id);
    let ticket = open().stage(&request("k", &objects)).await.unwrap();
    site.bring_online("/pnfs/a.nc");
    let restarted = open();
    let found = states(&restarted, &ticket).await;
    let of = |name: &str| found[name].clone();
    assert_eq!(
        (of("a.nc"), of("b.nc"), of("c.nc")),
        (StageState::Staged, StageState::Queued, StageState::Queued)
    );
    restarted.cancel(&ticket, &ids[1..]).await.unwrap();
    assert_eq!(
        (site.cancelled("request-1"), site.cancelled("request-2")),
        (vec!["/pnfs/c.nc".to_owned()], vec!["/pnfs/b.nc".to_owned()])
    );
    let calls = site.calls_for_requests();
    let calls: Vec<(&str, &str)> = calls.iter().map(|(call, token)| (&**call, &**token)).collect();
    assert_eq!(
        calls,
        [
            ("POST stage", "secret of one"),
            ("POST stage", "secret of two"),
            ("GET stage/request-1", "secret of one"),
            ("GET stage/request-2", "secret of two"),
            ("POST stage/request-1/cancel", "secret of one"),
            ("POST stage/request-2/cancel", "secret of two"),
        ]
    );
}

#[tokio::test]
async fn a_root_that_the_site_does_not_let_in_keeps_no_other_one_from_its_files() {
    let site = Site::start().await;
    let context = context(&site, &[("one", bearer("secret of one")), ("two", bearer("secret of two"))]);
    let store = WlcgTapeStore::new(config(&site), &context).unwrap();
    let objects = [object_of("one", &site, "a.nc"), object_of("two", &site, "b.nc")];
    site.fail_next_stage(Fault::Status(401));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    let found = states(&store, &ticket).await;
    let StageState::Failed(StageFailure { cause, .. }) = &found["a.nc"] else { panic!("{found:?}") };
    assert_eq!(*cause, FailureCause::Retryable { after: Some(Duration::from_secs(7)) });
    assert_eq!(found["b.nc"], StageState::Queued);
}

#[tokio::test]
async fn what_was_cancelled_is_not_believed_to_be_kept() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    site.end_recalls();
    store.cancel(&ticket, &[objects[0].id.clone()]).await.unwrap();
    assert_eq!(locality(&store, &objects[0]).await, Ok(Locality::Nearline), "its pin has ended");

    site.bring_online("/pnfs/a.nc");
    let found = store.status(&objects).await;
    let left_s = found.iter().map(|status| {
        (status.as_ref().unwrap().online_until_ns.unwrap() - store.clock.now_ns()) / 1_000_000_000
    });
    let left_s: Vec<i64> = left_s.collect();
    assert!(left_s[0] <= 20 && left_s[1] >= 3500, "{left_s:?}");
}

#[tokio::test]
async fn a_request_is_given_up_only_if_the_site_knows_it_no_more_and_says_that_its_files_are_cold() {
    let site = Site::start().await;
    let store = store(&site);
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    site.fail_everything(Some(Fault::Status(404)));
    unavailable(store.progress(&ticket).await);
    site.fail_everything(None);
    assert_eq!(states(&store, &ticket).await["a.nc"], StageState::Queued, "it is the same request still");

    site.forget_requests();
    site.fail_looks(Some(Fault::Status(502)));
    unavailable(store.progress(&ticket).await);
    site.fail_looks(None);
    assert_eq!(states(&store, &ticket).await["a.nc"], StageState::Unknown);
}

#[tokio::test]
async fn files_that_are_kept_longer_are_asked_for_without_those_that_the_site_refuses() {
    let site = Site::start().await;
    let store = store_with(&site, WlcgTapeConfig { batch_objects: 4, ..config(&site) });
    let mut objects: Vec<ColdObject> =
        ["a.nc", "b.nc", "c.nc", "d.nc", "e.nc", "f.nc"].map(|name| object(&site, name)).into();
    let id = ObjectId::new("tape", "no address").unwrap();
    objects.insert(0, ColdObject { id, href: "/no/address".into() });
    site.refuse("/pnfs/b.nc");
    let refused = store.prolong(&objects, Duration::from_secs(7200)).await.unwrap_err();
    assert!(refused.message().contains("400"), "{refused}");
    let mut asked = site.staged_paths();
    asked.sort();
    assert_eq!(asked, ["a", "c", "d", "e", "f"].map(|name| format!("/pnfs/{name}.nc")));
}

#[tokio::test]
async fn a_cancel_that_the_site_does_not_answer_is_made_again_until_it_does() {
    let site = Site::start().await;
    let clock = ManualClock::new(1_000_000_000);
    let context =
        StoreContext { clock: Arc::new(clock.clone()), ..context(&site, &[("tape", bearer("secret"))]) };
    let store = WlcgTapeStore::new(config(&site), &context).unwrap();
    let objects = ["a.nc", "b.nc"].map(|name| object(&site, name));
    let ticket = store.stage(&request("k", &objects)).await.unwrap();
    site.fail_cancels(Some(Fault::Status(503)));
    let only = [objects[0].id.clone()];
    for _ in 0..2 {
        unavailable(store.cancel(&ticket, &only).await);
    }
    assert_eq!(states(&store, &ticket).await["a.nc"], StageState::Queued, "the site has it still");

    site.fail_cancels(None);
    assert!(site.cancelled("request-1").is_empty());
    for _ in 0..1000 {
        clock.advance(Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(1)).await;
        if !site.cancelled("request-1").is_empty() {
            break;
        }
    }
    assert_eq!(site.cancelled("request-1"), ["/pnfs/a.nc"]);
    let found = states(&store, &ticket).await;
    assert_eq!((&found["a.nc"], &found["b.nc"]), (&StageState::Unknown, &StageState::Queued));
    context.shutdown.cancel();
    context.tasks.close();
    context.tasks.wait().await;
}

/// Counts what is thought of its token.
#[derive(Debug, Default)]
struct Judged {
    n_refused: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl CredentialSource for Judged {
    async fn secret(&self) -> thermocline_core::Result<Arc<Secret>> {
        Ok(Arc::new(Secret::Bearer("secret".to_owned())))
    }

    fn refused(&self, _: &Arc<Secret>, _: Refusal<'_>) {
        self.n_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_host_to_which_the_site_sends_us_does_not_judge_our_token() {
    let (site, elsewhere) = (Site::start().await, Site::start().await);
    let judged = Arc::new(Judged::default());
    let source = Arc::clone(&judged) as Arc<dyn CredentialSource>;
    let context = context(&site, &[("tape", Credentials::Source(source))]);
    let store = WlcgTapeStore::new(config(&site), &context).unwrap();
    let n_refused = || judged.n_refused.load(std::sync::atomic::Ordering::Relaxed);
    site.say_files_are_at(&elsewhere.address());
    elsewhere.fail_everything(Some(Fault::Status(401)));
    assert!(locality(&store, &object(&site, "a.nc")).await.is_err());
    assert_eq!((n_refused(), elsewhere.authorized_only(), elsewhere.n_calls()), (0, false, 1));
    site.fail_everything(Some(Fault::Status(401)));
    assert!(locality(&store, &object(&site, "a.nc")).await.is_err());
    assert_eq!(n_refused(), 1);
}

#[test]
fn roots_that_no_tape_site_serves_are_refused() {
    let root = |base: &str| NamespaceRoot {
        name: "r".into(),
        base: base.to_owned(),
        map: Vec::new(),
        store: Some("tape".into()),
    };
    let config =
        || WlcgTapeConfig { endpoint: Some("https://tape.example".to_owned()), ..WlcgTapeConfig::default() };
    for (base, is_good) in [("https://tape.example/x", true), ("/archive", false), ("s3://bucket", false)] {
        let made = WlcgTapeStore::new(config(), &StoreContext::new(vec![root(base)]));
        assert_eq!(made.is_ok(), is_good, "{base}");
    }
    let shared: Arc<dyn ColdStore> =
        Arc::new(WlcgTapeStore::new(config(), &StoreContext::new(vec![])).unwrap());
    assert_eq!(shared.kind(), "wlcg-tape");
}
