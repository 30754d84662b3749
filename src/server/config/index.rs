//! Section `[index]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Size;

/// How files are indexed and verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// How much of a file's values is compared with libhdf5 and libnetcdf once after indexing: "sample" (the first,
    /// the last and 8 other chunks of each variable), "full" or "off". A variable that differs is not served.
    pub verify: VerifyConfig,
    /// Files indexed at once; 0 for one on each core.
    pub workers: u32,
    /// Largest remote object that is copied into memory to be verified, as a size; larger ones are served
    /// unverified, which their report says.
    pub verify_remote: Size,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { verify: VerifyConfig::Sample, workers: 0, verify_remote: Size::mebibytes(64) }
    }
}

/// How much is compared with the reference libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum VerifyConfig {
    /// Every chunk.
    Full,
    /// The first, the last and some other chunks of each variable.
    Sample,
    /// Nothing.
    Off,
}
