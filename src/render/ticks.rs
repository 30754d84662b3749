//! Where the ticks of axes are, and what stands beside them.

use thermocline_model::cf::TimeUnits;

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

impl Axis {
    /// Where a value lies along the axis: 0 at the left or lower end, 1 at the other.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.first) / (self.last - self.first)
    }
}
