//! The store against a bucket with the refusals of S3 Glacier.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use thermocline_core::ErrorKind;
use thermocline_core::bytes::{CredentialSource, Credentials, Refusal, Secret};
use thermocline_core::cold::{
    ColdObject, ColdStore, FailureCause, Locality, StageRequest, StageState, StageTicket,
};

use crate::fake::{Counts, Fake, Manners, key, object};
use crate::{GlacierConfig, GlacierStore, Tier};

const DAY: Duration = Duration::from_secs(86_400);

/// Longest that a restore of these tests may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn request(name: &str, keys: &[&str]) -> StageRequest {
    StageRequest {
        key: name.to_owned(),
        objects: keys.iter().map(|key| object(key)).collect(),
        lifetime: 2 * DAY,
        is_interactive: false,
    }
}

/// What became of each object of a batch, when nothing is under way any more.
async fn outcome(store: &GlacierStore, ticket: &StageTicket) -> HashMap<String, StageState> {
    let ends = async {
        loop {
            let states = store.progress(ticket).await.unwrap();
            let is_open = |state: &StageState| {
                matches!(state, StageState::Queued | StageState::Accepted | StageState::Active { .. })
            };
            if !states.iter().any(|(_, state)| is_open(state)) {
                return states.into_iter().map(|(id, state)| (id.path().to_owned(), state)).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ends).await.expect("the batch ends")
}

async fn stage(store: &GlacierStore, request: &StageRequest) -> HashMap<String, StageState> {
    let ticket = store.stage(request).await.unwrap();
    outcome(store, &ticket).await
}

async fn locality(store: &GlacierStore, key: &str) -> Locality {
    store.status(&[object(key)]).await.remove(0).unwrap().locality
}

/// Waits until an object has been asked for.
async fn until_asked(fake: &Fake, n_posts: usize) {
    let asked = async {
        while fake.counts().posts < n_posts {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it is asked for");
}

fn all_staged(states: &HashMap<String, StageState>) -> bool {
    !states.is_empty() && states.values().all(|state| *state == StageState::Staged)
}

fn once_each(counts: &Counts, keys: &[&str]) {
    let restored: Vec<(&str, usize)> = counts.restores.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    let mut expected: Vec<(&str, usize)> = keys.iter().map(|key| (*key, 1)).collect();
    expected.sort_unstable();
    assert_eq!(restored, expected);
}

#[tokio::test]
async fn a_cold_object_is_restored_once_and_says_when_its_copy_ends() {
    let fake = Fake::start(Manners::default(), &[("data/a b+1.nc", "GLACIER")]).await;
    let store = fake.store(|_| {});
    assert_eq!(locality(&store, "data/a b+1.nc").await, Locality::Nearline);
    assert_eq!(fake.bytes("data/a b+1.nc"), None);

    assert!(all_staged(&stage(&store, &request("k", &["data/a b+1.nc"])).await));

    let status = store.status(&[object("data/a b+1.nc")]).await.remove(0).unwrap();
    assert_eq!(status.locality, Locality::OnlineAndNearline);
    let left_ns = status.online_until_ns.unwrap()
        - thermocline_core::clock::Clock::now_ns(&thermocline_core::clock::SystemClock);
    assert!((47 * 3600..=48 * 3600).contains(&(left_ns / 1_000_000_000)), "{left_ns}");
    assert!(fake.bytes("data/a b+1.nc").is_some());
    assert!(all_staged(&stage(&store, &request("again", &["data/a b+1.nc"])).await));
    let counts = fake.counts();
    once_each(&counts, &["data/a b+1.nc"]);
    assert_eq!((counts.posts, counts.unsigned, counts.days), (1, 0, vec![2]));
}

#[tokio::test]
async fn objects_of_classes_that_answer_at_once_are_never_restored() {
    let fake = Fake::start(
        Manners::default(),
        &[("s", "STANDARD"), ("i", "GLACIER_IR"), ("t", "INTELLIGENT_TIERING")],
    )
    .await;
    let store = fake.store(|_| {});
    for key in ["s", "i", "t"] {
        assert_eq!(locality(&store, key).await, Locality::Online);
    }
    assert!(all_staged(&stage(&store, &request("k", &["s", "i", "t"])).await));
    assert_eq!(fake.counts().posts, 0);
}

#[tokio::test]
async fn slow_downs_lost_answers_and_two_batches_cost_one_restore_for_each_object() {
    let manners = Manners { slow_down_every: Some(3), lose_every: Some(5), ..Manners::default() };
    let keys: Vec<String> = (0..20).map(|number| format!("f{number:02}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "GLACIER")).collect();
    let fake = Fake::start(manners, &objects).await;
    let store = fake.store(|_| {});

    let (a, b) = tokio::join!(async { stage(&store, &request("a", &keys)).await }, async {
        stage(&store, &request("b", &keys)).await
    },);

    assert!(all_staged(&a) && all_staged(&b), "{a:?} {b:?}");
    once_each(&fake.counts(), &keys);
}

#[tokio::test]
async fn a_restore_that_ends_without_a_copy_may_be_tried_again_and_spoils_no_other() {
    let manners = Manners { fails: vec!["bad"], denied: vec!["secret"], ..Manners::default() };
    let fake = Fake::start(manners, &[("bad", "GLACIER"), ("good", "GLACIER"), ("secret", "GLACIER")]).await;
    let store = fake.store(|_| {});

    let states = stage(&store, &request("k", &["bad", "good", "secret", "missing"])).await;

    let cause = |key: &str| match &states[key] {
        StageState::Failed(failure) => failure.cause,
        other => panic!("{key} is {other:?}"),
    };
    assert_eq!(states["good"], StageState::Staged);
    assert!(matches!(cause("bad"), FailureCause::Retryable { .. }));
    assert_eq!(cause("secret"), FailureCause::Denied);
    assert_eq!(cause("missing"), FailureCause::NotFound);
    fake.set(|manners| manners.fails.clear());
    assert!(all_staged(&stage(&store, &request("k 2", &["bad"])).await));
    assert_eq!(fake.counts().restores["bad"], 2);
}

#[tokio::test]
async fn without_capacity_the_next_tier_is_asked_at_once_and_deep_archive_never_by_expedited() {
    let manners = Manners { has_expedited: false, ..Manners::default() };
    let fake = Fake::start(manners, &[("g", "GLACIER"), ("d", "DEEP_ARCHIVE")]).await;
    let store = fake.store(|config| config.interactive_tier = Some(Tier::Expedited));

    let wanted = StageRequest { is_interactive: true, ..request("k", &["g"]) };
    assert!(all_staged(&stage(&store, &wanted).await));
    let wanted = StageRequest { is_interactive: true, ..request("l", &["d"]) };
    assert!(all_staged(&stage(&store, &wanted).await));

    assert_eq!(fake.counts().tiers, ["Expedited", "Standard", "Standard"]);
}

#[tokio::test]
async fn what_runs_slowly_is_made_faster_once_somebody_waits() {
    let manners = Manners { restore: Duration::from_millis(1500), ..Manners::default() };
    let fake = Fake::start(manners, &[("g", "GLACIER")]).await;
    let store = fake.store(|config| {
        config.tier = Tier::Bulk;
        config.interactive_tier = Some(Tier::Expedited);
    });
    let bulk = store.stage(&request("bulk", &["g"])).await.unwrap();
    until_asked(&fake, 1).await;

    for name in ["now", "now too"] {
        store.stage(&StageRequest { is_interactive: true, ..request(name, &["g"]) }).await.unwrap();
    }

    assert!(all_staged(&outcome(&store, &bulk).await));
    let counts = fake.counts();
    once_each(&counts, &["g"]);
    assert_eq!(
        (counts.upgraded, counts.tiers.as_slice()),
        (1, &["Bulk".to_owned(), "Expedited".to_owned()][..])
    );
}

#[tokio::test]
async fn a_copy_is_prolonged_for_who_wants_it_longer_and_never_made_shorter() {
    let fake = Fake::start(Manners::default(), &[("g", "GLACIER")]).await;
    let store = fake.store(|_| {});
    let long = StageRequest { lifetime: 10 * DAY, ..request("long", &["g"]) };
    assert!(all_staged(&stage(&store, &long).await));
    let until = async || store.status(&[object("g")]).await.remove(0).unwrap().online_until_ns.unwrap();
    let first = until().await;

    assert!(all_staged(&stage(&store, &request("short", &["g"])).await));
    store.prolong(&[object("g")], 9 * DAY).await.unwrap();
    assert!((until().await - first).abs() <= 2_000_000_000);
    assert_eq!(fake.counts().prolonged, 0);

    store.prolong(&[object("g")], 20 * DAY).await.unwrap();
    assert!(until().await > first + 9 * 86_400 * 1_000_000_000);
    assert_eq!(fake.counts().days, [10, 20]);
    assert!(store.prolong(&[object("missing")], DAY).await.is_err());
}

#[tokio::test]
async fn an_expired_copy_is_cold_and_restored_anew() {
    let manners = Manners { day: Duration::from_millis(700), ..Manners::default() };
    let fake = Fake::start(manners, &[("g", "GLACIER")]).await;
    let store = fake.store(|_| {});
    assert!(all_staged(&stage(&store, &request("k", &["g"])).await));
    let expired = async {
        while locality(&store, "g").await != Locality::Nearline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expired).await.expect("the copy expires");

    assert!(all_staged(&stage(&store, &request("l", &["g"])).await));

    assert_eq!(fake.counts().restores["g"], 2);
}

#[tokio::test]
async fn a_store_that_was_started_again_finds_what_runs_and_asks_for_nothing_twice() {
    let manners = Manners { restore: Duration::from_millis(600), ..Manners::default() };
    let fake = Fake::start(manners, &[("a", "GLACIER"), ("b", "GLACIER"), ("c", "GLACIER")]).await;
    let before = fake.store(|_| {});
    let ticket = before.stage(&request("k", &["a", "b"])).await.unwrap();
    until_asked(&fake, 2).await;
    drop(before);

    let store = fake.store(|_| {});
    let ticket = StageTicket { objects: vec![object("a"), object("b"), object("c")], ..ticket };
    let states: HashMap<_, _> = store.progress(&ticket).await.unwrap().into_iter().collect();
    assert_eq!(states[&object("a").id], StageState::Accepted);
    assert_eq!(states[&object("c").id], StageState::Unknown);

    assert!(all_staged(&stage(&store, &request("k", &["a", "b", "c"])).await));
    once_each(&fake.counts(), &["a", "b", "c"]);
    assert_eq!(fake.counts().posts, 3);
}

#[tokio::test]
async fn between_two_looks_the_store_is_left_alone_unless_somebody_says_that_it_changed() {
    let manners = Manners { restore: Duration::from_millis(50), ..Manners::default() };
    let fake = Fake::start(manners, &[("g", "GLACIER")]).await;
    let store = fake.store(|config| {
        config.poll_every = Duration::from_secs(1000);
        config.poll_max = Duration::from_secs(1000);
    });
    let ticket = store.stage(&request("k", &["g"])).await.unwrap();
    until_asked(&fake, 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let heads = fake.counts().heads;
    for _ in 0..20 {
        assert_eq!(store.progress(&ticket).await.unwrap()[0].1, StageState::Accepted);
    }
    assert_eq!(fake.counts().heads, heads);

    store.hint(&[object("g").id, object("unknown").id]);

    assert_eq!(store.progress(&ticket).await.unwrap()[0].1, StageState::Staged);
}

#[tokio::test]
async fn many_objects_are_listed_and_not_looked_at_one_by_one() {
    let keys: Vec<String> = (0..2500).map(|number| format!("data/{number:05}.nc")).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "GLACIER")).collect();
    let fake = Fake::start(Manners::default(), &objects).await;
    let store = fake.store(|_| {});
    assert!(all_staged(&stage(&store, &request("k", &[&keys[7], &keys[2400]])).await));
    let heads = fake.counts().heads;

    let mut wanted: Vec<ColdObject> = keys.iter().map(|key| object(key)).collect();
    wanted.insert(3, object("data/missing.nc"));
    let answers = store.status(&wanted).await;

    let online = answers
        .iter()
        .filter(|answer| answer.as_ref().is_ok_and(|status| status.locality.is_online()))
        .count();
    assert_eq!(online, 2);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2500);
    assert!(answers[3].as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound));
    let counts = fake.counts();
    assert!(counts.heads - heads <= 10, "{} looks", counts.heads - heads);
    assert!(counts.lists <= 5, "{} pages", counts.lists);
}

#[tokio::test]
async fn a_server_whose_listings_say_nothing_of_restores_is_asked_one_by_one() {
    let keys: Vec<String> = (0..30).map(|number| format!("{number:05}.nc")).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "GLACIER")).collect();
    let fake = Fake::start(Manners { tells_restores: false, ..Manners::default() }, &objects).await;
    let store = fake.store(|config| config.list_after = 10);
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();

    assert!(all_staged(&stage(&store, &request("k", &names)).await));

    once_each(&fake.counts(), &names);
    let wanted: Vec<ColdObject> = keys.iter().map(|key| object(key)).collect();
    let answers = store.status(&wanted).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|status| status.locality.is_online())));
    // A new server, which knows of no restore, is not led astray either.
    let store = fake.store(|config| config.list_after = 10);
    let answers = store.status(&wanted).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|status| status.locality.is_online())));
    assert_eq!(fake.counts().posts, 30);
}

