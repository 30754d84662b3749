//! Whether a file is offline: found out without reading it, in steps, of which the first that knows decides.
//!
//! 1. an extended attribute of the file, of a configured list;
//! 2. a command, where one is configured;
//! 3. the blocks that are allocated to the file: fewer than half of its size, of a file of 4 KiB or more. Not
//!    "no blocks": Lustre shows one for a released file. Smaller files may lie in their inode and count as online.
//!
//! Nothing here opens a file. `read`, `mmap`, `FIEMAP` and `lseek(SEEK_DATA)` recall it on some systems.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use futures::StreamExt;
use rustix::io::Errno;
use thermocline_core::cold::command::{CommandTemplate, ExitMeaning, Values, reason};
use thermocline_core::cold::files::ArchiveFile;
use thermocline_core::cold::{ColdObject, ObjectId};
use thermocline_core::{Error, ErrorKind, Result};

use crate::Shared;
use crate::config::{AttributeConfig, FileState, StateCommandConfig};

/// Longest value of an attribute that is looked at.
const MAX_VALUE_BYTES: usize = 4096;

/// Files that are smaller may lie in their inode.
const MIN_BLOCKS_BYTES: u64 = 4096;

/// A file as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: FileState,
    pub(crate) len_bytes: u64,
    pub(crate) version: String,
    /// Whether only its blocks said so.
    pub(crate) by_blocks: bool,
    /// The object that it is a link to.
    pub(crate) links_to: Option<ObjectId>,
}

impl Shared {
    /// The state of each object, in the same order.
    pub(crate) async fn look(&self, objects: &[ColdObject]) -> Vec<Result<Seen>> {
        let attributes = std::sync::Arc::clone(&self.attributes);
        let each = move |object: &ColdObject, file: ArchiveFile| {
            let by_attribute = from_attributes(&attributes, &file.path, &object.id)?;
            let state = by_attribute.unwrap_or_else(|| from_blocks(file.len_bytes(), file.metadata.blocks()));
            let (len_bytes, version) = (file.len_bytes(), file.version());
            Ok(Seen { state, len_bytes, version, by_blocks: by_attribute.is_none(), links_to: file.links_to })
        };
        let mut answers = self.files.look(objects, each).await;
        if let (Some(template), Some(config)) = (&self.templates.state, &self.config.state_command) {
            self.ask_command(objects, &mut answers, (template, config)).await;
        }
        for (object, answer) in objects.iter().zip(&answers) {
            if let Ok(seen) = answer {
                self.note(object, seen);
            }
        }
        answers
    }

