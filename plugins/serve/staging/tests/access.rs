//! Who may do what.

use sha2::{Digest, Sha256};
use thermocline_core::access::{Rule, Rules, Who};
use thermocline_http::identity::Token;

use super::*;

fn rules() -> AccessRules {
    let token = |name: &str, may_stage, may_administer| Token {
        name: name.to_owned(),
        digest: Sha256::digest(format!("secret of {name}")).into(),
        groups: std::sync::Arc::default(),
        may_read: true,
        owner: None,
        may_stage,
        may_administer,
        expires_ns: (name == "late").then_some(1),
    };
    AccessRules {
        tokens: vec![
            token("reader", false, false),
            token("ann", true, false),
            token("bob", true, false),
            token("late", true, false),
            token("root", false, true),
        ],
        ..AccessRules::default()
    }
}

struct Guarded(World);

impl Guarded {
    async fn new() -> Self {
        Self(World::with(StagingApiSettings::default(), rules(), Vec::new()).await)
    }

    async fn send(&self, who: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer secret of {who}");
        let headers = [("authorization", &*bearer), ("content-type", "text/plain")];
        let headers = if who.is_empty() { &headers[1..] } else { &headers[..] };
        self.0.server.send_body(method, path, headers, body.to_owned()).await.unwrap()
    }
}

#[tokio::test]
async fn staging_needs_a_token_with_that_right() {
    let world = Guarded::new().await;
    let path = world.0.path("a.nc");
    for (who, status) in
        [("", 401), ("nobody", 401), ("late", 401), ("reader", 403), ("ann", 202), ("root", 202)]
    {
        let answer = world.send(who, "POST", "/requests", &path).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
        let has_challenge = answer.headers.get_all("www-authenticate").iter().count() == 2;
        assert_eq!(has_challenge, status == 401, "{who}");
    }
    let basic = [("authorization", "Basic YW5uOnNlY3JldCBvZiBhbm4="), ("content-type", "text/plain")];
    let answer = world.0.server.send_body("POST", "/requests", &basic, path).await.unwrap();
    assert_eq!(document(&answer)["owner"], "token:ann");
}

#[tokio::test]
async fn where_no_token_would_help_the_answer_is_403() {
    let of = |names: &[&str]| {
        let tokens = rules().tokens.into_iter().filter(|token| names.contains(&&*token.name)).collect();
        AccessRules { tokens, ..AccessRules::default() }
    };
    for (tokens, who, status) in [
        (&[][..], "", 403),
        (&[], "nobody", 403),
        (&["reader"], "", 403),
        (&["reader", "late"], "late", 403),
        (&["root"], "", 401),
        (&["root"], "nobody", 401),
        (&["root", "late"], "late", 401),
        (&["root", "reader"], "reader", 403),
    ] {
        let world = Guarded(World::with(StagingApiSettings::default(), of(tokens), Vec::new()).await);
        let answer = world.send(who, "POST", "/requests", &world.0.path("a.nc")).await;
        assert_eq!(answer.status, status, "{tokens:?} {who}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{tokens:?} {who}");
    }
}

#[tokio::test]
async fn who_may_stage_without_a_token_needs_one_for_requests_of_others() {
    let rules = AccessRules { anonymous_stages: true, ..rules() };
    let world = Guarded(World::with(StagingApiSettings::default(), rules, Vec::new()).await);
    let accepted = world.send("ann", "POST", "/requests", &world.0.path("a.nc")).await;
    let request = format!("/requests/{}", document(&accepted)["id"].as_str().unwrap());
    for (who, status) in [("", 401), ("nobody", 401), ("bob", 403), ("ann", 200)] {
        assert_eq!(world.send(who, "DELETE", &request, "").await.status, status, "{who}");
    }
}

#[tokio::test]
async fn only_the_owner_and_administrators_change_a_request_and_whoever_knows_its_name_looks_at_it() {
    let world = Guarded::new().await;
    let accepted = world.send("ann", "POST", "/requests", &world.0.path("a.nc")).await;
    let request = format!("/requests/{}", document(&accepted)["id"].as_str().unwrap());
    assert_eq!(world.send("", "GET", &request, "").await.status, 200);
    for (method, path) in [
        ("DELETE", request.clone()),
        ("POST", format!("{request}/release")),
        ("POST", format!("{request}/extend")),
    ] {
        assert_eq!(world.send("", method, &path, "").await.status, 401, "{method} {path}");
        assert_eq!(world.send("bob", method, &path, "").await.status, 403, "{method} {path}");
    }
    assert_eq!(world.send("root", "DELETE", &request, "").await.status, 200);
}

