//! Measures how long inflating and unshuffling the chunks of a file takes: the least that anyone who computes with them does.
//!
//! ```sh
//! cargo run --release -p thermocline-codec --example inflate -- FILE SPANS 10x181x360 2
//! ```
//!
//! SPANS is a file with an offset and a length in FILE on each line, one line for a chunk of `f4` that is shuffled and deflated;
//! then its shape and the number of threads. Each thread takes the next chunk, reads and decodes it. Prints seconds.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use thermocline_codec::{ChunkSpec, decode, spare};
use thermocline_model::{ArrayBytes, ByteOrder, Codec, DataType};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const F4: DataType = DataType::Float { size: 4, order: ByteOrder::Little };

/// Bytes of a chunk at most.
const MAX_BYTES: u64 = 1 << 30;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, spans, shape, n_threads] = arguments.as_slice() else {
        return Err("usage: inflate FILE SPANS SHAPE THREADS".into());
    };
    let file = File::open(file)?;
    let spans = std::fs::read_to_string(spans)?.lines().map(span).collect::<Result<Vec<_>, Failure>>()?;
    let shape = shape.split('x').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let ends: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        let work = || take(&file, &spans, &shape, &next);
        let threads: Vec<_> = (0..n_threads.parse().unwrap_or(1)).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
            .collect()
    });
    ends.into_iter().collect::<Result<(), Failure>>()?;
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}

/// Offset and length.
fn span(line: &str) -> Result<(u64, usize), Failure> {
    let (offset, len_bytes) = line.split_once(' ').ok_or("a line without a length")?;
    Ok((offset.parse()?, len_bytes.parse()?))
}

fn take(file: &File, spans: &[(u64, usize)], shape: &[u64], next: &AtomicUsize) -> Result<(), Failure> {
    let codecs = [Codec::Shuffle { element_size: 4 }, Codec::Zlib { level: 1 }];
    let spec = ChunkSpec { dtype: &F4, shape, max_bytes: MAX_BYTES };
    let mut stored = Vec::new();
    while let Some(&(offset, len_bytes)) = spans.get(next.fetch_add(1, Ordering::Relaxed)) {
        stored.resize(len_bytes, 0);
        file.read_exact_at(&mut stored, offset)?;
        if let ArrayBytes::Fixed(bytes) = black_box(decode(&codecs, 0, &stored, &spec)?) {
            spare::give(bytes);
        }
    }
    Ok(())
}
