//! `thermocline catalog export`: catalogs as files, with the bytes that a server under the same address sends.
//!
//! Nothing is known here of what plugins serve: documents are found by following links from the entry points, and
//! asked for from the real router, in this process. Nothing is recalled.
//!
//! What anybody sees without credentials is exported: datasets that access rules keep from the public are left out, and
//! that is told.
//!
//! Documents of a single dataset that cannot be had are left out, and told; without a catalog that others lead to,
//! nothing is exported.
//!
//! # Limits
//! Pages of answers (`…/items`), searches, pages for people and the data are not written.

mod crawl;
mod links;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::http::HeaderMap;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use thermocline_http::{App, Identity};

use super::super::{Failure, Given, SourceArgs, flag, index, runtime};
use crate::app::{self, Parts, Purpose, Sources};
use crate::config::Config;
use crate::plugins::Registry;

use crawl::{Crawl, Exported};
use tree::Tree;

/// Where to write what.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// Folder to write; one that exists has to be empty, or an earlier export, which is replaced
    dir: PathBuf,
    /// Address under which the folder will be served, and the data by `thermocline serve`
    #[arg(long, value_name = "URL")]
    base_url: String,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(registry: &Registry, given: &Given, args: ExportArgs) -> Result<ExitCode, Failure> {
    let mut flags = args.source.flags();
    flags.push(flag("--base-url", &["server", "public_url"], &args.base_url));
    let config = given.load(registry, flags)?.config;
    if args.source.paths.is_empty() && config.catalogs.dirs.is_empty() {
        return Err(Failure::Usage("nothing to export: name a PATH or a --catalog".to_owned()));
    }
    let tree = Tree::beside(&args.dir)?;
    let sources = Sources { paths: args.source.paths, ..Sources::default() };
    let runtime = runtime()?;
    let exported = runtime.block_on(export(registry, &config, &sources, tree))?;
    let Exported { tree, n_documents, n_bytes, unreachable } = exported;
    for (link, reason) in &unreachable.named {
        eprintln!("{link}: {reason}");
    }
    let (n_unreachable, dir) = (unreachable.n, args.dir.display());
    if unreachable.is_any_catalog {
        let message = format!("{n_unreachable} links lead nowhere: nothing was put into {dir}");
        return Err(Failure::Failed(message));
    }
    tree.replace(&args.dir)?;
    println!("{n_documents} documents, {n_bytes} bytes in {dir}");
    if n_unreachable > 0 {
        eprintln!("{n_unreachable} documents of single datasets are missing there");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(
    registry: &Registry,
    config: &Config,
    sources: &Sources,
    tree: Tree,
) -> Result<Exported, Failure> {
    let mut parts = app::assemble(registry, config, sources, Purpose::Look).await?;
    let copied = copy_summaries(config).await?;
    parts.summaries = copied.as_ref().map(|folder| folder.path().to_owned());
    index_all(&parts, config).await;
    let app = app::start(registry, config, None, &parts).await?;
    app.search.refresh().await?;
    let n_items = tell_what_is_seen(&app).await?;
    let base = app.config.public_url.clone().unwrap_or_default();
    let stack = thermocline_http::router::build(Arc::clone(&app))?;
    let exported = Crawl::new(stack, &base).run(tree, &progress(n_items)).await;
    parts.catalog.shut_down().await;
    exported
}

/// How many datasets anybody sees; says so if there are others.
async fn tell_what_is_seen(app: &App) -> Result<u64, Failure> {
    let n_all = app.catalog.ids().len();
    let view = Identity::seen_by(app, &HeaderMap::new(), None).view;
    let n_seen = app.catalog.ids_seen_by(&view).len();
    if n_seen < n_all {
        let n_hidden = n_all - n_seen;
        eprintln!("{n_hidden} of {n_all} datasets are left out: access rules keep them from the public");
    }
    Ok(app.search.seen_by(&view).await?.n_items())
}

/// A copy of the summaries that the server keeps: they say since when it knows its datasets. `None` if there are none.
async fn copy_summaries(config: &Config) -> Result<Option<TempDir>, Failure> {
    let from = config.state.dir().to_owned();
    let copied = tokio::task::spawn_blocking(move || -> Result<Option<TempDir>, Failure> {
        let folder = tempfile::tempdir().map_err(|cause| Failure::because("cannot make a folder", cause))?;
        let has_any = thermocline_search::copy_summaries(&from, folder.path())?;
        Ok(has_any.then_some(folder))
    });
    copied.await.map_err(|cause| Failure::because("copying summaries broke off", cause))?
}

/// Indexes what is not indexed yet, and says what cannot be.
async fn index_all(parts: &Parts, config: &Config) {
    parts.catalog.scan().await;
    for problem in parts.catalog.problems() {
        eprintln!("{problem}");
    }
    for (id, reason) in index::index_all_of(parts, config).await {
        eprintln!("{id}: {reason}");
    }
}

fn progress(n_items: u64) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let template = format!("{{spinner}} {{pos}} documents of {n_items} datasets {{elapsed_precise}} {{msg}}");
    bar.set_style(
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar
}
