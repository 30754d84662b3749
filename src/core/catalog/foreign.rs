//! Names of formats that nothing here reads, by their magic: for messages.

/// A format that is recognised and not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    /// Its name, with an article.
    pub(super) name: &'static str,
    /// True if it holds arrays: such a file is listed as refused, whatever its name.
    pub(super) is_scientific: bool,
}

const fn scientific(name: &'static str) -> Foreign {
    Foreign { name, is_scientific: true }
}

const fn other(name: &'static str) -> Foreign {
    Foreign { name, is_scientific: false }
}

/// Magic bytes at the beginning.
///
/// # Source
/// WMO FM 92 GRIB and FM 94 BUFR section 0; HDF4 Specification 1.1; TIFF 6.0 and BigTIFF; FITS 4.0
/// section 4.4.1; RFC 1952; RFC 8878; PKWARE APPNOTE 4.3; PNG third edition section 5.2.
const BY_MAGIC: &[(&[u8], Foreign)] = &[
    (b"GRIB", scientific("a GRIB message")),
    (b"BUFR", scientific("a BUFR message")),
    (b"\x0e\x03\x13\x01", scientific("an HDF4 file")),
    (b"II*\0", scientific("a TIFF image (GeoTIFF)")),
    (b"MM\0*", scientific("a TIFF image (GeoTIFF)")),
    (b"II+\0", scientific("a BigTIFF image")),
    (b"MM\0+", scientific("a BigTIFF image")),
    (b"SIMPLE  =", scientific("a FITS file")),
    (b"\x93NUMPY", scientific("a NumPy array")),
    (b"MATLAB 5.0", scientific("a MATLAB 5 file")),
    (b"\x89PNG\r\n", other("a PNG image")),
    (b"\xff\xd8\xff", other("a JPEG image")),
    (b"GIF8", other("a GIF image")),
    (b"\x1f\x8b", other("a gzip-compressed file")),
    (b"\x28\xb5\x2f\xfd", other("a Zstandard-compressed file")),
    (b"BZh", other("a bzip2-compressed file")),
    (b"\xfd7zXZ", other("an xz-compressed file")),
    (b"PK\x03\x04", other("a zip archive")),
    (b"PAR1", other("a Parquet file")),
    (b"%PDF", other("a PDF document")),
    (b"\x7fELF", other("a program")),
];

/// What a file is that no format plugin knows; `None` if its magic is unknown.
pub(super) fn recognise(head: &[u8]) -> Option<Foreign> {
    if let Some((_, foreign)) = BY_MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*foreign);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(other("a tar archive"));
    }
    let text = std::str::from_utf8(head.get(..head.len().min(1024))?).unwrap_or_default().trim_start();
    let starts = |prefix: &str| text.get(..prefix.len()).is_some_and(|t| t.eq_ignore_ascii_case(prefix));
    if starts("<!doctype html") || starts("<html") {
        return Some(other("an HTML page"));
    }
    if starts("<?xml") {
        return Some(other("an XML document"));
    }
    if starts("netcdf ") && text.contains('{') {
        return Some(other("a CDL text (ncdump's output)"));
    }
    None
}

/// Why a file that no format recognised is refused.
pub(super) fn reason(head: &[u8], formats: &[&str]) -> String {
    let expected = formats.join(", ");
    match recognise(head) {
        Some(foreign) => format!("the file is {}; formats that are read: {expected}", foreign.name),
        None if head.iter().all(|byte| *byte == 0) => {
            format!("the file begins with {} zero bytes, as an interrupted copy leaves it", head.len())
        }
        None => format!("the file has no magic of a format that is read ({expected}): {}", beginning(head)),
    }
}

fn beginning(head: &[u8]) -> String {
    let first: String = head.iter().take(16).map(|byte| byte.escape_ascii().to_string()).collect();
    format!("it begins with \"{first}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_is_named() {
        for (head, name) in [
            (&b"GRIB\0\0\0\x02"[..], "GRIB"),
            (b"\x0e\x03\x13\x01\0", "HDF4"),
            (b"II*\0\x08", "GeoTIFF"),
            (b"\n<!DOCTYPE HTML PUBLIC", "HTML"),
            (b"<html><body>404", "HTML"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04", "zip"),
            (b"hello", "begins with \"hello\""),
            (&[0; 100], "zero bytes"),
        ] {
            let reason = reason(head, &["hdf5"]);
            assert!(reason.contains(name), "{reason}");
        }
    }
}
