//! The CRC-32C checksum of Zarr v3: four bytes behind the data.
//!
//! # Source
//! Zarr v3 codec `crc32c`.

use crate::CodecError;

/// Checks the checksum at the end of `stored` and gives the data before it.
pub(crate) fn verify(stored: &[u8]) -> Result<&[u8], CodecError> {
    let (data, found) = stored.split_last_chunk::<4>().ok_or_else(|| {
        CodecError::corrupt(format!("{} bytes are too few for a crc32c checksum", stored.len()))
    })?;
    let found = u32::from_le_bytes(*found);
    let sum = crc32c::crc32c(data);
    if found == sum {
        return Ok(data);
    }
    Err(CodecError::corrupt(format!("crc32c checksum is {found:#010x}, the data give {sum:#010x}")))
}

/// Appends the checksum.
pub(crate) fn append(bytes: &mut Vec<u8>) {
    let sum = crc32c::crc32c(bytes);
    bytes.extend(sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_check_text_gives_the_standard_sum() {
        let mut bytes = b"123456789".to_vec();
        append(&mut bytes);
        assert_eq!(bytes[9..], 0xe306_9283_u32.to_le_bytes());
        assert_eq!(verify(&bytes).unwrap(), b"123456789");
        bytes[0] ^= 1;
        assert!(verify(&bytes).is_err());
        assert!(verify(&[]).is_err());
    }
}