#[tokio::test]
async fn one_restored_object_among_many_is_found_where_listings_say_nothing_of_restores() {
    let keys: Vec<String> = (0..60).map(|number| format!("{number:05}.nc")).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "GLACIER")).collect();
    let wanted: Vec<ColdObject> = keys.iter().map(|key| object(key)).collect();
    for (number, in_time, expected) in
        [(59, Duration::ZERO, Locality::OnlineAndNearline), (58, DAY, Locality::Nearline)]
    {
        let manners = Manners { tells_restores: false, ..Manners::default() };
        let fake = Fake::start(manners, &objects).await;
        fake.restored_by_others(&keys[number], in_time);
        let store = fake.store(|config| config.list_after = 10);

        let answers = store.status(&wanted).await;

        assert_eq!(answers[number].as_ref().unwrap().locality, expected);
        let n_lists = fake.counts().lists;
        store.status(&wanted).await;
        assert_eq!(fake.counts().lists, n_lists, "its listings are not believed any more");
    }
}

#[tokio::test]
async fn nothing_is_asked_for_by_a_listing_alone() {
    let keys: Vec<String> = (0..20).map(|number| format!("{number:05}.nc")).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "GLACIER")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let wanted: Vec<ColdObject> = keys.iter().map(|key| object(key)).collect();
    let fake = Fake::start(Manners::default(), &objects).await;
    let store = fake.store(|config| config.list_after = 10);
    fake.restored_by_others(&keys[0], Duration::ZERO);
    assert!(store.status(&wanted).await.iter().all(Result::is_ok));

    // Its listings were seen to tell of restores, and leave one out.
    fake.set(|manners| manners.tells_restores = false);
    fake.restored_by_others(&keys[13], Duration::ZERO);
    assert!(all_staged(&stage(&store, &request("k", &names)).await));

    let counts = fake.counts();
    assert_eq!((counts.prolonged, counts.posts), (0, 18));
}

