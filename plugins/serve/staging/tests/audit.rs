//! What is written of calls that change something.

use std::collections::BTreeSet;

use thermocline_http::{Route, ServePlugin};
use thermocline_testkit::{AuditEntry, AuditLog};

use super::selection::toy;
use super::*;

async fn world() -> World {
    let World { server } =
        World::with(StagingApiSettings::default(), open_rules(), vec![("toy", toy())]).await;
    World { server: server.asked_from(([192, 0, 2, 7], 4711).into()) }
}

/// Calls that are no GET: method and path.
fn declared(routes: &[Route], prefix: &str) -> BTreeSet<(String, String)> {
    let calls = routes.iter().flat_map(|route| {
        let methods = route.operations.iter().map(|operation| operation.method);
        methods.map(move |method| (method.to_owned(), format!("{prefix}{}", route.path)))
    });
    calls.filter(|(method, _)| method != "get").collect()
}

#[tokio::test]
async fn every_call_that_changes_something_is_in_the_audit_log() {
    let world = world().await;
    let id = world.stage(&["a.nc"]).await;
    world.ended(&id).await;
    let log = AuditLog::keep();
    let (nothing, objects) = (json!({}), json!({"objects": [world.path("b.nc")]}));
    let calls = [
        ("post", "/datasets/{dataset_id}/stage", &nothing, ("stage", "1 objects of toy", "request r")),
        ("post", "/requests", &objects, ("stage", "1 objects", "request r")),
        ("post", "/requests/{request_id}/extend", &nothing, ("extend", &*id, "done")),
        ("post", "/requests/{request_id}/release", &nothing, ("release", &*id, "done")),
        ("delete", "/requests/{request_id}", &nothing, ("cancel", &*id, "done")),
        ("post", "/objects/evict", &json!({"all": true}), ("evict", "all", " evicted")),
        ("post", "/cold/{store}/{action}", &nothing, ("pause", "tape", "done")),
        ("post", "/cold/{store}/events", &json!({"Records": []}), ("events", "tape", "0 objects")),
        ("post", "/webhooks/{webhook_id}/retry", &nothing, ("retry webhook", "7", "refused with 404")),
    ];
    for (method, path, body, (what, subject, outcome)) in calls {
        let url = path.replace("{dataset_id}", "toy").replace("{request_id}", &id);
        let url = url.replace("{store}", "tape").replace("{action}", "pause").replace("{webhook_id}", "7");
        let headers = [("content-type", "application/json")];
        world.server.send_body(&method.to_uppercase(), &url, &headers, body.to_string()).await.unwrap();

        let entries = log.take();
        let [AuditEntry { owner, from, what: found, subject: about, outcome: end }] = &entries[..] else {
            panic!("{path}: {entries:?}")
        };
        assert_eq!(
            [&**owner, &**from, &**found, &**about],
            ["anonymous", "192.0.2.7", what, subject],
            "{path}"
        );
        assert!(end.contains(outcome), "{path}: {end}");
    }

    let plugin = StagingPlugin::default();
    let mut changing = declared(&plugin.dataset_routes(), "/datasets/{dataset_id}");
    changing.extend(declared(&plugin.app_routes(), ""));
    // It is a question that is too long for an address.
    changing.remove(&("post".to_owned(), "/objects/locality".to_owned()));
    let tried = calls.map(|(method, path, ..)| (method.to_owned(), path.to_owned()));
    assert_eq!(changing, BTreeSet::from(tried), "a call is not tried here");
}
