//! Lets the scheduler order the recalls of a trace, on simulated drives and virtual time.
//!
//! ```sh
//! tape-schedule TRACE [--drives N] [--batch-objects N] > SCHEDULE
//! tape-schedule --measure N KIND      what N recalls on `tapes`, on `one-tape` or `without-tapes` cost, as JSON
//! ```
//!
//! Trace and schedule have the formats of `tests/staging/tape_order_sim.py`. Each file arrives when the trace
//! says; what a drive has read is told to the scheduler at the time when it would be there.

#[path = "tape_schedule/measure.rs"]
mod measure;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};
use thermocline_core::cold::TapePlace;
use thermocline_core::staging::schedule::{Batch, Lane, Limits, Policy, Scheduler, Wanted};
use thermocline_core::staging::tape::{Media, Spot};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if arguments.measure > 0 {
        println!("{}", measure::figures(&arguments.subject, arguments.measure)?);
        return Ok(());
    }
    let trace = read_trace(&std::fs::read(&arguments.subject)?)?;
    let mut library = Library::new(arguments.drives);
    let limits =
        Limits { n_at_once: arguments.drives, batch_objects: arguments.batch_objects, knows_tapes: true };
    let batches = run(Scheduler::new(Policy::default(), limits), &mut library, &trace)?;
    let schedule: Vec<Value> = batches.iter().map(|batch| document(batch, &trace)).collect();
    eprintln!("{} batches, {} mounts, {:.2} h", batches.len(), library.n_mounts, library.makespan() / 3600.0);
    serde_json::to_writer(std::io::stdout().lock(), &schedule)?;
    Ok(writeln!(std::io::stdout())?)
}

struct Arguments {
    /// The trace, or the kind of queue that is measured.
    subject: String,
    drives: usize,
    batch_objects: usize,
    measure: usize,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self { subject: String::new(), drives: 4, batch_objects: 1000, measure: 0 };
        while let Some(argument) = given.next() {
            let mut number =
                || given.next().and_then(|value| value.parse().ok()).ok_or("a number is missing");
            match argument.as_str() {
                "--drives" => arguments.drives = number()?,
                "--batch-objects" => arguments.batch_objects = number()?,
                "--measure" => arguments.measure = number()?,
                _ => arguments.subject = argument,
            }
        }
        Ok(arguments)
    }
}

/// A line of the trace.
struct File {
    name: String,
    tape: Arc<str>,
    position: u64,
    len_bytes: u64,
    owner: String,
    lane: Lane,
    arrival: f64,
}

fn read_trace(text: &[u8]) -> Result<Vec<File>, Failure> {
    let entries: Vec<Value> = serde_json::from_slice(text)?;
    let file = |entry: &Value| {
        let number = |key: &str| entry.get(key).and_then(Value::as_f64);
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let is_interactive = text("lane") == Some("interactive");
        Some(File {
            name: text("file")?.to_owned(),
            tape: text("tape")?.into(),
            position: number("position")? as u64,
            len_bytes: number("bytes")? as u64,
            owner: text("owner").unwrap_or("all").to_owned(),
            lane: if is_interactive { Lane::Interactive } else { Lane::Bulk },
            arrival: number("arrival").unwrap_or(0.0),
        })
    };
    entries.iter().map(|entry| file(entry).ok_or_else(|| format!("not a file: {entry}").into())).collect()
}

fn document(batch: &Batch, trace: &[File]) -> Value {
    let files = batch.recalls.iter().filter_map(|recall| trace.get(*recall as usize));
    json!({"tape": batch.tape.as_deref(), "files": files.map(|file| &file.name).collect::<Vec<_>>()})
}

/// Drives, tapes in them, and when each is free.
struct Library {
    media: Media,
    drives: Vec<Drive>,
    n_mounts: usize,
}

#[derive(Default, Clone)]
struct Drive {
    free: f64,
    tape: Option<Arc<str>>,
    head: Spot,
}

