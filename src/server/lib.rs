//! Thermocline: opens HDF5, NetCDF and Zarr archives where they lie and serves them over HTTP.
//!
//! This crate puts the others together: the command line, the configuration, the list of plugins,
//! the server's life from start to shutdown. It holds no logic of its own.
//!
//! A server with a private plugin is a program of a few lines:
//! ```no_run
//! # struct Mine;
//! # impl thermocline_http::ServePlugin for Mine { fn id(&self) -> &'static str { "mine" } }
//! fn main() -> std::process::ExitCode {
//!     thermocline::run(thermocline::Registry::builtin().with(Mine))
//! }
//! ```

mod app;
mod cli;
pub mod config;
mod listener;
mod logs;
mod plugins;
mod shutdown;

use std::process::ExitCode;

pub use plugins::{ColdKind, Registry};

/// Runs the command that the process was started with; the `main` of every server.
///
/// Call it first thing in `main`, before any thread: it sets a variable of the environment for libhdf5.
pub fn run(registry: Registry) -> ExitCode {
    if std::env::var_os("HDF5_USE_FILE_LOCKING").is_none() {
        // SAFETY: nothing has started a thread yet, as the documentation of this function asks.
        // Without it libhdf5 refuses files on read-only and many network file systems.
        unsafe { std::env::set_var("HDF5_USE_FILE_LOCKING", "FALSE") };
    }
    // An error means that a host program has chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::run(&registry, std::env::args_os().collect())
}
