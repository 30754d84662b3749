//! From what users write to objects: declared roots, and the paths by which users know them.

use std::path::Path;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::{ColdObject, ObjectId};
use crate::{Error, Result};

/// How users name a place below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// What users write: an absolute path where they have mounted the place, or a URL.
    pub from: String,
    /// The place, as this server names it.
    pub to: String,
}

/// A declared root.
#[derive(Debug, Clone)]
pub struct NamespaceRoot {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its absolute path or URL, without a slash at the end.
    pub base: String,
    /// How users name what lies below it.
    pub map: Vec<PathRule>,
    /// Name of the cold store that it lies on; `None` for a root whose objects are always online.
    pub store: Option<Arc<str>>,
}

/// All declared roots: finds the object that a spelling means.
#[derive(Debug, Clone, Default)]
pub struct Namespace {
    roots: Vec<NamespaceRoot>,
}

impl Namespace {
    /// The namespace of `roots`. Of several roots that hold a path, the longest counts.
    pub fn new(mut roots: Vec<NamespaceRoot>) -> Self {
        for root in &mut roots {
            if let Ok(base) = clean(&root.base) {
                root.base = base;
            }
        }
        roots.sort_by_key(|root| std::cmp::Reverse(root.base.len()));
        Self { roots }
    }

    /// The roots, longest first.
    pub fn roots(&self) -> &[NamespaceRoot] {
        &self.roots
    }

    /// A root by its name.
    pub fn root(&self, name: &str) -> Option<&NamespaceRoot> {
        self.roots.iter().find(|root| &*root.name == name)
    }

    /// The object that a spelling means: an absolute path or URL below a root, as this server or as users
    /// write it, or an id `root:path`. Whether it exists is not asked.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for what is relative, malformed, or below no declared root.
    pub fn resolve(&self, spelling: &str) -> Result<ObjectId> {
        let address = clean(spelling)?;
        if let Some(id) = self.object_at(&address) {
            return id;
        }
        if let Some(mapped) = self.mapped(&address)
            && let Some(id) = self.object_at(&mapped?)
        {
            return id;
        }
        if let Some((name, path)) = address.split_once(':').filter(|(name, _)| !name.contains('/'))
            && let Some(root) = self.root(name)
            && !path.starts_with("//")
        {
            // By its address, for another root may lie below that one.
            let id = self.object_at(&clean(&format!("{}/{path}", root.base))?);
            return id.unwrap_or_else(|| ObjectId::new(Arc::clone(&root.name), path));
        }
        let what = if address.starts_with('/') || address.contains("://") {
            "lies outside the declared roots"
        } else {
            "is neither an absolute path nor a URL"
        };
        Err(Error::invalid_input(format!("{spelling:?} {what}")))
    }

    /// The object at an address, by the longest root that holds it; `None` if none does.
    fn object_at(&self, address: &str) -> Option<Result<ObjectId>> {
        let found = self.roots.iter().find_map(|root| Some((root, below(address, &root.base)?)));
        found.map(|(root, rest)| ObjectId::new(Arc::clone(&root.name), rest))
    }

    /// What the longest rule that fits makes of an address as users write it; `None` if none fits.
    fn mapped(&self, address: &str) -> Option<Result<String>> {
        let fitting = self.roots.iter().flat_map(|root| &root.map).filter_map(|rule| {
            let from = rule.from.trim_end_matches('/');
            below(address, from).map(|rest| (std::cmp::Reverse(from.len()), &rule.to, rest))
        });
        let (_, to, rest) = fitting.min_by_key(|(len, ..)| *len)?;
        Some(clean(&format!("{to}/{rest}")))
    }

    /// The same for a spelling that may be percent-encoded: as it stands, then decoded.
    ///
    /// # Errors
    /// Those of [`Namespace::resolve`] for the spelling as it stands.
    pub fn resolve_encoded(&self, spelling: &str) -> Result<Vec<ObjectId>> {
        let plain = self.resolve(spelling);
        let decoded = percent_decode_str(spelling).decode_utf8().ok().filter(|text| text != spelling);
        let decoded = decoded.and_then(|text| self.resolve(&text).ok());
        match (plain, decoded) {
            (Ok(plain), decoded) => {
                // Mostly one: there may be millions of such lists.
                let mut names = Vec::with_capacity(1);
                names.push(plain);
                names.extend(decoded);
                Ok(names)
            }
            (Err(_), Some(decoded)) => Ok(vec![decoded]),
            (Err(error), None) => Err(error),
        }
    }

    /// The absolute path or URL of an object; `None` if its root is not declared.
    pub fn href(&self, id: &ObjectId) -> Option<String> {
        self.root(id.root()).map(|root| format!("{}/{}", root.base, id.path()))
    }

    /// By which name an object is known, if another root lies between it and its own; `None` if its root is not
    /// declared.
    pub fn innermost(&self, id: &ObjectId) -> Option<ObjectId> {
        self.resolve(&self.href(id)?).ok()
    }

    /// The object with its address; `None` if its root is not declared.
    pub fn object(&self, id: &ObjectId) -> Option<ColdObject> {
        Some(ColdObject { id: id.clone(), href: self.href(id)?.into() })
    }

    /// Name of the cold store that an object lies on.
    pub fn store_of(&self, id: &ObjectId) -> Option<&Arc<str>> {
        self.root(id.root())?.store.as_ref()
    }

