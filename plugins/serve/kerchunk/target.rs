//! Addresses that references hold.

use thermocline_core::manifest::Manifest;
use thermocline_core::read::ChunkLocation;
use thermocline_http::App;
use thermocline_http::links::{self, BaseUrl};

/// Where references to stored bytes point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Target {
    /// At this server.
    #[default]
    Server,
    /// At the source objects themselves.
    Source,
}

impl Target {
    /// Every name that a request may give.
    pub(crate) const NAMES: [&'static str; 2] = ["server", "source"];

    /// The target of that name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "server" => Some(Self::Server),
            "source" => Some(Self::Source),
            _ => None,
        }
    }
}

/// The addresses of one dataset's objects and chunks.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// Of every object, where objects are offered.
    objects: Vec<String>,
    /// Of the dataset's Zarr store of format 2.
    store: String,
}

/// A reference to bytes somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointer<'a> {
    /// A range of an object.
    Range {
        /// Address of the object.
        url: &'a str,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len_bytes: u64,
    },
    /// The chunk's own address on this server.
    Chunk,
}

impl Addresses {
    /// The addresses that clients of `base` can reach.
    pub(crate) fn new(app: &App, base: &BaseUrl, manifest: &Manifest, target: Target) -> Self {
        let dataset = base.dataset(manifest.id.as_str());
        let objects = &manifest.dataset.objects;
        let objects = match target {
            Target::Source => objects.iter().map(|object| source_url(&object.href)).collect(),
            Target::Server if app.config.serve_objects => {
                (0..objects.len()).map(|number| format!("{dataset}/objects/{number}")).collect()
            }
            Target::Server => Vec::new(),
        };
        // Not below `/kerchunk/`: fsspec would take the document for a directory.
        Self { objects, store: format!("{dataset}/zarr-v2") }
    }

    /// What a reference to a chunk at `location` says.
    pub(crate) fn pointer(&self, location: &ChunkLocation) -> Pointer<'_> {
        match location {
            ChunkLocation::Object { object, offset, len_bytes } => {
                let url = usize::try_from(*object).ok().and_then(|number| self.objects.get(number));
                url.map_or(Pointer::Chunk, |url| Pointer::Range {
                    url,
                    offset: *offset,
                    len_bytes: *len_bytes,
                })
            }
            ChunkLocation::Inline | ChunkLocation::Derived => Pointer::Chunk,
        }
    }

    /// Address below which the chunks of an array have their keys, with a slash at its end.
    pub(crate) fn array(&self, path: &str) -> String {
        format!("{}/{}/", self.store, links::path(path))
    }
}

/// A path of this machine as a URL; URLs stay as they are.
fn source_url(href: &str) -> String {
    if href.starts_with('/') { format!("file://{href}") } else { href.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_point_at_their_object_or_at_themselves() {
        let addresses = Addresses { objects: vec!["http://h/o/0".into()], store: "http://h/zarr-v2".into() };
        let stored = |object| ChunkLocation::Object { object, offset: 8, len_bytes: 4 };
        let range = Pointer::Range { url: "http://h/o/0", offset: 8, len_bytes: 4 };
        assert_eq!(addresses.pointer(&stored(0)), range);
        assert_eq!(addresses.pointer(&stored(1)), Pointer::Chunk);
        assert_eq!(addresses.pointer(&ChunkLocation::Derived), Pointer::Chunk);
        assert_eq!(addresses.array("ocean/a b"), "http://h/zarr-v2/ocean/a%20b/");
    }

    #[test]
    fn local_objects_become_file_urls() {
        assert_eq!(source_url("/data/a.nc"), "file:///data/a.nc");
        assert_eq!(source_url("s3://bucket/a.nc"), "s3://bucket/a.nc");
    }
}