#[tokio::test]
async fn few_objects_among_many_are_not_listed_page_by_page() {
    let keys: Vec<String> = (0..12_000).map(|number| format!("{number:05}.nc")).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "GLACIER")).collect();
    let fake = Fake::start(Manners::default(), &objects).await;
    let store = fake.store(|config| config.list_after = 10);
    let wanted: Vec<ColdObject> = keys.iter().step_by(1000).map(|key| object(key)).collect();

    let answers = store.status(&wanted).await;

    assert!(answers.iter().all(Result::is_ok));
    assert!(fake.counts().lists <= 5, "{} pages", fake.counts().lists);
}

#[tokio::test]
async fn what_is_wrong_with_credentials_is_said_in_words_and_costs_no_object() {
    for (code, words) in [
        ("InvalidAccessKeyId", "does not know the access key"),
        ("SignatureDoesNotMatch", "secret key does not fit"),
        ("RequestTimeTooSkewed", "clock of this machine"),
        ("ExpiredToken", "have expired"),
        ("AccessDenied", "s3:GetObject"),
    ] {
        let fake =
            Fake::start(Manners { refuses_all: Some(code), ..Manners::default() }, &[("g", "GLACIER")]).await;
        let store = fake.store(|_| {});
        let kind = store.status(&[object("g")]).await.remove(0).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{code}: {kind:?}");
        let trouble = store.trouble().unwrap();
        assert!(trouble.contains(words) && trouble.contains(code), "{trouble}");
        let StageState::Failed(failure) = stage(&store, &request("k", &["g"])).await.remove("g").unwrap()
        else {
            panic!("{code}: it did not fail")
        };
        assert!(matches!(failure.cause, FailureCause::Busy { .. }), "{code}: {failure:?}");

        fake.set(|manners| manners.refuses_all = None);
        assert!(all_staged(&stage(&store, &request("l", &["g"])).await));
        assert_eq!(store.trouble(), None);
    }
}

