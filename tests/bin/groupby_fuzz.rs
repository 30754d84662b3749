//! Asks for groupby diagnostics in good, nearly good and hostile words, through the router of the server.
//!
//! ```sh
//! groupby-fuzz FOLDER N [SEED]   N requests of the files in FOLDER; the last line is "N passed, N failed"
//! ```
//!
//! The files are small: it is the words that are tried here, not the computing.

#[path = "fuzz/dice.rs"]
mod dice;
#[path = "fuzz/run.rs"]
mod run;
#[path = "groupby_fuzz/words.rs"]
mod words;

use std::sync::Arc;

use thermocline_groupby::{Engine, EngineSettings};
use thermocline_serve_groupby::{GroupbyPlugin, GroupbyPluginSettings};

fn main() -> Result<(), run::Failure> {
    let engine = Arc::new(Engine::new(EngineSettings::default()));
    let writer = thermocline_format_netcdf::writer();
    run::main::<words::Words>(Arc::new(GroupbyPlugin::new(GroupbyPluginSettings::default(), engine, writer)))
}
