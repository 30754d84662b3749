//! What a bucket says of its objects: that a restore has ended, that a copy is gone, that an object was archived.
//!
//! Nothing is believed: the store of the bucket looks at the objects that are named. That a restore was *begun*
//! (`s3:ObjectRestore:Post`) says nothing of its end, and is ignored.
//!
//! # Specification
//! Amazon S3 User Guide, "Event message structure" (version 2; keys are form-encoded) and "EventBridge event message
//! structure" (keys are plain); Amazon SNS Developer Guide, "Parsing Amazon SNS message formats". What MinIO and Ceph send has
//! the form of the first.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use thermocline_core::cold::{Namespace, ObjectId};
use thermocline_http::live::{self, Engine, audit};
use thermocline_http::{MayStage, Problem};

use crate::Api;

/// Names of events after which an object may stand otherwise than before, in notifications of buckets.
const NOTIFIED: [&str; 4] =
    ["ObjectRestore:Completed", "ObjectRestore:Delete", "LifecycleTransition", "IntelligentTiering"];

/// The same in events of EventBridge.
const BRIDGED: [&str; 4] = [
    "Object Restore Completed",
    "Object Restore Expired",
    "Object Storage Class Changed",
    "Object Access Tier Changed",
];

/// Most signs of what the log has of a subscription that is to be confirmed.
const MAX_LOGGED: usize = 2000;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    /// These objects, as `s3://bucket/key`, may stand otherwise than before; so many events say nothing of the kind.
    Changed { hrefs: Vec<String>, n_ignored: usize },
    /// Messages of a topic will come once somebody has called this address.
    ToConfirm { topic: String, address: String },
}

/// Takes a message of a bucket.
pub(crate) async fn take(
    Path(store): Path<String>,
    Extension(api): Extension<Arc<Api>>,
    MayStage(who): MayStage,
    Engine(staging): Engine,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let read = api.bodies.read_within(body, api.settings.max_question_bytes).await?;
    let (message, _turn) = read.work(message).await?;
    let (hrefs, n_ignored) = match message {
        Message::Changed { hrefs, n_ignored } => (hrefs, n_ignored),
        Message::ToConfirm { topic, address } => {
            tracing::warn!(%store, ?topic, ?address, "a topic waits until its subscription is confirmed");
            (Vec::new(), 1)
        }
    };
    let n_named = hrefs.len();
    let answer = staging.hint(&store, objects(&hrefs, staging.namespace())).await;
    let outcome = match &answer {
        Ok(n_objects) => format!("{n_objects} objects are looked at"),
        Err(_) => "failed".to_owned(),
    };
    audit(&who, "events", &store, &outcome);
    let n_objects = answer?;
    metrics::counter!("thermocline_bucket_events_total", "store" => store).increment(n_named as u64);
    let answer = json!({"objects": n_objects, "ignored": n_ignored + n_named.saturating_sub(n_objects)});
    live::json(&parts, StatusCode::OK, &answer)
}

/// Those objects that lie below declared roots, each once.
fn objects(hrefs: &[String], namespace: &Namespace) -> Vec<ObjectId> {
    let mut objects: Vec<ObjectId> = hrefs.iter().filter_map(|href| namespace.resolve(href).ok()).collect();
    objects.sort_unstable();
    objects.dedup();
    objects
}

/// What a message says, in whichever of the forms.
///
/// # Errors
/// 400 for what is none of them.
fn message(bytes: &[u8]) -> Result<Message, Problem> {
    let document = document(bytes)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    match (text("Type"), text("Message")) {
        (Some("SubscriptionConfirmation"), _) => {
            let said = |name| text(name).unwrap_or_default().chars().take(MAX_LOGGED).collect();
            Ok(Message::ToConfirm { topic: said("TopicArn"), address: said("SubscribeURL") })
        }
        (Some("UnsubscribeConfirmation"), _) => Ok(Message::Changed { hrefs: Vec::new(), n_ignored: 1 }),
        (Some("Notification"), Some(inner)) => events(&self::document(inner.as_bytes())?),
        _ => events(&document),
    }
}

fn document(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|cause| Problem::invalid_input(format!("the body cannot be read: {cause}")))
}

/// What the events of a message say.
///
/// # Errors
/// 400 for a document without events.
fn events(document: &Value) -> Result<Message, Problem> {
    if let Some(Value::Array(records)) = document.get("Records") {
        let hrefs: Vec<String> = records.iter().filter_map(notified).collect();
        return Ok(Message::Changed { n_ignored: records.len() - hrefs.len(), hrefs });
    }
    if document.get("detail-type").is_some() {
        let hrefs: Vec<String> = bridged(document).into_iter().collect();
        return Ok(Message::Changed { n_ignored: 1 - hrefs.len(), hrefs });
    }
    // What a bucket sends when notifications are switched on.
    if document.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Message::Changed { hrefs: Vec::new(), n_ignored: 1 });
    }
    let detail = "the body is no notification of a bucket, no event of EventBridge, and no message of SNS with one of them";
    Err(Problem::invalid_input(detail).with_allowed(["Records", "detail-type", "Type"]))
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Where an event happened.
#[derive(Deserialize)]
struct Place {
    bucket: Bucket,
    object: Object,
}

