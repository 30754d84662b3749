//! Codecs of numcodecs that no HDF5 filter and no Zarr 3 core codec knows: `delta`, `fixedscaleoffset`,
//! `packbits`, `lz4`, and its checksums.
//!
//! # Source
//! numcodecs 0.16, `delta.py`, `fixedscaleoffset.py`, `packbits.py`, `lz4.pyx`, `checksum32.py`. Only what
//! gives the same bits as numpy is decoded: `delta` of integers, `fixedscaleoffset` stored as integers.

use serde_json::Value;

use crate::expected::Expected;
use crate::{CodecError, lz4};

/// Decodes what the codec with this metadata (`{"id": …}`) stored.
pub(crate) fn decode(metadata: &str, stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let unsupported = || CodecError::unsupported(format!("no decoder for the Zarr codec {metadata}"));
    let configuration: Value = serde_json::from_str(metadata).map_err(|_| unsupported())?;
    match configuration.get("id").and_then(Value::as_str) {
        Some("delta") => {
            let (dtype, astype) = types(&configuration).ok_or_else(unsupported)?;
            if dtype.is_float || astype.is_float {
                return Err(unsupported());
            }
            delta(stored, dtype, astype, expected)
        }
        Some("fixedscaleoffset") => {
            let (dtype, astype) = types(&configuration).ok_or_else(unsupported)?;
            let number = |name: &str| configuration.get(name).and_then(Value::as_f64);
            let (scale, offset) = number("scale").zip(number("offset")).ok_or_else(unsupported)?;
            if !dtype.is_float || astype.is_float {
                return Err(unsupported());
            }
            fixed_scale_offset(stored, (dtype, astype), (scale, offset), expected)
        }
        Some("lz4") => decode_lz4(stored, expected),
        Some("packbits") => unpack_bits(stored, expected),
        Some(id @ ("crc32" | "adler32" | "crc32c")) => {
            let (checksum, location): (fn(&[u8]) -> u32, _) = match id {
                "crc32" => (crc32, "start"),
                "adler32" => (adler32, "start"),
                _ => (crc32c::crc32c, "end"),
            };
            match configuration.get("location").map_or(Some(location), Value::as_str) {
                Some("start") => verified(stored.split_first_chunk(), checksum),
                Some("end") => verified(stored.split_last_chunk().map(|(data, sum)| (sum, data)), checksum),
                _ => Err(unsupported()),
            }
        }
        _ => Err(unsupported()),
    }
}

/// A number as numpy writes it: `<i2`, `|u1`, `>f4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NumberType {
    is_float: bool,
    is_signed: bool,
    size: usize,
    is_big_endian: bool,
}

impl NumberType {
    fn parse(text: &str) -> Option<Self> {
        let (order, kind, size) = (text.get(..1)?, text.get(1..2)?, text.get(2..)?.parse().ok()?);
        let fits = match kind {
            "i" | "u" => matches!(size, 1 | 2 | 4 | 8),
            "f" => matches!(size, 4 | 8),
            _ => false,
        };
        let known = Self { is_float: kind == "f", is_signed: kind == "i", size, is_big_endian: order == ">" };
        (fits && matches!(order, "<" | ">" | "|")).then_some(known)
    }

    /// The bits of an integer, extended to 64 as its sign says.
    fn read(self, bytes: &[u8]) -> u64 {
        let fold = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        let bits =
            if self.is_big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) };
        let unused = 64 - 8 * self.size as u32;
        if self.is_signed { ((bits << unused) as i64 >> unused) as u64 } else { bits }
    }

    /// The value of an integer as numpy converts it to `float64`.
    fn read_float(self, bytes: &[u8]) -> f64 {
        let bits = self.read(bytes);
        if self.is_signed { bits as i64 as f64 } else { bits as f64 }
    }

    /// Writes the lowest bits of a number.
    fn write(self, bits: u64, out: &mut Vec<u8>) {
        let bytes = bits.to_le_bytes();
        let start = out.len();
        out.extend(bytes.iter().take(self.size));
        if self.is_big_endian {
            out.get_mut(start..).unwrap_or_default().reverse();
        }
    }
}

/// The types of the decoded and of the stored numbers.
fn types(configuration: &Value) -> Option<(NumberType, NumberType)> {
    let dtype = NumberType::parse(configuration.get("dtype")?.as_str()?)?;
    let astype = match configuration.get("astype").and_then(Value::as_str) {
        Some(text) => NumberType::parse(text)?,
        None => dtype,
    };
    Some((dtype, astype))
}