    /// Asks a command about those whose attributes say nothing.
    async fn ask_command(
        &self,
        objects: &[ColdObject],
        answers: &mut [Result<Seen>],
        (template, config): (&CommandTemplate, &StateCommandConfig),
    ) {
        let is_open = |answer: &Result<Seen>| answer.as_ref().is_ok_and(|seen| seen.by_blocks);
        let places =
            || answers.iter().enumerate().filter(|(_, answer)| is_open(answer)).map(|(place, _)| place);
        let open: Vec<(usize, ColdObject)> =
            places().filter_map(|place| Some((place, objects.get(place)?.clone()))).collect();
        let size = if template.takes("paths") { self.config.files_per_command } else { 1 };
        let groups: Vec<Vec<(usize, ColdObject)>> = open.chunks(size).map(<[_]>::to_vec).collect();
        let ask = |group: Vec<(usize, ColdObject)>| async move {
            let (places, objects): (Vec<usize>, Vec<ColdObject>) = group.into_iter().unzip();
            let states = self.run_state_command(&objects, template, config).await;
            places.into_iter().zip(states).collect::<Vec<_>>()
        };
        let mut asked = futures::stream::iter(groups).map(ask).buffer_unordered(self.config.looks_at_once);
        while let Some(states) = asked.next().await {
            for (place, state) in states {
                let Some(answer) = answers.get_mut(place) else { continue };
                match (state, answer) {
                    (Ok(state), Ok(seen)) => (seen.state, seen.by_blocks) = (state, false),
                    (Err(error), answer) => *answer = Err(error),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
    }

    async fn run_state_command(
        &self,
        objects: &[ColdObject],
        template: &CommandTemplate,
        config: &StateCommandConfig,
    ) -> Vec<Result<FileState>> {
        let failed = |error: &Error| {
            let text = format!("the state command: {}", error.message());
            objects.iter().map(|_| Err(Error::new(error.kind(), text.clone()))).collect()
        };
        let paths: Vec<&str> = objects.iter().map(|object| &*object.href).collect();
        let values = Values { named: paths.first().map(|path| ("path", *path)).into_iter().collect(), paths };
        let output = match template.arguments(&values) {
            Ok(arguments) => self.look_runner.run(arguments, None).await,
            Err(error) => Err(error),
        };
        let output = match output {
            Ok(output) => output,
            Err(error) => return failed(&error),
        };
        if self.config.exit_codes.meaning(output.code) != ExitMeaning::Ok {
            let names = objects.iter().map(|object| (&*object.href, object.id.to_string()));
            return failed(&self.unavailable(format!("it failed: {}", reason(&output.stderr, names))));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = match objects {
            [_] => vec![&text],
            _ => text.lines().filter(|line| !line.trim().is_empty()).collect(),
        };
        if lines.len() != objects.len() {
            return failed(&self.unavailable(format!(
                "it printed {} lines for {} files",
                lines.len(),
                objects.len()
            )));
        }
        let state = |(object, line): (&ColdObject, &str)| {
            let no_word =
                || self.unavailable(format!("the state command says nothing known of {}", object.id));
            from_words(config, line, &object.href).ok_or_else(no_word)
        };
        objects.iter().zip(lines).map(state).collect()
    }

    fn unavailable(&self, text: String) -> Error {
        Error::new(ErrorKind::Unavailable { retry_after: self.config.poll_every }, text)
    }
}

/// What the first attribute says that the file has.
fn from_attributes(attributes: &[AttributeConfig], path: &Path, id: &ObjectId) -> Result<Option<FileState>> {
    for attribute in attributes {
        let mut value = [0; MAX_VALUE_BYTES];
        match rustix::fs::getxattr(path, attribute.name.as_str(), &mut value) {
            Ok(n_bytes) => {
                let value = String::from_utf8_lossy(value.get(..n_bytes).unwrap_or_default());
                let value = value.trim_matches(|c: char| c == '\0' || c.is_whitespace());
                return Ok(Some(attribute.values.get(value).copied().unwrap_or(attribute.otherwise)));
            }
            // It is there, and it is none of the values.
            Err(Errno::RANGE) => return Ok(Some(attribute.otherwise)),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => {
                let kind = match errno {
                    Errno::NOENT | Errno::NOTDIR => ErrorKind::NotFound,
                    Errno::ACCESS | Errno::PERM => ErrorKind::Refused,
                    _ => ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(10) },
                };
                let text = format!("cannot read the attribute {} of {id}", attribute.name);
                return Err(Error::new(kind, text).with_source(std::io::Error::from(errno)));
            }
        }
    }
    Ok(None)
}

/// What the number of allocated blocks says; they count 512 bytes each, whatever the file system.
fn from_blocks(len_bytes: u64, n_blocks: u64) -> FileState {
    let is_sparse = n_blocks.saturating_mul(512) < len_bytes / 2;
    if len_bytes >= MIN_BLOCKS_BYTES && is_sparse { FileState::Nearline } else { FileState::Online }
}

/// The worst that words of an output say, the path aside: a file may be called `released`.
fn from_words(config: &StateCommandConfig, output: &str, path: &str) -> Option<FileState> {
    let words: &BTreeMap<String, FileState> = &config.words;
    let text = output.replace(path, " ");
    let separates = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '+'));
    text.split(separates).filter_map(|word| words.get(word)).max().copied().or(config.otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_blocks_mean_offline() {
        for (len_bytes, n_blocks, state) in [
            (100_000, 0, FileState::Nearline),
            (100_000, 1, FileState::Nearline),
            (100_000, 97, FileState::Nearline),
            (100_000, 98, FileState::Online),
            (4096, 0, FileState::Nearline),
            (4095, 0, FileState::Online),
            (0, 0, FileState::Online),
            (u64::MAX, u64::MAX, FileState::Online),
        ] {
            assert_eq!(from_blocks(len_bytes, n_blocks), state, "{len_bytes} bytes, {n_blocks} blocks");
        }
    }

    #[test]
    fn the_worst_word_counts_and_the_path_does_not() {
        let words =
            [("released", FileState::Nearline), ("archived", FileState::Both), ("lost", FileState::Lost)];
        let config = StateCommandConfig {
            run: String::new(),
            words: words.map(|(word, state)| (word.to_owned(), state)).into(),
            otherwise: Some(FileState::Online),
        };
        for (output, state) in [
            ("/m/released: (0x0000000d) released exists archived, archive_id:1\n", FileState::Nearline),
            ("/m/released: (0x00000009) exists archived, archive_id:1\n", FileState::Both),
            ("/m/released: (0x00000000)\n", FileState::Online),
            ("/m/released: (0x00000011) lost released\n", FileState::Lost),
        ] {
            assert_eq!(from_words(&config, output, "/m/released"), Some(state), "{output}");
        }
        let strict = StateCommandConfig { otherwise: None, ..config };
        assert_eq!(from_words(&strict, "something else", "/m/released"), None);
    }
}
