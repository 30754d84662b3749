//! What catalogs tell of datasets, and finding among them.
//!
//! Every listed dataset that is indexed has a [`Summary`]: titles, extents, dimensions, variables, searchable
//! attributes. It is made once from the manifest and kept, so that no request opens all datasets; it never
//! touches an archive. [`Search`] keeps the summaries, and columns of what is searched for in memory; a [`Seen`] finds
//! among those datasets that one client may see.

mod collections;
mod column;
mod columns;
mod copied;
mod describe;
mod entry;
mod evaluate;
mod filter;
mod find;
mod follow;
mod instant;
mod order;
mod patience;
mod plan;
mod property;
mod query;
mod rfc3339;
mod row;
mod scalar;
mod search;
mod seen;
mod sight;
mod snapshot;
mod sort;
mod space;
mod store;
mod summary;
mod text;
mod texts;
mod time;

pub use copied::copy_summaries;
pub use describe::{SearchableAttributes, describe, describe_with, union_of_boxes};
pub use filter::{
    ArithmeticOp, Comparison, Filter, Operand, PropertyName, SpatialOp, TemporalOp, TextFunction, TimeOperand,
};
pub use instant::instant_text;
pub use order::{Changed, Order, OrderStatus, Orders};
pub use query::{Cursor, Direction, Found, Query, SortKey};
pub use rfc3339::parse_instant;
pub use search::{Collection, Hit, Search, SearchParts};
pub use seen::Seen;
pub use summary::{
    CubeDimension, CubeVariable, DimensionKind, Extent, SourceObject, Span, Summary, Value, VariableRole,
};
