//! Texts: of any length, of fixed length, and rows of single characters.

use thermocline_model::StringPadding;

use crate::CodecError;
use crate::cursor::Cursor;
use crate::expected::Expected;

/// Decodes numcodecs' `vlen-utf8`: the number of texts, then for each its length and its bytes, all
/// numbers of four bytes, least significant first.
pub(crate) fn decode_vlen_utf8(stored: &[u8], n_texts: usize) -> Result<Vec<String>, CodecError> {
    let mut cursor = Cursor::new(stored, "the vlen-utf8 chunk");
    let found = cursor.u32_le()? as usize;
    if found != n_texts {
        return Err(CodecError::corrupt(format!("{found} texts are stored, the chunk has {n_texts}")));
    }
    // Each text takes at least the four bytes of its length.
    if found > cursor.rest().len() / 4 {
        return Err(CodecError::corrupt("the vlen-utf8 chunk ends too early"));
    }
    let mut texts = Vec::with_capacity(found);
    for _ in 0..found {
        let len = cursor.u32_le()? as usize;
        let text = std::str::from_utf8(cursor.take(len)?)
            .map_err(|error| CodecError::corrupt(format!("a stored text is not UTF-8: {error}")))?;
        texts.push(text.to_owned());
    }
    if !cursor.rest().is_empty() {
        return Err(CodecError::corrupt(format!("{} bytes follow the last text", cursor.rest().len())));
    }
    Ok(texts)
}

/// Encodes numcodecs' `vlen-utf8`.
pub(crate) fn encode_vlen_utf8(texts: &[String], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let len_bytes = texts.iter().map(|text| text.len() + 4).sum::<usize>() + 4;
    if len_bytes > expected.limit() {
        return Err(expected.overflow("vlen-utf8"));
    }
    let mut stored = Vec::with_capacity(len_bytes);
    stored.extend(length(texts.len())?);
    for text in texts {
        stored.extend(length(text.len())?);
        stored.extend_from_slice(text.as_bytes());
    }
    Ok(stored)
}

fn length(len: usize) -> Result<[u8; 4], CodecError> {
    u32::try_from(len)
        .map(u32::to_le_bytes)
        .map_err(|_| CodecError::unsupported(format!("vlen-utf8 has no place for the length {len}")))
}

/// Joins rows of single characters (`NC_CHAR`) to texts.
///
/// A text ends before the NULs at the end of its row. `encoding` is the variable's `_Encoding`:
/// UTF-8, ASCII or Latin-1; without one a row is UTF-8 if it can be, else Latin-1.
///
/// ```
/// let texts = thermocline_codec::join_chars(b"ab\0c\0\0", 3, None)?;
/// assert_eq!(texts, ["ab", "c"]);
/// # Ok::<(), thermocline_codec::CodecError>(())
/// ```
///
/// # Errors
/// [`CodecError::Corrupt`] when the bytes are not whole rows or do not have the encoding;
/// [`CodecError::Unsupported`] for another encoding.
pub fn join_chars(
    bytes: &[u8],
    n_per_text: usize,
    encoding: Option<&str>,
) -> Result<Vec<String>, CodecError> {
    if n_per_text == 0 || !bytes.len().is_multiple_of(n_per_text) {
        return Err(CodecError::corrupt(format!(
            "{} characters are no whole texts of {n_per_text}",
            bytes.len()
        )));
    }
    let encoding = encoding.map(Encoding::parse).transpose()?;
    bytes
        .chunks_exact(n_per_text)
        .map(|row| {
            let row = without_last(row, 0);
            encoding.map_or_else(|| Ok(utf8_or_latin1(row)), |encoding| encoding.decode(row))
        })
        .collect()
}

/// The text in an element of a fixed-length string, cut as its padding says.
///
/// It is UTF-8 if it can be, else Latin-1, whatever the type declares: files declare ASCII and hold
/// UTF-8, and declare UTF-8 and hold Latin-1.
///
/// ```
/// use thermocline_model::StringPadding;
/// assert_eq!(thermocline_codec::fixed_to_text(b"ab  ", StringPadding::SpacePadded, false), "ab");
/// ```
pub fn fixed_to_text(bytes: &[u8], padding: StringPadding, _utf8: bool) -> String {
    utf8_or_latin1(match padding {
        StringPadding::NullTerminated => bytes.split(|byte| *byte == 0).next().unwrap_or_default(),
        StringPadding::NullPadded => without_last(bytes, 0),
        StringPadding::SpacePadded => without_last(bytes, b' '),
    })
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Utf8,
    Ascii,
    Latin1,
}

