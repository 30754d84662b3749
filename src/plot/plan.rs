//! What a plot will show: looked up in metadata and coordinates, without reading data.
//!
//! | Module | |
//! |---|---|
//! | [`dims`] | the dimensions of the variable with their labels |
//! | [`content`] | which of them are drawn, and as what |
//! | [`scattered`] | which places are single ones |
//! | [`positions`] | which position of the others |
//! | [`canonical`] | the same request in one form, and its entity tag |
//! | [`texts`] | titles and labels |
//!
//! # Defaults
//! Of a dimension that is neither named nor drawn: the last step of time, the first position of any other. A range along
//! a dimension that is not drawn narrows this: the last of its steps is drawn, or all of them one after the other in an
//! animation along it. Options that the request leaves open are those of the catalog's entry, as far as they agree with the
//! request, then those that the attributes of the variable suggest (see [`crate::Options`]).

mod canonical;
mod content;
mod dims;
mod levels;
mod positions;
mod scattered;
#[cfg(test)]
mod tests;
mod texts;
mod variables;

use std::sync::Arc;

use thermocline_core::ErrorKind;
use thermocline_core::manifest::{Manifest, blocking};
use thermocline_core::select::{Resolved, ResolvedVariable, resolve};
use thermocline_model::cf::along;

use crate::options::Options;
use crate::{Derivation, DerivedRange, Failure, Kind, Placement, Plotter, Request, defaults};

pub use levels::has_variable;

use content::Choosing;
use variables::Variables;

pub(crate) use variables::group_of;

pub use content::Content;
pub use dims::Dim;
pub use positions::Animation;
pub(crate) use positions::set as set_position;

/// A plot that can be drawn: the request with every choice made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The dataset.
    pub manifest: Arc<Manifest>,
    /// Path of the variable from the root.
    pub path: String,
    /// What was asked for.
    pub request: Request,
    /// The options of the request, of the catalog and of the variable's attributes together.
    pub options: Options,
    /// What is drawn.
    pub kind: Kind,
    /// Where its cells lie, of kinds that are drawn on a map.
    pub placement: Option<Placement>,
    /// What is read, of all variables that take part, axes that are neither named nor drawn set to their defaults. The
    /// first is the plotted one.
    pub selected: Arc<Resolved>,
    /// The dimensions of the variable.
    pub dims: Vec<Dim>,
    /// Which of them are drawn.
    pub content: Content,
    /// What may be chosen along each dimension that is not drawn: its positions within the selection.
    pub choices: Vec<Option<Arc<thermocline_core::select::Indices>>>,
    /// The pictures of an animation.
    pub animation: Option<Animation>,
    /// How the dataset was made, of one that is not stored so.
    pub derivation: Option<Arc<Derivation>>,
}

impl Plotter {
    /// Looks a request up in a dataset.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`] for a variable that does not exist; [`Failure::Mistake`] for what the
    /// dataset does not have; [`Failure::Undrawable`].
    pub async fn plan(&self, manifest: &Arc<Manifest>, request: Request) -> Result<Plan, Failure> {
        let request = levels::at_level(manifest, &request).unwrap_or(request);
        let catalog = catalog_options(manifest, &variables::path_of(request.group(), &request.variable));
        self.plan_by(manifest, request, &catalog).await
    }

    /// Looks a request up in a dataset that was made of the one that its id names. The range that the catalog has for the
    /// variable counts only where the values still lie there.
    ///
    /// # Errors
    /// Those of [`Plotter::plan`].
    pub async fn plan_derived(
        &self,
        manifest: &Arc<Manifest>,
        request: Request,
        derivation: Arc<Derivation>,
    ) -> Result<Plan, Failure> {
        let catalog = catalog_options(manifest, derivation.path.trim_matches('/'));
        let catalog = match derivation.range {
            DerivedRange::Kept => catalog,
            DerivedRange::Differences | DerivedRange::Other => defaults::without_range(&catalog),
        };
        let asked = defaults::with_catalog(&request.options, &catalog);
        let mut plan = self.plan_by(manifest, request, &catalog).await?;
        if derivation.range == DerivedRange::Differences && plan.kind != Kind::Quiver {
            plan.options = defaults::of_differences(&asked, plan.options);
        }
        plan.derivation = Some(derivation);
        Ok(plan)
    }

    /// Looks a request up with the options that the catalog has for it.
    async fn plan_by(
        &self,
        manifest: &Arc<Manifest>,
        request: Request,
        catalog: &Options,
    ) -> Result<Plan, Failure> {
        let options = defaults::with_catalog(&request.options, catalog);
        match self.plan_with(manifest, &request, options).await {
            // What the catalog draws does not fit what is selected.
            Err(Failure::Mistake { .. } | Failure::Undrawable(_)) if defaults::says_what(catalog) => {
                let options = defaults::with_catalog(&request.options, &defaults::without_what(catalog));
                self.plan_with(manifest, &request, options).await
            }
            planned => planned,
        }
    }

