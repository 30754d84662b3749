//! HTTP for plugins: how a route is declared, how a dataset is found, how an answer is sent.

mod app;
pub mod conditional;
mod extract;
pub mod links;
mod plugin;
mod problem;

pub use app::{App, AppState, HttpConfig};
pub use extract::OpenDataset;
pub use plugin::{AccessMethod, Health, Operation, Parameter, PluginStatus, Route, ServePlugin};
pub use problem::Problem;
