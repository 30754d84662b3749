//! Owners and whose turn it is: start-time fair queueing over bytes.
//!
//! # Source
//! P. Goyal, H. M. Vin, H. Cheng, "Start-time fair queueing", IEEE/ACM Transactions on Networking 5 (1997).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Lane;

/// The weight of an owner of whom nothing else was said.
pub(super) const USUAL_WEIGHT: u32 = 100;

/// What a recall counts at least: each costs a locate, however small.
const LEAST_CHARGE: u64 = 64 << 20;

/// One owner.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: Arc<str>,
    pub(super) weight: u32,
    pub(super) cap: Option<u32>,
    /// Recalls under way that count for this owner.
    pub(super) active: u32,
    pub(super) n_waiting: u32,
    /// When a recall was last handed out for this owner.
    pub(super) served_ns: i64,
    /// Bytes served over weight: whoever has the least is next.
    pub(super) tag: u128,
    pub(super) lanes: [Offers; 2],
    /// The tags under which the owner stands in the lines.
    in_line: [Option<u128>; 2],
}

/// What could be handed out for an owner now, in one lane.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// Recalls of which no tape is known, by key.
    pub(super) loose: BTreeSet<(i64, u32)>,
    /// Tapes that are worth a mount and in no drive, by rank.
    pub(super) tapes: BTreeSet<(i64, u32)>,
}

impl Offers {
    fn is_empty(&self) -> bool {
        self.loose.is_empty() && self.tapes.is_empty()
    }
}

impl Owner {
    pub(super) fn cap(&self, default_cap: Option<u32>) -> Option<u32> {
        self.cap.or(default_cap)
    }

    pub(super) fn has_room(&self, default_cap: Option<u32>) -> bool {
        self.cap(default_cap).is_none_or(|cap| self.active < cap)
    }

    pub(super) fn lane(&self, lane: Lane) -> &Offers {
        let [interactive, bulk] = &self.lanes;
        match lane {
            Lane::Interactive => interactive,
            Lane::Bulk => bulk,
        }
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> &mut Offers {
        let [interactive, bulk] = &mut self.lanes;
        match lane {
            Lane::Interactive => interactive,
            Lane::Bulk => bulk,
        }
    }

    /// What bytes add to the tag.
    pub(super) fn charge(&self, len_bytes: u64) -> u128 {
        u128::from(len_bytes.max(LEAST_CHARGE)) * u128::from(USUAL_WEIGHT) / u128::from(self.weight.max(1))
    }
}

/// All owners, and the lines in which those stand for whom something can be handed out.
#[derive(Debug, Default)]
pub(super) struct Owners {
    all: Vec<Owner>,
    by_name: HashMap<Arc<str>, u32>,
    lines: [BTreeSet<(u128, u32)>; 2],
    /// The tag of whoever was served last: where owners begin who come back.
    virtual_time: u128,
}

impl Owners {
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(owner) = self.by_name.get(name) {
            return *owner;
        }
        let name: Arc<str> = name.into();
        let owner = self.all.len() as u32;
        self.by_name.insert(Arc::clone(&name), owner);
        self.all.push(Owner {
            name,
            weight: USUAL_WEIGHT,
            cap: None,
            active: 0,
            n_waiting: 0,
            served_ns: i64::MIN,
            tag: self.virtual_time,
            lanes: Default::default(),
            in_line: [None; 2],
        });
        owner
    }

    pub(super) fn get(&self, owner: u32) -> Option<&Owner> {
        self.all.get(owner as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Owner> {
        self.all.iter()
    }

    /// Changes an owner, and their place in the lines with it.
    pub(super) fn update(&mut self, number: u32, default_cap: Option<u32>, change: impl FnOnce(&mut Owner)) {
        let Some(owner) = self.all.get_mut(number as usize) else { return };
        change(owner);
        let has_room = owner.has_room(default_cap);
        let tag = owner.tag;
        for ((line, offers), stands) in self.lines.iter_mut().zip(&owner.lanes).zip(&mut owner.in_line) {
            let should = (has_room && !offers.is_empty()).then_some(tag);
            if *stands == should {
                continue;
            }
            if let Some(tag) = *stands {
                line.remove(&(tag, number));
            }
            if let Some(tag) = should {
                line.insert((tag, number));
            }
            *stands = should;
        }
    }

    /// Counts a recall that begins to wait. Who had nothing to do begins where the others are.
    pub(super) fn begin_to_wait(&mut self, number: u32, default_cap: Option<u32>) {
        let virtual_time = self.virtual_time;
        self.update(number, default_cap, |owner| {
            if owner.n_waiting == 0 && owner.active == 0 {
                owner.tag = owner.tag.max(virtual_time);
            }
            owner.n_waiting += 1;
        });
    }

    /// The owner whose turn it is in a lane.
    pub(super) fn first_in_line(&self, lane: Lane) -> Option<(u32, &Owner)> {
        let (_, owner) = self.lines.get(lane as usize)?.first()?;
        Some((*owner, self.get(*owner)?))
    }

    /// Owners in the order of their turns, as it is now.
    pub(super) fn line(&self, lane: Lane) -> impl Iterator<Item = (u32, &Owner)> {
        let line = self.lines.get(lane as usize).into_iter().flatten();
        line.filter_map(|(_, owner)| Some((*owner, self.get(*owner)?)))
    }

    /// Moves the virtual time on to the tag of someone who is served, but not beyond those who wait longer.
    pub(super) fn serve(&mut self, tag: u128) {
        let waits = self.lines.iter().filter_map(|line| line.first()).map(|(tag, _)| *tag).min();
        self.virtual_time = self.virtual_time.max(waits.map_or(tag, |waits| waits.min(tag)));
    }
}
