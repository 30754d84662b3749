//! At start: what the database says is under way, what lies in the cache, and an engine that knows both.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::StagingParts;
use super::cache::{CacheDir, CacheKey, Kept, Known, Space, SpaceSettings, Stamp, Unknown};
use super::engine::{Engine, Now};
use super::numbers::Numbers;
use super::shelf::Shelf;
use super::steady::Steady;
use super::tables::{self, Loaded, OnlineRow, Op};
use crate::Result;
use crate::cold::ObjectId;
use crate::manifest::blocking;

/// What is needed to go on.
pub(super) struct Restored {
    pub(super) engine: Engine,
    pub(super) space: Space,
    pub(super) dir: CacheDir,
    pub(super) shelf: Shelf,
    pub(super) numbers: Numbers,
    pub(super) steady: Steady,
}

/// Reads the database, compares the cache with it, and takes everything up.
pub(super) async fn restore(parts: &StagingParts) -> Result<Restored> {
    let steady = Steady::new(Arc::clone(&parts.clock));
    let now = steady.now();
    let settings = &parts.settings;
    let (loaded, last_number) =
        parts.database.read(|database| Ok((tables::load(database)?, tables::last_number(database)?))).await?;
    let numbers = Numbers::after(last_number);
    let space_settings = SpaceSettings {
        capacity_bytes: settings.cache_bytes,
        high: settings.cache_high,
        low: settings.cache_low,
        keep_free_bytes: settings.keep_free_bytes,
        min_residency: settings.min_residency,
    };
    let space = Space::new(&space_settings, Arc::clone(&parts.clock))?;
    let (dir, (missing, partial), loaded) = recover(parts, loaded).await?;
    let mut engine = Engine::new(
        Arc::clone(&parts.namespace),
        &parts.stores,
        settings.clone(),
        space.clone(),
        numbers.clone(),
    );
    let n_requests = loaded.requests.len();
    let shelf = take_up(&mut engine, loaded, &missing, now);
    engine.restore_parts(&partial);
    if n_requests > 0 {
        tracing::info!(n_requests, n_missing = missing.len(), "staging goes on");
    }
    Ok(Restored { engine, space, dir, shelf, numbers, steady })
}

/// Gives an engine all that was under way. What lies in the cache, for readers.
pub(super) fn take_up(engine: &mut Engine, loaded: Loaded, missing: &HashSet<CacheKey>, now: Now) -> Shelf {
    let shelf = Shelf::default();
    let Loaded { requests, recalls, online, activities } = loaded;
    for (store, activity) in activities {
        if let Some(lane) = engine.lanes.iter_mut().find(|lane| lane.name == store) {
            lane.set_activity(activity);
        }
    }
    for row in online {
        if missing.contains(&key_of(&row)) {
            engine.out.ops.push(Op::Offline(row.object));
            continue;
        }
        let kept = Kept {
            len_bytes: row.online.len_bytes,
            landed_ns: row.online.since_ns,
            n_pins: 0,
            is_safe: row.online.is_safe,
        };
        let object = row.object.clone();
        let stamp = Stamp::of(&row.online.version, row.online.len_bytes);
        let key = engine.restore_copy(row);
        engine.space.restore(key, kept);
        shelf.put(object, key, stamp);
    }
    for request in requests {
        engine.restore_request(request, now);
    }
    engine.restore_pins(now);
    engine.restore_recalls(recalls, now);
    engine.restore_states(now);
    engine.restore_bytes();
    shelf
}

/// Keys of copies that are missing, and of objects that have landed in part.
type MissingAndPartial = (HashSet<CacheKey>, HashSet<CacheKey>);

/// Opens the cache and compares it with the database.
async fn recover(parts: &StagingParts, loaded: Loaded) -> Result<(CacheDir, MissingAndPartial, Loaded)> {
    let (folder, clock) = (parts.settings.cache_dir.clone(), Arc::clone(&parts.clock));
    blocking(move || {
        let dir = CacheDir::open(Path::new(&folder), clock)?;
        let mut known: HashMap<CacheKey, Known> =
            loaded.online.iter().map(|row| (key_of(row), Known::Landed(row.online.len_bytes))).collect();
        // Of millions of objects that are wanted few have begun to land.
        let begun = loaded.recalls.iter().filter(|recall| recall.version.is_some());
        let begun: HashSet<&ObjectId> = begun.map(|recall| &recall.object).collect();
        let wanted = loaded.requests.iter().flat_map(|request| &request.objects);
        let sizes: HashMap<&ObjectId, u64> = wanted
            .filter(|object| begun.contains(&object.id))
            .filter_map(|object| Some((&object.id, object.len_bytes?)))
            .collect();
        for recall in &loaded.recalls {
            if let (Some(version), Some(len_bytes)) = (&recall.version, sizes.get(&recall.object)) {
                known.entry(CacheKey::new(&recall.object, version, *len_bytes)).or_insert(Known::Landing);
            }
        }
        drop((sizes, begun));
        let recovered = dir.recover(known, Unknown::Remove)?;
        let missing = recovered.missing.into_iter().collect();
        let partial = recovered.partial.into_iter().map(|(key, _)| key).collect();
        Ok((dir, (missing, partial), loaded))
    })
    .await
}

fn key_of(row: &OnlineRow) -> CacheKey {
    CacheKey::new(&row.object, &row.online.version, row.online.len_bytes)
}
