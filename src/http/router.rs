//! Puts the routes of all plugins together, behind what every answer has.
//!
//! # Order
//! A request passes [`Front`]: CORS, other sites' pages, request id, trailing slash, limits, catching of panics, compression,
//! problems, metrics. It is one function instead of a stack of layers, because a chunk passes through it
//! tens of thousands of times a second. Behind it stand the plugins' own layers and axum's router; GET of
//! a key goes straight to its plugin if no plugin has a layer.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::MethodRouter;
use futures::FutureExt;
use futures::future::BoxFuture;
use thermocline_core::Error;
use tower::Service;

use crate::{AppState, Problem};

mod compress;
mod cors;
mod cross_site;
mod finish;
mod front;
pub(crate) mod guard;
mod metrics;
mod table;

use front::Front;
use table::{Entry, Table};

/// Below which path the routes of a dataset are.
pub(crate) const DATASET_PREFIX: &str = "/datasets/{dataset_id}";

/// Everything that answers: the routes of all plugins, and what stands before them.
///
/// Proxies are recognised if requests carry `ConnectInfo<SocketAddr>` among their extensions.
#[derive(Clone)]
pub struct Stack(Arc<Front>);

impl Stack {
    /// The answer to a request, problems included.
    pub fn answer(&self, request: Request) -> impl Future<Output = Response> + Send + '_ {
        self.0.answer(request)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

impl Service<Request> for Stack {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let stack = self.clone();
        async move { Ok(stack.answer(request).await) }.boxed()
    }
}

/// Puts the whole server together.
///
/// Metrics are those of the recorder that is installed when this is called.
///
/// # Errors
/// Two plugins claim one path and method, or a path cannot be routed: the message names them.
pub fn build(app: AppState) -> Result<Stack, Error> {
    let Table { entries } = Table::of(&app)?;
    let front = Front::new(&app, &entries)?;
    let mut router = Router::new().fallback(no_such_route);
    for Entry { path, plugin, handler, .. } in entries {
        router = add(router, &path, handler).map_err(|cause| {
            Error::internal(format!("plugin \"{plugin}\": the path {path} cannot be routed: {cause}"))
        })?;
    }
    let mut router = router.with_state(Arc::clone(&app));
    let mut is_layered = false;
    for plugin in app.running() {
        if let Some(layered) = plugin.layer(&router) {
            (router, is_layered) = (layered, true);
        }
    }
    // What a plugin wraps the stack with must see every request.
    let front = if is_layered { front.without_keys() } else { front };
    Ok(Stack(Arc::new(front.before(router))))
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
