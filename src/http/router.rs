//! Puts the routes of all plugins together, behind what every answer has.
//!
//! # Order
//! A request passes [`Front`]: CORS, request id, trailing slash, limits, catching of panics, compression,
//! problems, metrics. It is one function instead of a stack of layers, because a chunk passes through it
//! tens of thousands of times a second. Behind it stand the plugins' own layers and axum's router.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::MethodRouter;
use thermocline_core::Error;
use tower::service_fn;

use crate::{AppState, Problem};

mod compress;
mod cors;
mod finish;
mod front;
mod metrics;
mod table;

use front::Front;
use table::{Entry, Table};

/// Below which path the routes of a dataset are.
pub(crate) const DATASET_PREFIX: &str = "/datasets/{dataset_id}";

/// The whole server as one router.
///
/// Metrics are those of the recorder that is installed when this is called. Proxies are recognised if
/// the router is served with `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// # Errors
/// Two plugins claim one path and method, or a path cannot be routed: the message names them.
pub fn build(app: AppState) -> Result<Router, Error> {
    let Table { entries } = Table::of(&app)?;
    let front = Front::new(&app, &entries)?;
    let mut router = Router::new().fallback(no_such_route);
    for Entry { path, plugin, handler, .. } in entries {
        router = add(router, &path, handler).map_err(|cause| {
            Error::internal(format!("plugin \"{plugin}\": the path {path} cannot be routed: {cause}"))
        })?;
    }
    let mut router = router.with_state(Arc::clone(&app));
    for plugin in app.running() {
        router = plugin.layer(router);
    }
    let front = Arc::new(front.before(router));
    let service = service_fn(move |request: Request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    Ok(Router::new().fallback_service(service))
}

/// A path below a prefix; the path `/` is the prefix itself.
pub(crate) fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", path) => path.to_owned(),
        (prefix, "/") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}{path}"),
    }
}

/// Adds a route. axum panics on what it cannot route; here it is an error.
fn add(
    router: Router<AppState>,
    path: &str,
    handler: MethodRouter<AppState>,
) -> Result<Router<AppState>, String> {
    catch_unwind(AssertUnwindSafe(|| router.route(path, handler))).map_err(|panic| panic_text(panic.as_ref()))
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

async fn no_such_route(request: Request) -> Problem {
    Problem::not_found(format!("No resource at '{}'", request.uri().path()))
}

#[cfg(test)]
mod tests;
