//! The steps by which a chunk's values became stored bytes.

use crate::{ByteOrder, DataType};

/// Shuffling inside a Blosc chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Blosc's")]
pub enum BloscShuffle {
    None,
    Byte,
    Bit,
}

/// Compressor inside a Blosc chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Blosc's")]
pub enum BloscCodec {
    BloscLz,
    Lz4,
    Lz4Hc,
    Snappy,
    Zlib,
    Zstd,
}

/// Datatype parameters of HDF5's n-bit filter, parsed from its client data.
///
/// # Source
/// HDF5 library, `H5Znbit.c`: class codes 1 (atomic), 2 (array), 3 (compound), 4 (no-op).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the library's parameters")]
pub enum NbitType {
    Atomic { size: usize, order: ByteOrder, precision: usize, offset: usize },
    Array { size: usize, base: Box<NbitType> },
    Compound { size: usize, members: Vec<(usize, NbitType)> },
    NoOp { size: usize },
}

/// What HDF5's scale-offset filter was told.
///
/// # Source
/// HDF5 library, `H5Zscaleoffset.c`, client data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScaleOffsetType {
    /// The filter's client data, word by word (20 words).
    pub client_data: Vec<u32>,
}

/// One step of encoding. A chain lists them in the order of writing; decoding runs it backwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Bytes of the elements regrouped by significance.
    Shuffle {
        /// Size of the elements in bytes.
        element_size: usize,
    },
    /// A zlib stream (RFC 1950).
    Zlib {
        /// Level it was written with, 0–9.
        level: u8,
    },
    /// A gzip stream (RFC 1952).
    Gzip {
        /// Level it was written with, 0–9.
        level: u8,
    },
    /// A Zstandard frame (RFC 8878).
    Zstd {
        /// Level it was written with; negative levels exist.
        level: i32,
        /// True if the frame ends with a checksum of the content.
        checksum: bool,
    },
    /// A bzip2 stream.
    Bzip2 {
        /// Level it was written with, 1–9.
        level: u8,
    },
    /// A Blosc 1 chunk.
    Blosc {
        /// Compressor inside.
        cname: BloscCodec,
        /// Level, 0–9.
        level: u8,
        /// Shuffling inside.
        shuffle: BloscShuffle,
        /// Size of the elements in bytes.
        type_size: usize,
        /// Block size in bytes, 0 for automatic.
        block_size: usize,
    },
    /// A Blosc 2 chunk or frame as HDF5 filter 32026 writes it.
    Blosc2,
    /// HDF5's LZ4 framing, filter 32004: total length, block length, then blocks, all big-endian.
    Lz4Hdf5,
    /// HDF5's bitshuffle, filter 32008.
    Bitshuffle {
        /// Size of the elements in bytes.
        element_size: usize,
        /// Elements in a block, 0 for automatic.
        block_size: usize,
        /// What compresses the blocks.
        compressor: BitshuffleCompressor,
    },
    /// h5py's LZF, filter 32000.
    Lzf,
    /// A Fletcher-32 checksum of four bytes appended (HDF5 filter 3).
    Fletcher32,
    /// A CRC-32C checksum of four bytes appended.
    Crc32c,
    /// SZIP, HDF5 filter 4: client data word by word.
    Szip {
        /// Options mask, pixels a block, bits a pixel, pixels a scan line.
        client_data: [u32; 4],
    },
    /// HDF5's n-bit packing, filter 5.
    Nbit(NbitType),
    /// HDF5's scale-offset packing, filter 6.
    ScaleOffset(ScaleOffsetType),
    /// UTF-8 texts, each with its length: numcodecs' `vlen-utf8`.
    VlenUtf8,
    /// The axes were permuted before writing: `order[i]` is the array's axis that is stored as axis `i`.
    Transpose {
        /// The permutation.
        order: Vec<usize>,
    },
    /// A codec that only the Zarr library knows: its metadata as JSON text.
    Zarr {
        /// Version of the metadata, 2 or 3.
        format: u8,
        /// JSON text of the codec's metadata.
        metadata: String,
    },
    /// Picks one member of each record after decoding: compound members served as arrays.
    Member {
        /// Size of a record in bytes.
        record_size: usize,
        /// Position of the member in the record, in bytes.
        offset: usize,
        /// Size of the member in bytes.
        size: usize,
    },
    /// Values of another type, brought exactly to the variable's type after decoding.
    Convert {
        /// How the stored element looks.
        from: StoredNumber,
        /// What it becomes.
        to: DataType,
    },
}

/// What compresses the blocks of a bitshuffle stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the compressors'")]
pub enum BitshuffleCompressor {
    None,
    Lz4,
    Zstd,
}

/// A number as HDF5 can describe it bit by bit.
///
/// # Source
/// HDF5 File Format Specification 3.0, IV.A.2.d, classes 0, 1 and 4.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoredNumber {
    /// A fixed-point number or bit field.
    Integer {
        /// Size in bytes.
        size: usize,
        /// Order of the bytes.
        order: ByteOrder,
        /// True for two's complement.
        signed: bool,
        /// Significant bits.
        precision: u32,
        /// Position of the lowest significant bit.
        bit_offset: u32,
    },
    /// A floating-point number.
    Float {
        /// Size in bytes.
        size: usize,
        /// Order of the bytes.
        order: ByteOrder,
        /// Position of the sign bit.
        sign_position: u32,
        /// Position of the lowest exponent bit.
        exponent_position: u32,
        /// Bits of the exponent.
        exponent_bits: u32,
        /// Position of the lowest mantissa bit.
        mantissa_position: u32,
        /// Bits of the mantissa that are stored.
        mantissa_bits: u32,
        /// Bias of the exponent.
        exponent_bias: u32,
        /// True if the leading 1 is not stored.
        implied_one: bool,
    },
}
