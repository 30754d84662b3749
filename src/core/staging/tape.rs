//! What reading from tape costs: locating, reading and mounting, and the order that costs least.
//!
//! # Specification
//! The cost between two blocks is the heuristic that the CERN Tape Archive publishes for LTO-8
//! (<https://cta.web.cern.ch>, "Recommended Access Order"): a serpentine tape runs up one wrap and down the
//! next, so that blocks far apart in bytes may lie side by side, and a step back on the same wrap is dear.
//! The geometry (wraps, bands, length) is an average over a cartridge, for nothing more is known outside the
//! drive.

mod nearest;
mod order;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use order::reading_order;

/// A kind of cartridge with its drive.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Native capacity in bytes.
    pub capacity_bytes: u64,
    /// How often the tape is written along its whole length.
    pub wraps: u32,
    /// Groups of neighbouring wraps that the head reaches without moving to other servo tracks.
    pub bands: u32,
    /// Longitudinal positions from one end of the tape to the other.
    pub length: f64,
    /// Bytes a second while reading.
    pub bytes_per_second: f64,
    /// Fetching a cartridge and loading it.
    pub mount: Duration,
    /// Rewinding, unloading and putting it back.
    pub unmount: Duration,
    /// What locating costs.
    pub locate: LocateCost,
}

/// Seconds that each difference between two places adds to a locate.
#[derive(Debug, Clone, PartialEq)]
pub struct LocateCost {
    /// Any locate.
    pub base: f64,
    /// To another wrap.
    pub wrap_change: f64,
    /// To another band.
    pub band_change: f64,
    /// To the other half of the tape; negative: a long way is driven faster.
    pub landing_zone_change: f64,
    /// To a wrap that runs the other way.
    pub direction_change: f64,
    /// Against the direction of the wrap on which the head is.
    pub step_back: f64,
    /// For each longitudinal position between them.
    pub per_position: f64,
    /// No locate takes less.
    pub at_least: f64,
}

impl Media {
    /// LTO-8 in a library whose robot takes a minute for each way.
    pub fn lto8() -> Self {
        Self {
            capacity_bytes: 12_000_000_000_000,
            wraps: 208,
            bands: 4,
            length: 171_000.0,
            bytes_per_second: 360e6,
            mount: Duration::from_secs(60),
            unmount: Duration::from_secs(60),
            locate: LocateCost {
                base: 4.29,
                wrap_change: 6.69,
                band_change: 3.2,
                landing_zone_change: -6.04,
                direction_change: 5.22,
                step_back: 11.32,
                per_position: 0.000_619_2,
                at_least: 0.5,
            },
        }
    }

    /// The same media where everything happens `speed` times as fast.
    #[must_use]
    pub fn sped_up(self, speed: f64) -> Self {
        let shorter =
            |span: Duration| Duration::try_from_secs_f64(span.as_secs_f64() / speed).unwrap_or(span);
        Self {
            bytes_per_second: self.bytes_per_second * speed,
            mount: shorter(self.mount),
            unmount: shorter(self.unmount),
            locate: self.locate.sped_up(speed),
            ..self
        }
    }

    /// Where on the tape a byte lies that was written `position` bytes after its start.
    ///
    /// Positions beyond the capacity (a store may be wrong, data may have been compressed) lie at its end.
    pub fn spot(&self, position: u64) -> Spot {
        let n_wraps = self.n_wraps();
        let bytes_per_wrap = self.capacity_bytes.max(1) as f64 / f64::from(n_wraps);
        let inside = position as f64 % bytes_per_wrap;
        let wrap = ((position as f64 - inside) / bytes_per_wrap).round();
        let (wrap, part) = match wrap < f64::from(n_wraps) {
            true => (wrap as u32, inside / bytes_per_wrap),
            false => (n_wraps - 1, 1.0),
        };
        let along = part * self.length;
        Spot { wrap, along: if runs_up(wrap) { along } else { self.length - along } }
    }

