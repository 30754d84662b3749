//! Files on cold stores: nothing of them is read that is not online, before and after.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;
use thermocline_model::{DatasetId, ObjectIdentity};

use super::*;
use crate::clock::ManualClock;
use crate::cold::{Locality, ObjectId};
use crate::staging::cache::{CacheKey, Space, SpaceSettings, Stamp};
use crate::staging::{CopyGuard, Joined, Outcome, Owner, Presence};

const BYTES: &[u8] = b"0123456789";

/// Version of a file that was modified a second after 1970 began.
const VERSION: &str = "1000000000";

/// Where the bytes of an object are.
#[derive(Clone)]
enum Place {
    Cold,
    Online,
    Copy(PathBuf),
}

/// A cold store of the files below one folder.
struct Tape {
    folder: String,
    places: Mutex<HashMap<String, Place>>,
    space: Space,
    /// What happens while somebody asks for a presence: the first of them at the next question.
    meanwhile: Mutex<VecDeque<Box<dyn FnOnce() + Send>>>,
    asked: Mutex<Vec<String>>,
    outdated: Mutex<Vec<String>>,
    /// The version of copies, and the one that the store has now.
    version: Mutex<String>,
    version_now: Mutex<String>,
}

#[async_trait]
impl Residency for Tape {
    fn is_bound(&self, href: &str) -> bool {
        href.starts_with(&format!("{}/", self.folder))
    }

    async fn presence(&self, href: &str) -> Result<Presence> {
        self.asked.lock().push(href.to_owned());
        let meanwhile = self.meanwhile.lock().pop_front();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let place = self.places.lock().get(href).cloned().unwrap_or(Place::Cold);
        Ok(match place {
            Place::Cold => Presence::Cold,
            Place::Online => Presence::Online { path: href.into(), guard: None },
            Place::Copy(path) => {
                let (id, version) = (ObjectId::new("tape", href)?, self.version.lock().clone());
                let key = CacheKey::new(&id, &version, 10);
                if !self.space.has(&key) {
                    drop(self.space.reserve(key, 10).unwrap().landed(0, true));
                }
                let guard = self.space.read(&key);
                let guard = guard.map(|guard| CopyGuard::new(id, guard, Stamp::of(&version, 10)));
                Presence::Online { path, guard }
            }
        })
    }

    async fn is_state_of(&self, href: &str, copy: &CacheKey) -> Result<bool> {
        let now = CacheKey::new(&ObjectId::new("tape", href)?, &self.version_now.lock(), 10);
        Ok(now == *copy)
    }

    fn doubt(&self, href: &str) {
        self.outdated.lock().push(href.to_owned());
    }

    fn known_locality(&self, _: &str) -> Locality {
        Locality::Nearline
    }

    async fn join(&self, _: &str, _: &Owner, _: Option<&DatasetId>) -> Result<Joined> {
        Err(Error::internal("nothing at this level recalls"))
    }

    async fn wait(&self, _: &str) -> Outcome {
        Outcome::Online
    }
}

