//! `thermocline serve`: the server's life from start to shutdown.

mod again;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use thermocline_core::ErrorKind;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{Failure, Given, SourceArgs, flag};
use crate::app::{self, Purpose, Sources};
use crate::config::{Config, Flag, Loaded, UNNAMED_PROXY};
use crate::listener::{self, Certificates};
use crate::logs::start_logs;
use crate::plugins::Registry;
use crate::shutdown::Signals;

use again::Again;

/// What to serve, and where.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Serves the one PATH without /datasets/{id} too
    #[arg(long)]
    pub(crate) single: bool,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
}

impl ServeArgs {
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = self.source.flags();
        flags.extend(self.listen.as_ref().map(|listen| flag("--listen", &["server", "listen"], listen)));
        flags
    }
}

pub(crate) fn run(registry: &Registry, given: &Given, args: ServeArgs) -> Result<ExitCode, Failure> {
    let flags = args.flags();
    let Loaded { config, file, .. } = given.load(registry, flags.clone())?;
    let sources = Sources { paths: args.source.paths, is_single: args.single, ..Sources::default() };
    // Files of a cold store can be staged without being datasets.
    if sources.paths.is_empty() && config.catalogs.dirs.is_empty() && config.cold.is_empty() {
        return Err(Failure::Usage(
            "nothing to serve: name a PATH or a --catalog, or configure a [cold.NAME] store (or try `demo`)"
                .to_owned(),
        ));
    }
    if sources.is_single && sources.paths.len() != 1 {
        return Err(Failure::Usage("--single serves one PATH".to_owned()));
    }
    let (registry, given) = (registry.clone(), given.clone());
    let reload = {
        let registry = registry.clone();
        move || Ok(given.load(&registry, flags.clone())?.config)
    };
    serve(&registry, &config, &sources, Life { greet: |_: &str| {}, reload, file })
}

/// What happens beside serving.
pub(crate) struct Life<G, R> {
    /// Called with the address once connections are accepted.
    pub(crate) greet: G,
    /// Reads the configuration again.
    pub(crate) reload: R,
    /// The file that it is read from.
    pub(crate) file: Option<PathBuf>,
}

/// Serves until a signal ends it.
pub(crate) fn serve(
    registry: &Registry,
    config: &Config,
    sources: &Sources,
    life: Life<impl FnOnce(&str), impl Fn() -> Result<Config, Failure> + Send + Sync + 'static>,
) -> Result<ExitCode, Failure> {
    start_logs(&config.server);
    let n_descriptors = raise_descriptor_limit();
    let runtime = super::runtime()?;
    let is_complete = runtime.block_on(live(registry, (config, n_descriptors), sources, life))?;
    // Blocking reads of a hung file system must not keep the process alive.
    runtime.shutdown_background();
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn live(
    registry: &Registry,
    (config, n_descriptors): (&Config, u64),
    sources: &Sources,
    life: Life<impl FnOnce(&str), impl Fn() -> Result<Config, Failure> + Send + Sync + 'static>,
) -> Result<bool, Failure> {
    let listen = config.server.listen;
    let socket = TcpListener::bind(listen)
        .await
        .map_err(|cause| Failure::because(format_args!("cannot listen on {listen}"), cause))?;
    let certificates = Certificates::open(&config.server.tls).map_err(usage)?;
    let tls = certificates.as_ref().map(Certificates::acceptor).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", socket.local_addr().unwrap_or(listen));
    let parts = app::assemble(registry, config, sources, Purpose::Recall).await.map_err(usage)?;
    let single = match sources.is_single {
        true => Some(parts.only_dataset().await.map_err(usage)?),
        false => None,
    };
    if config.has_unnamed_proxy() {
        warn!("{UNNAMED_PROXY}");
    }
    let within = config.clone().within_descriptors(n_descriptors);
    if within.server.max_connections < config.server.max_connections {
        let max_connections = within.server.max_connections;
        warn!(
            n_descriptors,
            max_connections, "fewer connections than configured: the limit of open files is too low"
        );
    }
    let app = app::start(registry, &within, single, &parts).await?;
    let (jobs, waiting, search) = (app.jobs.clone(), Arc::clone(&app.waiting), app.search.clone());
    if let Some(recalls) = &parts.recalls {
        recalls.start(&within).await.map_err(usage)?;
    }
    if let Some(jobs) = &jobs {
        jobs.start().await?;
    }
    search.start();
    let stack = thermocline_http::router::build(app)?;
    let answer = move |request| {
        let stack = stack.clone();
        async move { stack.answer(request).await }
    };

    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let again = Again::new(life.reload, &parts, &tasks);
    obey_signals(&tasks, &shutdown, &again)?;
    if let Some(file) = life.file.filter(|_| config.catalogs.watch) {
        tasks.spawn(again.watch(file, config.catalogs.scan_every.0, shutdown.clone()));
    }
    if let Some(certificates) = certificates {
        parts.reloads.show(Arc::clone(&certificates));
        tasks.spawn(certificates.watch(shutdown.clone()));
    }
    let catalog = Arc::clone(&parts.catalog);
    tasks.spawn(async move { catalog.start().await });
    tasks.spawn(Arc::clone(&parts.missing_rules).watch(shutdown.clone()));
    if let (Some(harvests), Some(jobs)) = (parts.harvests.clone(), jobs.clone()) {
        let is_ending = shutdown.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = harvests.keep(&jobs) => {}
                () = is_ending.cancelled() => {}
            }
        });
    }
    let is_ending = shutdown.clone();
    // Whoever waits for what comes after the end is told at once.
    tasks.spawn(async move {
        is_ending.cancelled().await;
        waiting.end();
    });
    info!(%address, "listening");
    (life.greet)(&address);
    let is_complete = listener::serve((socket, tls), answer, &within.server, &tasks, shutdown).await;
    search.shut_down().await;
    parts.catalog.shut_down().await;
    // Jobs go on after the next start.
    if let Some(jobs) = &jobs {
        jobs.shut_down().await;
    }
    if let Some(recalls) = &parts.recalls {
        recalls.shut_down().await;
    }
    tasks.close();
    if is_complete {
        info!("every request was answered");
    } else {
        warn!("the grace period is over, running requests are cut off");
    }
    Ok(is_complete)
}

/// What the user has to write differently.
fn usage(error: thermocline_core::Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidInput => Failure::Usage(error.to_string()),
        _ => error.into(),
    }
}

/// Ends the server, and reads its configuration again, when it is told to.
fn obey_signals<R: Fn() -> Result<Config, Failure> + Send + Sync + 'static>(
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
    again: &Arc<Again<R>>,
) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(|cause| Failure::because("cannot listen to signals", cause))?;
    let again = Arc::clone(again);
    tasks.spawn(signals.obey(shutdown.clone(), move || again.begin()));
    Ok(())
}

/// Allows as many open files as the system permits, and says how many: connections and archive files share them.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(%error, limit = limit.current, "the limit of open files stays as it is");
            limit.current
        }
    };
    now.unwrap_or(u64::MAX)
}