#[tokio::test]
async fn lists_show_one_s_own_requests() {
    let world = Guarded::new().await;
    world.send("ann", "POST", "/requests", &world.0.path("a.nc")).await;
    let n_listed = async |who: &str, query: &str| {
        let answer = world.send(who, "GET", &format!("/requests{query}"), "").await;
        let n_requests = document(&answer)["requests"].as_array().map(Vec::len);
        n_requests.ok_or(answer.status.as_u16())
    };
    assert_eq!(n_listed("ann", "").await, Ok(1));
    assert_eq!(n_listed("bob", "").await, Ok(0));
    assert_eq!(n_listed("bob", "?owner=token:ann").await, Err(403));
    assert_eq!(n_listed("root", "?owner=token:ann").await, Ok(1));
    assert_eq!(n_listed("root", "?owner=*").await, Ok(1));
    assert_eq!(n_listed("", "").await, Err(401));
}

#[tokio::test]
async fn operators_calls_need_the_right_of_administration() {
    let world = Guarded::new().await;
    for path in ["/objects/evict", "/cold/tape/pause"] {
        assert_eq!(world.send("", "POST", path, "").await.status, 401, "{path}");
        assert_eq!(world.send("ann", "POST", path, "").await.status, 403, "{path}");
    }
    assert_eq!(world.send("root", "POST", "/cold/tape/pause", "").await.status, 200);
    for path in ["/cold", "/pins", "/recalls", "/objects?path=a"] {
        assert_eq!(world.send("", "GET", path, "").await.status, 401, "{path}");
        assert_eq!(world.send("ann", "GET", path, "").await.status, 200, "{path}");
    }
}

/// Who holds which token: name, groups, whether it may read and stage.
const HOLDERS: [(&str, &[&str], bool, bool); 6] = [
    ("reader", &["climate"], true, false),
    ("ann", &[], true, true),
    ("bob", &["ocean"], true, true),
    ("carol", &[], true, true),
    ("dumb", &["climate"], false, true),
    ("root", &[], false, false),
];

