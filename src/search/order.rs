//! Whether data can be read at once: `order:status` of datasets whose objects lie on cold stores.
//!
//! # Source
//! STAC extension `order` v1.1.0.

/// Where the staging of a dataset stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// In one word.
    pub status: OrderStatus,
    /// Id of the last request that asked for any of its objects.
    pub request: Option<String>,
    /// When that was, in nanoseconds since 1970.
    pub ordered_ns: Option<i64>,
    /// When the first of its pins ends, in nanoseconds since 1970.
    pub expires_ns: Option<i64>,
    /// When any of this changed last, in nanoseconds since 1970.
    pub changed_ns: i64,
    /// The same of each of [`crate::Summary::sources`], in order.
    pub sources: Vec<OrderStatus>,
}

/// Where staging stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderStatus {
    /// Nearline, and nobody asked for it.
    Orderable,
    /// Asked for, not begun.
    Ordered,
    /// Waits for a drive, a quota or a tier.
    Pending,
    /// Coming back.
    Shipping,
    /// Online.
    Succeeded,
    /// The last request failed, or an object is lost.
    Failed,
    /// The last request was cancelled.
    Canceled,
}

impl OrderStatus {
    /// As the extension spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orderable => "orderable",
            Self::Ordered => "ordered",
            Self::Pending => "pending",
            Self::Shipping => "shipping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}