/// How many numbers are stored, when what they become is within its bounds.
fn count(
    stored: &[u8],
    dtype: NumberType,
    astype: NumberType,
    expected: Expected,
) -> Result<usize, CodecError> {
    if !stored.len().is_multiple_of(astype.size) {
        return Err(CodecError::corrupt(format!(
            "{} bytes are no whole numbers of {} bytes",
            stored.len(),
            astype.size
        )));
    }
    let n = stored.len() / astype.size;
    match n.checked_mul(dtype.size) {
        Some(len) if len <= expected.limit() => Ok(n),
        _ => Err(expected.overflow("decoding numbers")),
    }
}

/// Sums of the stored differences, which wrap around as numpy's do.
fn delta(
    stored: &[u8],
    dtype: NumberType,
    astype: NumberType,
    expected: Expected,
) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(count(stored, dtype, astype, expected)? * dtype.size);
    let mut sum = 0_u64;
    for difference in stored.chunks_exact(astype.size) {
        sum = sum.wrapping_add(astype.read(difference));
        dtype.write(sum, &mut out);
    }
    Ok(out)
}

/// `stored / scale + offset` in `float64`, then rounded to the array's type.
fn fixed_scale_offset(
    stored: &[u8],
    (dtype, astype): (NumberType, NumberType),
    (scale, offset): (f64, f64),
    expected: Expected,
) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(count(stored, dtype, astype, expected)? * dtype.size);
    for element in stored.chunks_exact(astype.size) {
        let value = astype.read_float(element) / scale + offset;
        let bits = if dtype.size == 4 { u64::from((value as f32).to_bits()) } else { value.to_bits() };
        dtype.write(bits, &mut out);
    }
    Ok(out)
}

/// The decoded length in four bytes, least significant first, then one LZ4 block.
fn decode_lz4(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let (length, block) = stored
        .split_first_chunk::<4>()
        .ok_or_else(|| CodecError::corrupt("an LZ4 chunk of less than 4 bytes"))?;
    let len = u32::from_le_bytes(*length) as usize;
    if len > expected.limit() {
        return Err(expected.overflow("lz4"));
    }
    expected.check("lz4", len)?;
    let mut out = vec![0; len];
    lz4::decode_block(block, &mut out)?;
    Ok(out)
}

/// The number of bits that pad the last byte, in one byte, then eight truth values a byte, the first the highest.
fn unpack_bits(stored: &[u8], expected: Expected) -> Result<Vec<u8>, CodecError> {
    let (padding, packed) =
        stored.split_first().ok_or_else(|| CodecError::corrupt("a packbits chunk of no bytes"))?;
    let len = packed
        .len()
        .checked_mul(8)
        .and_then(|n_bits| n_bits.checked_sub(usize::from(*padding)))
        .filter(|_| *padding < 8)
        .ok_or_else(|| CodecError::corrupt(format!("packbits with {padding} bits of padding")))?;
    if len > expected.limit() {
        return Err(expected.overflow("packbits"));
    }
    let bits = packed.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    Ok(bits.take(len).collect())
}

