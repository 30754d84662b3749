//! What the index writes of the model: mirrored types, so that the model itself stays free of wire forms.
//!
//! Written with postcard. A change of any type here is a new [`super::VERSION`] with a migration.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thermocline_model as model;

/// The stored form of a model type.
pub(crate) trait Mirror<M>: Sized {
    /// The stored form of `model`.
    fn record(model: &M) -> Self;
    /// The model's form again.
    fn model(self) -> M;
}

macro_rules! same {
    ($($kind:ty),*) => {$(
        impl Mirror<$kind> for $kind {
            fn record(model: &$kind) -> Self { model.clone() }
            fn model(self) -> $kind { self }
        }
    )*};
}

same!(bool, u8, u16, u32, u64, usize, i32, i64, i128, f64, String, [u32; 4]);

impl<M, R: Mirror<M>> Mirror<Vec<M>> for Vec<R> {
    fn record(model: &Vec<M>) -> Self {
        model.iter().map(R::record).collect()
    }
    fn model(self) -> Vec<M> {
        self.into_iter().map(R::model).collect()
    }
}

/// Bytes are written at once, in the form in which a list of numbers would be.
impl Mirror<Vec<u8>> for ByteBuf {
    fn record(model: &Vec<u8>) -> Self {
        Self::from(model.clone())
    }
    fn model(self) -> Vec<u8> {
        self.into_vec()
    }
}

impl<M, R: Mirror<M>> Mirror<Option<M>> for Option<R> {
    fn record(model: &Option<M>) -> Self {
        model.as_ref().map(R::record)
    }
    fn model(self) -> Option<M> {
        self.map(R::model)
    }
}

impl<M, R: Mirror<M>> Mirror<Box<M>> for Box<R> {
    fn record(model: &Box<M>) -> Self {
        Box::new(R::record(model))
    }
    fn model(self) -> Box<M> {
        Box::new((*self).model())
    }
}

impl<A, B, P: Mirror<A>, Q: Mirror<B>> Mirror<(A, B)> for (P, Q) {
    fn record(model: &(A, B)) -> Self {
        (P::record(&model.0), Q::record(&model.1))
    }
    fn model(self) -> (A, B) {
        (self.0.model(), self.1.model())
    }
}

macro_rules! mirror {
    (struct $record:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $record { $($field: $kind),* }

        impl Mirror<model::$record> for $record {
            fn record(model: &model::$record) -> Self {
                Self { $($field: Mirror::record(&model.$field)),* }
            }
            fn model(self) -> model::$record {
                model::$record { $($field: self.$field.model()),* }
            }
        }
    };
    (enum $record:ident {
        $($variant:ident $({ $($field:ident: $kind:ty),* $(,)? })? $(( $($part:ident: $part_kind:ty),* ))?),* $(,)?
    }) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) enum $record {
            $($variant $({ $($field: $kind),* })? $(( $($part_kind),* ))?),*
        }

        impl Mirror<model::$record> for $record {
            fn record(model: &model::$record) -> Self {
                match model {
                    $(model::$record::$variant $({ $($field),* })? $(( $($part),* ))? =>
                        Self::$variant $({ $($field: Mirror::record($field)),* })? $(( $(Mirror::record($part)),* ))?),*
                }
            }
            fn model(self) -> model::$record {
                match self {
                    $(Self::$variant $({ $($field),* })? $(( $($part),* ))? =>
                        model::$record::$variant $({ $($field: $field.model()),* })? $(( $($part.model()),* ))?),*
                }
            }
        }
    };
}

mirror!(
    enum ByteOrder {
        Little,
        Big,
    }
);
mirror!(
    enum StringPadding {
        NullTerminated,
        NullPadded,
        SpacePadded,
    }
);
mirror!(
    struct Field {
        name: String,
        offset: usize,
        dtype: DataType,
    }
);
mirror!(
    enum DataType {
        Bool,
        Int { size: u8, order: ByteOrder },
        UInt { size: u8, order: ByteOrder },
        Float { size: u8, order: ByteOrder },
        Char,
        FixedString { len: usize, padding: StringPadding, utf8: bool },
        String,
        Compound { size: usize, fields: Vec<Field> },
    }
);
mirror!(enum ArrayBytes { Fixed(bytes: ByteBuf), Texts(texts: Vec<String>) });

mirror!(
    enum NumberType {
        I8,
        I16,
        I32,
        I64,
        U8,
        U16,
        U32,
        U64,
        F16,
        F32,
        F64,
        Bool,
    }
);
mirror!(enum Number { Integer(value: i128), Float(value: f64) });
mirror!(enum Attribute {
    Text(text: String),
    Texts(texts: Vec<String>),
    Numbers { dtype: NumberType, shape: Vec<u64>, values: Vec<Number> },
});

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attributes(Vec<(String, Attribute)>);