/// A server of the dataset `toy`, whose rule says who reads, stages and administers.
async fn ruled() -> Guarded {
    let tokens = HOLDERS.iter().map(|(name, groups, may_read, may_stage)| Token {
        name: (*name).to_owned(),
        digest: Sha256::digest(format!("secret of {name}")).into(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        may_read: *may_read,
        owner: None,
        may_stage: *may_stage,
        may_administer: *name == "root",
        expires_ns: None,
    });
    let rule = Rule {
        read: vec![Who::Group("climate".into())],
        stage: vec![Who::Token("ann".into())],
        administer: vec![Who::Token("carol".into())],
    };
    let rules = AccessRules {
        tokens: tokens.collect(),
        datasets: Rules::new([("climate".into(), rule)]).unwrap(),
        ..AccessRules::default()
    };
    let named_rules = vec![("toy", "climate")];
    let cold = ColdParts { files: FILES.to_vec(), rules, named_rules, ..ColdParts::default() };
    let toys = vec![("toy", super::selection::toy())];
    let plugins: Vec<Arc<dyn thermocline_http::ServePlugin>> = vec![Arc::new(StagingPlugin::default())];
    Guarded(World { server: TestServer::with_staging(toys, plugins, cold).await.unwrap() })
}

#[tokio::test]
async fn a_dataset_is_staged_by_whom_its_rule_names_and_is_not_there_for_who_may_not_read_it() {
    let world = ruled().await;
    for (who, status) in [
        ("", 401),
        ("nobody", 401),
        ("reader", 403),
        ("bob", 404),
        ("dumb", 404),
        ("ann", 202),
        ("carol", 202),
        ("root", 202),
    ] {
        let answer = world.send(who, "POST", "/datasets/toy/stage", "{}").await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{who}");
    }
    let hidden = world.send("bob", "POST", "/datasets/toy/stage", "{}").await;
    let unknown = world.send("bob", "POST", "/datasets/none/stage", "{}").await;
    assert_eq!(hidden.text().replace("toy", "none"), unknown.text());
}

#[tokio::test]
async fn requests_for_a_dataset_are_there_for_who_may_read_it_only() {
    let world = ruled().await;
    let accepted = world.send("ann", "POST", "/datasets/toy/stage", "{}").await;
    let id = document(&accepted)["id"].as_str().unwrap().to_owned();
    let path = format!("/requests/{id}");
    let none = world.send("bob", "GET", "/requests/none", "").await;
    for below in ["", "/objects", "/events"] {
        for (who, status) in
            [("", 404), ("bob", 404), ("dumb", 404), ("reader", 200), ("ann", 200), ("root", 200)]
        {
            let answer = world.send(who, "GET", &format!("{path}{below}"), "").await;
            assert_eq!(answer.status, status, "{who} {below}");
            if status == 404 {
                let text = answer.text().replace(&format!("{id}{below}"), "none").replace(&id, "none");
                assert_eq!(text, none.text(), "{who} {below}");
            }
        }
    }
    for (who, status) in [("", 401), ("reader", 403), ("bob", 404), ("carol", 200)] {
        assert_eq!(world.send(who, "DELETE", &path, "").await.status, status, "{who}");
    }
    let listed = world.send("root", "GET", "/requests?owner=*", "").await;
    assert_eq!(document(&listed)["requests"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn calls_that_are_refused_are_in_the_audit_log_and_questions_are_not() {
    let world = Guarded::new().await;
    let log = thermocline_testkit::AuditLog::keep();
    world.send("reader", "POST", "/requests", "a.nc").await;
    world.send("ann", "POST", "/objects/evict", "a.nc").await;
    world.send("", "GET", "/recalls", "").await;
    let said: Vec<[String; 4]> =
        log.take().into_iter().map(|entry| [entry.owner, entry.what, entry.subject, entry.outcome]).collect();
    let refused = |owner: &str, subject: &str| {
        [owner, "call", subject, "refused with 403 Forbidden"].map(str::to_owned)
    };
    assert_eq!(
        said,
        [refused("token:reader", "POST /requests"), refused("token:ann", "POST /objects/evict")]
    );
}

#[tokio::test]
async fn calls_for_what_is_hidden_are_in_the_audit_log() {
    let world = ruled().await;
    let log = thermocline_testkit::AuditLog::keep();
    for who in ["", "bob", "reader"] {
        world.send(who, "POST", "/datasets/toy/stage", "{}").await;
        world.send(who, "GET", "/datasets/toy/stage", "").await;
    }
    let said: Vec<[String; 3]> =
        log.take().into_iter().map(|entry| [entry.owner, entry.subject, entry.outcome]).collect();
    let refused = |owner: &str, status: &str| {
        [owner, "POST /datasets/toy/stage", &format!("refused with {status}")].map(str::to_owned)
    };
    let expected = [
        refused("anonymous", "401 Unauthorized"),
        refused("token:bob", "404 Not Found"),
        refused("token:reader", "403 Forbidden"),
    ];
    assert_eq!(said, expected);
}

/// A root `secret` below the folder `deep` of the root `archive`: read by the group `climate`, staged by `ann` and `reader`.
async fn with_secret_root() -> Guarded {
    let holders = HOLDERS.iter().map(|(name, groups, may_read, may_stage)| Token {
        name: (*name).to_owned(),
        digest: Sha256::digest(format!("secret of {name}")).into(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        may_read: *may_read,
        owner: None,
        may_stage: *may_stage || *name == "reader",
        may_administer: *name == "root",
        expires_ns: None,
    });
    let tokens = holders.chain([Token {
        name: "looker".to_owned(),
        digest: Sha256::digest("secret of looker").into(),
        groups: std::sync::Arc::new(["climate".into()]),
        may_read: true,
        owner: None,
        may_stage: true,
        may_administer: false,
        expires_ns: None,
    }]);
    let stage = vec![Who::Token("ann".into()), Who::Token("reader".into())];
    let rule = Rule { read: vec![Who::Group("climate".into())], stage, administer: Vec::new() };
    let rules = AccessRules {
        tokens: tokens.collect(),
        datasets: Rules::new([("staff".into(), rule)]).unwrap(),
        roots: [("secret".into(), "staff".into())].into(),
        ..AccessRules::default()
    };
    let cold = ColdParts {
        files: FILES.to_vec(),
        rules,
        inner_root: Some(("secret", "deep")),
        ..ColdParts::default()
    };
    let plugins: Vec<Arc<dyn thermocline_http::ServePlugin>> = vec![Arc::new(StagingPlugin::default())];
    Guarded(World { server: TestServer::with_staging(Vec::new(), plugins, cold).await.unwrap() })
}

#[tokio::test]
async fn files_of_a_hidden_root_are_told_as_files_of_no_root() {
    let world = with_secret_root().await;
    let (hidden, outside) = (world.0.path("deep/c.nc"), "/nowhere/c.nc".to_owned());
    for (method, path) in
        [("POST", "/requests"), ("POST", "/requests?dry_run=true"), ("POST", "/objects/locality")]
    {
        let told = world.send("bob", method, path, &hidden).await;
        let unknown = world.send("bob", method, path, &outside).await;
        assert_eq!(told.status, unknown.status, "{path}");
        assert_eq!(told.text().replace(&hidden, &outside), unknown.text(), "{path}");
    }
    let (told, unknown) = (format!("/objects?path={hidden}"), format!("/objects?path={outside}"));
    let (told, unknown) =
        (world.send("bob", "GET", &told, "").await, world.send("bob", "GET", &unknown, "").await);
    assert_eq!(told.text().replace(&hidden, &outside), unknown.text());
    for root in ["secret", "none"] {
        let answer = world.send("bob", "GET", &format!("/objects?root={root}&pattern=**"), "").await;
        assert_eq!(document(&answer)["allowed"], json!(["archive", "bucket"]), "{}", answer.text());
    }
    // One hidden file fails alone.
    let both = format!("{hidden}\n{}", world.0.path("a.nc"));
    let accepted = world.send("bob", "POST", "/requests", &both).await;
    assert_eq!(accepted.status, 202);
    let id = document(&accepted)["id"].as_str().unwrap().to_owned();
    world.send("bob", "GET", &format!("/requests/{id}/events"), "").await;
    let ended = document(&world.send("bob", "GET", &format!("/requests/{id}"), "").await);
    assert_eq!(ended["state"], "partial", "{ended}");
    assert_eq!(world.0.n_recalls("deep/c.nc"), 0);
}

#[tokio::test]
async fn lists_tell_of_files_of_a_hidden_root_to_who_may_read_them_only() {
    let world = with_secret_root().await;
    let accepted = world.send("ann", "POST", "/requests", &world.0.path("deep/c.nc")).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let id = document(&accepted)["id"].as_str().unwrap().to_owned();
    let request = format!("/requests/{id}");
    world.send("ann", "GET", &format!("{request}/events"), "").await;
    for (who, sees) in [("ann", true), ("reader", true), ("looker", true), ("root", true), ("bob", false)] {
        let found = world.send(who, "GET", "/objects?root=archive&pattern=**", "").await;
        assert!(found.text().contains("a.nc"), "{who}");
        assert_eq!(found.text().contains("deep"), sees, "{who}: {}", found.text());
        let pins = world.send(who, "GET", "/pins?limit=5", "").await;
        assert_eq!(pins.text().contains("c.nc"), sees, "{who}: {}", pins.text());
        for path in [request.clone(), format!("{request}/objects")] {
            assert_eq!(world.send(who, "GET", &path, "").await.status, if sees { 200 } else { 404 }, "{who}");
        }
    }
    world.send("root", "POST", "/cold/tape/pause", "").await;
    world.send("ann", "POST", "/requests", &world.0.path("deep/a=b&c+d.nc")).await;
    for (who, sees) in [("ann", true), ("root", true), ("bob", false)] {
        let recalls = world.send(who, "GET", "/recalls", "").await;
        assert_eq!(recalls.text().contains("c+d.nc"), sees, "{who}: {}", recalls.text());
    }
}

#[tokio::test]
async fn who_may_read_files_and_not_stage_them_is_refused_for_them_alone() {
    let world = with_secret_root().await;
    let secret = world.0.path("deep/c.nc");
    assert_eq!(world.send("looker", "POST", "/objects/locality", &secret).await.status, 200);
    for (who, status) in [("looker", 403), ("bob", 400), ("ann", 202), ("reader", 202), ("root", 202)] {
        let answer = world.send(who, "POST", "/requests", &secret).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
    }
    let both = format!("{secret}\n{}", world.0.path("a.nc"));
    let accepted = world.send("looker", "POST", "/requests", &both).await;
    let objects = format!("/requests/{}/objects", document(&accepted)["id"].as_str().unwrap());
    let objects = world.send("looker", "GET", &objects, "").await.text();
    assert!(objects.contains("may not be staged"), "{objects}");
}
