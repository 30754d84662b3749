//! Paths as clients write them.

use std::borrow::Cow;

/// A path whose slashes are single; percent-encoded characters stay as they are, for clients compare.
pub(crate) fn squeezed(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    // The slashes after the scheme of a URL are none of a path.
    let (scheme, rest) = match path.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.contains('/') => (scheme, rest),
        _ => ("", path),
    };
    let mut clean = String::with_capacity(path.len());
    if !scheme.is_empty() {
        clean.push_str(scheme);
        clean.push_str("://");
    }
    for (number, part) in rest.split('/').enumerate() {
        if number > 0 && !clean.ends_with('/') {
            clean.push('/');
        }
        clean.push_str(part);
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slashes_are_single_and_nothing_else_changes() {
        for (written, clean) in [
            ("/a/b.nc", "/a/b.nc"),
            ("//a//b.nc", "/a/b.nc"),
            ("///a////b//", "/a/b/"),
            ("//a/sp%20ace//%2F", "/a/sp%20ace/%2F"),
            ("https://host//a//b", "https://host/a/b"),
            ("a//b", "a/b"),
            ("/a/x://y//z", "/a/x:/y/z"),
            ("//", "/"),
            ("", ""),
        ] {
            assert_eq!(squeezed(written), clean, "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_is_clean_stays(path in "[a/%:]{0,20}") {
            let once = squeezed(&path).into_owned();
            prop_assert_eq!(squeezed(&once), once.as_str());
        }
    }
}
