//! Plots of groupby results: `groupby=time.month&action=mean` and the options of groupby beside those of the plot.
//!
//! The result is planned from metadata and coordinates alone, so that its plot has an entity tag, a canonical address and a
//! page before anything is computed; then it is computed by the engine that the diagnostics share, and drawn like any other
//! dataset.
//!
//! # Words
//! `bins` is an option of both: a whole number is the bars of a histogram, edges and `n:10` are the intervals of groupby.
//! A selection names a dimension or coordinate of the result, if it has one of that name, and takes a part of the result:
//! `month=7`, `lat=-30:30`. Everything else selects of the source, before it is grouped: `time=2000:2009`. A box selects of
//! the result as long as that has the latitudes and longitudes. `source=time=2000:2009` and `source=isel=time=0:10` select of
//! the source even if the result has that dimension, as after resampling and for anomalies; canonical addresses say it so.

mod split;
mod title;

use std::sync::Arc;

use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::read::Reader;
use thermocline_core::select::resolve;
use thermocline_core::{Result as CoreResult, jobs};
use thermocline_groupby::{Action, Described, Engine, Plan as GroupbyPlan, Request as GroupbyRequest};
use thermocline_groupby::{Failure as GroupbyFailure, Grouped};
use thermocline_plot::{Derivation, Failure, Format, PathForm, Plan, Plotter, Request};
use thermocline_render::Cancel;

use split::Split;

/// The words of a plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'w> {
    /// Name or path of the variable in its group.
    pub(crate) variable: &'w str,
    pub(crate) format: Format,
    /// Those of Cloudify's path. They select of what is drawn.
    pub(crate) path: Option<&'w PathForm>,
    pub(crate) pairs: &'w [(String, String)],
}

impl Words<'_> {
    fn request(&self, variable: &str, pairs: &[(String, String)]) -> Result<Request, Failure> {
        Request::parse(variable, self.format, self.path, pairs)
    }
}

/// What is drawn: a variable, or a result that has to be computed before.
#[derive(Clone)]
pub(crate) struct Subject {
    /// The plot.
    pub(crate) plan: Plan,
    grouped: Option<Computing>,
}

/// A result that is computed.
#[derive(Clone)]
struct Computing {
    engine: Arc<Engine>,
    plan: Arc<GroupbyPlan>,
}

impl From<Plan> for Subject {
    fn from(plan: Plan) -> Self {
        Self { plan, grouped: None }
    }
}

impl Subject {
    /// Looks up what words ask for. Computes nothing.
    ///
    /// # Errors
    /// Those of planning the result and its plot.
    pub(crate) async fn of(
        engine: Option<&Arc<Engine>>,
        plotter: &Plotter,
        manifest: &Arc<Manifest>,
        words: Words<'_>,
    ) -> Result<Self, Failure> {
        let Some(split) = Split::of(words.pairs)? else {
            let request = words.request(words.variable, words.pairs)?;
            return Ok(plotter.plan(manifest, request).await?.into());
        };
        let engine = engine.ok_or_else(|| Failure::mistake("groupby is not offered by this server"))?;
        let (plan, selecting) = grouped(engine, manifest, words.variable, &split).await?;
        let result = described(&plan).await?;
        let derivation = Arc::new(derivation(&plan));
        let request = words.request(&result.variable, &[split.plot, selecting].concat())?;
        let drawn = plotter.plan_derived(&result.manifest, request, derivation).await?;
        Ok(Self { plan: drawn, grouped: Some(Computing { engine: Arc::clone(engine), plan }) })
    }

    /// The plot over the values, computed if they have to be.
    ///
    /// # Errors
    /// Those of computing; [`thermocline_core::ErrorKind::TooLarge`] for a result that reads more than a plot may, and is not
    /// kept.
    pub(crate) async fn computed(self, plotter: &Plotter, cancel: &Cancel) -> Result<Plan, Failure> {
        let Some(computing) = self.grouped else { return Ok(self.plan) };
        let grouped = plotter.in_time(cancel, computing.grouped(plotter)).await?;
        Ok(Plan { manifest: grouped.manifest, ..self.plan })
    }

