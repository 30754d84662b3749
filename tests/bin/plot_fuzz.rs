//! Asks for plots in good, nearly good and hostile words, through the router of the server.
//!
//! ```sh
//! plot-fuzz FOLDER N [SEED]      N requests for plots of the files in FOLDER; the last line is "N passed, N failed"
//! ```
//!
//! Most pictures are small: it is the words that are tried here, not the drawing.

#[path = "fuzz/dice.rs"]
mod dice;
#[path = "fuzz/run.rs"]
mod run;
#[path = "plot_fuzz/words.rs"]
mod words;

use std::sync::Arc;

use thermocline_serve_plot::PlotPlugin;

fn main() -> Result<(), run::Failure> {
    run::main::<words::Words>(Arc::new(PlotPlugin::default()))
}
