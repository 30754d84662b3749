//! The nouns of Thermocline: what a dataset is, independent of where it lies and how it is served.
//!
//! Nothing here reads a file, a clock or JSON; formats build these values, the core stores them,
//! plugins turn them into wire documents of their own.

mod attribute;
pub mod cf;
mod chunk;
mod codec;
mod dataset;
mod datatype;
mod fill;
mod id;
mod manifest;

pub use attribute::{Attribute, Attributes, Number, NumberType};
pub use chunk::{ChunkGrid, ChunkIndex};
pub use codec::{
    BitshuffleCompressor, BloscCodec, BloscShuffle, Codec, NbitType, ScaleOffsetType, StoredNumber,
};
pub use dataset::{
    Dataset, Dimension, Encoding, Group, Note, Object, ObjectIdentity, Refusal, Storage, Variable,
    Verification,
};
pub use datatype::{ArrayBytes, ByteOrder, DataType, Field, StringPadding};
pub use fill::netcdf_default_fill;
pub use id::{DatasetId, InvalidDatasetId};
pub use manifest::{ChunkColumns, ChunkPart, ChunkRef, ChunkTable, ChunkTableBuilder, Place};