impl Encoding {
    fn parse(name: &str) -> Result<Self, CodecError> {
        match name.trim().to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "ascii" | "us-ascii" => Ok(Self::Ascii),
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => Ok(Self::Latin1),
            _ => Err(CodecError::unsupported(format!("text in the encoding {name:?} has no decoder"))),
        }
    }

    fn decode(self, bytes: &[u8]) -> Result<String, CodecError> {
        match self {
            Self::Latin1 => Ok(latin1(bytes)),
            Self::Ascii if !bytes.is_ascii() => Err(CodecError::corrupt("a text is not ASCII")),
            Self::Ascii | Self::Utf8 => std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|error| CodecError::corrupt(format!("a text is not UTF-8: {error}"))),
        }
    }
}

fn without_last(bytes: &[u8], padding: u8) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != padding).map_or(0, |last| last + 1);
    bytes.get(..len).unwrap_or_default()
}

fn utf8_or_latin1(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `numcodecs.VLenUTF8().encode(np.array(["a", "", "grün"], dtype=object))` of numcodecs 0.16.
    const VLEN: &[u8] = b"\x03\0\0\0\x01\0\0\0a\0\0\0\0\x05\0\0\0gr\xc3\xbcn";

    #[test]
    fn texts_as_numcodecs_stores_them() {
        let texts = vec!["a".to_owned(), String::new(), "grün".to_owned()];
        assert_eq!(decode_vlen_utf8(VLEN, 3).unwrap(), texts);
        assert_eq!(encode_vlen_utf8(&texts, Expected::AtMost(100)).unwrap(), VLEN);
    }

    #[test]
    fn a_chunk_of_texts_that_is_cut_or_too_long_is_corrupt() {
        for len in 0..VLEN.len() {
            assert!(decode_vlen_utf8(&VLEN[..len], 3).is_err(), "{len}");
        }
        assert!(decode_vlen_utf8(&[VLEN, b"\0"].concat(), 3).is_err());
        assert!(decode_vlen_utf8(VLEN, 2).is_err());
        assert!(decode_vlen_utf8(b"\x01\0\0\0\x01\0\0\0\xff", 1).is_err());
        assert!(decode_vlen_utf8(b"\xff\xff\xff\xff", u32::MAX as usize).is_err());
    }

    #[test]
    fn rows_of_characters_end_before_their_last_nuls() {
        let texts = join_chars(b"a b\0a\0b\0\0\0\0\0 \0\0\0", 4, None).unwrap();
        assert_eq!(texts, ["a b", "a\0b", "", " "]);
    }

    #[test]
    fn rows_of_characters_have_the_encoding_that_is_named() {
        let latin = b"gr\xfcn";
        assert_eq!(join_chars(latin, 4, Some("ISO-8859-1")).unwrap(), ["grün"]);
        assert_eq!(join_chars(latin, 4, None).unwrap(), ["grün"]);
        assert_eq!(join_chars("grün".as_bytes(), 5, None).unwrap(), ["grün"]);
        assert!(matches!(join_chars(latin, 4, Some("utf-8")), Err(CodecError::Corrupt { .. })));
        assert!(matches!(join_chars(latin, 4, Some("ascii")), Err(CodecError::Corrupt { .. })));
        assert!(matches!(join_chars(latin, 4, Some("utf-16")), Err(CodecError::Unsupported { .. })));
    }

    #[test]
    fn characters_that_fill_no_row_are_corrupt() {
        assert!(join_chars(b"abc", 2, None).is_err());
        assert!(join_chars(b"abc", 0, None).is_err());
    }

    #[test]
    fn fixed_texts_are_cut_as_their_padding_says() {
        let stored = b"a\0b \0 ";
        assert_eq!(fixed_to_text(stored, StringPadding::NullTerminated, true), "a");
        assert_eq!(fixed_to_text(stored, StringPadding::NullPadded, true), "a\0b \0 ");
        assert_eq!(fixed_to_text(stored, StringPadding::SpacePadded, true), "a\0b \0");
        assert_eq!(fixed_to_text(b"a \0\0", StringPadding::NullPadded, false), "a ");
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in proptest::collection::vec(".*", 0..20)) {
            let stored = encode_vlen_utf8(&texts, Expected::AtMost(1 << 20)).unwrap();
            prop_assert_eq!(decode_vlen_utf8(&stored, texts.len()).unwrap(), texts);
        }
    }
}
