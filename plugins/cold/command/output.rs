//! What commands print: a line for each object, as JSON or in plain words. Read with care: whatever is not
//! understood says nothing about an object, and never that it is there or absent.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Deserialize;
use thermocline_core::cold::{Checksum, FailureCause, Locality, StageFailure, TapePlace};

/// Longest reason that is kept, in characters.
const MAX_REASON_CHARS: usize = 400;

/// Longest version and label that is kept, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// What a command says of one object, or of its whole batch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    path: Option<String>,
    locality: Option<String>,
    state: Option<String>,
    size: Option<u64>,
    version: Option<String>,
    tape: Option<String>,
    position: Option<u64>,
    checksum: Option<String>,
    done_bytes: Option<u64>,
    cause: Option<String>,
    after_seconds: Option<u64>,
    reason: Option<String>,
    id: Option<String>,
}

/// Where a command says that an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaidLocality {
    /// `None` if it does not exist.
    pub(crate) locality: Option<Locality>,
    pub(crate) len_bytes: Option<u64>,
    pub(crate) version: Option<String>,
    pub(crate) place: Option<TapePlace>,
    pub(crate) checksum: Option<Checksum>,
}

/// How far a command says that an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SaidState {
    Queued,
    Active(Option<u64>),
    Staged,
    Failed(StageFailure),
    Unknown,
}

/// What a command says of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SaidBatch {
    /// The archive's name for it.
    pub(crate) id: Option<String>,
    /// By path.
    pub(crate) objects: HashMap<String, SaidState>,
    /// What is said without a path: it counts for all objects that are not named.
    pub(crate) all: Option<SaidState>,
}

/// Reads the output of `locality`, by path. What is said without a path counts for `only`, the one object that was
/// asked about.
pub(crate) fn localities(
    output: &str,
    words: &BTreeMap<String, String>,
    only: Option<&str>,
) -> HashMap<String, SaidLocality> {
    let said = |line: Line| {
        let word = line.locality.as_deref()?;
        let locality = locality_of(our_word(word, words))?;
        let place = line.tape.filter(|tape| is_short(tape)).zip(line.position);
        let said = SaidLocality {
            locality,
            len_bytes: line.size,
            version: line.version.filter(|version| is_short(version)),
            place: place.map(|(tape, position)| TapePlace { tape: tape.into(), position }),
            checksum: line.checksum.as_deref().and_then(checksum),
        };
        Some((line.path.or_else(|| only.map(str::to_owned))?, said))
    };
    lines(output, plain_locality).filter_map(said).collect()
}

/// Reads the output of `progress` and of `stage`.
pub(crate) fn batch(output: &str, words: &BTreeMap<String, String>, busy_after: Duration) -> SaidBatch {
    let mut said = SaidBatch::default();
    for mut line in lines(output, plain_state) {
        if let Some(id) = line.id.take().filter(|id| is_short(id)) {
            said.id = Some(id);
        }
        let (path, word) = (line.path.take(), line.state.take());
        let Some(word) = word else { continue };
        match (state_of(our_word(&word, words), line, busy_after), path) {
            (Some(state), Some(path)) => drop(said.objects.insert(path, state)),
            (Some(state), None) => said.all = Some(state),
            // A single word that is no state is the archive's name for the batch.
            (None, None) if is_short(&word) => said.id = Some(word),
            (None, _) => {}
        }
    }
    said
}

fn lines(output: &str, plain: fn(&str) -> Line) -> impl Iterator<Item = Line> {
    let lines = output.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.filter_map(move |line| match line.starts_with('{') {
        true => serde_json::from_str(line).ok(),
        false => Some(plain(line)),
    })
}

/// `LOCALITY<tab>PATH[<tab>SIZE[<tab>VERSION]]`, or `LOCALITY PATH` with one space.
fn plain_locality(line: &str) -> Line {
    let mut fields = fields(line);
    Line {
        locality: fields.next().map(str::to_owned),
        path: fields.next().map(str::to_owned),
        size: fields.next().and_then(|size| size.parse().ok()),
        version: fields.next().filter(|version| !version.is_empty()).map(str::to_owned),
        ..Line::default()
    }
}

/// `STATE[<tab>PATH[<tab>REASON]]`, or `STATE PATH` with one space.
fn plain_state(line: &str) -> Line {
    let mut fields = fields(line);
    Line {
        state: fields.next().map(str::to_owned),
        path: fields.next().map(str::to_owned),
        reason: fields.next().map(str::to_owned),
        ..Line::default()
    }
}

/// Fields between tabs; without a tab the first word and the rest, which may have spaces.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    let (n_fields, separator) = if line.contains('\t') { (usize::MAX, '\t') } else { (2, ' ') };
    line.splitn(n_fields, separator)
}

fn our_word<'a>(word: &'a str, words: &'a BTreeMap<String, String>) -> &'a str {
    words.get(word).map_or(word, String::as_str)
}

/// `Some(None)` is an object that does not exist; `None` is a word that says nothing.
fn locality_of(word: &str) -> Option<Option<Locality>> {
    Some(match word {
        "online" => Some(Locality::Online),
        "nearline" => Some(Locality::Nearline),
        "online+nearline" => Some(Locality::OnlineAndNearline),
        "lost" => Some(Locality::Lost),
        "unavailable" => Some(Locality::Unavailable),
        "missing" => None,
        _ => return None,
    })
}

