//! HDF5's scale-offset filter, number 6: distances from the smallest value, in few bits.
//!
//! # Source
//! HDF5 library, `H5Zscaleoffset.c`. A chunk begins with the number of bits (4 bytes), the size of
//! the smallest value (1 byte) and the smallest value (16 bytes, of which 8 count), all least
//! significant first. Floats are decoded in the type's own precision: value / 10^d + minimum.

use thermocline_model::ScaleOffsetType;

use crate::bits::BitReader;
use crate::cursor::Cursor;
use crate::expected::Expected;
use crate::{CodecError, shuffle};

/// Words of client data.
const N_WORDS: usize = 20;

/// Bytes of the header, and those of its smallest value.
const HEADER_BYTES: usize = 21;
const MINIMUM_BYTES: usize = 16;

/// What the client data say.
struct Parameters {
    n_elements: usize,
    size: usize,
    class: Class,
    is_big_endian: bool,
    /// The fill value, which is stored as the largest distance.
    fill: Option<u64>,
}

#[derive(Clone, Copy)]
enum Class {
    /// Of any sign: the arithmetic is the same. `bits` is what the writer asked for, 0 for the least.
    Integer { bits: u32 },
    /// With so many decimal places kept.
    Float { decimals: i32 },
}

impl Parameters {
    fn parse(dtype: &ScaleOffsetType) -> Result<Self, CodecError> {
        let words: &[u32; N_WORDS] = dtype.client_data.as_slice().try_into().map_err(|_| {
            CodecError::corrupt(format!("scale-offset has {} client data", dtype.client_data.len()))
        })?;
        let [method, factor, n_elements, class, size, _sign, order, has_fill, fill_low, fill_high, ..] =
            *words;
        let class = match (class, method) {
            (0, 2) => Class::Integer { bits: (factor as i32).max(0) as u32 },
            (1, 0) => Class::Float { decimals: factor as i32 },
            _ => {
                return Err(CodecError::unsupported(format!(
                    "scale-offset method {method} of type class {class} has no decoder"
                )));
            }
        };
        let has_size = match class {
            Class::Integer { .. } => matches!(size, 1 | 2 | 4 | 8),
            Class::Float { .. } => matches!(size, 4 | 8),
        };
        if !has_size {
            return Err(CodecError::unsupported(format!("scale-offset of {size} bytes has no decoder")));
        }
        let fill = (u64::from(fill_high) << 32 | u64::from(fill_low)) & ones(size * 8);
        Ok(Self {
            n_elements: n_elements as usize,
            size: size as usize,
            class,
            is_big_endian: order == 1,
            fill: (has_fill != 0).then_some(fill),
        })
    }

    fn len_bytes(&self) -> usize {
        self.n_elements.saturating_mul(self.size)
    }

    fn full_bits(&self) -> u32 {
        (self.size * 8) as u32
    }
}

/// Decodes a chunk.
pub(crate) fn decode(
    stored: &[u8],
    dtype: &ScaleOffsetType,
    expected: Expected,
) -> Result<Vec<u8>, CodecError> {
    let parameters = Parameters::parse(dtype)?;
    let len = parameters.len_bytes();
    if len > expected.limit() {
        return Err(expected.overflow("the scale-offset chunk"));
    }
    expected.check("the scale-offset chunk", len)?;
    if let Class::Integer { bits } = parameters.class
        && bits >= parameters.full_bits()
    {
        // Nothing was done to the values.
        Expected::Exactly(len).check("the scale-offset chunk", stored.len())?;
        return Ok(stored.to_vec());
    }
    let mut out = unpack(&parameters, stored, len)?;
    if parameters.is_big_endian {
        shuffle::swap_byte_order(&mut out, parameters.size);
    }
    Ok(out)
}

/// The values, least significant byte first.
fn unpack(parameters: &Parameters, stored: &[u8], len: usize) -> Result<Vec<u8>, CodecError> {
    let mut header = Cursor::new(stored, "the scale-offset chunk");
    let bits = header.u32_le()?;
    let minimum_size = usize::from(header.u8()?).min(8);
    let minimum = header.take(MINIMUM_BYTES)?.iter().take(minimum_size).rev();
    let minimum = minimum.fold(0, |value, byte| (value << 8) | u64::from(*byte));
    let packed = stored.get(HEADER_BYTES..).unwrap_or_default();
    if bits > parameters.full_bits() {
        return Err(CodecError::corrupt(format!(
            "scale-offset stores {bits} bits of numbers of {}",
            parameters.full_bits()
        )));
    }
    if bits == parameters.full_bits() {
        let values = packed.get(..len).ok_or_else(|| CodecError::corrupt("the scale-offset chunk is cut"))?;
        return Ok(values.to_vec());
    }
    let mut distances = Distances { bits: BitReader::new(packed, "the scale-offset chunk"), n_bits: bits };
    let fill = parameters.fill.map(|fill| (ones(bits), fill));
    let mut out = vec![0; len];
    match (parameters.class, parameters.size) {
        (Class::Integer { .. }, size) => {
            for value in out.chunks_exact_mut(size) {
                let decoded = distances.next(fill, |distance| minimum.wrapping_add(distance))?;
                value.iter_mut().zip(decoded.to_le_bytes()).for_each(|(out, byte)| *out = byte);
            }
        }
        (Class::Float { decimals }, 4) => {
            let (scale, minimum) = (10_f32.powf(decimals as f32), f32::from_bits(minimum as u32));
            for value in out.as_chunks_mut::<4>().0 {
                let decoded = distances.next(fill, |distance| {
                    u64::from((distance as u32 as i32 as f32 / scale + minimum).to_bits())
                })?;
                *value = (decoded as u32).to_le_bytes();
            }
        }
        (Class::Float { decimals }, _) => {
            let (scale, minimum) = (10_f64.powf(f64::from(decimals)), f64::from_bits(minimum));
            for value in out.as_chunks_mut::<8>().0 {
                let decoded =
                    distances.next(fill, |distance| (distance as i64 as f64 / scale + minimum).to_bits())?;
                *value = decoded.to_le_bytes();
            }
        }
    }
    Ok(out)
}

/// The packed distances from the smallest value.
struct Distances<'a> {
    bits: BitReader<'a>,
    n_bits: u32,
}

impl Distances<'_> {
    /// The next value: `decode` of its distance, or the fill value where the distance stands for it.
    fn next(&mut self, fill: Option<(u64, u64)>, decode: impl Fn(u64) -> u64) -> Result<u64, CodecError> {
        let distance = self.bits.read_wide(self.n_bits)? as u64;
        match fill {
            Some((mark, fill)) if distance == mark => Ok(fill),
            _ => Ok(decode(distance)),
        }
    }
}

/// A number of that many low bits set, at most 64.
fn ones(n_bits: u32) -> u64 {
    u64::MAX.checked_shr(64 - n_bits.min(64)).unwrap_or(0)
}