    /// The objects that it needs and that are not online: `known` ones, and all others of what is selected.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::TooLarge`] for more than a plot may recall.
    pub(crate) async fn cold_objects(
        &self,
        reader: &Reader,
        known: &[Arc<str>],
    ) -> CoreResult<Vec<Arc<str>>> {
        let Some(Computing { plan, .. }) = &self.grouped else {
            return jobs::recalled::cold_objects(reader, &self.plan.manifest, &self.plan.selected, known)
                .await;
        };
        let path = format!("/{}", plan.path);
        let selected = Arc::new(resolve(&plan.manifest, &plan.request.selection, &[path]).await?);
        jobs::recalled::cold_objects(reader, &plan.manifest, &selected, known).await
    }

    /// The path of the numbers below the root of the server, of a result.
    pub(crate) fn numbers(&self) -> Option<String> {
        self.grouped.as_ref().map(|computing| computing.plan.canonical_path())
    }
}

impl Computing {
    async fn grouped(&self, plotter: &Plotter) -> Result<Grouped, Failure> {
        let (engine, plan) = (&self.engine, &self.plan);
        if let Some(kept) = engine.kept(plan).await.map_err(failure)? {
            return Ok(kept);
        }
        let estimate = engine.estimate(plotter.reader(), plan).await.map_err(failure)?;
        let n_bytes = estimate.read_bytes_online.saturating_add(estimate.read_bytes_nearline);
        let most = plotter.settings().max_read_bytes;
        if n_bytes > most {
            return Err(Failure::too_large(format!(
                "the result reads {n_bytes} bytes, and a plot at most {most}: ask for its numbers first, {}",
                plan.canonical_path()
            )));
        }
        engine.grouped(plotter.reader(), plan, &Arc::default()).await.map_err(failure)
    }
}

/// The plan of a result, and what of the words selects of the result.
async fn grouped(
    engine: &Engine,
    manifest: &Arc<Manifest>,
    variable: &str,
    split: &Split,
) -> Result<(Arc<GroupbyPlan>, Vec<(String, String)>), Failure> {
    let parse = |pairs: &[(String, String)]| {
        GroupbyRequest::parse(variable, &split.grouper, &split.action, pairs).map_err(failure)
    };
    let whole = engine.plan(manifest, parse(&split.options)?).await.map_err(failure)?;
    let (of_source, of_result) = split::assigned(&whole, &split.selecting);
    if of_source.is_empty() {
        return Ok((Arc::new(whole), of_result));
    }
    let request = parse(&[split.options.clone(), of_source].concat())?;
    Ok((Arc::new(engine.plan(manifest, request).await.map_err(failure)?), of_result))
}

/// A result without its values.
struct Bare {
    variable: String,
    manifest: Arc<Manifest>,
}

async fn described(plan: &Arc<GroupbyPlan>) -> CoreResult<Bare> {
    let plan = Arc::clone(plan);
    // Coordinates are kept with the index, in a file: reading them blocks.
    blocking(move || {
        let described = Described::of(&plan)?;
        let manifest = described.manifest(&plan, None)?;
        Ok(Bare { variable: described.variable, manifest })
    })
    .await
}

fn derivation(plan: &GroupbyPlan) -> Derivation {
    let request = &plan.request;
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut words =
        vec![named(split::GROUPBY, &request.grouper_text()), named(split::ACTION, request.action.word())];
    words.extend(split::words_of(request));
    let (before, after) = title::around(request);
    Derivation {
        path: plan.path.clone(),
        words,
        before,
        after,
        quantity: title::quantity(request),
        file_part: format!("{}_{}", request.grouper_text(), request.action.word()),
        range: title::range(request),
    }
}

/// The actions, for messages.
fn actions() -> Vec<String> {
    Action::ALL.iter().map(|(word, _)| (*word).to_owned()).collect()
}

/// Why there is no result, for whoever wanted a plot of it.
fn failure(failure: GroupbyFailure) -> Failure {
    match failure {
        GroupbyFailure::Mistake { detail, allowed } => Failure::Mistake { detail, allowed },
        GroupbyFailure::Impossible(detail) => Failure::Undrawable(detail),
        GroupbyFailure::TooLarge { detail, .. } => Failure::too_large(detail),
        GroupbyFailure::Core(error) => Failure::Core(error),
    }
}
