//! The documents of S3 that the store reads and writes.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::config::Tier;

/// The code in the document of an error.
pub(crate) fn error_code(document: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "Code")]
        code: Option<String>,
    }
    let document: Document = quick_xml::de::from_str(std::str::from_utf8(document).ok()?).ok()?;
    document.code.filter(|code| code.len() <= 100 && code.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The body of RestoreObject; `days` is left out for objects that come back for good.
pub(crate) fn restore_request(days: Option<u32>, tier: Tier) -> String {
    let days = days.map(|days| format!("<Days>{days}</Days>")).unwrap_or_default();
    format!(
        "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{days}<GlacierJobParameters>\
         <Tier>{}</Tier></GlacierJobParameters></RestoreRequest>",
        tier.as_str()
    )
}

/// How a restore stands, in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestoreStatus {
    pub(crate) is_in_progress: bool,
    /// RFC 3339.
    pub(crate) expires: Option<String>,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) len_bytes: u64,
    pub(crate) tag: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) restore: Option<RestoreStatus>,
}

/// An answer to ListObjectsV2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) is_truncated: bool,
}

#[derive(Deserialize)]
struct PageDocument {
    #[serde(rename = "IsTruncated")]
    is_truncated: bool,
    #[serde(rename = "EncodingType")]
    encoding: Option<String>,
    #[serde(rename = "Contents", default)]
    contents: Vec<EntryDocument>,
}

#[derive(Deserialize)]
struct EntryDocument {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Size")]
    len_bytes: u64,
    #[serde(rename = "ETag")]
    tag: Option<String>,
    #[serde(rename = "StorageClass")]
    class: Option<String>,
    #[serde(rename = "RestoreStatus")]
    restore: Option<RestoreDocument>,
}

#[derive(Deserialize)]
struct RestoreDocument {
    #[serde(rename = "IsRestoreInProgress")]
    is_in_progress: Option<bool>,
    #[serde(rename = "RestoreExpiryDate")]
    expires: Option<String>,
}

/// The page of a listing; `None` if it is none.
pub(crate) fn page(document: &[u8]) -> Option<Page> {
    let document: PageDocument = quick_xml::de::from_str(std::str::from_utf8(document).ok()?).ok()?;
    let is_encoded = document.encoding.as_deref() == Some("url");
    let entries = document.contents.into_iter().map(|entry| entry.read(is_encoded)).collect::<Option<_>>()?;
    Some(Page { entries, is_truncated: document.is_truncated })
}

impl EntryDocument {
    fn read(self, is_encoded: bool) -> Option<Entry> {
        let key = if is_encoded { decoded(&self.key)? } else { self.key };
        let restore = self.restore.map(|restore| RestoreStatus {
            is_in_progress: restore.is_in_progress.unwrap_or(false),
            expires: restore.expires,
        });
        Some(Entry { key, len_bytes: self.len_bytes, tag: self.tag, class: self.class, restore })
    }
}

/// A key of a listing with `encoding-type=url`: a blank may be `+`.
fn decoded(key: &str) -> Option<String> {
    let key = key.replace('+', "%20");
    percent_decode_str(&key).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_code_of_an_error_is_read_and_nothing_else_is() {
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>a &lt;b&gt;</Message>\
                        <StorageClass>GLACIER</StorageClass></Error>";
        assert_eq!(error_code(document.as_bytes()).as_deref(), Some("SlowDown"));
        for other in ["", "<Error/>", "<html>busy</html>", "<Error><Code>a b</Code></Error>", "<Error><Code>"]
        {
            assert_eq!(error_code(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_restore_request_is_that_of_the_api_reference() {
        assert_eq!(
            restore_request(Some(2), Tier::Bulk),
            "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>2</Days><GlacierJobParameters>\
             <Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>"
        );
        assert!(!restore_request(None, Tier::Standard).contains("Days"));
    }

    #[test]
    fn a_listing_tells_how_restores_stand() {
        let document = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
            <IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>\
            <Contents><Key>a+b%2Bc</Key><LastModified>2012-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>5</Size>\
            <StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
            <RestoreExpiryDate>2012-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus></Contents>\
            <Contents><Key>d</Key><ETag>\"y\"</ETag><Size>6</Size><StorageClass>GLACIER</StorageClass></Contents>\
            </ListBucketResult>";
        let page = page(document.as_bytes()).unwrap();
        assert!(page.is_truncated);
        let first = crate::states::listed(page.entries[0].clone()).unwrap();
        assert_eq!((first.key.as_str(), first.seen.version.as_str()), ("a b+c", "\"x\""));
        let until_ns = Some(1_356_048_000_000_000_000);
        assert_eq!(first.seen.standing, crate::states::Standing::Restored { until_ns });
        let second = crate::states::listed(page.entries[1].clone()).unwrap();
        assert_eq!((second.seen.standing, second.tells_restore), (crate::states::Standing::Cold, false));
    }

    #[test]
    fn an_empty_listing_has_no_objects() {
        let document = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(page(document.as_bytes()), Some(Page { entries: Vec::new(), is_truncated: false }));
        assert_eq!(page(b"<Error><Code>NoSuchBucket</Code></Error>"), None);
    }

    proptest! {
        #[test]
        fn documents_never_make_it_panic(document in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
            let _ = (error_code(&document), page(&document));
            let inside = format!("<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{text}</Key>\
                <Size>1</Size><RestoreStatus>{text}</RestoreStatus></Contents></ListBucketResult>");
            let entries = page(inside.as_bytes()).map(|page| page.entries).unwrap_or_default();
            for entry in entries {
                let _ = crate::states::listed(entry);
            }
        }
    }
}
