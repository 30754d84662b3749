//! `thermocline demo`: serves the small data set that comes with the program, from disk and from a simulated tape
//! library.
//!
//! Everything lies in a folder of its own, which goes with the process: each demonstration begins cold. Whoever can
//! reach it may stage; who sits at the machine may also evict.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::serve::Life;
use super::{Failure, Given, flag};
use crate::app::{self, Purpose, Sources};
use crate::config::{ColdConfig, Config, Flag, RootConfig, Span};
use crate::plugins::Registry;

/// Names and bytes of the files; `demo/README.md` says where they come from.
const FILES: [(&str, &[u8]); 3] = [
    ("air_temperature.nc", include_bytes!("../demo/air_temperature.nc")),
    ("sea_surface_temperature.nc", include_bytes!("../demo/sea_surface_temperature.nc")),
    ("winds.nc", include_bytes!("../demo/winds.nc")),
];

/// Folder of the files, below the folder of the demonstration.
const ARCHIVE: &str = "archive";

/// Folder of those on tape, below it; and name of the root.
const TAPE: &str = "tape";

/// Name of the cold store.
const LIBRARY: &str = "library";

/// Where to serve the demonstration.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
}

pub(crate) fn run(registry: &Registry, given: &Given, args: DemoArgs) -> Result<ExitCode, Failure> {
    let listen = args.listen.as_ref().map(|listen| flag("--listen", &["server", "listen"], listen));
    let flags: Vec<Flag> = listen.into_iter().collect();
    let home = tempfile::Builder::new().prefix("thermocline-demo-").tempdir();
    let home = home.map_err(|cause| Failure::because("no temporary folder", cause))?;
    let archive = home.path().join(ARCHIVE);
    for folder in [archive.clone(), archive.join(TAPE)] {
        write_files(&folder)
            .map_err(|cause| Failure::because(format_args!("cannot write {}", folder.display()), cause))?;
    }
    let sources = Sources { paths: vec![archive.to_string_lossy().into_owned()], ..Sources::default() };
    let config = load(registry, given, flags.clone(), home.path())?;
    index(registry, &config, &sources)?;
    let reload = {
        let (registry, given, home) = (registry.clone(), given.clone(), home.path().to_owned());
        move || load(&registry, &given, flags.clone(), &home)
    };
    let life = Life { greet: |address: &str| println!("{}", greeting(address)), reload, file: None };
    super::serve::serve(registry, &config, &sources, life)
}

/// The configuration without its data: the demonstration shows its own files and nothing else.
fn load(registry: &Registry, given: &Given, flags: Vec<Flag>, home: &Path) -> Result<Config, Failure> {
    let mut config = given.load(registry, flags)?.config;
    config.catalogs.dirs.clear();
    config.cold.clear();
    config.roots.clear();
    let tape = RootConfig { path: Some(home.join(ARCHIVE).join(TAPE)), ..RootConfig::default() };
    config.roots.insert(TAPE.to_owned(), tape);
    config.cold.insert(LIBRARY.to_owned(), library());
    config.state.dir = Some(home.join("state"));
    config.state.index_dir = Some(home.join("index"));
    config.state.cache_dir = Some(home.join("cache"));
    config.staging.staged_files_dir = Some(home.join("staged"));
    // Nobody else comes whose files could be gathered.
    config.staging.mount_after = Span::seconds(1);
    config.staging.anonymous = true;
    config.staging.anonymous_administers = config.server.listen.ip().is_loopback();
    Ok(config)
}

/// A library with one drive and a tape for each file, fast enough to be watched: a few seconds for a recall.
fn library() -> ColdConfig {
    let keys = toml::toml! {
        drives = 1
        speed = 20
        poll_every = "200ms"
        tape_fill = "1 kB"
    };
    ColdConfig { kind: "simulated".to_owned(), roots: vec![TAPE.to_owned()], keys }
}

/// Indexes what is about to go to tape: nothing cold is ever recalled for its index alone.
fn index(registry: &Registry, config: &Config, sources: &Sources) -> Result<(), Failure> {
    let mut config = config.clone();
    config.cold.clear();
    super::runtime()?.block_on(async {
        let parts = app::assemble(registry, &config, sources, Purpose::Look).await?;
        parts.catalog.scan().await;
        for id in parts.catalog.ids() {
            parts.catalog.open(id.as_str()).await?;
        }
        parts.catalog.shut_down().await;
        Ok(())
    })
}

/// Writes the files.
fn write_files(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in FILES {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

fn greeting(address: &str) -> String {
    let n_files = FILES.len();
    let program = std::env::args().next().unwrap_or_else(|| "thermocline".to_owned());
    format!(
        "
Thermocline serves {n_files} files at {address} (stop with Ctrl-C), and the same files from a simulated tape library.

Paste into Python (without xarray: python3 -m venv env && env/bin/pip install xarray zarr fsspec aiohttp requests,
then env/bin/python):

import xarray as xr
ds = xr.open_zarr(\"{address}/datasets/sea_surface_temperature/zarr-v2\")
print(ds.sea_surface_temperature.mean().values)

On tape: it opens at once, reading waits some seconds for the recall, and is fast from then on:

ds = xr.open_zarr(\"{address}/datasets/tape.sea_surface_temperature/zarr-v2\")
print(ds.sea_surface_temperature.mean().values)

Or staged beforehand, with a progress bar; and made cold again:

{program} stage {address}/datasets/tape.winds --dry-run
{program} stage {address}/datasets/tape.winds
{program} evict --all --server {address}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_of_the_demonstration_has_keys_that_it_knows() {
        let library = library();
        assert_eq!(Registry::builtin().check_store(&library.kind, &library.keys), Ok(()));
    }
}
