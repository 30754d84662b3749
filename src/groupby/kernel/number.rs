//! What kernels know of values: which are missing, which number they are, which of two is better.

use super::Cells;

/// What stands for a missing instant.
pub(super) const MISSING_TIME: i64 = i64::MIN;

/// How the values of a lane are understood.
pub(super) trait Kind {
    /// A value.
    type Value: Clone;
    /// True for a missing value.
    fn is_missing(value: &Self::Value) -> bool;
    /// The first or last value of a cell that has none.
    fn nothing() -> Self::Value;
    /// Values as results.
    fn cells(values: Vec<Self::Value>) -> Cells;
}

/// Values that are numbers.
pub(super) trait Numeric: Kind<Value: Copy + PartialEq> {
    /// What a value is kept as where all of a cell are needed.
    type Kept: Kept;
    /// True where numbers can be so close to each other beside their size that variances need a shift.
    const IS_SHIFTED: bool;
    /// The number.
    fn to_f64(value: Self::Value) -> f64;
    /// The number, kept.
    fn keep(value: Self::Value) -> Self::Kept;
    /// The integer; 0 for floats, which are not summed as integers.
    fn to_i128(value: Self::Value) -> i128;
    /// What the largest or smallest of no values is.
    fn start(is_max: bool) -> Self::Value;
    /// The larger or smaller of two; missing ones do not count.
    fn better<const IS_MAX: bool>(best: Self::Value, value: Self::Value) -> Self::Value;
    /// The largest or smallest, missing if it is still [`Self::start`] and that is no result.
    fn settled(best: Self::Value) -> Self::Value {
        best
    }
}

/// Numbers that are kept until all are there.
pub(super) trait Kept: Copy + Default + PartialOrd {
    /// The number.
    fn number(self) -> f64;
    /// Their order.
    fn order(&self, other: &Self) -> std::cmp::Ordering;
}

macro_rules! floats {
    ($kind:ident, $type:ident, $is_shifted:literal) => {
        #[doc = concat!("`", stringify!($type), "`, of which NaN is missing.")]
        pub(super) struct $kind;

        impl Kind for $kind {
            type Value = $type;
            fn is_missing(value: &$type) -> bool {
                value.is_nan()
            }
            fn nothing() -> $type {
                $type::NAN
            }
            fn cells(values: Vec<$type>) -> Cells {
                Cells::Floats(values.into_iter().map(f64::from).collect())
            }
        }

        impl Numeric for $kind {
            type Kept = $type;
            const IS_SHIFTED: bool = $is_shifted;
            fn to_f64(value: $type) -> f64 {
                f64::from(value)
            }
            fn keep(value: $type) -> $type {
                value
            }
            fn to_i128(_value: $type) -> i128 {
                0
            }
            fn start(_is_max: bool) -> $type {
                $type::NAN
            }
            // Without branches, so that the compiler takes several at once.
            fn better<const IS_MAX: bool>(best: $type, value: $type) -> $type {
                let is_better = if IS_MAX { value > best } else { value < best };
                if is_better | best.is_nan() { value } else { best }
            }
        }

        impl Kept for $type {
            fn number(self) -> f64 {
                f64::from(self)
            }
            fn order(&self, other: &Self) -> std::cmp::Ordering {
                self.total_cmp(other)
            }
        }
    };
}

floats!(Singles, f32, false);
floats!(Doubles, f64, true);

macro_rules! integers {
    ($kind:ident, $type:ident, $cells:ident) => {
        #[doc = concat!("`", stringify!($type), "`, none missing.")]
        pub(super) struct $kind;

        impl Kind for $kind {
            type Value = $type;
            fn is_missing(_value: &$type) -> bool {
                false
            }
            fn nothing() -> $type {
                0
            }
            fn cells(values: Vec<$type>) -> Cells {
                Cells::$cells(values)
            }
        }

        impl Numeric for $kind {
            // Rounding keeps the order, so that quantiles of rounded integers are rounded quantiles.
            type Kept = f64;
            const IS_SHIFTED: bool = true;
            fn to_f64(value: $type) -> f64 {
                value as f64
            }
            fn keep(value: $type) -> f64 {
                value as f64
            }
            fn to_i128(value: $type) -> i128 {
                i128::from(value)
            }
            fn start(is_max: bool) -> $type {
                if is_max { $type::MIN } else { $type::MAX }
            }
            fn better<const IS_MAX: bool>(best: $type, value: $type) -> $type {
                if IS_MAX { best.max(value) } else { best.min(value) }
            }
        }
    };
}

integers!(Ints, i64, Ints);
integers!(UInts, u64, UInts);

/// Instants, of which [`MISSING_TIME`] is missing.
pub(super) struct Instants;

impl Kind for Instants {
    type Value = i64;
    fn is_missing(value: &i64) -> bool {
        *value == MISSING_TIME
    }
    fn nothing() -> i64 {
        MISSING_TIME
    }
    fn cells(values: Vec<i64>) -> Cells {
        Cells::Times(values)
    }
}

impl Numeric for Instants {
    type Kept = f64;
    const IS_SHIFTED: bool = true;
    fn to_f64(value: i64) -> f64 {
        value as f64
    }
    fn keep(value: i64) -> f64 {
        value as f64
    }
    fn to_i128(value: i64) -> i128 {
        i128::from(value)
    }
    fn start(is_max: bool) -> i64 {
        if is_max { i64::MIN } else { i64::MAX }
    }
    fn better<const IS_MAX: bool>(best: i64, value: i64) -> i64 {
        // The missing one is the least of all anyway.
        if IS_MAX {
            return best.max(value);
        }
        best.min(if value == MISSING_TIME { i64::MAX } else { value })
    }
    fn settled(best: i64) -> i64 {
        // No calendar has this instant.
        if best == i64::MAX { MISSING_TIME } else { best }
    }
}

/// Texts, none missing.
pub(super) struct Texts;

impl Kind for Texts {
    type Value = String;
    fn is_missing(_value: &String) -> bool {
        false
    }
    fn nothing() -> String {
        String::new()
    }
    fn cells(values: Vec<String>) -> Cells {
        Cells::Texts(values)
    }
}