/// An archive on tape, a folder beside it on disk, and objects below both.
struct World {
    dir: tempfile::TempDir,
    tape: Arc<Tape>,
    objects: Arc<Objects>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for folder in ["tape", "disk", "cache"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let settings = SpaceSettings {
            capacity_bytes: 1000,
            high: 1.0,
            low: 0.5,
            keep_free_bytes: 0,
            min_residency: Duration::ZERO,
        };
        let tape = Arc::new(Tape {
            folder: at("tape").to_str().unwrap().to_owned(),
            places: Mutex::default(),
            space: Space::new(&settings, Arc::new(ManualClock::new(0))).unwrap(),
            meanwhile: Mutex::default(),
            asked: Mutex::default(),
            outdated: Mutex::default(),
            version: Mutex::new(VERSION.to_owned()),
            version_now: Mutex::new(VERSION.to_owned()),
        });
        let roots = ["tape", "disk"].map(|folder| Root::directory(at(folder)).unwrap()).to_vec();
        let runtime = tokio::runtime::Handle::current();
        let residency = Some(Arc::<Tape>::clone(&tape) as Arc<dyn Residency>);
        let objects = Objects::on_cold_stores(roots, ObjectSettings::default(), runtime, residency);
        Self { dir, tape, objects }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn href(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file that was modified at `seconds`.
    fn write(&self, name: &str, bytes: &[u8], seconds: u64) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    fn object(&self, name: &str) -> Object {
        self.objects.stat(&self.href(name)).unwrap().unwrap()
    }

    fn put(&self, name: &str, place: Place) {
        self.tape.places.lock().insert(self.href(name), place);
    }

    /// What happens at the next question, then at the one after.
    fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        self.tape.meanwhile.lock().push_back(Box::new(happens));
    }

    async fn read(&self, object: &Object) -> Result<Bytes> {
        self.objects.read(object, 0..object.len_bytes).await
    }
}

fn assert_not_staged(error: &Error, href: &str) {
    assert_eq!(error.kind(), ErrorKind::NotStaged, "{error}");
    let named: Vec<&str> = error.not_staged().iter().map(AsRef::as_ref).collect();
    assert_eq!(named, [href], "{error}");
}

#[tokio::test]
async fn a_stub_that_reads_as_zeros_is_never_data() {
    let world = World::new();
    world.write("tape/a", &[0; 10], 1);
    let object = world.object("tape/a");

    assert_not_staged(&world.read(&object).await.unwrap_err(), &world.href("tape/a"));
    let opened = world.objects.open(&object.href).unwrap();
    assert_eq!(*opened.object(), object, "that it exists can be told");
    assert_not_staged(&opened.read_at(0, 4).unwrap_err(), &world.href("tape/a"));
    assert_eq!(opened.local_path(), None, "a library would read the stub");
}

#[tokio::test]
async fn looking_and_listing_ask_nobody_and_show_no_inode() {
    let world = World::new();
    world.write("tape/a", BYTES, 7);

    let object = world.object("tape/a");
    assert_eq!(object.identity, ObjectIdentity::Modified { mtime_ns: 7_000_000_000, inode: 0 });
    assert_eq!(world.objects.list(&world.href("tape")).unwrap(), [object]);
    assert!(world.tape.asked.lock().is_empty());
}

#[tokio::test]
async fn what_is_online_in_place_is_read_and_asked_for_before_and_after() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Online);

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
    assert_eq!(world.tape.asked.lock().len(), 2);
    assert!(world.objects.was_seen(&object));
    let opened = world.objects.open(&object.href).unwrap();
    assert_eq!(opened.read_at(2, 3).unwrap(), &BYTES[2..5]);
    assert_eq!(opened.local_path(), Some(world.path("tape/a").as_path()));
}

#[tokio::test]
async fn bytes_are_dropped_if_the_file_was_made_cold_while_they_were_read() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Online);
    let (tape, href) = (Arc::clone(&world.tape), object.href.clone());
    world.meanwhile(|| ());
    world.meanwhile(move || drop(tape.places.lock().insert(href, Place::Cold)));

    assert_not_staged(&world.read(&object).await.unwrap_err(), &object.href);
}

#[tokio::test]
async fn a_file_exchanged_by_a_recall_while_it_is_read_is_read_again() {
    let world = World::new();
    let path = world.write("tape/a", &[0; 10], 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Online);
    let recalled = world.write("disk/recalled", BYTES, 1);
    world.meanwhile(|| ());
    // Online again when it is asked for after the read: only the file itself shows that it was a stub.
    world.meanwhile(move || fs::rename(recalled, path).unwrap());

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
}

#[tokio::test]
async fn a_stub_filled_while_it_is_read_is_read_again() {
    let world = World::new();
    let path = world.write("tape/a", &[0; 10], 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Online);
    world.meanwhile(|| ());
    world.meanwhile(move || {
        fs::write(&path, BYTES).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    });

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
}

#[tokio::test]
async fn a_released_file_is_asked_for_at_the_next_read() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Online);
    world.read(&object).await.unwrap();
    let opened = world.objects.open(&object.href).unwrap();
    opened.read_at(0, 1).unwrap();

    world.put("tape/a", Place::Cold);
    assert_not_staged(&world.read(&object).await.unwrap_err(), &object.href);
    assert_not_staged(&opened.read_at(0, 1).unwrap_err(), &object.href);
}