    /// The object at an address, and the cold store that it lies on; `None` for what lies on none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for an address below a root of a cold store that names no object. Nobody can
    /// tell whether its bytes are there, so that it must not be read as if it lay on no store: a stub reads as zeros.
    pub fn bound(&self, href: &str) -> Result<Option<(ObjectId, &Arc<str>)>> {
        match self.resolve(href) {
            Ok(id) => Ok(self.store_of(&id).map(|store| (id, store))),
            Err(error) if self.is_below_bound(href) => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn is_below_bound(&self, href: &str) -> bool {
        let is_below = |root: &NamespaceRoot| {
            let rest = Path::new(href).strip_prefix(&root.base);
            root.store.is_some() && rest.is_ok_and(|rest| rest.components().next().is_some())
        };
        self.roots.iter().any(is_below)
    }
}

/// Duplicate slashes and `.` parts dropped; `..` refused: what it means depends on links.
fn clean(spelling: &str) -> Result<String> {
    if spelling.contains(['\0', '\n', '\r']) {
        return Err(Error::invalid_input(format!("{spelling:?} contains a character that no path has")));
    }
    let (scheme, path) = match spelling.split_once("://") {
        Some((scheme, path)) if !scheme.contains('/') => (format!("{scheme}://"), path),
        _ => (if spelling.starts_with('/') { "/".to_owned() } else { String::new() }, spelling),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(Error::invalid_input(format!("{spelling:?} contains \"..\"")));
    }
    Ok(format!("{scheme}{}", parts.join("/")))
}

/// What follows `base` in an address at or below it.
fn below<'a>(address: &'a str, base: &str) -> Option<&'a str> {
    let rest = address.strip_prefix(base)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace() -> Namespace {
        let root = |name: &str, base: &str, map| NamespaceRoot {
            name: name.into(),
            base: base.to_owned(),
            map,
            store: None,
        };
        let rule = PathRule { from: "/eodc/products/".into(), to: "/archive/deep/products".into() };
        Namespace::new(vec![
            root("archive", "/archive", Vec::new()),
            root("deep", "/archive/deep", vec![rule]),
            root("bucket", "s3://bucket/prefix", Vec::new()),
        ])
    }

    #[test]
    fn one_object_has_one_name_however_it_is_spelt() {
        for (spelling, name) in [
            ("/archive/a/b.nc", "archive:a/b.nc"),
            ("//archive//./a/b.nc", "archive:a/b.nc"),
            ("archive:a/b.nc", "archive:a/b.nc"),
            ("/archive/deep/c.nc", "deep:c.nc"),
            ("/eodc/products/x/y", "deep:products/x/y"),
            ("s3://bucket/prefix//k", "bucket:k"),
        ] {
            assert_eq!(namespace().resolve(spelling).unwrap().to_string(), name, "{spelling}");
        }
    }

    #[test]
    fn an_id_below_the_outer_of_two_roots_is_that_of_the_inner_one() {
        assert_eq!(namespace().resolve("archive:deep/c.nc").unwrap().to_string(), "deep:c.nc");
    }

    #[test]
    fn of_several_rules_the_longest_counts_whichever_root_has_it() {
        let root = |name: &str, base: &str, from: &str, to: &str| NamespaceRoot {
            name: name.into(),
            base: base.to_owned(),
            map: vec![PathRule { from: from.to_owned(), to: to.to_owned() }],
            store: None,
        };
        let namespace = Namespace::new(vec![
            root("everything", "/mnt/everything/else", "/eodc", "/mnt/everything/else"),
            root("hot", "/mnt/hot", "/eodc/hot", "/mnt/hot/eodc"),
            root("inner", "/mnt/hot/eodc/inner", "/nowhere", "/mnt/elsewhere"),
        ]);
        for (spelling, name) in [
            ("/eodc/hot/a.nc", "hot:eodc/a.nc"),
            ("/eodc/hot/inner/b.nc", "inner:b.nc"),
            ("/eodc/hotter/c.nc", "everything:hotter/c.nc"),
        ] {
            assert_eq!(namespace.resolve(spelling).unwrap().to_string(), name, "{spelling}");
        }
        assert!(namespace.resolve("/nowhere/d.nc").is_err(), "the rule leads out of all roots");
    }

    #[test]
    fn what_lies_below_no_root_names_no_object() {
        for spelling in [
            "",
            "/",
            "/archive",
            "relative.nc",
            "/etc/passwd",
            "/archive/../etc/passwd",
            "/archives/a",
            "/archive/\0",
        ] {
            assert!(namespace().resolve(spelling).is_err(), "{spelling:?}");
        }
    }

    #[test]
    fn what_lies_on_a_cold_store_does_so_however_it_is_spelt_and_whether_it_can_be_named_or_not() {
        let root = |name: &str, base: &str, store: Option<&str>| NamespaceRoot {
            name: name.into(),
            base: base.to_owned(),
            map: Vec::new(),
            store: store.map(Into::into),
        };
        let namespace = Namespace::new(vec![
            root("tape", "//mnt/./tape", Some("library")),
            root("warm", "/mnt/tape/warm", None),
        ]);
        for href in ["/mnt/tape/a.nc", "//mnt/./tape//a.nc", "/mnt//tape/a.nc"] {
            let (id, store) = namespace.bound(href).unwrap().unwrap();
            assert_eq!((id.to_string().as_str(), &**store), ("tape:a.nc", "library"), "{href}");
        }
        for href in ["/mnt/tape/warm/a.nc", "/mnt/tape", "/mnt/tapes/a.nc", "/elsewhere/a\nb", "relative"] {
            assert_eq!(namespace.bound(href).unwrap(), None, "{href}");
        }
        for href in ["/mnt/tape/a\nb.nc", "/mnt//tape/a\rb.nc", "/mnt/tape/../tape/a.nc"] {
            assert!(namespace.bound(href).is_err(), "{href:?}");
        }
    }

    #[test]
    fn a_percent_encoded_spelling_means_both_names() {
        let names = namespace().resolve_encoded("/archive/a%20b").unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["archive:a%20b", "archive:a b"]);
    }
}