/// The object of an entry of `Records`, if it may stand otherwise than before.
fn notified(record: &Value) -> Option<String> {
    let name = record.get("eventName")?.as_str()?;
    let name = name.strip_prefix("s3:").unwrap_or(name);
    if !NOTIFIED.contains(&name) {
        return None;
    }
    let Place { bucket, object } = Place::deserialize(record.get("s3")?).ok()?;
    let key = object.key.replace('+', " ");
    let key = percent_decode_str(&key).decode_utf8().ok()?;
    Some(format!("s3://{}/{key}", bucket.name))
}

/// The same for an event of EventBridge.
fn bridged(event: &Value) -> Option<String> {
    let what = event.get("detail-type")?.as_str()?;
    if event.get("source")?.as_str()? != "aws.s3" || !BRIDGED.contains(&what) {
        return None;
    }
    let Place { bucket, object } = Place::deserialize(event.get("detail")?).ok()?;
    Some(format!("s3://{}/{}", bucket.name, object.key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(document: &Value) -> Message {
        message(document.to_string().as_bytes()).unwrap()
    }

    fn record(name: &str, key: &str) -> Value {
        json!({
            "eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventName": name,
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "restores",
                "bucket": {"name": "archive", "arn": "arn:aws:s3:::archive"},
                "object": {"key": key, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e"},
            },
            "glacierEventData": {"restoreEventData": {
                "lifecycleRestorationExpiryTime": "2012-12-21T00:00:00.000Z", "lifecycleRestoreStorageClass": "GLACIER",
            }},
        })
    }

    fn changed(hrefs: &[&str], n_ignored: usize) -> Message {
        Message::Changed { hrefs: hrefs.iter().map(|href| (*href).to_owned()).collect(), n_ignored }
    }

    #[test]
    fn a_restore_that_ended_is_told_and_one_that_begins_is_not() {
        let records = json!({"Records": [
            record("ObjectRestore:Post", "begun.nc"),
            record("ObjectRestore:Completed", "a+b/h%C3%B6he%2B1.nc"),
            record("s3:ObjectRestore:Delete", "expired.nc"),
            record("s3:LifecycleTransition", "archived.nc"),
            record("ObjectCreated:Put", "new.nc"),
        ]});
        let expected = changed(
            &["s3://archive/a b/höhe+1.nc", "s3://archive/expired.nc", "s3://archive/archived.nc"],
            2,
        );
        assert_eq!(said(&records), expected);
    }

    #[test]
    fn a_notification_comes_in_a_message_of_a_topic_too() {
        let inner = json!({"Records": [record("ObjectRestore:Completed", "a.nc")]}).to_string();
        let topic = json!({"Type": "Notification", "MessageId": "x", "TopicArn": "arn:aws:sns:eu-central-1:1:t",
                           "Subject": "Amazon S3 Notification", "Message": inner});
        assert_eq!(said(&topic), changed(&["s3://archive/a.nc"], 0));
    }

    #[test]
    fn events_of_eventbridge_have_plain_keys() {
        let event = |what: &str| {
            json!({
                "version": "0", "id": "6924de0d-13ef-6bbf-c0c1-b903b753803b", "detail-type": what, "source": "aws.s3",
                "detail": {"version": "0", "bucket": {"name": "archive"},
                           "object": {"key": "a+b%20c.nc", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184"},
                           "restore-expiry-time": "2021-11-13T00:00:00Z", "source-storage-class": "GLACIER"},
            })
        };
        let href = "s3://archive/a+b%20c.nc";
        assert_eq!(said(&event("Object Restore Completed")), changed(&[href], 0));
        assert_eq!(said(&event("Object Restore Expired")), changed(&[href], 0));
        assert_eq!(said(&event("Object Restore Initiated")), changed(&[], 1));
        let mut other = event("Object Restore Completed");
        other["source"] = json!("my.program");
        assert_eq!(said(&other), changed(&[], 1));
    }

    #[test]
    fn what_comes_before_the_first_event_is_understood() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "archive"});
        assert_eq!(said(&test), changed(&[], 1));
        let confirmation = json!({"Type": "SubscriptionConfirmation", "Token": "t", "TopicArn": "arn:t",
                                  "Message": "You have chosen to subscribe", "SubscribeURL": "https://sns.example/?t"});
        let (topic, address) = ("arn:t".to_owned(), "https://sns.example/?t".to_owned());
        assert_eq!(said(&confirmation), Message::ToConfirm { topic, address });
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in
            ["", "{", "[]", "{}", "{\"Records\": {}}", "{\"Type\": \"Notification\", \"Message\": \"hello\"}"]
        {
            assert!(message(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn messages_never_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            let _ = message(&bytes);
            let record = json!({"eventName": "ObjectRestore:Completed", "s3": {"bucket": {"name": text}, "object": {"key": text}}});
            let _ = said(&json!({"Records": [record, text, {"eventName": text, "s3": text}]}));
            let _ = said(&json!({"detail-type": "Object Restore Completed", "source": "aws.s3", "detail": {"bucket": text}}));
        }
    }
}
