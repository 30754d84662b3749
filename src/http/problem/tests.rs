use std::time::Duration;

use http_body_util::BodyExt;

use super::*;

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_problem_says_type_title_status_and_detail() {
    let response = Problem::not_found("Dataset 'nope' not found").into_response();

    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(
        json(response).await,
        serde_json::json!({"type": "/problems/not-found", "title": "Not found", "status": 404,
            "detail": "Dataset 'nope' not found"})
    );
}

#[tokio::test]
async fn what_would_be_right_is_named_fifty_times_at_most() {
    let problem = Problem::invalid_input("x").with_allowed((0..99).map(|n| n.to_string()));

    let body = json(problem.into_response()).await;

    assert_eq!(body["allowed"].as_array().unwrap().len(), 50);
}

#[test]
fn every_kind_of_error_has_its_status() {
    let soon = Duration::from_millis(1500);
    let cases = [
        (ErrorKind::NotFound, 404, None),
        (ErrorKind::InvalidInput, 400, None),
        (ErrorKind::TooLarge, 413, None),
        (ErrorKind::Refused, 422, None),
        (ErrorKind::Changed { retry_after: soon }, 503, Some("2")),
        (ErrorKind::Lost, 500, None),
        (ErrorKind::Unavailable { retry_after: Duration::ZERO }, 503, Some("1")),
        (ErrorKind::OverQuota { retry_after: soon }, 429, Some("2")),
        (ErrorKind::NotStaged, 503, Some("30")),
        (ErrorKind::RecallFailed, 500, None),
        (ErrorKind::Corrupt, 500, None),
        (ErrorKind::Unsupported, 500, None),
        (ErrorKind::Internal, 500, None),
    ];
    for (kind, status, retry_after) in cases {
        let response = Problem::from(Error::new(kind, "x")).into_response();
        assert_eq!(response.status(), status, "{kind:?}");
        assert_eq!(response.headers().get(RETRY_AFTER).map(|v| v.to_str().unwrap()), retry_after, "{kind:?}");
    }
}

#[test]
fn a_lost_source_is_410_for_metadata_only() {
    assert_eq!(Problem::for_metadata(Error::new(ErrorKind::Lost, "x")).status, 410);
    assert_eq!(Problem::for_metadata(Error::corrupt("x")).status, 500);
    assert_eq!(Problem::from(Error::new(ErrorKind::Lost, "x")).status, 500);
}

#[test]
fn folders_of_this_machine_are_not_shown() {
    let cases = [
        (
            "cannot read bytes 0..4 of /data/cmip/tas.nc: no answer",
            "cannot read bytes 0..4 of tas.nc: no answer",
        ),
        ("\"/data/a b/c.nc\" is short", "\"a b/c.nc\" is short"),
        ("s3://bucket/key.nc is gone", "s3://bucket/key.nc is gone"),
        ("either/or, 3 / 4, variable /tas", "either/or, 3 / 4, variable /tas"),
        ("", ""),
    ];
    for (message, shown) in cases {
        assert_eq!(without_folders(message), shown);
    }
}

#[test]
fn names_of_types_are_unique() {
    let names: std::collections::HashSet<_> = TYPES.iter().map(|about| about.name).collect();
    assert_eq!(names.len(), TYPES.len());
}
