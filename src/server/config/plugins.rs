//! Section `[plugins.ID]`.

mod groupby;
mod intake;
mod plot;
mod wlcg;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_search::SearchableAttributes;
use thermocline_serve_kerchunk::KerchunkSettings;
use thermocline_serve_stac::StacSettings;

use super::layers::Layers;
use super::load::Check;
use super::units::{Size, Span};
use groupby::GroupbyConfig;
use plot::PlotConfig;
use wlcg::WlcgConfig;

pub use intake::IntakeConfig;

/// Most keys that a listing may have: it is one text in memory.
const MOST_LISTED: u64 = 1_000_000;

/// Most Items that an answer may have: each takes some kilobytes.
const MOST_ITEMS: u64 = 100_000;

/// Most references that a document may have: it is one text in memory.
const MOST_REFERENCES: u64 = 1 << 24;

/// The plugins, each by its id. A format and a protocol of one name share the section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PluginsConfig {
    /// Pages and documents of every dataset.
    pub datasets: OtherPluginConfig,
    /// Zarr v2 and v3.
    pub zarr: ZarrConfig,
    /// Kerchunk references.
    pub kerchunk: KerchunkConfig,
    /// STAC items, collections and search.
    pub stac: StacConfig,
    /// Intake and intake-esm catalogs.
    pub intake: IntakeConfig,
    /// Plots of variables as pictures and pages.
    pub plot: PlotConfig,
    /// Groupby diagnostics as numbers, files and lazy Zarr groups.
    pub groupby: GroupbyConfig,
    /// A THREDDS catalog and the site map.
    pub thredds: OtherPluginConfig,
    /// Staging of cold objects: requests, selections, pins, evicting. Settings are in `[staging]`.
    pub staging: OtherPluginConfig,
    /// Long work in one document. Settings are in `[jobs]`.
    pub jobs: OtherPluginConfig,
    /// Recalls by lists of files, as EODC's Chiller does. Settings are in `[staging]`.
    pub chiller: OtherPluginConfig,
    /// The WLCG Tape REST API, for gfal2, FTS and Rucio.
    pub wlcg: WlcgConfig,
    /// Measurements for Prometheus.
    pub metrics: OtherPluginConfig,
    /// HDF5 and NetCDF-4 files.
    pub hdf5: OtherPluginConfig,
    /// NetCDF-3 files.
    pub netcdf: OtherPluginConfig,
    /// Plugins beyond the built-in ones.
    #[serde(skip)]
    pub private: BTreeMap<String, OtherPluginConfig>,
}

/// Zarr v2 and v3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZarrConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// How long caches may keep metadata without asking, as a duration. Short: growing datasets change it.
    pub metadata_max_age: Span,
    /// How long caches may keep a chunk without asking, as a duration. A changed chunk has another ETag.
    pub chunk_max_age: Span,
    /// Most chunk keys in the page of an array; beyond it the page says so. Also the most keys in a WebDAV
    /// listing, which is refused if it has more: clients take what it lists for all there is.
    pub max_listed_chunks: u64,
}

impl Default for ZarrConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            metadata_max_age: Span::seconds(60),
            chunk_max_age: Span::seconds(3600),
            max_listed_chunks: 10_000,
        }
    }
}

/// Kerchunk references, and the source files that they point at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KerchunkConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// Whether the source files of a dataset may be read as files (`/datasets/{id}/objects/{n}`), where the
    /// references point. Without it they point at the chunks of the Zarr store: switch it off where only
    /// values may be offered.
    pub serve_objects: bool,
    /// Largest source file that is sent whole, as a size; of a larger one only byte ranges.
    pub max_whole_object: Size,
    /// Largest chunk written into a document, as a size. Larger ones would make it slow to open.
    pub inline_chunk: Size,
    /// Most bytes of chunks written into one document, as a size.
    pub inline_document: Size,
    /// Most memory for finished documents, as a size. They are large and asked for again and again.
    pub memory: Size,
    /// Most references in one JSON document: clients read it whole. Larger datasets have the parquet form.
    pub max_references: u64,
    /// Rows in one parquet table. Readers fetch a whole table for one chunk.
    pub record_size: u64,
}

impl Default for KerchunkConfig {
    fn default() -> Self {
        let settings = KerchunkSettings::default();
        Self {
            enabled: true,
            serve_objects: true,
            max_whole_object: Size(1 << 30),
            inline_chunk: Size(settings.inline_chunk_bytes),
            inline_document: Size(settings.inline_document_bytes),
            memory: Size(settings.cache_bytes),
            max_references: settings.max_references,
            record_size: settings.record_size,
        }
    }
}

impl From<&KerchunkConfig> for KerchunkSettings {
    fn from(config: &KerchunkConfig) -> Self {
        Self {
            inline_chunk_bytes: config.inline_chunk.0,
            inline_document_bytes: config.inline_document.0,
            cache_bytes: config.memory.0,
            max_references: config.max_references,
            record_size: config.record_size,
            names_objects: config.serve_objects,
        }
    }
}

/// STAC items, collections and search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StacConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// Title of the landing page.
    pub title: String,
    /// Longer text of the landing page.
    pub description: String,
    /// Global attributes of datasets by which they can be searched, in STAC, intake-esm and everywhere else. Each
    /// distinct one takes memory for every dataset. By default those of CMIP.
    pub attributes: Vec<String>,
    /// Items in an answer to a search without a limit.
    pub limit: u64,
    /// Most Items in one answer; a larger limit means this one.
    pub max_limit: u64,
    /// Most Items that one static document links to. Beyond it there is a document for each collection.
    pub static_max_items: u64,
    /// Address of a STAC Browser that shows this server, for a link to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "https://browser.example/#/external/data.example/stac")]
    pub browser_url: Option<String>,
    /// Whether Items carry what the viewer gridlook reads.
    pub gridlook: bool,
}

