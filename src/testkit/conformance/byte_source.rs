//! What every source of bytes must do.

use anyhow::{Context, ensure};
use thermocline_core::ErrorKind;
use thermocline_core::bytes::ByteSource;
use thermocline_model::{Object, ObjectIdentity};

/// Checks a byte source on one object of at least 4 bytes, which is as it was indexed and holds `content`: every
/// range is exactly its bytes, and what cannot be read is an error that says why, never short or other bytes.
///
/// # Errors
/// The first claim that does not hold.
pub async fn byte_source(source: &dyn ByteSource, object: &Object, content: &[u8]) -> anyhow::Result<()> {
    let len_bytes = content.len() as u64;
    ensure!(content.len() >= 4, "the suite needs an object of at least 4 bytes");
    ensure!(object.len_bytes == len_bytes, "the object has another length than its content");
    for range in [0..len_bytes, 0..1, 1..len_bytes - 1, len_bytes - 1..len_bytes, 2..2, len_bytes..len_bytes]
    {
        let bytes = source.read(object, range.clone()).await.with_context(|| format!("range {range:?}"))?;
        let expected = content.get(usize::try_from(range.start)?..usize::try_from(range.end)?);
        ensure!(Some(bytes.as_ref()) == expected, "range {range:?} gives other bytes");
    }
    for range in [0..len_bytes + 1, len_bytes..len_bytes + 1, u64::MAX - 1..u64::MAX] {
        let beyond = source.read(object, range.clone()).await;
        let kind = beyond.err().map(|error| error.kind());
        ensure!(kind == Some(ErrorKind::Corrupt), "range {range:?} beyond the end gives {kind:?}");
    }
    let earlier = Object { identity: other_identity(&object.identity), ..object.clone() };
    let kind = source.read(&earlier, 0..1).await.err().map(|error| error.kind());
    ensure!(matches!(kind, Some(ErrorKind::Changed { .. })), "bytes of another state give {kind:?}");
    ensure!(!source.was_seen(&earlier), "another state counts as seen");
    let gone = Object { href: format!("{}.gone", object.href), ..object.clone() };
    let kind = source.read(&gone, 0..1).await.err().map(|error| error.kind());
    ensure!(kind == Some(ErrorKind::Lost), "an object that is gone gives {kind:?}");
    ensure!(!source.was_seen(&gone), "an object that is gone counts as seen");
    Ok(())
}

fn other_identity(identity: &ObjectIdentity) -> ObjectIdentity {
    match identity {
        ObjectIdentity::Modified { mtime_ns, inode } => {
            ObjectIdentity::Modified { mtime_ns: mtime_ns - 1_000_000_000, inode: *inode }
        }
        ObjectIdentity::ETag(etag) => ObjectIdentity::ETag(format!("{etag}-earlier")),
    }
}

#[cfg(test)]
mod tests {
    use thermocline_core::bytes::{ObjectOpener, ObjectSettings, Objects, Root};

    use super::*;

    #[tokio::test]
    async fn files_below_roots_conform() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("a.nc");
        std::fs::write(&path, b"0123456789").unwrap();
        let roots = vec![Root::directory(folder.path()).unwrap()];
        let objects = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());
        let object = objects.stat(path.to_str().unwrap()).unwrap().unwrap();
        byte_source(objects.as_ref(), &object, b"0123456789").await.unwrap();
    }
}
