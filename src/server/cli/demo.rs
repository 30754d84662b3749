//! `thermocline demo`: serves the small data set that comes with the program.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::serve::Life;
use super::{Failure, Given, flag};
use crate::app::Sources;
use crate::config::{Config, Flag};
use crate::plugins::Registry;

/// Names and bytes of the files; `demo/README.md` says where they come from.
const FILES: [(&str, &[u8]); 3] = [
    ("air_temperature.nc", include_bytes!("../demo/air_temperature.nc")),
    ("sea_surface_temperature.nc", include_bytes!("../demo/sea_surface_temperature.nc")),
    ("winds.nc", include_bytes!("../demo/winds.nc")),
];

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
    let config = load(registry, given, flags.clone())?;
    let folder = config.state.dir().join("demo");
    write_files(&folder)
        .map_err(|cause| Failure::because(format_args!("cannot write {}", folder.display()), cause))?;
    let sources = Sources { paths: vec![folder.to_string_lossy().into_owned()], is_single: false };
    let reload = {
        let (registry, given) = (registry.clone(), given.clone());
        move || load(&registry, &given, flags.clone())
    };
    let life = Life { greet: |address: &str| println!("{}", greeting(address)), reload };
    super::serve::serve(registry, &config, &sources, life)
}

/// The configuration without its data: the demonstration shows its own files and nothing else.
fn load(registry: &Registry, given: &Given, flags: Vec<Flag>) -> Result<Config, Failure> {
    let mut config = given.load(registry, flags)?.config;
    config.catalogs.dirs.clear();
    config.roots.clear();
    Ok(config)
}

/// Writes the files that are not there yet.
fn write_files(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if fs::metadata(&path).is_ok_and(|known| known.len() == bytes.len() as u64) {
            continue;
        }
        let unfinished = folder.join(format!(".{name}.tmp"));
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

fn greeting(address: &str) -> String {
    let n_files = FILES.len();
    format!(
        "
Thermocline serves {n_files} files at {address} (stop with Ctrl-C).

Paste into Python (without xarray: python3 -m venv env && env/bin/pip install xarray zarr fsspec aiohttp requests,
then env/bin/python):

import xarray as xr
ds = xr.open_zarr(\"{address}/datasets/sea_surface_temperature/zarr-v2\")
print(ds.sea_surface_temperature.mean().values)
"
    )
}
