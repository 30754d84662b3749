//! Where the ticks of axes are, and what stands beside them.
//!
//! Ticks stand at round values of what an axis measures, as many as have room: labels never overlap. Labels are made from
//! integers, so that no error of rounding shows in them.

mod angle;
mod log;
mod number;
mod time;

use thermocline_model::cf::TimeUnits;

use crate::text;

pub(crate) use angle::{Compass, angle_label, angles, round_angles};
pub(crate) use log::log_ticks;
pub(crate) use number::{common_exponent, numbers, rounded};

/// Most names whose labels are measured.
const MAX_NAMES: usize = 2000;

/// What an axis measures.
#[derive(Debug, Clone)]
pub enum Quantity {
    /// Numbers.
    Number,
    /// Numbers by their logarithm.
    Log,
    /// Degrees east.
    Longitude,
    /// Degrees north.
    Latitude,
    /// Times: numbers in these units.
    Time(TimeUnits),
    /// Names: number i stands for the i-th, at i + 0.5.
    Names(Vec<String>),
}

/// An axis from its left or lower end to the other; `first` > `last` runs backwards.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Value at the left or lower end.
    pub first: f64,
    /// Value at the right or upper end.
    pub last: f64,
    /// What it measures.
    pub quantity: Quantity,
    /// What stands beside it, units included; `None` for nothing.
    pub label: Option<String>,
}

/// Which way an axis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From left to right.
    Horizontal,
    /// From the bottom to the top.
    Vertical,
}

/// The room that ticks have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruler {
    /// Length of the axis in pixels.
    pub length: f32,
    /// Size of the labels in pixels.
    pub size: f32,
    /// Which way the axis runs.
    pub direction: Direction,
}

impl Ruler {
    /// Most ticks that look well.
    fn most(&self) -> f64 {
        let room = match self.direction {
            Direction::Horizontal => 6.2,
            Direction::Vertical => 3.6,
        };
        f64::from(self.length / (room * self.size)).clamp(1.0, 30.0)
    }

    /// True if no label touches the next.
    pub(crate) fn holds(&self, ticks: &[Tick]) -> bool {
        let mut ends: Vec<(f32, f32)> = ticks.iter().map(|tick| self.ends(tick)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.windows(2).all(|pair| matches!(pair, [a, b] if a.1 + self.gap() <= b.0))
    }

    /// Where a label begins and ends along the axis.
    fn ends(&self, tick: &Tick) -> (f32, f32) {
        let at = tick.share as f32 * self.length;
        let half = match self.direction {
            Direction::Horizontal => text::width(&tick.label, self.size) / 2.0,
            Direction::Vertical => self.size * 0.6,
        };
        (at - half, at + half)
    }

    /// Least distance between labels.
    fn gap(&self) -> f32 {
        match self.direction {
            Direction::Horizontal => self.size * 0.8,
            Direction::Vertical => self.size * 0.3,
        }
    }

    /// Every n-th of some ticks, n as small as leaves their labels apart; always those at multiples of n.
    pub(crate) fn thinned(&self, ticks: Vec<Tick>) -> Vec<Tick> {
        for n in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] {
            let some: Vec<Tick> = ticks.iter().step_by(n).cloned().collect();
            if self.holds(&some) {
                return some;
            }
        }
        ticks.into_iter().take(1).collect()
    }
}

/// A tick with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Place along the axis, 0 to 1.
    pub share: f64,
    /// What stands beside it.
    pub label: String,
}

/// Several ticks under one label: the months of a year.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Where it begins along the axis.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Its label.
    pub label: String,
}

/// The ticks of an axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ticks {
    /// Ticks with labels.
    pub major: Vec<Tick>,
    /// Places of ticks without.
    pub minor: Vec<f64>,
    /// Second row of labels, of horizontal axes of time.
    pub groups: Vec<Group>,
    /// Labels are to be multiplied by this power of ten.
    pub exponent: Option<i32>,
}

impl Ticks {
    /// The factor of all labels as text: `×10⁻⁵`.
    pub fn factor(&self) -> Option<String> {
        self.exponent.map(power_of_ten).map(|power| format!("×{power}"))
    }
}

/// A power of ten: `10⁻⁵`.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    format!("10{}", text::raised(&exponent.to_string()))
}

impl Axis {
    /// Where a value lies along the axis: 0 at the left or lower end, 1 at the other; NaN on an axis without length and
    /// for values that a logarithm does not have.
    pub fn share(&self, value: f64) -> f64 {
        if let Quantity::Log = self.quantity {
            return (value.ln() - self.first.ln()) / (self.last.ln() - self.first.ln());
        }
        (value - self.first) / (self.last - self.first)
    }

    /// The ticks that have room.
    pub fn ticks(&self, ruler: &Ruler) -> Ticks {
        let (low, high) = (self.first.min(self.last), self.first.max(self.last));
        if !(low.is_finite() && high.is_finite() && ruler.length > 0.0 && ruler.size > 0.0) {
            return Ticks::default();
        }
        let share = |value: f64| self.share(value);
        let mut ticks = match &self.quantity {
            _ if low == high => self.single(),
            Quantity::Number => numbers(low, high, ruler, &share),
            Quantity::Log => log_ticks(low, high, ruler, &share),
            Quantity::Longitude => angles(Compass::EastWest, (low, high), ruler, &share),
            Quantity::Latitude => angles(Compass::NorthSouth, (low, high), ruler, &share),
            Quantity::Time(units) => time::times(*units, self, ruler),
            Quantity::Names(names) => self.names(names, ruler),
        };
        let is_inside = |share: f64| (-1e-9..=1.0 + 1e-9).contains(&share);
        ticks.major.retain(|tick| is_inside(tick.share));
        ticks.minor.retain(|share| is_inside(*share));
        ticks.major.sort_by(|a, b| a.share.total_cmp(&b.share));
        ticks
    }

    /// The tick of an axis that has one value only.
    fn single(&self) -> Ticks {
        let label = match &self.quantity {
            Quantity::Time(units) => time::whole(*units, self.first),
            Quantity::Longitude => angle::decimal(Compass::EastWest, self.first),
            Quantity::Latitude => angle::decimal(Compass::NorthSouth, self.first),
            Quantity::Names(names) => {
                names.get(self.first as usize).map(|name| text::printable(name)).unwrap_or_default()
            }
            Quantity::Number | Quantity::Log => rounded(self.first),
        };
        Ticks { major: vec![Tick { share: 0.5, label }], ..Ticks::default() }
    }

    /// Names in the middle of their places.
    fn names(&self, names: &[String], ruler: &Ruler) -> Ticks {
        let most = match ruler.direction {
            Direction::Horizontal => {
                (ruler.length / names.len().max(1) as f32 - ruler.gap()).max(ruler.size * 4.0)
            }
            Direction::Vertical => ruler.size * 12.0,
        };
        let tick = |(i, name): (usize, &String)| Tick {
            share: self.share(i as f64 + 0.5),
            label: text::shortened(&text::printable(name), ruler.size, most),
        };
        // Of thousands of names there is room for few: most need not be measured.
        let every = names.len().div_ceil(MAX_NAMES).max(1);
        let some = names.iter().enumerate().step_by(every).map(tick).collect();
        Ticks { major: ruler.thinned(some), ..Ticks::default() }
    }
}

#[cfg(test)]
mod tests;
