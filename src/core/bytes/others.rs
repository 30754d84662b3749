//! Objects that an object refers to, by names relative to it.

use std::sync::Arc;

use thermocline_model::Object;

use super::ObjectOpener;
use super::keys::{is_url, join, name_below};
use crate::format::{OpenOther, ReadAt};
use crate::{ErrorKind, Result};

/// Opens what lies in the directory of one object, or what an absolute name says.
pub(super) struct Neighbours<'a> {
    opener: &'a dyn ObjectOpener,
    directory: String,
}

impl<'a> Neighbours<'a> {
    pub(super) fn new(opener: &'a dyn ObjectOpener, href: &str) -> Self {
        let directory = href.rsplit_once('/').map_or("", |(directory, _)| directory);
        Self { opener, directory: directory.to_owned() }
    }

    fn absolute(&self, name: &str) -> String {
        if let Some(path) = name.strip_prefix("file://") {
            return path.to_owned();
        }
        if is_url(name) || name.starts_with('/') {
            return name.to_owned();
        }
        if name.is_empty() || name == "." {
            return self.directory.clone();
        }
        join(&self.directory, name.trim_start_matches("./"))
    }
}

impl OpenOther for Neighbours<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        match self.opener.open(&self.absolute(name)) {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let objects = self.list_objects(prefix)?;
        Ok(objects.into_iter().map(|(name, object)| (name, object.len_bytes)).collect())
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<(String, Object)>> {
        let base = self.absolute(prefix);
        let objects = self.opener.list(&base)?;
        let named = objects.into_iter().filter_map(|object| {
            let name = name_below(&base, &object.href)?.into_owned();
            Some((name, object))
        });
        Ok(named.collect())
    }
}