    /// Seconds from one place to another.
    pub fn locate_seconds(&self, from: Spot, to: Spot) -> f64 {
        let is_same_wrap = from.wrap == to.wrap;
        let up = runs_up(from.wrap);
        let is_back = if up { from.along > to.along } else { from.along < to.along };
        let differences = Differences {
            wrap: !is_same_wrap,
            band: self.band(from.wrap) != self.band(to.wrap),
            half: self.is_near(from.along) != self.is_near(to.along),
            direction: up != runs_up(to.wrap),
            back: is_same_wrap && is_back,
        };
        self.locate.seconds(differences, (from.along - to.along).abs())
    }

    /// Seconds that reading takes once the head is there.
    pub fn read_seconds(&self, len_bytes: u64) -> f64 {
        len_bytes as f64 / self.bytes_per_second.max(1.0)
    }

    /// Seconds to bring a cartridge to reading; a loaded drive is emptied first.
    pub fn mount_seconds(&self, drive_is_loaded: bool) -> f64 {
        let unmount = if drive_is_loaded { self.unmount } else { Duration::ZERO };
        (self.mount + unmount).as_secs_f64()
    }

    /// Seconds that reading `n_files` files with `len_bytes` in all takes from a tape that is to be mounted,
    /// when nothing is known of where they lie.
    ///
    /// A greedy order over n places that are spread evenly comes to about 10 + 52 / √n seconds a locate with
    /// the costs of LTO-8 (simulated for 4 to 2,000 files); other media in proportion to their base cost.
    pub fn session_seconds(&self, n_files: u64, len_bytes: u64) -> f64 {
        if n_files == 0 {
            return 0.0;
        }
        let locate = (10.0 + 52.0 / (n_files as f64).sqrt()) * self.locate.base / 4.29;
        self.mount_seconds(true) + n_files as f64 * locate + self.read_seconds(len_bytes)
    }

    /// The number of wraps, within what any tape can have.
    fn n_wraps(&self) -> u32 {
        self.wraps.clamp(1, 65_536)
    }

    /// The band of a wrap.
    fn band(&self, wrap: u32) -> u64 {
        u64::from(wrap) * u64::from(self.bands) / u64::from(self.n_wraps())
    }

    /// Whether a place lies in the first half of the tape.
    fn is_near(&self, along: f64) -> bool {
        along < self.length / 2.0
    }
}

/// In what two places on a tape differ.
#[derive(Debug, Clone, Copy)]
struct Differences {
    wrap: bool,
    band: bool,
    half: bool,
    direction: bool,
    back: bool,
}

impl LocateCost {
    /// The same costs where everything happens `speed` times as fast.
    fn sped_up(self, speed: f64) -> Self {
        Self {
            base: self.base / speed,
            wrap_change: self.wrap_change / speed,
            band_change: self.band_change / speed,
            landing_zone_change: self.landing_zone_change / speed,
            direction_change: self.direction_change / speed,
            step_back: self.step_back / speed,
            per_position: self.per_position / speed,
            at_least: self.at_least / speed,
        }
    }

    /// Seconds between places that are `apart` longitudinal positions from each other.
    fn seconds(&self, differ: Differences, apart: f64) -> f64 {
        let terms = [
            (differ.wrap, self.wrap_change),
            (differ.band, self.band_change),
            (differ.half, self.landing_zone_change),
            (differ.direction, self.direction_change),
            (differ.back, self.step_back),
        ];
        let changes: f64 =
            terms.into_iter().filter(|(differs, _)| *differs).map(|(_, seconds)| seconds).sum();
        (self.base + changes + self.per_position * apart).max(self.at_least)
    }
}

impl Default for Media {
    fn default() -> Self {
        Self::lto8()
    }
}

/// A place on a tape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spot {
    /// The wrap, counted from 0.
    pub wrap: u32,
    /// Longitudinal position, from the start of the tape.
    pub along: f64,
}

/// Even wraps run up the tape, odd ones down.
fn runs_up(wrap: u32) -> bool {
    wrap.is_multiple_of(2)
}

/// A stretch of bytes on a tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte, counted from the start of the tape.
    pub position: u64,
    /// Number of bytes.
    pub len_bytes: u64,
}

impl Extent {
    /// The first byte after it.
    pub fn end(self) -> u64 {
        self.position.saturating_add(self.len_bytes)
    }
}