fn state_of(word: &str, line: Line, busy_after: Duration) -> Option<SaidState> {
    let after = line.after_seconds.map(Duration::from_secs);
    let cause = match word {
        "queued" => return Some(SaidState::Queued),
        "active" => return Some(SaidState::Active(line.done_bytes)),
        "staged" => return Some(SaidState::Staged),
        "unknown" => return Some(SaidState::Unknown),
        "failed" => line.cause.as_deref().unwrap_or("retry"),
        cause @ ("not-found" | "denied" | "lost" | "busy") => cause,
        _ => return None,
    };
    let cause = match cause {
        "not-found" => FailureCause::NotFound,
        "denied" => FailureCause::Denied,
        "lost" => FailureCause::Lost,
        "busy" => FailureCause::Retryable { after: Some(after.unwrap_or(busy_after)) },
        // Whatever is not known to be final may be tried again.
        _ => FailureCause::Retryable { after },
    };
    let reason: String = line.reason.unwrap_or_default().chars().take(MAX_REASON_CHARS).collect();
    let reason =
        if reason.is_empty() { "the archive says that the recall failed".to_owned() } else { reason };
    Some(SaidState::Failed(StageFailure { cause, reason }))
}

/// `adler32:HEX`, `md5:HEX`, `sha256:HEX`.
fn checksum(text: &str) -> Option<Checksum> {
    let (kind, digits) = text.split_once(':')?;
    match kind {
        "adler32" => u32::from_str_radix(digits, 16).ok().map(Checksum::Adler32),
        "md5" => hex(digits).map(Checksum::Md5),
        "sha256" => hex(digits).map(Checksum::Sha256),
        _ => None,
    }
}

fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let byte = |i: usize| u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..N).map(byte).collect();
    bytes?.try_into().ok()
}

fn is_short(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Duration = Duration::from_secs(60);

    fn no_words() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn json_and_plain_lines_say_the_same() {
        let json = r#"{"path": "/a b.nc", "locality": "nearline", "size": 5, "version": "v1"}"#;
        let plain = "nearline\t/a b.nc\t5\tv1";
        let expected = SaidLocality {
            locality: Some(Locality::Nearline),
            len_bytes: Some(5),
            version: Some("v1".to_owned()),
            place: None,
            checksum: None,
        };
        for output in [json, plain] {
            assert_eq!(localities(output, &no_words(), None).get("/a b.nc"), Some(&expected), "{output}");
        }
        let short = localities("online /a b.nc\nmissing /c", &no_words(), None);
        assert_eq!(short["/a b.nc"].locality, Some(Locality::Online));
        assert_eq!(short["/c"].locality, None);
        assert_eq!(localities("online", &no_words(), Some("/a"))["/a"].locality, Some(Locality::Online));
    }

    #[test]
    fn places_and_checksums_are_read() {
        let line = r#"{"path": "/a", "locality": "online+nearline", "tape": "T1", "position": 7,
                       "checksum": "adler32:0a0b0c0d"}"#;
        let said = localities(&line.replace('\n', ""), &no_words(), None).remove("/a").unwrap();
        assert_eq!(said.place, Some(TapePlace { tape: "T1".into(), position: 7 }));
        assert_eq!(said.checksum, Some(Checksum::Adler32(0x0a0b_0c0d)));
        assert_eq!(
            checksum("md5:00112233445566778899aabbccddeeff").map(|sum| format!("{sum:?}").len() > 3),
            Some(true)
        );
        for bad in ["md5:00", "adler32:xyz", "crc32:00", "", "sha256:é"] {
            assert_eq!(checksum(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_of_the_site_are_translated() {
        let words = [("tape", "nearline"), ("COMPLETED", "staged")];
        let words = words.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())).into();
        assert_eq!(localities("tape /a", &words, None)["/a"].locality, Some(Locality::Nearline));
        assert_eq!(batch("COMPLETED", &words, BUSY).all, Some(SaidState::Staged));
    }

    #[test]
    fn a_batch_is_told_whole_or_by_object() {
        let output = "4711\nactive\nstaged\t/a\nfailed\t/b\tthe drive is broken\nnot-found /c d\n\
                      {\"path\": \"/e\", \"state\": \"failed\", \"cause\": \"busy\", \"after_seconds\": 5}\n\
                      {\"path\": \"/f\", \"state\": \"active\", \"done_bytes\": 9}\n";
        let said = batch(output, &no_words(), BUSY);
        let failed =
            |cause, reason: &str| SaidState::Failed(StageFailure { cause, reason: reason.to_owned() });
        let silent = "the archive says that the recall failed";
        assert_eq!(said.id.as_deref(), Some("4711"));
        assert_eq!(said.all, Some(SaidState::Active(None)));
        assert_eq!(said.objects["/a"], SaidState::Staged);
        assert_eq!(
            said.objects["/b"],
            failed(FailureCause::Retryable { after: None }, "the drive is broken")
        );
        assert_eq!(said.objects["/c d"], failed(FailureCause::NotFound, silent));
        let after = Some(Duration::from_secs(5));
        assert_eq!(said.objects["/e"], failed(FailureCause::Retryable { after }, silent));
        assert_eq!(said.objects["/f"], SaidState::Active(Some(9)));
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for output in [
            "",
            "\n\n",
            "hello /a",
            "{not json",
            "{\"path\": \"/a\"}",
            "[1, 2]",
            "{\"path\": 7, \"locality\": \"online\"}",
            "online",
            "\t\t\t",
            "{\"path\": \"/a\", \"locality\": \"online\", \"size\": -1}",
        ] {
            assert!(localities(output, &no_words(), None).is_empty(), "{output:?}");
        }
        for output in ["", "{", "strange /a", "{\"state\": \"strange\", \"path\": \"/a\"}"] {
            let said = batch(output, &no_words(), BUSY);
            assert!(said.objects.is_empty() && said.all.is_none(), "{output:?}: {said:?}");
        }
    }
}
