//! How objects stand: one by one, or many by a listing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU8, Ordering};

use futures::StreamExt;
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, Result};
use url::Url;

use crate::Shared;
use crate::calls::{Lane, Place};
use crate::client::{SharedBucket, key_of};
use crate::states::{Listed, Seen, Standing, listed};
use crate::xml;

/// Objects of one page of a listing.
const PAGE: usize = 1000;

/// A listing costs as much as this many looks: with fewer objects on a page the others are looked at one by one.
///
/// Source: Amazon S3 pricing, requests for LIST and for HEAD, 2024: 0.005 and 0.0004 USD for 1,000.
const N_WORTH_A_PAGE: usize = 13;

/// Pages after which it shows whether listing is worth it.
const N_TRIAL_PAGES: usize = 4;

/// Whether the listings of a bucket tell of restores.
pub(crate) struct Telling(AtomicU8);

impl Telling {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;

    /// Those of Amazon do; of other stores it has to be found out.
    ///
    /// Source: Amazon S3 API Reference, ListObjectsV2, `x-amz-optional-object-attributes`.
    pub(crate) fn of(address: &str) -> Self {
        let url = Url::parse(address).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let is_amazon = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
        Self(AtomicU8::new(if is_amazon { Self::YES } else { Self::UNKNOWN }))
    }

    /// `None` as long as nobody knows.
    fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::YES => Some(true),
            Self::NO => Some(false),
            _ => None,
        }
    }

    fn set(&self, tells: bool) {
        self.0.store(if tells { Self::YES } else { Self::NO }, Ordering::Relaxed);
    }
}

impl Shared {
    /// Bucket and key of an object.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for what lies below none of the roots.
    pub(crate) fn place(&self, object: &ColdObject) -> Result<Place> {
        let outside =
            || Error::invalid_input(format!("{} lies below none of the roots of this store", object.id));
        let bucket = self.buckets.get(object.id.root()).ok_or_else(outside)?;
        let key = key_of(&object.href).ok_or_else(outside)?;
        Ok(Place { bucket: bucket.clone(), key: key.to_owned() })
    }

    /// Looks at one object.
    ///
    /// # Errors
    /// Those of [`crate::calls::Calls::look`].
    pub(crate) async fn look_at(&self, object: &ColdObject, lane: Lane) -> Result<Seen> {
        let place = self.place(object)?;
        self.calls.look(&place.bucket, &place.key, lane).await
    }

    /// How objects stand, in the same order. An object that is named twice is looked at once.
    pub(crate) async fn look(&self, objects: &[ColdObject], lane: Lane) -> Vec<Result<Seen>> {
        let mut unique: HashMap<&ObjectId, &ColdObject> = HashMap::with_capacity(objects.len());
        objects.iter().for_each(|object| {
            unique.entry(&object.id).or_insert(object);
        });
        let mut found: HashMap<ObjectId, Result<Seen>> = HashMap::with_capacity(unique.len());
        if unique.len() >= self.config.list_after {
            let mut groups: HashMap<&str, Vec<(&str, &ColdObject)>> = HashMap::new();
            for object in unique.values().copied() {
                if let Some(key) = key_of(&object.href) {
                    groups.entry(object.id.root()).or_default().push((key, object));
                }
            }
            for (root, group) in groups {
                let is_worth_it = |bucket: &&SharedBucket| {
                    group.len() >= self.config.list_after && bucket.telling.get() != Some(false)
                };
                let Some(bucket) = self.buckets.get(root).filter(is_worth_it) else { continue };
                let listed = self.list(bucket, group, lane).await;
                found.extend(listed.into_iter().map(|(id, seen)| (id, Ok(seen))));
            }
        }
        let rest: Vec<ColdObject> =
            unique.values().copied().filter(|object| !found.contains_key(&object.id)).cloned().collect();
        let look = |object: ColdObject| async move {
            let seen = self.look_at(&object, lane).await;
            (object.id, seen)
        };
        let looks = futures::stream::iter(rest).map(look).buffer_unordered(self.config.connections);
        found.extend(looks.collect::<Vec<_>>().await);
        let answer = |object: &ColdObject| match found.get(&object.id) {
            Some(Ok(seen)) => Ok(seen.clone()),
            Some(Err(error)) => Err(error.shared()),
            None => Err(Error::internal(format!("{} was not looked at", object.id))),
        };
        objects.iter().map(answer).collect()
    }