/// The data, when the checksum that was stored with them holds.
fn verified(parts: Option<(&[u8; 4], &[u8])>, checksum: fn(&[u8]) -> u32) -> Result<Vec<u8>, CodecError> {
    let (found, data) =
        parts.ok_or_else(|| CodecError::corrupt("a chunk of less bytes than its checksum"))?;
    let (found, sum) = (u32::from_le_bytes(*found), checksum(data));
    if found == sum {
        return Ok(data.to_vec());
    }
    Err(CodecError::corrupt(format!("the checksum is {found:#010x}, the data give {sum:#010x}")))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    // So many bytes cannot make the sums overflow.
    for bytes in bytes.chunks(5552) {
        for byte in bytes {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    const I2: &str = r#"{"id": "delta", "dtype": "<i2", "astype": "<i2"}"#;

    /// Expected bytes: `numcodecs.get_codec(…).decode(…)`.
    #[test]
    fn differences_are_summed_and_wrap_around() {
        let stored = [1_i16, 2, -5, i16::MAX, 10].map(i16::to_le_bytes).concat();
        let expected = [1_i16, 3, -2, 32765, -32761].map(i16::to_le_bytes).concat();
        assert_eq!(decode(I2, &stored, Expected::Exactly(10)), Ok(expected));
        let narrow = r#"{"id": "delta", "dtype": ">u4", "astype": "|i1"}"#;
        let expected = [5_u32, 3, u32::MAX].map(u32::to_be_bytes).concat();
        assert_eq!(decode(narrow, &[5, 254, 252], Expected::Exactly(12)), Ok(expected));
    }

    #[test]
    fn scaled_integers_become_floats() {
        let metadata =
            r#"{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 10, "offset": 1000}"#;
        let stored = [0_i16, 3, -7].map(i16::to_le_bytes).concat();
        let expected = [1000.0_f32, 1000.3, 999.3].map(f32::to_le_bytes).concat();
        assert_eq!(decode(metadata, &stored, Expected::Exactly(12)), Ok(expected));
    }

    #[test]
    fn lz4_has_its_length_before_the_block() {
        let block = lz4_flex::block::compress(&[7; 100]);
        let stored = [&100_u32.to_le_bytes()[..], &block].concat();
        let lz4 = r#"{"id": "lz4", "acceleration": 1}"#;
        assert_eq!(decode(lz4, &stored, Expected::Exactly(100)), Ok(vec![7; 100]));
        assert!(decode(lz4, &stored, Expected::Exactly(99)).is_err());
        assert!(decode(lz4, &[255; 8], Expected::AtMost(1000)).is_err());
        assert!(decode(lz4, &[1], Expected::AtMost(1000)).is_err());
    }

    /// Stored bytes: `numcodecs.get_codec(…).encode(…)`.
    #[test]
    fn checksums_stand_where_they_are_configured() {
        for (metadata, stored) in [
            (r#"{"id": "crc32"}"#, [127, 137, 84, 8, 0, 1, 2]),
            (r#"{"id": "crc32", "location": "end"}"#, [0, 1, 2, 127, 137, 84, 8]),
            (r#"{"id": "adler32"}"#, [4, 0, 7, 0, 0, 1, 2]),
        ] {
            assert_eq!(decode(metadata, &stored, Expected::Exactly(3)), Ok(vec![0, 1, 2]));
            let mut damaged = stored;
            damaged[3] ^= 1;
            assert!(decode(metadata, &damaged, Expected::Exactly(3)).is_err());
            assert!(decode(metadata, &stored[..3], Expected::AtMost(3)).is_err());
        }
        let mut stored = b"123456789".to_vec();
        crate::checksum::append(&mut stored);
        assert_eq!(decode(r#"{"id": "crc32c"}"#, &stored, Expected::Exactly(9)), Ok(b"123456789".to_vec()));
    }

    #[test]
    fn adler32_of_many_bytes_does_not_overflow() {
        // zlib.adler32(b"\xff" * 1_000_000)
        assert_eq!(adler32(&vec![255; 1_000_000]), 0x3843e1be);
    }

    #[test]
    fn truth_values_are_unpacked() {
        let packbits = r#"{"id": "packbits"}"#;
        let expected = vec![1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0];
        assert_eq!(decode(packbits, &[5, 146, 64], Expected::Exactly(11)), Ok(expected));
        assert_eq!(decode(packbits, &[0, 146], Expected::Exactly(8)), Ok(vec![1, 0, 0, 1, 0, 0, 1, 0]));
        for broken in [&[][..], &[1], &[8, 0], &[255, 0, 0]] {
            assert!(decode(packbits, broken, Expected::AtMost(64)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn what_numpy_might_round_otherwise_is_not_decoded() {
        for metadata in [
            r#"{"id": "delta", "dtype": "<f4"}"#,
            r#"{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<f4", "scale": 1, "offset": 0}"#,
            r#"{"id": "fixedscaleoffset", "dtype": "<i2", "astype": "<i2", "scale": 1, "offset": 0}"#,
            r#"{"id": "delta", "dtype": "<i3"}"#,
            r#"{"id": "delta"}"#,
            r#"{"id": "lzma"}"#,
            "{",
        ] {
            assert!(matches!(
                decode(metadata, &[0; 8], Expected::AtMost(64)),
                Err(CodecError::Unsupported { .. })
            ));
        }
    }

    #[test]
    fn broken_numbers_are_errors() {
        assert!(matches!(decode(I2, &[0; 3], Expected::AtMost(64)), Err(CodecError::Corrupt { .. })));
        assert!(decode(I2, &[0; 8], Expected::Exactly(6)).is_err());
    }
}
