//! Shortest locate time first, without looking at every file for every step.
//!
//! The cost of a locate is a constant for each combination of differences (wrap, band, direction, half of the
//! tape, step back) plus a term that grows with the distance. So only the nearest files, up and down the tape,
//! of each combination can be the cheapest: sixteen classes of other wraps, two halves of the same wrap. Each
//! step costs O(log n), the whole order O(n log n), and it is exactly what trying all files would give.

use super::nearest::{NO_WRAP, Nearest};
use super::{Differences, Extent, Media, Spot, runs_up};

/// The order in which files are read, as indices into `extents`: from where the head is, always the file that
/// is located soonest, and among equals the nearest.
///
/// At most `at_most` files are ordered; the others are left out.
pub fn reading_order(media: &Media, from: Spot, extents: &[Extent], at_most: usize) -> Vec<usize> {
    let mut left = Left::new(media, extents);
    let mut here = from;
    let mut order = Vec::with_capacity(extents.len().min(at_most));
    while order.len() < at_most {
        let Some(file) = left.cheapest(here) else { break };
        let Some(extent) = extents.get(file) else { break };
        left.remove(file);
        here = media.spot(extent.end());
        order.push(file);
    }
    order
}

/// What the files of a class have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    /// The wrap where only files of one wrap are together.
    wrap: Option<u32>,
    band: u64,
    up: bool,
    near: bool,
}

/// Files of one kind, by their longitudinal position.
struct Class {
    kind: Kind,
    alongs: Vec<f64>,
    files: Vec<usize>,
    nearest: Nearest,
}

/// Where a file is kept.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    class: usize,
    rank: usize,
}

/// The files that are not yet read.
struct Left<'a> {
    media: &'a Media,
    spots: Vec<Spot>,
    /// By band, direction and half of the tape.
    classes: Vec<Class>,
    /// By wrap and half of the tape: those that need no change of wrap.
    halves: Vec<Class>,
    /// For each file where it is kept among the classes and among the halves.
    kept: [Vec<Kept>; 2],
}

/// The cheapest file found so far.
#[derive(Debug, Clone, Copy)]
struct Found {
    file: usize,
    seconds: f64,
    apart: f64,
}

impl Found {
    fn is_better_than(&self, other: &Self) -> bool {
        let order = self.seconds.total_cmp(&other.seconds).then(self.apart.total_cmp(&other.apart));
        order.then(self.file.cmp(&other.file)).is_lt()
    }
}

impl<'a> Left<'a> {
    fn new(media: &'a Media, extents: &[Extent]) -> Self {
        let spots: Vec<Spot> = extents.iter().map(|extent| media.spot(extent.position)).collect();
        let kind = |spot: &Spot, wrap| Kind {
            wrap,
            band: media.band(spot.wrap),
            up: runs_up(spot.wrap),
            near: media.is_near(spot.along),
        };
        let (classes, in_classes) = classify(&spots, |spot| kind(spot, None));
        let (halves, in_halves) = classify(&spots, |spot| kind(spot, Some(spot.wrap)));
        Self { media, spots, classes, halves, kept: [in_classes, in_halves] }
    }

    fn remove(&mut self, file: usize) {
        for (classes, kept) in [&mut self.classes, &mut self.halves].into_iter().zip(&self.kept) {
            let Some(kept) = kept.get(file) else { continue };
            if let Some(class) = classes.get_mut(kept.class) {
                class.nearest.remove(kept.rank);
            }
        }
    }

    fn cheapest(&self, here: Spot) -> Option<usize> {
        let mut best = None;
        let first = self.halves.partition_point(|half| half.kind.wrap < Some(here.wrap));
        for half in self.halves.iter().skip(first).take_while(|half| half.kind.wrap == Some(here.wrap)) {
            self.consider(here, half, NO_WRAP, &mut best);
        }
        for class in &self.classes {
            let at_least = self.at_least(here, class);
            if best.is_none_or(|best: Found| at_least <= best.seconds) {
                self.consider(here, class, here.wrap, &mut best);
            }
        }
        best.map(|best| best.file)
    }

    /// The least that any file of a class and of another wrap can cost.
    fn at_least(&self, here: Spot, class: &Class) -> f64 {
        let differ = Differences {
            wrap: true,
            band: class.kind.band != self.media.band(here.wrap),
            half: class.kind.near != self.media.is_near(here.along),
            direction: class.kind.up != runs_up(here.wrap),
            back: false,
        };
        let below = class.alongs.first().map_or(0.0, |lowest| lowest - here.along);
        let above = class.alongs.last().map_or(0.0, |highest| here.along - highest);
        self.media.locate.seconds(differ, below.max(above).max(0.0))
    }

    /// Compares the nearest files of a class on both sides with the best so far, those on `but_wrap` left out.
    fn consider(&self, here: Spot, class: &Class, but_wrap: u32, best: &mut Option<Found>) {
        let from = class.alongs.partition_point(|along| *along < here.along);
        let up = class.nearest.first_at_or_after(from, but_wrap);
        let down = from.checked_sub(1).and_then(|below| class.nearest.last_at_or_before(below, but_wrap));
        for rank in [up, down].into_iter().flatten() {
            let Some(&file) = class.files.get(rank) else { continue };
            let Some(&spot) = self.spots.get(file) else { continue };
            let seconds = self.media.locate_seconds(here, spot);
            let found = Found { file, seconds, apart: (here.along - spot.along).abs() };
            if best.is_none_or(|best| found.is_better_than(&best)) {
                *best = Some(found);
            }
        }
    }
}

/// Files by kind, each kind by longitudinal position, with the place of each file.
fn classify(spots: &[Spot], kind: impl Fn(&Spot) -> Kind) -> (Vec<Class>, Vec<Kept>) {
    let mut files: Vec<(Kind, Spot, usize)> =
        spots.iter().enumerate().map(|(file, spot)| (kind(spot), *spot, file)).collect();
    files.sort_unstable_by(|(kind, spot, file), (other_kind, other_spot, other_file)| {
        kind.cmp(other_kind).then(spot.along.total_cmp(&other_spot.along)).then(file.cmp(other_file))
    });
    let mut kept = vec![Kept::default(); spots.len()];
    let classes = files.chunk_by(|(kind, ..), (next, ..)| kind == next).enumerate();
    let classes = classes.filter_map(|(class, members)| {
        for (rank, (.., file)) in members.iter().enumerate() {
            if let Some(place) = kept.get_mut(*file) {
                *place = Kept { class, rank };
            }
        }
        let (kind, ..) = *members.first()?;
        Some(Class {
            kind,
            alongs: members.iter().map(|(_, spot, _)| spot.along).collect(),
            files: members.iter().map(|(.., file)| *file).collect(),
            nearest: Nearest::new(members.iter().map(|(_, spot, _)| spot.wrap)),
        })
    });
    let classes = classes.collect();
    (classes, kept)
}
