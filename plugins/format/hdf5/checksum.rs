//! The checksum at the end of most metadata since HDF5 1.8.
//!
//! # Source
//! HDF5 File Format Specification 3.0, "checksum": Bob Jenkins' lookup3 hash, `hashlittle` with seed 0.

use thermocline_core::{Error, Result};

/// The bytes before the four of the checksum; `what` names them in the error.
///
/// # Errors
/// [`thermocline_core::ErrorKind::Corrupt`] when the checksum does not hold.
pub(crate) fn checked<'b>(bytes: &'b [u8], what: &str) -> Result<&'b [u8]> {
    let split = bytes.len().checked_sub(4).and_then(|end| bytes.split_at_checked(end));
    let (summed, sum) = split.ok_or_else(|| Error::corrupt(format!("{what} has no room for a checksum")))?;
    if hdf5_reader::checksum::jenkins_lookup3(summed).to_le_bytes() == sum {
        return Ok(summed);
    }
    Err(Error::corrupt(format!("the checksum of {what} does not hold")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_is_noticed() {
        // `hashlittle` of nothing is its initial value.
        let mut bytes = 0xdead_beef_u32.to_le_bytes();
        assert_eq!(checked(&bytes, "nothing").unwrap(), b"");
        bytes[0] ^= 1;
        assert!(checked(&bytes, "nothing").is_err());
        assert!(checked(&bytes[..3], "nothing").is_err());
    }
}
