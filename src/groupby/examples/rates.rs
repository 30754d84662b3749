//! Measures on one thread what a value costs on its way from stored bytes into a cell.
//!
//! `cargo run --release -p thermocline-groupby --example rates -- [n_chunks]`
//!
//! Chunks are like those of ERA5: 10 × 181 × 360 values of `f4`, shuffled and deflated. Each line has nanoseconds for a
//! value: inflating and unshuffling alone, decoding a run into a lane, every action on runs of neighbouring cells and on runs
//! for one cell, and the whole way of each action with its rate in parts of that of inflating and unshuffling alone.

use std::hint::black_box;
use std::time::Instant;

use thermocline_codec::{ChunkSpec, decode, encode, spare};
use thermocline_groupby::{Action, Failure, NO_GROUP, Source};
use thermocline_model::{
    ArrayBytes, Attribute, Attributes, ByteOrder, Codec, DataType, Number, NumberType, Storage, Variable,
    Verification,
};

use kernel::{Lane, LaneBuffer, LaneDecoder, RunWeights, Spec, State, Target};

#[expect(
    dead_code,
    reason = "the modules of the crate, which keeps them to itself; not all of each is measured"
)]
#[path = "../kernel"]
mod kernel {
    mod cells;
    mod ends;
    mod extremes;
    mod integers;
    mod lane;
    mod members;
    mod moments;
    mod number;
    mod run;
    mod state;
    mod sums;
    mod truths;

    pub(crate) use cells::Cells;
    pub(crate) use lane::{Lane, LaneBuffer, LaneDecoder};
    pub(crate) use state::{Overflow, RunWeights, Spec, State, Target};
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const SHAPE: [u64; 3] = [10, 181, 360];
const N_STEPS: usize = 10;
const N_CELLS: usize = 181 * 360;
const N_VALUES: usize = N_STEPS * N_CELLS;
/// Values of a run: as many cells as stay in the first cache.
const RUN: usize = 1_440;
const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };
const MAX_BYTES: u64 = 1 << 30;

fn main() -> Outcome<()> {
    let n_chunks = std::env::args().nth(1).map_or(Ok(24), |n| n.parse())?;
    let codecs = [Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 1 }];
    let spec = ChunkSpec { dtype: &F4, shape: &SHAPE, max_bytes: MAX_BYTES };
    let chunks: Vec<Vec<u8>> = (0..n_chunks)
        .map(|number| encode(&codecs, ArrayBytes::Fixed(field(number)), &spec))
        .collect::<Result<_, _>>()?;
    let stored: usize = chunks.iter().map(Vec::len).sum();
    println!(
        "{n_chunks} chunks of {N_VALUES} values, {:.2} of their size stored",
        stored as f64 / (n_chunks * N_VALUES * 4) as f64
    );

    let inflate = || -> Outcome<()> {
        for chunk in &chunks {
            if let ArrayBytes::Fixed(bytes) = black_box(decode(&codecs, 0, chunk, &spec)?) {
                spare::give(bytes);
            }
        }
        Ok(())
    };
    let alone = best(n_chunks, inflate)?;
    println!("inflate and unshuffle {alone:6.2} ns/value, {:.0} MB/s", 4e3 / alone);

    for (what, dtype, attrs) in stored_types() {
        println!("decode {what:<22} {:6.2} ns/value", decode_only(&variable(dtype, attrs))?);
    }
    let (decoder, source) = LaneDecoder::of(&variable(F4, Attributes::new()))?;
    let values = decode(&codecs, 0, &chunks[0], &spec)?;
    let lanes = decode_only(&variable(F4, Attributes::new()))?;
    let table: Vec<u32> =
        (0..RUN as u32).map(|i| if i % 31 == 30 { NO_GROUP } else { i * 7 % 366 }).collect();

    println!("{:>12} {:>8} {:>8} {:>8} {:>8} {:>8}", "action", "each", "one", "table", "whole", "rate");
    for (word, action) in Action::ALL {
        let spec_of = |is_weighted| Spec {
            action,
            source,
            skipna: true,
            min_count: 0,
            ddof: 0,
            q: vec![0.9],
            is_weighted,
        };
        let plain = spec_of(false);
        let each = accumulate(&plain, &decoder, &values, &|first, _| Target::Each { first })? - lanes;
        let one = accumulate(&plain, &decoder, &values, &|_, _| Target::One { cell: 0 })? - lanes;
        let of_table =
            accumulate(&plain, &decoder, &values, &|_, n| Target::Table { first: 0, cells: &table[..n] })?
                - lanes;
        let whole = best(n_chunks, || {
            let mut state = State::new(&spec_of(false), N_CELLS, &|_| (N_STEPS * chunks.len()) as u64);
            for chunk in &chunks {
                let values = decode(&codecs, 0, chunk, &spec)?;
                take(&mut state, &decoder, &values, &|first, _| Target::Each { first })?;
                if let ArrayBytes::Fixed(bytes) = values {
                    spare::give(bytes);
                }
            }
            let cells = state.finish().map_err(|overflow| format!("overflow in {}", overflow.cell))?;
            black_box(cells);
            Ok(())
        })?;
        println!("{word:>12} {each:8.2} {one:8.2} {of_table:8.2} {whole:8.2} {:8.2}", alone / whole);
    }
    Ok(())
}