#[tokio::test]
async fn a_copy_is_read_instead_of_the_archive() {
    let world = World::new();
    world.write("tape/a", &[0; 10], 1);
    let object = world.object("tape/a");
    let copy = world.write("cache/a", BYTES, 1);
    world.put("tape/a", Place::Copy(copy.clone()));

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
    let opened = world.objects.open(&object.href).unwrap();
    assert_eq!(opened.read_at(4, 2).unwrap(), &BYTES[4..6]);
    assert_eq!(opened.local_path(), Some(copy.as_path()));
}

#[tokio::test]
async fn a_copy_is_kept_while_a_library_may_open_it_and_not_longer() {
    let world = World::new();
    world.write("tape/a", &[0; 10], 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Copy(world.write("cache/a", BYTES, 1)));
    let key = CacheKey::new(&ObjectId::new("tape", &object.href).unwrap(), VERSION, 10);

    let opened = world.objects.open(&object.href).unwrap();
    opened.read_at(0, 1).unwrap();
    opened.local_path().unwrap();
    assert!(world.tape.space.evict(&key).is_none(), "somebody has its path");
    drop(opened);
    assert!(world.tape.space.evict(&key).is_some());
}

#[tokio::test]
async fn a_copy_of_an_older_state_is_never_served() {
    let world = World::new();
    world.write("tape/a", BYTES, 2);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Copy(world.write("cache/a", b"9876543210", 1)));
    *world.tape.version_now.lock() = "2000000000".to_owned();

    assert_not_staged(&world.read(&object).await.unwrap_err(), &object.href);
    assert_eq!(*world.tape.outdated.lock(), [object.href]);
}

#[tokio::test]
async fn a_copy_is_served_whatever_words_its_store_has_for_versions() {
    for version in ["2024-01-01T00:00:00", "size 10", "7", ""] {
        let world = World::new();
        world.write("tape/a", &[0; 10], 5);
        let object = world.object("tape/a");
        let copy = world.write("cache/a", b"", 1);
        fs::write(&copy, BYTES).unwrap();
        Stamp::of(version, 10).put_on(&File::options().write(true).open(&copy).unwrap()).unwrap();
        world.put("tape/a", Place::Copy(copy.clone()));
        *world.tape.version.lock() = version.to_owned();
        *world.tape.version_now.lock() = version.to_owned();

        assert_eq!(world.read(&object).await.unwrap(), BYTES, "{version}");
        let opened = world.objects.open(&object.href).unwrap();
        assert_eq!(opened.read_at(4, 2).unwrap(), &BYTES[4..6], "{version}");
        assert_eq!(opened.local_path(), Some(copy.as_path()), "{version}");
        assert!(world.tape.outdated.lock().is_empty());

        // Replaced by bytes of the same length, and indexed anew: what the store says counts, not what it said.
        world.write("tape/a", b"9876543210", 6);
        let replaced = world.object("tape/a");
        *world.tape.version_now.lock() = "another".to_owned();
        assert_not_staged(&world.read(&replaced).await.unwrap_err(), &object.href);
        assert_eq!(*world.tape.outdated.lock(), [object.href]);
    }
}

#[tokio::test]
async fn a_copy_that_was_written_to_or_is_gone_is_doubted_and_never_served() {
    let harms: [fn(&std::path::Path); 3] = [
        |copy| File::options().write(true).open(copy).unwrap().set_modified(SystemTime::now()).unwrap(),
        |copy| File::options().write(true).open(copy).unwrap().set_len(9).unwrap(),
        |copy| fs::remove_file(copy).unwrap(),
    ];
    for harm in harms {
        let world = World::new();
        world.write("tape/a", &[0; 10], 1);
        let object = world.object("tape/a");
        let copy = world.write("cache/a", BYTES, 1);
        world.put("tape/a", Place::Copy(copy.clone()));
        assert_eq!(world.read(&object).await.unwrap(), BYTES);

        harm(&copy);

        assert_not_staged(&world.read(&object).await.unwrap_err(), &object.href);
        assert_eq!(*world.tape.outdated.lock(), [object.href]);
    }
}

#[tokio::test]
async fn a_file_changed_in_the_archive_is_noticed_although_the_copy_is_as_it_was() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Copy(world.write("cache/a", BYTES, 1)));
    world.write("tape/a", b"9876543210", 2);
    let error = world.read(&object).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Changed { .. }), "{error}");

    fs::remove_file(world.path("tape/a")).unwrap();
    let error = world.read(&object).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
}

