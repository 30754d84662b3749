//! What is told to whom: who watches a request, and who reads the log.

use std::fmt::{self, Debug};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::store::FakeStore;
use super::world::{World, href, wanted};
use crate::cold::Landing;
use crate::staging::{NewRequest, RequestState, Wanted};

/// Keeps the warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().push(line.0);
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = fmt::Write::write_fmt(&mut self.0, format_args!("{}={value:?} ", field.name()));
    }
}

#[tokio::test]
async fn a_bad_list_is_one_warning_with_the_number_and_the_first_few() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("good");
    let paths: Vec<String> = (0..500).map(|number| format!("missing{number:03}")).collect();
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.push("good");

    let warnings = Warnings::default();
    let guard = tracing::subscriber::set_default(warnings.clone());
    let request = world.request("x", &paths).await;
    assert_eq!(world.ended(&request.id).await.state, RequestState::Partial);
    drop(guard);

    let told = warnings.0.lock();
    assert_eq!(told.len(), 1, "{told:?}");
    for word in ["n_failed=500", "archive:missing000", "archive:missing002", &*request.id.0] {
        assert!(told[0].contains(word), "{word}: {told:?}");
    }
    assert!(!told[0].contains("missing003"), "{told:?}");
}

#[tokio::test]
async fn who_watches_a_request_is_woken_by_its_changes_and_not_by_those_of_others() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    let paths: Vec<String> = (0..50).map(|number| format!("f{number}")).collect();
    paths.iter().for_each(|path| world.put(path));
    world.put("own");
    world.store.hold(true);
    let own = world.request("x", &["own"]).await;
    world.pass(std::time::Duration::from_secs(3)).await;
    let mut watching = world.staging.watch(&own.id).unwrap();
    watching.borrow_and_update();

    let other = world.request("y", &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.pass(std::time::Duration::from_secs(3)).await;
    world.staging.cancel(&other.id).await.unwrap();
    assert!(!watching.has_changed().unwrap(), "of 50 objects of another request nothing is told");

    world.store.hold(false);
    world.ended(&own.id).await;
    assert!(watching.has_changed().unwrap());
    assert!(world.staging.watch(&crate::staging::RequestId("nonsense".into())).is_none());
}

#[tokio::test]
async fn all_spellings_of_an_object_are_kept_and_it_is_one_object() {
    let world = World::new(FakeStore::new(Landing::Copied)).await;
    world.put("a");
    let meant = wanted("a").object;
    let spelt = |spelling: &str| Wanted { spelling: spelling.into(), object: meant.clone() };
    let objects = vec![spelt("one"), spelt("two"), spelt("one"), spelt("three"), spelt("two"), wanted("b")];
    let new = NewRequest { objects, ..super::world::new_request("x", &[]) };
    let request = world.staging.request(new).await.unwrap();
    let found = world.objects(&request.id).await;
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&*found[0].spelling, &*found[0].other_spellings),
        ("one", &["two".into(), "three".into()][..])
    );
    assert_eq!((&*found[1].spelling, found[1].other_spellings.len()), (&*href("b"), 0));
}