    /// Those of some objects of a bucket of which a listing tells how they stand.
    ///
    /// What is missing from it, or unclear by it, is left to be looked at.
    async fn list(
        &self,
        bucket: &SharedBucket,
        mut wanted: Vec<(&str, &ColdObject)>,
        lane: Lane,
    ) -> HashMap<ObjectId, Seen> {
        wanted.sort_unstable_by_key(|(key, _)| *key);
        let prefix = common_prefix(
            wanted.first().map_or("", |(key, _)| *key),
            wanted.last().map_or("", |(key, _)| *key),
        );
        let running = self.restores.known_of(wanted.iter().map(|(_, object)| *object));
        let mut found = HashMap::with_capacity(wanted.len());
        let mut silent = Vec::new();
        let (mut next, mut n_pages, mut n_answered) = (0, 0, 0);
        while let Some((key, _)) = wanted.get(next) {
            if n_pages >= N_TRIAL_PAGES && n_answered < n_pages * N_WORTH_A_PAGE {
                break;
            }
            let Some((entries, is_last)) = self.page(bucket, (prefix, just_before(key)), lane).await else {
                break;
            };
            n_pages += 1;
            let covered_to = entries.last().map(|entry| entry.key.clone()).filter(|_| !is_last);
            let by_key: HashMap<&str, &Listed> =
                entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
            let start = next;
            while let Some((key, object)) = wanted.get(next) {
                if covered_to.as_deref().is_some_and(|end| *key > end) {
                    break;
                }
                if let Some(entry) = by_key.get(key).filter(|entry| !entry.is_unclear) {
                    n_answered += 1;
                    found.insert(object.id.clone(), entry.seen.clone());
                    if entry.seen.is_presumed {
                        silent.push((*object).clone());
                    }
                }
                next += 1;
            }
            // A page that does not come to the key that it begins at is no listing that can be gone through.
            if next == start {
                break;
            }
        }
        // Those whose restore is known to run are looked at in any case.
        if bucket.telling.get() == Some(true) {
            silent.retain(|object: &ColdObject| running.contains(&object.id));
        }
        self.check_silence(bucket, &mut found, (silent, running), lane).await;
        found
    }

    /// A page of a listing in order, and whether it is the last one; `None` if there is none to be had.
    async fn page(
        &self,
        bucket: &SharedBucket,
        (prefix, after): (&str, &str),
        lane: Lane,
    ) -> Option<(Vec<Listed>, bool)> {
        let page = bucket.list(prefix, after, PAGE);
        let answer = self.calls.once("list", bucket, lane, page).await.ok()?;
        if !answer.status.is_success() {
            self.calls.complaint("list", bucket, &answer);
            return None;
        }
        // Megabytes of XML are no work for a thread of the runtime.
        let read = tokio::task::spawn_blocking(move || entries_of(&answer.body));
        let (entries, is_last) = read.await.ok()??;
        if entries.iter().any(|entry| entry.tells_restore) {
            bucket.telling.set(true);
        }
        entries.is_sorted_by(|a, b| a.key < b.key).then_some((entries, is_last))
    }

    /// Looks at objects of which a listing says that they lie in the archive, and nothing of restores: there may be none, or
    /// the bucket's listings may never tell. Any restore that is found, and has not begun since, shows that they do not.
    async fn check_silence(
        &self,
        bucket: &SharedBucket,
        found: &mut HashMap<ObjectId, Seen>,
        (silent, running): (Vec<ColdObject>, HashSet<ObjectId>),
        lane: Lane,
    ) {
        let look = |object: ColdObject| async move {
            let seen = self.look_at(&object, lane).await;
            (object, seen)
        };
        let mut looks = futures::stream::iter(silent).map(look).buffer_unordered(self.config.connections);
        while let Some((object, seen)) = looks.next().await {
            let Ok(seen) = seen else {
                found.remove(&object.id);
                continue;
            };
            let has_restore = seen.standing != Standing::Cold && seen.class.makes_copies();
            let is_new = || {
                !running.contains(&object.id) && !self.restores.known_of(std::iter::once(&object)).is_empty()
            };
            if has_restore && bucket.telling.get().is_none() && !is_new() {
                bucket.telling.set(false);
            }
            found.insert(object.id, seen);
        }
    }
}

/// The entries of a page of a listing, and whether it is the last one; `None` if it is none.
fn entries_of(document: &[u8]) -> Option<(Vec<Listed>, bool)> {
    let page = xml::page(document)?;
    let entries = page.entries.into_iter().map(listed).collect::<Option<_>>()?;
    Some((entries, !page.is_truncated))
}

/// What two keys begin with.
fn common_prefix<'k>(a: &'k str, b: &str) -> &'k str {
    let len = a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map(|((place, _), _)| place);
    let len = len.unwrap_or_else(|| a.len().min(b.len()));
    a.get(..len).unwrap_or("")
}

/// A key that comes before this one, with next to nothing in between.
fn just_before(key: &str) -> &str {
    key.char_indices().next_back().and_then(|(place, _)| key.get(..place)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_of_amazon_it_is_known_that_listings_tell_of_restores() {
        for (address, expected) in [
            ("https://s3.eu-central-1.amazonaws.com/b", Some(true)),
            ("https://b.s3.cn-north-1.amazonaws.com.cn", Some(true)),
            ("https://amazonaws.com.example/b", None),
            ("http://127.0.0.1:9000/s3.amazonaws.com", None),
        ] {
            assert_eq!(Telling::of(address).get(), expected, "{address}");
        }
    }

    #[test]
    fn keys_share_what_they_begin_with() {
        for (a, b, shared) in
            [("data/a", "data/b", "data/"), ("a", "a", "a"), ("a", "ab", "a"), ("", "x", ""), ("ä", "ö", "")]
        {
            assert_eq!(common_prefix(a, b), shared);
        }
    }

    proptest! {
        #[test]
        fn what_comes_before_a_key_is_smaller_and_a_prefix(key in "\\PC{1,20}", other in "\\PC{0,20}") {
            let before = just_before(&key);
            prop_assert!(before < key.as_str() && key.starts_with(before));
            let shared = common_prefix(&key, &other);
            prop_assert!(key.starts_with(shared) && other.starts_with(shared));
        }
    }
}