#[tokio::test]
async fn a_copy_is_read_while_the_archive_does_not_answer() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let object = world.object("tape/a");
    world.put("tape/a", Place::Copy(world.write("cache/a", BYTES, 1)));
    fs::remove_file(world.path("tape/a")).unwrap();
    symlink(world.path("tape/a"), world.path("tape/a")).unwrap();

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
}

#[tokio::test]
async fn a_link_from_elsewhere_does_not_lead_around_the_check() {
    let world = World::new();
    world.write("tape/a", &[0; 10], 1);
    symlink(world.path("tape/a"), world.path("disk/link")).unwrap();
    let object = world.object("disk/link");

    assert_not_staged(&world.read(&object).await.unwrap_err(), &world.href("tape/a"));
    let opened = world.objects.open(&object.href).unwrap();
    assert_not_staged(&opened.read_at(0, 1).unwrap_err(), &world.href("tape/a"));
}

#[tokio::test]
async fn a_link_that_leads_to_tape_by_now_is_not_read_through_what_it_led_to_before() {
    let world = World::new();
    world.write("tape/a", &[0; 10], 1);
    world.write("disk/real", BYTES, 1);
    symlink(world.path("disk/real"), world.path("disk/link")).unwrap();
    let object = world.object("disk/link");
    world.read(&object).await.unwrap();
    fs::remove_file(world.path("disk/link")).unwrap();
    symlink(world.path("tape/a"), world.path("disk/link")).unwrap();

    let object = world.object("disk/link");
    let error = world.read(&object).await;
    assert!(error.is_err() || error.unwrap() == BYTES, "never the stub");
}

#[tokio::test]
async fn files_of_other_roots_are_read_without_asking() {
    let world = World::new();
    world.write("disk/b", BYTES, 1);
    let object = world.object("disk/b");
    assert_ne!(object.identity, ObjectIdentity::Modified { mtime_ns: 1_000_000_000, inode: 0 });

    assert_eq!(world.read(&object).await.unwrap(), BYTES);
    assert_eq!(world.read(&object).await.unwrap(), BYTES);
    assert!(world.tape.asked.lock().is_empty());
}

#[tokio::test]
async fn an_index_from_before_a_root_was_bound_stays_valid_and_after_it_too() {
    let world = World::new();
    world.write("tape/a", BYTES, 1);
    let cold = world.object("tape/a");
    let roots = vec![Root::directory(world.path("tape")).unwrap()];
    let unbound = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());
    let plain = unbound.stat(&cold.href).unwrap().unwrap();
    assert_ne!(plain, cold);
    assert!(is_same_object(&plain, &cold) && is_same_object(&cold, &plain));

    world.put("tape/a", Place::Online);
    assert_eq!(world.read(&plain).await.unwrap(), BYTES);
    assert_eq!(unbound.read(&cold, 0..10).await.unwrap(), BYTES);
    assert_eq!(unbound.read(&cold, 0..10).await.unwrap(), BYTES, "from the open file too");
}

#[tokio::test]
async fn what_a_library_made_of_a_file_counts_only_if_it_was_online_all_the_while() {
    use crate::bytes::watch::ColdNotes;
    let world = World::new();
    let path = world.write("tape/a", BYTES, 1);
    let href = world.href("tape/a");
    let outcome = |meanwhile: &dyn Fn()| {
        let notes = ColdNotes::default();
        world.put("tape/a", Place::Online);
        let opened = notes.on(world.objects.open(&href).unwrap());
        fs::read(opened.local_path().unwrap()).unwrap();
        meanwhile();
        notes.judge(Ok(()))
    };

    outcome(&|| ()).unwrap();
    let error = outcome(&|| world.put("tape/a", Place::Cold)).unwrap_err();
    assert_not_staged(&error, &href);
    // Online again when it is asked for after the work: only the file shows that it was a stub.
    let error = outcome(&|| {
        world.write("tape/a", BYTES, 1);
    });
    assert_not_staged(&error.unwrap_err(), &href);
    outcome(&|| ()).unwrap();
    world.put("tape/a", Place::Copy(world.write("cache/a", BYTES, 1)));
    drop(path);
}