/// Nanoseconds for a value, at best of several times.
fn best(n_chunks: usize, mut of: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        of()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best * 1e9 / (n_chunks * N_VALUES) as f64)
}

/// Nanoseconds for decoding a value of a variable in runs.
fn decode_only(variable: &Variable) -> Outcome<f64> {
    let (decoder, _) = LaneDecoder::of(variable)?;
    let values = ArrayBytes::Fixed(vec![1; N_VALUES * variable.dtype.len_bytes().unwrap_or(1)]);
    let mut buffer = LaneBuffer::default();
    best(1, || {
        for first in (0..N_VALUES).step_by(RUN) {
            black_box(decoder.decode(&values, first, RUN.min(N_VALUES - first), &mut buffer)?);
        }
        Ok(())
    })
}

/// What variables are stored as.
fn stored_types() -> Vec<(&'static str, DataType, Attributes)> {
    let attrs = |pairs: &[(&str, NumberType, Number)]| -> Attributes {
        pairs
            .iter()
            .map(|(name, dtype, value)| ((*name).to_owned(), Attribute::number(*dtype, *value)))
            .collect()
    };
    let fill = |dtype, value| ("_FillValue", dtype, value);
    let scale = ("scale_factor", NumberType::F64, Number::Float(0.01));
    let offset = ("add_offset", NumberType::F64, Number::Float(273.15));
    let i2 = DataType::Int { size: 2, order: ByteOrder::Little };
    let big = ByteOrder::Big;
    vec![
        ("f4", F4, Attributes::new()),
        ("f4, with fill", F4, attrs(&[fill(NumberType::F32, Number::Float(1e20_f32.into()))])),
        ("f4, big-endian", DataType::Float { size: 4, order: big }, Attributes::new()),
        ("f8", DataType::Float { size: 8, order: ByteOrder::Little }, Attributes::new()),
        (
            "i2, packed with fill",
            i2.clone(),
            attrs(&[fill(NumberType::I16, Number::Integer(-1)), scale, offset]),
        ),
        ("i2", i2, Attributes::new()),
        ("i8", DataType::Int { size: 8, order: ByteOrder::Little }, Attributes::new()),
    ]
}

/// Nanoseconds for decoding a value and taking it into a cell.
fn accumulate<'t>(
    spec: &Spec,
    decoder: &LaneDecoder,
    values: &ArrayBytes,
    to: &dyn Fn(usize, usize) -> Target<'t>,
) -> Outcome<f64> {
    best(1, || {
        let mut state = State::new(spec, N_CELLS, &|_| N_STEPS as u64);
        take(&mut state, decoder, values, to)?;
        black_box(&state);
        Ok(())
    })
}

/// Takes a chunk into the cells of its steps: a run of cells for all steps, then the next, so that cells stay in the cache.
fn take<'t>(
    state: &mut State,
    decoder: &LaneDecoder,
    values: &ArrayBytes,
    to: &dyn Fn(usize, usize) -> Target<'t>,
) -> Outcome<()> {
    let mut buffer = LaneBuffer::default();
    for cell in (0..N_CELLS).step_by(RUN) {
        let n = RUN.min(N_CELLS - cell);
        for step in 0..N_STEPS {
            let lane: Lane<'_> = decoder.decode(values, step * N_CELLS + cell, n, &mut buffer)?;
            state.take(lane, to(cell, n), RunWeights::One(1.0), step as u64, 0)?;
        }
    }
    Ok(())
}

/// Something like temperatures: smooth, with noise, to be stored with about half of its bits.
fn field(number: usize) -> Vec<u8> {
    let mut noise = 0x9e37_79b9_u32.wrapping_add(number as u32);
    let mut bytes = Vec::with_capacity(N_VALUES * 4);
    for i in 0..N_VALUES {
        let (step, lat, lon) = (i / N_CELLS, i / 360 % 181, i % 360);
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = (lon as f32 / 57.3 + step as f32 * 0.3).sin() * 8.0;
        let value = 300.0 - (lat as f32 - 90.0).abs() * 0.5 + wave + (noise >> 20) as f32 / 512.0;
        bytes.extend(((value * 64.0).round() / 64.0).to_le_bytes());
    }
    bytes
}

fn variable(dtype: DataType, attrs: Attributes) -> Variable {
    Variable {
        name: "t2m".into(),
        dims: ["time", "lat", "lon"].map(str::to_owned).to_vec(),
        shape: SHAPE.to_vec(),
        dtype,
        fill: None,
        attrs,
        storage: Storage {
            chunk_shape: SHAPE.to_vec(),
            served_chunk_shape: SHAPE.to_vec(),
            encodings: Vec::new(),
            table: 0,
            source_path: String::new(),
        },
        verification: Verification::Unverified { reason: "made here".into() },
    }
}
