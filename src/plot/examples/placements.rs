//! Prints where the variables of all files in a folder lie, and reads one field of each.
//!
//! `cargo run -p thermocline-plot --example placements -- FOLDER`

use std::sync::Arc;
use std::time::Instant;

use thermocline_core::bytes::{ObjectSettings, Objects, Root};
use thermocline_core::catalog::{Catalog, CatalogParts, CatalogSettings, DirectoryProvider, Provider};
use thermocline_core::format::Format;
use thermocline_core::index::{IndexSettings, IndexStore};
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{ReadSettings, Reader};
use thermocline_core::reference::InProcess;
use thermocline_core::select::{Selection, resolve};
use thermocline_core::verify::VerifyLevel;
use thermocline_format_hdf5::Hdf5Format;
use thermocline_format_netcdf::NetcdfFormat;
use thermocline_model::Variable;
use thermocline_plot::{Axes, Needs, Placement, PlotSettings, Plotter, Wanted, axis_roles};
use thermocline_render::Cancel;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let formats: Vec<Arc<dyn Format>> = vec![Arc::new(NetcdfFormat), Arc::new(Hdf5Format::default())];
    let roots = vec![Root::directory(std::path::Path::new(&folder))?];
    let objects = Objects::new(roots, ObjectSettings::default(), tokio::runtime::Handle::current());
    let provider = DirectoryProvider::new(folder, Arc::clone(&objects) as _, formats.clone());
    let index = tempfile::tempdir()?;
    let catalog = Catalog::new(CatalogParts {
        providers: vec![Arc::new(provider) as Arc<dyn Provider>],
        index: Arc::new(IndexStore::open(IndexSettings::new(index.path().to_owned()))?),
        opener: Arc::clone(&objects) as _,
        formats: formats.clone(),
        references: Arc::new(InProcess),
        settings: CatalogSettings { verify: VerifyLevel::Off, ..CatalogSettings::default() },
    });
    catalog.scan().await;
    let reader = Arc::new(Reader::new(Arc::clone(&objects) as _, objects, formats, ReadSettings::default()));
    let plotter = Plotter::new(reader, PlotSettings::default());
    for id in catalog.ids() {
        match catalog.open(id.as_str()).await {
            Ok(manifest) => {
                println!("{id}");
                for (path, variable) in manifest.dataset.root.variables_below() {
                    println!(
                        "  {path} {:?} {}",
                        variable.shape,
                        show(&plotter, &manifest, &path, variable).await
                    );
                }
            }
            Err(error) => println!("{id}: {error}"),
        }
    }
    Ok(())
}

async fn show(plotter: &Plotter, manifest: &Arc<Manifest>, path: &str, variable: &Variable) -> String {
    let placement = match Placement::of(manifest, path, variable) {
        Ok(Some(placement)) => placement,
        Ok(None) => return format!("- {:?}", axis_roles(manifest, path, variable).unwrap_or_default()),
        Err(error) => return error.to_string(),
    };
    let begun = Instant::now();
    let grid = match plotter.grid(manifest, path, &placement).await {
        Ok(grid) => format!("{:?} {:?}", grid.shape(), grid.extent()),
        Err(error) => format!("GRID {error}"),
    };
    let grid_time = begun.elapsed();
    let begun = Instant::now();
    let cold = read(plotter, manifest, path, variable, &placement).await;
    let cold_time = begun.elapsed();
    let begun = Instant::now();
    let _ = read(plotter, manifest, path, variable, &placement).await;
    let warm_time = begun.elapsed();
    format!("{} | {grid} {grid_time:.1?} | {cold} {cold_time:.1?} {warm_time:.1?}", placement.key)
}

async fn read(
    plotter: &Plotter,
    manifest: &Arc<Manifest>,
    path: &str,
    variable: &Variable,
    placement: &Placement,
) -> String {
    let drawn = placement.drawn();
    let mut selection = Selection::new();
    for (axis, dim) in variable.dims.iter().enumerate() {
        if !drawn.contains(&axis) && selection.position(dim, 0).is_err() {
            return "a dimension comes twice".to_owned();
        }
    }
    let resolved = match resolve(manifest, &selection, &[format!("/{path}")]).await {
        Ok(resolved) => resolved,
        Err(error) => return format!("RESOLVE {error}"),
    };
    let Some(selected) = resolved.variables.first() else { return "nothing".to_owned() };
    let axes = Axes { selected, drawn: &drawn };
    let wanted = Wanted { statistics: true, quantiles: Some([0.02, 0.98]) };
    match plotter.read_field(manifest, &axes, Needs::All, wanted, &Cancel::new()).await {
        Ok(read) => {
            format!("{:?} {:?} {} {}", read.statistics, read.quantiles, read.n_chunks, read.bytes_read)
        }
        Err(error) => format!("READ {error}"),
    }
}