impl Mirror<model::Attributes> for Attributes {
    fn record(model: &model::Attributes) -> Self {
        Self(model.iter().map(|(name, value)| (name.to_owned(), Attribute::record(value))).collect())
    }
    fn model(self) -> model::Attributes {
        self.0.into_iter().map(|(name, value)| (name, value.model())).collect()
    }
}

mirror!(
    enum BloscShuffle {
        None,
        Byte,
        Bit,
    }
);
mirror!(
    enum BloscCodec {
        BloscLz,
        Lz4,
        Lz4Hc,
        Snappy,
        Zlib,
        Zstd,
    }
);
mirror!(
    enum BitshuffleCompressor {
        None,
        Lz4,
        Zstd,
    }
);
mirror!(
    enum NbitType {
        Atomic { size: usize, order: ByteOrder, precision: usize, offset: usize },
        Array { size: usize, base: Box<NbitType> },
        Compound { size: usize, members: Vec<(usize, NbitType)> },
        NoOp { size: usize },
    }
);
mirror!(
    struct ScaleOffsetType {
        client_data: Vec<u32>,
    }
);
mirror!(
    enum StoredNumber {
        Integer {
            size: usize,
            order: ByteOrder,
            signed: bool,
            precision: u32,
            bit_offset: u32,
        },
        Float {
            size: usize,
            order: ByteOrder,
            sign_position: u32,
            exponent_position: u32,
            exponent_bits: u32,
            mantissa_position: u32,
            mantissa_bits: u32,
            exponent_bias: u32,
            implied_one: bool,
        },
    }
);
mirror!(enum Codec {
    Shuffle { element_size: usize },
    Zlib { level: u8 },
    Gzip { level: u8 },
    Zstd { level: i32, checksum: bool },
    Bzip2 { level: u8 },
    Blosc { cname: BloscCodec, level: u8, shuffle: BloscShuffle, type_size: usize, block_size: usize },
    Blosc2,
    Lz4Hdf5,
    Bitshuffle { element_size: usize, block_size: usize, compressor: BitshuffleCompressor },
    Lzf,
    Fletcher32,
    Crc32c,
    Szip { client_data: [u32; 4] },
    Nbit(kind: NbitType),
    ScaleOffset(kind: ScaleOffsetType),
    VlenUtf8,
    Transpose { order: Vec<usize> },
    Zarr { format: u8, metadata: String },
    Member { record_size: usize, offset: usize, size: usize },
    Convert { from: StoredNumber, to: DataType },
});

mirror!(
    struct Dimension {
        name: String,
        len: u64,
        is_unlimited: bool,
    }
);
mirror!(
    struct Encoding {
        dtype: DataType,
        codecs: Vec<Codec>,
    }
);
mirror!(
    enum Verification {
        Verified { n_chunks: u64 },
        Unverified { reason: String },
    }
);
mirror!(
    struct Storage {
        chunk_shape: Vec<u64>,
        served_chunk_shape: Vec<u64>,
        encodings: Vec<Encoding>,
        table: u32,
        source_path: String,
    }
);
mirror!(
    struct Variable {
        name: String,
        dims: Vec<String>,
        shape: Vec<u64>,
        dtype: DataType,
        fill: Option<ArrayBytes>,
        attrs: Attributes,
        storage: Storage,
        verification: Verification,
    }
);
mirror!(
    struct Group {
        name: String,
        attrs: Attributes,
        dims: Vec<Dimension>,
        variables: Vec<Variable>,
        groups: Vec<Group>,
    }
);
mirror!(enum ObjectIdentity { Modified { mtime_ns: i64, inode: u64 }, ETag(etag: String) });
mirror!(
    struct Object {
        href: String,
        len_bytes: u64,
        identity: ObjectIdentity,
    }
);
mirror!(
    struct Note {
        path: String,
        note: String,
    }
);
mirror!(
    struct Refusal {
        path: String,
        reason: String,
        dtype: String,
        shape: Vec<u64>,
    }
);
mirror!(
    struct Dataset {
        root: Group,
        objects: Vec<Object>,
        refusals: Vec<Refusal>,
        notes: Vec<Note>,
    }
);
mirror!(enum Place { Object(object: u32), Inline, Format(object: u32), Assembled(object: u32) });
mirror!(
    struct ChunkPart {
        place: Place,
        encoding: u16,
        filter_mask: u32,
        is_short: bool,
    }
);

/// The metadata document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Metadata {
    /// The source is a dataset.
    Indexed(Dataset),
    /// The source cannot be one, with the reason.
    Refused(String),
}
