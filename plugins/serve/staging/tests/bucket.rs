//! What buckets say of their objects.

use sha2::{Digest, Sha256};
use thermocline_http::identity::Token;

use super::*;

const COMPLETED: &str = "ObjectRestore:Completed";

fn records(name: &str, keys: &[&str]) -> Value {
    let record = |key: &&str| {
        let place = json!({"bucket": {"name": "bucket"}, "object": {"key": key}});
        json!({"eventSource": "aws:s3", "eventName": name, "s3": place})
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()})
}

#[tokio::test]
async fn events_of_a_bucket_are_taken_for_the_objects_of_its_store_only() {
    let world = World::new().await;
    let answer = world.post("/cold/tape/events", &records(COMPLETED, &["a.nc", "d/b+c.nc", "a.nc"])).await;
    assert_eq!((answer.status.as_u16(), document(&answer)), (200, json!({"objects": 2, "ignored": 1})));
    let answer = world.post("/cold/tape/events", &records("ObjectRestore:Post", &["a.nc"])).await;
    assert_eq!((answer.status.as_u16(), document(&answer)), (200, json!({"objects": 0, "ignored": 1})));
    let mut foreign = records(COMPLETED, &["a.nc"]);
    foreign["Records"][0]["s3"]["bucket"]["name"] = json!("another");
    let answer = world.post("/cold/tape/events", &foreign).await;
    assert_eq!((answer.status.as_u16(), document(&answer)), (200, json!({"objects": 0, "ignored": 1})));
}

#[tokio::test]
async fn a_topic_sends_them_as_plain_text() {
    let world = World::new().await;
    let inner = records(COMPLETED, &["a.nc"]).to_string();
    let message = json!({"Type": "Notification", "TopicArn": "arn:t", "Message": inner}).to_string();
    let answer = world.post_lines("/cold/tape/events", &message).await;
    assert_eq!((answer.status.as_u16(), document(&answer)), (200, json!({"objects": 1, "ignored": 0})));
}

#[tokio::test]
async fn what_is_no_event_is_400_and_what_is_no_store_404() {
    let world = World::new().await;
    assert_eq!(problem(&world.post("/cold/tape/events", &json!({"hello": 1})).await).0, 400);
    assert_eq!(problem(&world.post_lines("/cold/tape/events", "a.nc").await).0, 400);
    let (status, detail) = problem(&world.post("/cold/disk/events", &records(COMPLETED, &["a.nc"])).await);
    assert_eq!((status, detail.contains("disk")), (404, true), "{detail}");
    let settings = StagingApiSettings { max_question_bytes: 1000, ..StagingApiSettings::default() };
    let world = World::with(settings, open_rules(), Vec::new()).await;
    let many = records(COMPLETED, &["a.nc"; 100]);
    assert_eq!(problem(&world.post("/cold/tape/events", &many).await).0, 413);
}

#[tokio::test]
async fn only_who_may_stage_is_listened_to_and_a_topic_is_asked_for_its_password() {
    let token = |name: &str, may_stage| Token {
        name: name.to_owned(),
        digest: Sha256::digest(name).into(),
        groups: Arc::default(),
        may_read: true,
        owner: None,
        may_stage,
        may_administer: false,
        expires_ns: None,
    };
    let rules =
        AccessRules { tokens: vec![token("sns", true), token("ann", false)], ..AccessRules::default() };
    let world = World::with(StagingApiSettings::default(), rules, Vec::new()).await;
    let body = records(COMPLETED, &["a.nc"]).to_string();
    for (who, status) in [("", 401), ("Bearer ann", 403), ("Bearer sns", 200), ("Basic YXdzOnNucw==", 200)] {
        let headers = [("authorization", who)];
        let headers = if who.is_empty() { &[][..] } else { &headers[..] };
        let answer =
            world.server.send_body("POST", "/cold/tape/events", headers, body.clone()).await.unwrap();
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
        // A topic sends its user and password only to who asks for them.
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{who}");
    }
}