impl Default for StacConfig {
    fn default() -> Self {
        let StacSettings {
            title,
            description,
            limit,
            max_limit,
            static_max_items,
            browser_url,
            gridlook,
            ..
        } = StacSettings::default();
        Self {
            enabled: true,
            title,
            description,
            attributes: SearchableAttributes::default().names().map(str::to_owned).collect(),
            limit: limit as u64,
            max_limit: max_limit as u64,
            static_max_items: static_max_items as u64,
            browser_url,
            gridlook,
        }
    }
}

impl From<&StacConfig> for StacSettings {
    fn from(config: &StacConfig) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            title: config.title.clone(),
            description: config.description.clone(),
            limit: count(config.limit),
            max_limit: count(config.max_limit),
            static_max_items: count(config.static_max_items),
            browser_url: config.browser_url.clone(),
            gridlook: config.gridlook,
            ..Self::default()
        }
    }
}

/// A plugin without keys of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtherPluginConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
}

impl Default for OtherPluginConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl PluginsConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        self.intake.complete(check);
        self.plot.complete(check);
        self.groupby.complete(check);
        self.wlcg.complete(check);
        let ranges = [
            (["plugins", "zarr", "max_listed_chunks"], self.zarr.max_listed_chunks, 1..=MOST_LISTED),
            (["plugins", "kerchunk", "max_references"], self.kerchunk.max_references, 1..=MOST_REFERENCES),
            (
                ["plugins", "kerchunk", "record_size"],
                self.kerchunk.record_size,
                KerchunkSettings::RECORD_SIZES,
            ),
            (["plugins", "stac", "limit"], self.stac.limit, 1..=MOST_ITEMS),
            (["plugins", "stac", "max_limit"], self.stac.max_limit, 1..=MOST_ITEMS),
            (["plugins", "stac", "static_max_items"], self.stac.static_max_items, 1..=MOST_LISTED),
        ];
        for (key, value, range) in ranges {
            if !range.contains(&value) {
                let message = format!("is {value}, must be {} to {}", range.start(), range.end());
                check.mistake(&key, message);
            }
        }
    }

    /// Whether the plugin of that id is switched on.
    pub fn is_enabled(&self, id: &str) -> bool {
        match id {
            "datasets" => self.datasets.enabled,
            "zarr" => self.zarr.enabled,
            "kerchunk" => self.kerchunk.enabled,
            "staging" => self.staging.enabled,
            "jobs" => self.jobs.enabled,
            "chiller" => self.chiller.enabled,
            "wlcg" => self.wlcg.enabled,
            "stac" => self.stac.enabled,
            "intake" => self.intake.enabled,
            "plot" => self.plot.enabled,
            "groupby" => self.groupby.enabled,
            "thredds" => self.thredds.enabled,
            "metrics" => self.metrics.enabled,
            "hdf5" => self.hdf5.enabled,
            "netcdf" => self.netcdf.enabled,
            private => self.private.get(private).is_none_or(|plugin| plugin.enabled),
        }
    }
}

/// Takes the sections of private plugins out of `layers`; what is wrong in one stays for the reader to report.
pub(super) fn take_private(layers: &mut Layers, ids: &[&str]) -> BTreeMap<String, OtherPluginConfig> {
    let mut found = BTreeMap::new();
    for id in ids {
        let key = ["plugins".to_owned(), (*id).to_owned()];
        let Some(value) = layers.value(&key) else { continue };
        if let Ok(config) = value.clone().try_into() {
            layers.remove(&key);
            found.insert((*id).to_owned(), config);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::config::{Known, Surroundings, load};

    #[test]
    fn numbers_out_of_their_range_are_mistakes() {
        let variable = |key: &str, value: &str| (format!("THERMOCLINE__PLUGINS__{key}"), value.to_owned());
        let home = ("HOME".to_owned(), "/h".to_owned());
        for (key, value, is_good) in [
            ("KERCHUNK__RECORD_SIZE", "0", false),
            ("KERCHUNK__RECORD_SIZE", "1", true),
            ("KERCHUNK__RECORD_SIZE", "1000001", false),
            ("KERCHUNK__MAX_REFERENCES", "0", false),
            ("ZARR__MAX_LISTED_CHUNKS", "0", false),
            ("STAC__LIMIT", "0", false),
            ("STAC__MAX_LIMIT", "100001", false),
            ("STAC__STATIC_MAX_ITEMS", "1", true),
            ("PLOT__MAX_CONCURRENT", "0", true),
            ("PLOT__MAX_WAITING", "65537", false),
            ("PLOT__TIMEOUT", "0s", false),
        ] {
            let variables = [home.clone(), variable(key, value)].into();
            let loaded =
                load(&Surroundings { variables, ..Surroundings::default() }, None, &[], &Known::default());
            assert_eq!(loaded.is_ok(), is_good, "{key} = {value}");
        }
    }

    #[test]
    fn keys_of_plots_are_read() {
        let variables = [("HOME", "/h"), ("THERMOCLINE__PLUGINS__PLOT__MAX_READ", "3GiB")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let surroundings = Surroundings { variables, ..Surroundings::default() };
        let loaded = load(&surroundings, None, &[], &Known::default()).unwrap();
        assert_eq!(loaded.config.plugins.plot.max_read.0, 3 << 30);
    }
}