impl Library {
    fn new(n_drives: usize) -> Self {
        Self { media: Media::lto8(), drives: vec![Drive::default(); n_drives], n_mounts: 0 }
    }

    fn makespan(&self) -> f64 {
        self.drives.iter().map(|drive| drive.free).fold(0.0, f64::max)
    }

    /// Reads files in the drive that holds their tape, else in the one that is free first; gives for each
    /// when it is there.
    fn read(&mut self, tape: &Arc<str>, files: &[&File], now: f64) -> Vec<f64> {
        let holds = |drive: &Drive| drive.tape.as_ref() == Some(tape);
        let holder = self.drives.iter().position(holds);
        let free_first = || {
            let free = self.drives.iter().map(|drive| drive.free).enumerate();
            free.min_by(|(_, free), (_, other)| free.total_cmp(other)).map_or(0, |(number, _)| number)
        };
        let number = holder.unwrap_or_else(free_first);
        let Some(drive) = self.drives.get_mut(number) else { return Vec::new() };
        let mut time = drive.free.max(now);
        if holder.is_none() {
            time += self.media.mount_seconds(drive.tape.is_some());
            *drive = Drive { tape: Some(Arc::clone(tape)), ..Drive::default() };
            self.n_mounts += 1;
        }
        let read = files.iter().map(|file| {
            time += self.media.locate_seconds(drive.head, self.media.spot(file.position));
            time += self.media.read_seconds(file.len_bytes);
            drive.head = self.media.spot(file.position + file.len_bytes);
            time
        });
        let times = read.collect();
        drive.free = time;
        times
    }
}

/// What happens at a time, by its place in the trace. Arrivals come before ends at the same time.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Event {
    Arrives(usize),
    IsThere(usize),
    Wake,
}

fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

fn run(mut scheduler: Scheduler, library: &mut Library, trace: &[File]) -> Result<Vec<Batch>, Failure> {
    let arrivals = trace.iter().enumerate();
    let arrivals =
        arrivals.map(|(number, file)| Reverse((nanoseconds(file.arrival), Event::Arrives(number))));
    let mut events: BinaryHeap<Reverse<(i64, Event)>> = arrivals.collect();
    let mut batches = Vec::new();
    while let Some(Reverse((now_ns, event))) = events.pop() {
        tell(&mut scheduler, trace, event, now_ns);
        if events.peek().is_some_and(|Reverse((next_ns, _))| *next_ns == now_ns) {
            continue;
        }
        while let Some(batch) = scheduler.next(now_ns) {
            let tape = batch.tape.as_ref().ok_or("a batch without tape")?;
            let files: Vec<&File> =
                batch.recalls.iter().filter_map(|recall| trace.get(*recall as usize)).collect();
            let times = library.read(tape, &files, now_ns as f64 / 1e9);
            for (recall, time) in batch.recalls.iter().zip(times) {
                events.push(Reverse((nanoseconds(time), Event::IsThere(*recall as usize))));
            }
            batches.push(batch);
        }
        if let Some(wake_ns) = scheduler.next_wake(now_ns) {
            events.push(Reverse((wake_ns.max(now_ns + 1), Event::Wake)));
        }
    }
    match scheduler.is_idle() {
        true => Ok(batches),
        false => Err("recalls were left waiting".into()),
    }
}

fn tell(scheduler: &mut Scheduler, trace: &[File], event: Event, now_ns: i64) {
    match event {
        Event::Arrives(number) => {
            let Some(file) = trace.get(number) else { return };
            let owner = scheduler.owner(&file.owner);
            scheduler.add(Wanted {
                recall: number as u64,
                owner,
                lane: file.lane,
                priority: 0,
                len_bytes: file.len_bytes,
                place: Some(TapePlace { tape: Arc::clone(&file.tape), position: file.position }),
                at_ns: now_ns,
            });
        }
        Event::IsThere(number) => {
            let len_bytes = trace.get(number).map_or(0, |file| file.len_bytes);
            scheduler.finished(number as u64, len_bytes, now_ns);
        }
        Event::Wake => {}
    }
}
