//! The list of plugins. It is written out: what is not named here does not exist.

use std::sync::Arc;

use thermocline_core::cold::{ColdStore, StoreContext};
use thermocline_core::format::Format;
use thermocline_core::{Error, Result};
use thermocline_http::ServePlugin;

use crate::config::PluginsConfig;

/// The formats that can be read and the protocols that are served.
#[derive(Clone, Default)]
pub struct Registry {
    formats: Vec<Arc<dyn Format>>,
    cold: Vec<ColdKind>,
    builtin: Vec<Builtin>,
    private: Vec<Arc<dyn ServePlugin>>,
    n_builtin_formats: usize,
}

/// A kind of cold store.
#[derive(Debug, Clone, Copy)]
pub struct ColdKind {
    /// The word by which `[cold.NAME] kind` names it.
    pub kind: &'static str,
    /// Makes a store out of its own keys.
    pub make: fn(&StoreContext, toml::Table) -> Result<Arc<dyn ColdStore>>,
}

/// A store's own keys as its configuration.
///
/// # Errors
/// [`thermocline_core::ErrorKind::InvalidInput`] naming the key that is wrong.
pub fn cold_config<T: serde::de::DeserializeOwned>(keys: toml::Table) -> Result<T> {
    serde_path_to_error::deserialize(toml::Value::Table(keys)).map_err(|cause| {
        Error::invalid_input(format!("{}: {}", cause.path(), cause.inner().message().trim()))
    })
}

/// A protocol that is made once its configuration is known.
type Builtin = fn(&PluginsConfig) -> Arc<dyn ServePlugin>;

impl Registry {
    /// Every plugin of this repository.
    pub fn builtin() -> Self {
        let formats: Vec<Arc<dyn Format>> = vec![
            Arc::new(thermocline_format_hdf5::Hdf5Format::default()),
            Arc::new(thermocline_format_netcdf::NetcdfFormat),
            Arc::new(thermocline_format_zarr::ZarrFormat),
            Arc::new(thermocline_format_kerchunk::KerchunkFormat),
        ];
        let builtin: Vec<Builtin> = vec![
            |_| Arc::new(thermocline_serve_datasets::DatasetsPlugin),
            |_| Arc::new(thermocline_serve_zarr::ZarrPlugin),
            |config| Arc::new(thermocline_serve_kerchunk::KerchunkPlugin::new((&config.kerchunk).into())),
            |_| Arc::new(thermocline_serve_metrics::MetricsPlugin::default()),
        ];
        let cold = vec![ColdKind {
            kind: "simulated",
            make: |context, keys| {
                let store = thermocline_cold_simulated::SimulatedStore::new(cold_config(keys)?, context)?;
                Ok(Arc::new(store))
            },
        }];
        Self { n_builtin_formats: formats.len(), formats, cold, builtin, private: Vec::new() }
    }

    /// The same list with one more protocol, for a server with a private plugin.
    #[must_use]
    pub fn with(mut self, plugin: impl ServePlugin + 'static) -> Self {
        self.private.push(Arc::new(plugin));
        self
    }

    /// The same list with one more format.
    #[must_use]
    pub fn with_format(mut self, format: impl Format + 'static) -> Self {
        self.formats.push(Arc::new(format));
        self
    }

    /// The same list with one more kind of cold store.
    #[must_use]
    pub fn with_cold(mut self, kind: ColdKind) -> Self {
        self.cold.push(kind);
        self
    }

    /// A kind of cold store by its name.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] naming the kinds that there are.
    pub fn cold(&self, kind: &str) -> Result<ColdKind> {
        self.cold.iter().find(|known| known.kind == kind).copied().ok_or_else(|| {
            let known: Vec<&str> = self.cold.iter().map(|known| known.kind).collect();
            Error::invalid_input(format!("no cold store of kind \"{kind}\" is built in; there are: {}", known.join(", ")))
        })
    }

    /// The formats, in the order in which they are asked.
    pub fn formats(&self) -> &[Arc<dyn Format>] {
        &self.formats
    }

    /// The protocols as configured, in the order in which they are shown.
    pub fn serve(&self, config: &PluginsConfig) -> Vec<Arc<dyn ServePlugin>> {
        self.builtin.iter().map(|make| make(config)).chain(self.private.iter().cloned()).collect()
    }

    /// Ids of the plugins beyond the built-in ones.
    pub fn private_ids(&self) -> Vec<&'static str> {
        let formats = self.formats.iter().skip(self.n_builtin_formats).map(|format| format.id());
        formats.chain(self.private.iter().map(|plugin| plugin.id())).collect()
    }
}
