//! What tests of every crate share: files opened as formats see them, damage, and conformance suites for
//! the traits that other crates implement: `Format`, `Provider` and `ByteSource`.

#[cfg(feature = "server")]
mod audit;
pub mod conformance;
mod files;
#[cfg(feature = "server")]
mod hidden;
mod judge;
mod mutant;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod staging;
#[cfg(feature = "server")]
mod tape;
#[cfg(feature = "server")]
mod toy;

#[cfg(feature = "server")]
pub use audit::{AuditEntry, AuditLog};
pub use files::{LocalFile, decode_all};
#[cfg(feature = "server")]
pub use hidden::{READER, staff_rules};
pub use judge::{Judgement, judge};
pub use mutant::mutate;
#[cfg(feature = "server")]
pub use server::{Answer, TestServer, TestSources};
#[cfg(feature = "server")]
pub use staging::{Cold, ColdParts, ToyArchive};
#[cfg(feature = "server")]
pub use tape::FakeTape;
#[cfg(feature = "server")]
pub use toy::{ToyChunk, ToyDataset, toy_variable};
