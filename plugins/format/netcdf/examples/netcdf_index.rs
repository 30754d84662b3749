//! Prints what indexing NetCDF-3 files gives, and what libnetcdf says of every chunk.
//!
//! `cargo run -p thermocline-format-netcdf --example netcdf_index -- FILE…`

use std::path::Path;

use thermocline_core::format::{Format, Indexed};
use thermocline_core::reference::InProcess;
use thermocline_core::verify::{VerifyLevel, verify};
use thermocline_format_netcdf::NetcdfFormat;
use thermocline_model::Variable;
use thermocline_testkit::LocalFile;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    for path in std::env::args().skip(1) {
        let file = LocalFile::open(Path::new(&path), runtime.handle())?;
        println!("{path}");
        file.with_source(|source| match NetcdfFormat.index(source) {
            Ok(mut indexed) => {
                if let Err(error) = verify(&NetcdfFormat, &InProcess, source, &mut indexed, VerifyLevel::Full)
                {
                    println!("  not verified: {error}");
                }
                print(&indexed);
            }
            Err(error) => println!("  refused: {error}"),
        });
    }
    Ok(())
}

fn print(indexed: &Indexed) {
    for (path, variable) in indexed.dataset.root.variables_below() {
        print_variable(indexed, &path, variable);
    }
    for refusal in &indexed.dataset.refusals {
        println!("  refused {}: {}", refusal.path, refusal.reason);
    }
    for note in &indexed.dataset.notes {
        println!("  note {}: {}", note.path, note.note);
    }
}

fn print_variable(indexed: &Indexed, path: &str, variable: &Variable) {
    let table = indexed.tables.get(variable.storage.table as usize);
    let places: Vec<String> =
        table.iter().flat_map(|table| table.parts()).map(|part| format!("{:?}", part.place)).collect();
    println!(
        "  {path} {:?} {:?} {:?} chunks {:?} served {:?} n {} {} {:?}",
        variable.dims,
        variable.shape,
        variable.dtype,
        variable.storage.chunk_shape,
        variable.storage.served_chunk_shape,
        table.map_or(0, |table| table.len()),
        places.join("+"),
        variable.verification,
    );
}
