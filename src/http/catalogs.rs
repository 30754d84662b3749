//! What documents of all datasets share: walking the datasets, dividing them by their ids, keeping what is finished.
//!
//! Such a document names up to a hundred thousand datasets and is asked for again and again. It is written page by
//! page, so that the summaries of one page are in memory at a time, and kept for each state of the catalog, each
//! view of it and each address of the server, within a bound. It is another one for clients who may see other datasets.

mod asked;
mod divide;
mod kept;
mod seen;
mod walk;

pub use asked::Asked;
pub use divide::{Division, PrefixGroup, below, divide};
pub use kept::{Document, DocumentKey, Documents};
pub use seen::SeenDatasets;
pub use walk::write_hits;
