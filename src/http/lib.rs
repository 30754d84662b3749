//! HTTP for plugins: how a route is declared, how a dataset is found, how an answer is sent.
//!
//! A plugin writes handlers over [`OpenDataset`], [`conditional`] and [`Problem`] and declares them as
//! [`Route`]s; [`router::build`] puts the plugins together and adds what every answer has: CORS,
//! request ids, compression, metrics, and problems for whatever goes wrong.

mod app;
pub mod bodies;
pub mod catalogs;
pub mod clients;
pub mod conditional;
mod extract;
pub mod hold;
pub mod html;
pub mod idempotency;
pub mod identity;
pub mod jobs;
mod keys;
pub mod lifetime;
pub mod links;
pub mod lists;
pub mod live;
pub mod negotiate;
pub mod openapi;
pub mod ordering;
mod plugin;
pub mod prefer;
pub mod problem;
pub mod query;
pub mod router;
pub mod sse;
mod waiting;

pub use app::{AddressRule, App, AppState, HttpConfig, THIS_MACHINE};
pub use extract::{DatasetName, DatasetPath, OpenDataset, find_group, find_variable};
pub use identity::{Identity, MayAdminister, MayStage};
pub use keys::{KeyHandler, KeyRequest, KeyRoute};
pub use plugin::{
    AccessMethod, Health, Operation, Parameter, PluginStatus, Route, ServePlugin, with_propfind,
};
pub use problem::Problem;
pub use waiting::{Turn, Waiting};
