//! The worker's side: opens one file at a time and reads what it is asked.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::frame::{self, Answer, Request};
use crate::bytes::{ObjectOpener, ObjectSettings, Objects, Root};
use crate::format::{Format, Limits, ReferenceError, ReferenceReader, Region, Source};
use crate::index::record::Mirror;

/// Address space of a worker: absurd sizes in damaged files fail here instead of taking the machine's memory.
const MAX_ADDRESS_SPACE: u64 = 8 << 30;

/// Answers requests until `input` ends. Called by the hidden subcommand that [`super::Workers`] starts.
///
/// # Errors
/// Those of the pipes.
pub fn run_worker(
    formats: &[Arc<dyn Format>],
    runtime: &tokio::runtime::Handle,
    mut input: impl Read,
    mut output: impl Write,
) -> io::Result<()> {
    limit_address_space();
    let mut next = frame::read(&mut input)?;
    while let Some(request) = next.take() {
        next = match request {
            Request::Open { format, path } => {
                serve_file(formats, runtime, (&format, &path), &mut input, &mut output)?
            }
            Request::Read { .. } => {
                frame::write(&mut output, &Answer::Unable("no file is open".to_owned()))?;
                output.flush()?;
                frame::read(&mut input)?
            }
        };
    }
    Ok(())
}

/// Opens a file and answers reads of it; returns the request that is no read of it.
fn serve_file(
    formats: &[Arc<dyn Format>],
    runtime: &tokio::runtime::Handle,
    (format, path): (&str, &str),
    input: &mut impl Read,
    output: &mut impl Write,
) -> io::Result<Option<Request>> {
    let limits = Limits::default();
    let opened = open_source(path, runtime);
    let source = match &opened {
        Ok((objects, object)) => Ok((objects.others(path), Arc::clone(object))),
        Err(reason) => Err(reason.clone()),
    };
    let format = formats.iter().find(|known| known.id() == format);
    let (Ok((others, object)), Some(format)) = (source, format) else {
        let reason = opened.err().unwrap_or_else(|| "this process does not know the format".to_owned());
        frame::write(output, &Answer::Unable(reason))?;
        output.flush()?;
        return frame::read(input);
    };
    let source = Source { object, others: others.as_ref(), limits: &limits };
    let mut reference = match format.reference(&source) {
        Ok(reference) => reference,
        Err(error) => {
            frame::write(output, &answer_error(error))?;
            output.flush()?;
            return frame::read(input);
        }
    };
    frame::write(output, &Answer::Opened)?;
    output.flush()?;
    answer_reads(reference.as_mut(), input, output)
}

fn answer_reads(
    reference: &mut dyn ReferenceReader,
    input: &mut impl Read,
    output: &mut impl Write,
) -> io::Result<Option<Request>> {
    loop {
        match frame::read(input)? {
            Some(Request::Read { variable, dtype, start, shape }) => {
                let region = Region { start, shape };
                let answer = match reference.read(&variable.model(), &dtype.model(), &region) {
                    Ok(values) => Answer::Values(Mirror::record(&values)),
                    Err(error) => answer_error(error),
                };
                frame::write(output, &answer)?;
                output.flush()?;
            }
            other => return Ok(other),
        }
    }
}

fn answer_error(error: ReferenceError) -> Answer {
    match error {
        ReferenceError::Refused(reason) => Answer::Refused(reason),
        ReferenceError::Unable(reason) => Answer::Unable(reason),
    }
}

/// The server has checked the path against its roots; here its directory is the only root.
fn open_source(
    path: &str,
    runtime: &tokio::runtime::Handle,
) -> Result<(Arc<Objects>, Arc<dyn crate::format::ReadAt>), String> {
    let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
    let root = Root::directory(directory).map_err(|error| error.to_string())?;
    let objects = Objects::new(vec![root], ObjectSettings::default(), runtime.clone());
    let object = objects.open(path).map_err(|error| error.to_string())?;
    Ok((objects, object))
}

fn limit_address_space() {
    let limit =
        rustix::process::Rlimit { current: Some(MAX_ADDRESS_SPACE), maximum: Some(MAX_ADDRESS_SPACE) };
    // Where the limit cannot be set the worker still works, only less well fenced.
    let _ = rustix::process::setrlimit(rustix::process::Resource::As, limit);
}
