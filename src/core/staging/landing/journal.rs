//! The journal of a landing: which parts have reached the disk.
//!
//! A head that names the state of the object, then one record for each part. A record is written after its
//! bytes were flushed, so that a record means bytes. Each carries a checksum: what a crash left half written
//! ends the journal there.

use super::parts::{Done, Part};

/// First bytes of a journal; the digit is the version of this format.
const MAGIC: &[u8; 16] = b"thermocline-jnl1";

/// Bytes of a record: start, end, CRC-32C of the part, CRC-32C of the record.
const RECORD_BYTES: usize = 24;

/// Longest journal that is read: more parts than the largest objects have.
pub(super) const MAX_JOURNAL_BYTES: u64 = 64 << 20;

/// The head of the journal of an object, by the name of its file.
pub(super) fn head(name: &str) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    head
}

/// The record of a part in the journal that begins with `head`.
pub(super) fn record(head: &[u8], part: &Part) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_BYTES);
    record.extend_from_slice(&part.range.start.to_le_bytes());
    record.extend_from_slice(&part.range.end.to_le_bytes());
    record.extend_from_slice(&part.crc32c.to_le_bytes());
    record.extend_from_slice(&seal(head, &record).to_le_bytes());
    record
}

/// What a journal says of an object of `len_bytes` bytes, and how many of its bytes say it: those up to the first
/// one that is not as it was written.
pub(super) fn read(journal: &[u8], head: &[u8], len_bytes: u64) -> (Done, u64) {
    let mut done = Done::default();
    let Some(records) = journal.strip_prefix(head) else { return (done, 0) };
    let mut n_good_bytes = head.len() as u64;
    for bytes in records.chunks_exact(RECORD_BYTES) {
        let Some(part) = part(bytes, head) else { break };
        if part.range.end > len_bytes || !done.add(&part) {
            break;
        }
        n_good_bytes += RECORD_BYTES as u64;
    }
    (done, n_good_bytes)
}

fn part(record: &[u8], head: &[u8]) -> Option<Part> {
    let (start, rest) = record.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (crc32c, rest) = rest.split_first_chunk()?;
    let (fields, _) = record.split_last_chunk::<4>()?;
    let range = u64::from_le_bytes(*start)..u64::from_le_bytes(*end);
    (seal(head, fields).to_le_bytes() == rest).then_some(Part { range, crc32c: u32::from_le_bytes(*crc32c) })
}

/// The checksum of a record. It takes in the head, so that a record of another journal is none of this one.
fn seal(head: &[u8], fields: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(n_parts: u64) -> Vec<Part> {
        (0..n_parts).map(|part| Part { range: part * 10..(part + 1) * 10, crc32c: 7 * part as u32 }).collect()
    }

    fn journal(name: &str, parts: &[Part]) -> Vec<u8> {
        let head = head(name);
        let records = parts.iter().flat_map(|part| record(&head, part));
        head.iter().copied().chain(records).collect()
    }

    #[test]
    fn a_journal_of_another_state_says_nothing() {
        let journal = journal("one", &parts(3));
        assert_eq!(read(&journal, &head("one"), 30).0.iter().collect::<Vec<_>>(), parts(3));
        assert_eq!(read(&journal, &head("two"), 30).1, 0);
    }

    #[test]
    fn parts_beyond_the_object_or_over_each_other_end_the_journal() {
        let mut wrong = parts(3);
        wrong[1].range = 5..15;
        assert_eq!(read(&journal("one", &wrong), &head("one"), 30).0.len_bytes(), 10);
        assert_eq!(read(&journal("one", &parts(3)), &head("one"), 29).0.len_bytes(), 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_torn_or_damaged_journal_says_only_what_was_written(
            n_parts in 0_u64..20,
            cut in 0_usize..600,
            damage in proptest::option::of((0_usize..600, 1_u8..=255)),
        ) {
            let mut journal = journal("one", &parts(n_parts));
            journal.truncate(cut.max(1));
            if let Some((position, change)) = damage {
                let position = position % journal.len();
                journal[position] ^= change;
            }
            let read: Vec<Part> = read(&journal, &head("one"), n_parts * 10).0.iter().collect();
            prop_assert_eq!(&read[..], &parts(n_parts)[..read.len()]);
        }

        #[test]
        fn no_bytes_are_too_strange_to_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let head = head("one");
            read(&bytes, &head, 100);
            read(&[head.as_slice(), &bytes].concat(), &head, 100);
        }
    }
}