#[tokio::test]
async fn what_is_not_found_is_missing_only_if_its_bucket_is_known_to_be_there() {
    for refusal in [(500, "InternalError"), (404, ""), (404, "NoSuchKey"), (400, "Odd"), (405, ""), (200, "")]
    {
        let manners = Manners { refuses_lists: Some(refusal), ..Manners::default() };
        let fake = Fake::start(manners, &[("g", "GLACIER")]).await;
        let store = fake.store(|_| {});
        let kind = store.status(&[object("gone")]).await.remove(0).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{refusal:?}: {kind:?}");
        assert_eq!(locality(&store, "g").await, Locality::Nearline);

        fake.set(|manners| manners.refuses_lists = None);
        let store = fake.store(|_| {});
        let kind = store.status(&[object("gone")]).await.remove(0).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_is_known_of_a_bucket_says_nothing_of_one_with_its_name_elsewhere() {
    let here = Fake::start(Manners::default(), &[]).await;
    let there = Fake::start(Manners { refuses_lists: Some((404, "")), ..Manners::default() }, &[]).await;
    let mut context = here.context(key());
    let (root, place) = (context.roots[0].clone(), there.context(key()).places["cold"].clone());
    context.roots.push(thermocline_core::cold::NamespaceRoot { name: "other".into(), ..root });
    context.places.insert("other".into(), place);
    let store = GlacierStore::new(GlacierConfig::default(), &context).unwrap();
    let elsewhere = ColdObject {
        id: thermocline_core::cold::ObjectId::new("other", "gone").unwrap(),
        href: object("gone").href,
    };

    let kind = store.status(&[object("gone")]).await.remove(0).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::NotFound);
    let kind = store.status(&[elsewhere]).await.remove(0).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::Unavailable { .. }), "{kind:?}");
}

