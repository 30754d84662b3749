//! Addresses that references hold.

use thermocline_core::manifest::Manifest;
use thermocline_core::read::ChunkLocation;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_http::links::{self, BaseUrl};
use thermocline_http::{App, HttpConfig};

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
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] where objects lie on this machine and no rule says how clients reach them.
    pub(crate) fn new(app: &App, base: &BaseUrl, manifest: &Manifest, target: Target) -> Result<Self> {
        let dataset = base.dataset(manifest.id.as_str());
        let objects = &manifest.dataset.objects;
        let objects = match target {
            Target::Source => {
                let urls = objects.iter().map(|object| source_url(&object.href, &app.config));
                urls.collect::<Option<_>>().ok_or_else(|| without_rule(manifest))?
            }
            Target::Server if app.config.serve_objects => {
                (0..objects.len()).map(|number| format!("{dataset}/objects/{number}")).collect()
            }
            Target::Server => Vec::new(),
        };
        // Not below `/kerchunk/`: fsspec would take the document for a directory.
        Ok(Self { objects, store: format!("{dataset}/zarr-v2") })
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

/// The URL by which clients reach an object. One that no rule maps stays as it is if it is a URL; a path of this
/// machine has none.
fn source_url(href: &str, config: &HttpConfig) -> Option<String> {
    config.mapped_url(href).or_else(|| href.contains("://").then(|| href.to_owned()))
}

fn without_rule(manifest: &Manifest) -> Error {
    let message = format!(
        "objects of dataset '{}' are files of the server, and its configuration does not say how clients \
         reach them: add map = [{{from = \"what clients write\", to = \"the folder\"}}] to their root, \
         [roots.NAME], or ask without target=source",
        manifest.id
    );
    Error::new(ErrorKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use thermocline_http::AddressRule;

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
    fn objects_have_the_addresses_that_clients_know() {
        let rule = |from: &str, to: &str| AddressRule { from: from.into(), to: to.into() };
        let address_map = vec![
            rule("/eodc/products", "/mnt/eodc"),
            rule("https://data.example/cmip6/", "/mnt/eodc/cmip6"),
            rule("s3://public", "s3://internal/bucket"),
        ];
        let config = HttpConfig { address_map, ..HttpConfig::default() };
        for (href, url) in [
            ("/mnt/eodc/a b.nc", Some("file:///eodc/products/a b.nc")),
            ("/mnt/eodc/cmip6/a b.nc", Some("https://data.example/cmip6/a%20b.nc")),
            ("/mnt/eodc-2/a.nc", None),
            ("/other/a.nc", None),
            ("s3://internal/bucket/a b.nc", Some("s3://public/a b.nc")),
            ("s3://other/a.nc", Some("s3://other/a.nc")),
        ] {
            assert_eq!(source_url(href, &config).as_deref(), url, "{href}");
        }
    }
}
