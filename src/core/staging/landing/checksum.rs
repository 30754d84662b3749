//! The checksum of a whole object, computed while it lands.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use adler2::Adler32;
use md5::Md5;
use sha2::Sha256;

use crate::cold::Checksum;

/// Bytes that are read from the file at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Computes the kind of checksum that a store has of an object, from the file, in order.
///
/// It follows the parts that have landed without a gap, so that they may come in any order; their bytes are
/// in the page cache still. What was read from the file is what will be served.
pub(super) struct Follower {
    state: State,
    wanted: Checksum,
    /// Bytes that are in the checksum.
    at: u64,
}

enum State {
    Adler32(Adler32),
    Md5(Box<Md5>),
    Sha256(Box<Sha256>),
}

impl Follower {
    /// The follower that finds whether a file has the checksum `wanted`.
    pub(super) fn new(wanted: &Checksum) -> Self {
        let state = match wanted {
            Checksum::Adler32(_) => State::Adler32(Adler32::new()),
            Checksum::Md5(_) => State::Md5(Box::default()),
            Checksum::Sha256(_) => State::Sha256(Box::default()),
        };
        Self { state, wanted: wanted.clone(), at: 0 }
    }

    /// Bytes that are in the checksum.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Reads on up to `end`. Blocking.
    pub(super) fn follow(&mut self, file: &File, end: u64) -> io::Result<()> {
        let rest = end.saturating_sub(self.at);
        let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(BUFFER_BYTES)];
        while self.at < end {
            let len_bytes = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
            let Some(bytes) = buffer.get_mut(..len_bytes) else { break };
            file.read_exact_at(bytes, self.at)?;
            self.update(bytes);
            self.at += len_bytes as u64;
        }
        Ok(())
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Adler32(adler32) => adler32.write_slice(bytes),
            State::Md5(md5) => md5::Digest::update(md5.as_mut(), bytes),
            State::Sha256(sha256) => sha2::Digest::update(sha256.as_mut(), bytes),
        }
    }

    /// Compares what was read with what the store has.
    ///
    /// # Errors
    /// What was expected and what was found, in words.
    pub(super) fn check(self) -> Result<(), String> {
        let found = match self.state {
            State::Adler32(adler32) => Checksum::Adler32(adler32.checksum()),
            State::Md5(md5) => Checksum::Md5(md5::Digest::finalize(*md5).into()),
            State::Sha256(sha256) => Checksum::Sha256(sha2::Digest::finalize(*sha256).into()),
        };
        if found == self.wanted {
            return Ok(());
        }
        Err(format!("the store has {}, the bytes have {}", words(&self.wanted), words(&found)))
    }
}

fn words(checksum: &Checksum) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match checksum {
        Checksum::Adler32(value) => format!("adler32 {value:08x}"),
        Checksum::Md5(value) => format!("md5 {}", hex(value)),
        Checksum::Sha256(value) => format!("sha256 {}", hex(value)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn each_kind_agrees_with_its_published_test_vectors() {
        // Adler-32 of "Wikipedia"; MD5 from RFC 1321, A.5; SHA-256 from FIPS 180-2, B.1.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (bytes, checksum) in [
            ("Wikipedia", Checksum::Adler32(0x11e6_0398)),
            ("", Checksum::Adler32(1)),
            ("message digest", Checksum::Md5(unhex("f96b697d7cb7938d525a2f31aaf161d0"))),
            ("abc", Checksum::Sha256(unhex(sha256))),
        ] {
            let mut follower = Follower::new(&checksum);
            follower.follow(&file(bytes.as_bytes()), bytes.len() as u64).unwrap();
            assert_eq!(follower.check(), Ok(()), "{bytes}");
        }
    }

    #[test]
    fn it_does_not_matter_in_how_many_steps_a_file_is_followed() {
        let file = file(b"abc");
        let mut follower = Follower::new(&Checksum::Adler32(0x024d_0127));
        for end in [0, 1, 1, 3] {
            follower.follow(&file, end).unwrap();
        }
        assert_eq!(follower.check(), Ok(()));
    }

    #[test]
    fn a_mismatch_names_both() {
        let mut follower = Follower::new(&Checksum::Adler32(5));
        follower.follow(&file(b"abc"), 3).unwrap();
        let words = "the store has adler32 00000005, the bytes have adler32 024d0127";
        assert_eq!(follower.check(), Err(words.to_owned()));
    }
}