#[tokio::test]
async fn a_store_without_credentials_or_out_of_reach_says_so() {
    let fake = Fake::start(Manners::default(), &[("g", "GLACIER")]).await;
    let store = GlacierStore::new(GlacierConfig::default(), &fake.context(Credentials::None)).unwrap();
    assert!(store.status(&[object("g")]).await.remove(0).is_err());
    assert!(store.trouble().unwrap().contains("access denied"));

    let context = fake.context(key());
    drop(fake);
    let store = GlacierStore::new(GlacierConfig::default(), &context).unwrap();
    let kind = store.status(&[object("g")]).await.remove(0).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::Unavailable { .. }));
    assert!(store.trouble().unwrap().contains("cannot be reached"));
}

/// Gives another key each time it is renewed, and notes what is held against them.
#[derive(Debug, Default)]
struct Renewed {
    key_id: Mutex<String>,
    /// What was said of keys, by their names.
    said: Mutex<Vec<(String, String)>>,
    n_asked: Mutex<usize>,
    /// Whether it gives another one each time that it is asked.
    is_restless: bool,
}

fn id_of(secret: &Arc<Secret>) -> String {
    match &**secret {
        Secret::Key { key_id, .. } => key_id.clone(),
        other => panic!("{other:?}"),
    }
}

#[async_trait]
impl CredentialSource for Renewed {
    async fn secret(&self) -> thermocline_core::Result<Arc<Secret>> {
        let mut n_asked = self.n_asked.lock();
        *n_asked += 1;
        let key_id = self.key_id.lock().clone();
        let key_id = if self.is_restless { format!("{key_id}{n_asked}") } else { key_id };
        Ok(Arc::new(Secret::Key { key_id, secret: "secret".to_owned(), token: None }))
    }

    fn refused(&self, secret: &Arc<Secret>, refusal: Refusal<'_>) {
        self.said.lock().push((id_of(secret), format!("{refusal:?}")));
    }

    fn taken(&self, secret: &Arc<Secret>) {
        self.said.lock().push((id_of(secret), "taken".to_owned()));
    }
}

