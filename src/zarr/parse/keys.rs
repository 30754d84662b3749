//! How a store names the chunks of an array.

/// The chunk key encoding of an array.
///
/// # Source
/// Zarr version 2, "dimension_separator"; version 3, "chunk key encoding" `default` and `v2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkKeys {
    /// What separates the numbers.
    pub separator: char,
    /// True if keys begin with `c` (version 3, `default`).
    pub has_prefix: bool,
}

impl ChunkKeys {
    /// The key of a chunk below its array.
    pub fn key(self, index: &[u64]) -> String {
        let mut parts: Vec<String> = index.iter().map(u64::to_string).collect();
        if self.has_prefix {
            parts.insert(0, "c".to_owned());
        } else if parts.is_empty() {
            parts.push("0".to_owned());
        }
        parts.join(self.separator.encode_utf8(&mut [0; 4]))
    }

    /// The chunk that a key below the array names; `None` if it names none.
    pub fn index(self, key: &str, rank: usize) -> Option<Vec<u64>> {
        let mut parts = key.split(self.separator);
        if self.has_prefix && parts.next() != Some("c") {
            return None;
        }
        let index = parts.map(number).collect::<Option<Vec<u64>>>()?;
        if !self.has_prefix && rank == 0 {
            return (index == [0]).then(Vec::new);
        }
        (index.len() == rank).then_some(index)
    }
}

/// A number without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: ChunkKeys = ChunkKeys { separator: '.', has_prefix: false };
    const V3: ChunkKeys = ChunkKeys { separator: '/', has_prefix: true };

    #[test]
    fn keys_and_indices_agree() {
        for (keys, index, key) in [
            (V2, &[1_u64, 20][..], "1.20"),
            (V2, &[], "0"),
            (V3, &[1, 20], "c/1/20"),
            (V3, &[], "c"),
            (ChunkKeys { separator: '/', has_prefix: false }, &[1, 2], "1/2"),
        ] {
            assert_eq!(keys.key(index), key);
            assert_eq!(keys.index(key, index.len()).as_deref(), Some(index), "{key}");
        }
    }

    #[test]
    fn other_keys_name_no_chunk() {
        for key in
            ["", ".zarray", "1", "1.2.3", "01.2", "+1.2", "1.-2", "1.2 ", "99999999999999999999.1", "1..2"]
        {
            assert_eq!(V2.index(key, 2), None, "{key}");
        }
        for key in ["c", "0/1", "c/0", "c/0/1/2", "c.0.1"] {
            assert_eq!(V3.index(key, 2), None, "{key}");
        }
    }
}