    async fn plan_with(
        &self,
        manifest: &Arc<Manifest>,
        request: &Request,
        options: Options,
    ) -> Result<Plan, Failure> {
        let variables = Variables::of(manifest, request, &options)?;
        let resolved = resolve(manifest, &request.selection, &variables.paths).await.map_err(mistaken)?;
        let metadata = Arc::clone(manifest);
        // Labels are kept with the index, in a file: reading them blocks.
        let path = variables.path.clone();
        let dims = blocking(move || {
            let variable = metadata.dataset.root.variable(&path);
            let group = group_of(&path);
            Ok(variable.map(|variable| Dim::of_variable(&metadata, group, variable)).unwrap_or_default())
        });
        planned(manifest, (request, options), variables, resolved, dims.await?)
    }
}

/// What a selection says of itself is a mistake of the request; the rest is not.
fn mistaken(error: thermocline_core::Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidInput => Failure::mistake(error.to_string()),
        _ => Failure::Core(error),
    }
}

fn planned(
    manifest: &Arc<Manifest>,
    (request, options): (&Request, Options),
    variables: Variables,
    mut resolved: Resolved,
    dims: Vec<Dim>,
) -> Result<Plan, Failure> {
    let gone = || Failure::Core(thermocline_core::Error::internal("a variable of the plot is gone"));
    let variable = manifest.dataset.root.variable(&variables.path).ok_or_else(gone)?;
    resolved.variables = in_order(&resolved.variables, &variables.paths).ok_or_else(gone)?;
    if let Some(empty) = dims.iter().find(|dim| dim.len == 0) {
        let detail =
            format!("{} holds no values: dimension {:?} has no positions", variables.path, empty.name);
        return Err(Failure::Undrawable(detail));
    }
    let mut placement = Placement::of(manifest, &variables.path, variable)?;
    let first = resolved.variables.first().ok_or_else(gone)?;
    let is_single: Vec<bool> =
        first.axes.iter().take(along(variable).len()).map(|axis| axis.is_single).collect();
    let choosing = Choosing {
        dims: &dims,
        is_single: &is_single,
        placement: placement.as_ref(),
        options: &options,
        has_pair: variables.pair.is_some(),
        is_scattered: placement
            .as_ref()
            .is_some_and(|placement| scattered::is_scattered(manifest, &variables.path, variable, placement)),
    };
    let (kind, content) = choosing.choose()?;
    if !matches!(content, Content::Map(_)) {
        placement = None;
    }
    let mut options = match kind {
        Kind::Quiver => defaults::of_arrows(&request.options, options),
        _ => defaults::suggested(options, variable),
    };
    options.kind = Some(kind);
    options.v = options.v.or(variables.northward).filter(|_| kind == Kind::Quiver);
    options.check()?;
    let choices = positions::choices(first, &content);
    positions::check_lines(first, &content)?;
    let animation = positions::animation((&options, request.format), &dims, first, &content)?;
    for variable in &mut resolved.variables {
        positions::fix(variable, &dims, &content, animation.as_ref());
    }
    same_shape(&resolved.variables)?;
    Ok(Plan {
        manifest: Arc::clone(manifest),
        path: variables.path,
        request: request.clone(),
        options,
        kind,
        placement,
        selected: Arc::new(resolved),
        dims,
        content,
        choices,
        animation,
        derivation: None,
    })
}

/// The variables in the order of their paths, whatever groups they come from.
fn in_order(variables: &[ResolvedVariable], paths: &[String]) -> Option<Vec<ResolvedVariable>> {
    let found = |path: &String| {
        let path = path.trim_start_matches('/');
        variables.iter().find(|variable| variable.path.trim_start_matches('/') == path).cloned()
    };
    paths.iter().map(found).collect()
}

/// The options of the catalog's entry for a variable. What of them cannot be read says nothing: the catalog reports it
/// where it is read.
fn catalog_options(manifest: &Manifest, path: &str) -> Options {
    let mut options = Options::default();
    let about = &manifest.spec.about;
    for defaults in about.plots.iter().filter(|defaults| defaults.variable.trim_matches('/') == path) {
        for (name, value) in &defaults.options {
            // Animations and places are asked for, one by one.
            let is_of_request = matches!(name.as_str(), "dim" | "at" | "series");
            if let Some(spec) = Options::spec(name).filter(|_| !is_of_request) {
                let _ = spec.read(value, &mut options);
            }
        }
    }
    options
}

/// Variables that are drawn together lie along the same dimensions.
fn same_shape(variables: &[ResolvedVariable]) -> Result<(), Failure> {
    let Some((first, others)) = variables.split_first() else { return Ok(()) };
    let shape = |variable: &ResolvedVariable| -> Vec<(String, u64)> {
        variable.axes.iter().map(|axis| (axis.dim.clone(), axis.len)).collect()
    };
    match others.iter().find(|other| shape(other) != shape(first)) {
        Some(other) => Err(Failure::mistake(format!(
            "{} and {} lie along different dimensions and cannot be drawn together",
            first.path, other.path
        ))),
        None => Ok(()),
    }
}