#[tokio::test]
async fn each_request_is_signed_by_the_credentials_of_its_moment() {
    let fake = Fake::start(Manners::default(), &[("g", "GLACIER")]).await;
    let source = Arc::new(Renewed::default());
    let context = fake.context(Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>));
    let store = GlacierStore::new(GlacierConfig::default(), &context).unwrap();

    for key_id in ["first", "second"] {
        key_id.clone_into(&mut source.key_id.lock());
        assert_eq!(locality(&store, "g").await, Locality::Nearline);
        assert_eq!(fake.last_key().as_deref(), Some(key_id));
    }

    fake.set(|manners| manners.refuses_all = Some("ExpiredToken"));
    assert!(store.status(&[object("g")]).await.remove(0).is_err());
    assert_eq!(
        *source.said.lock().last().unwrap(),
        ("second".to_owned(), "Wrong(\"ExpiredToken\")".to_owned())
    );

    fake.set(|manners| manners.refuses_all = None);
    assert_eq!(locality(&store, "g").await, Locality::Nearline);
    assert_eq!(*source.said.lock().last().unwrap(), ("second".to_owned(), "taken".to_owned()));
}

#[tokio::test]
async fn only_the_key_that_signed_a_request_is_blamed_for_its_answer() {
    let manners = Manners { refuses_all: Some("InvalidAccessKeyId"), ..Manners::default() };
    let fake = Fake::start(manners, &[("g", "GLACIER")]).await;
    let source = Arc::new(Renewed { is_restless: true, ..Renewed::default() });
    let context = fake.context(Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>));
    let store = GlacierStore::new(GlacierConfig::default(), &context).unwrap();

    assert!(store.status(&[object("g")]).await.remove(0).is_err());

    let (blamed, why) = source.said.lock().last().unwrap().clone();
    assert_eq!((Some(blamed), why.as_str()), (fake.last_key(), "Wrong(\"InvalidAccessKeyId\")"));
}

#[tokio::test]
async fn what_was_cancelled_before_it_was_asked_for_is_not_paid_for() {
    let fake = Fake::start(Manners::default(), &[("a", "GLACIER"), ("b", "GLACIER")]).await;
    let store = fake.store(|config| config.requests_per_second = 4.0);
    let ticket = store.stage(&request("k", &["a", "b"])).await.unwrap();
    store.cancel(&ticket, &[object("b").id]).await.unwrap();

    let states = outcome(&store, &ticket).await;

    assert_eq!((&states["a"], &states["b"]), (&StageState::Staged, &StageState::Unknown));
    once_each(&fake.counts(), &["a"]);
}

#[tokio::test]
async fn what_was_cancelled_while_the_store_was_busy_is_not_paid_for() {
    let manners = Manners { slow_down_every: Some(1), restore: Duration::from_secs(1), ..Manners::default() };
    let fake = Fake::start(manners, &[("a", "GLACIER"), ("b", "GLACIER")]).await;
    let store = fake.store(|_| {});
    let ticket = store.stage(&request("k", &["a", "b"])).await.unwrap();
    until_asked(&fake, 2).await;

    store.cancel(&ticket, &[object("a").id]).await.unwrap();
    fake.set(|manners| manners.slow_down_every = None);

    // The restore of the other one takes longer than the longest wait of the first.
    let states = outcome(&store, &ticket).await;
    assert_eq!((&states["a"], &states["b"]), (&StageState::Unknown, &StageState::Staged));
    let counts = fake.counts();
    once_each(&counts, &["b"]);
    assert_eq!(counts.posts, 3);
    assert!(store.shared.restores.known_of(&[object("a"), object("b")]).is_empty());
}

#[tokio::test]
async fn what_was_cancelled_while_it_was_asked_for_is_not_remembered() {
    let fake = Fake::start(Manners::default(), &[("a", "GLACIER")]).await;
    let store = fake.store(|_| {});
    fake.restored_by_others("a", DAY);
    let ticket = store.stage(&request("k", &["a"])).await.unwrap();
    let accepted = async {
        while store.progress(&ticket).await.unwrap()[0].1 != StageState::Accepted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, accepted).await.expect("it is accepted");
    assert_eq!(store.shared.restores.known_of(&[object("a")]).len(), 1);

    store.cancel(&ticket, &[object("a").id]).await.unwrap();
    // A look that was under way comes back.
    store.shared.joined(&object("a").id);

    assert!(store.shared.restores.known_of(&[object("a")]).is_empty());
}

#[test]
fn a_store_is_made_without_roots_and_a_runtime() {
    let context = thermocline_core::cold::StoreContext::new(Vec::new());
    let store = GlacierStore::new(GlacierConfig::default(), &context).unwrap();
    assert!(store.refuses_cold_reads() && !store.capabilities().can_cancel);
}
