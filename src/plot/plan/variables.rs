//! The variables that take part in a plot.

use thermocline_core::Error;
use thermocline_core::manifest::Manifest;
use thermocline_model::Variable;
use thermocline_model::cf::{Scope, along};

use crate::options::{Options, shown};
use crate::{Failure, Kind, Request};

/// The variables that take part in a plot.
pub(super) struct Variables {
    /// Path of the plotted one.
    pub path: String,
    /// Paths of all, the plotted one first.
    pub paths: Vec<String>,
    /// Path of the one that it is drawn against.
    pub pair: Option<String>,
    /// Name of the northward component.
    pub northward: Option<String>,
}

/// Parts of standard names by which the northward component of an eastward one is found.
const COMPONENTS: [(&str, &str); 3] =
    [("eastward", "northward"), ("x_wind", "y_wind"), ("x_velocity", "y_velocity")];

impl Variables {
    /// Those of a request; `options` are its own with those of the catalog.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`] for a plotted variable that does not exist, [`Failure::Mistake`] for other
    /// names, [`Failure::Undrawable`] for texts.
    pub(super) fn of(manifest: &Manifest, request: &Request, options: &Options) -> Result<Self, Failure> {
        let is_quiver = options.kind == Some(Kind::Quiver);
        let named = if is_quiver { options.u.as_deref() } else { None };
        let (path, variable) = found(manifest, request.group(), &request.variable)?;
        check_names(manifest, request, &path, variable)?;
        let mut variables = Self { paths: vec![], path, pair: None, northward: None };
        if let Some(u) = named {
            (variables.path, _) = other(manifest, request.group(), "u", u)?;
        }
        if is_quiver {
            let (name, path) = northward(manifest, (request.group(), options.v.as_deref()), &variables.path)?;
            apart("v", &name, &path, &variables.path)?;
            variables.northward = Some(name);
            variables.paths.push(path);
        } else if let Some(x) = options.x.as_deref().filter(|x| !along(variable).iter().any(|dim| dim == x))
            && matches!(options.kind, None | Some(Kind::Scatter))
        {
            let (path, _) = other(manifest, request.group(), "x", x)?;
            apart("x", x, &path, &variables.path)?;
            variables.pair = Some(path.clone());
            variables.paths.push(path);
        }
        variables.paths.insert(0, variables.path.clone());
        // Names are looked up from the root, whatever group is selected.
        variables.paths.iter_mut().for_each(|path| path.insert(0, '/'));
        Ok(variables)
    }
}

/// The path that a name means in a group.
pub(super) fn path_of(group: &str, name: &str) -> String {
    match name.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None if group.is_empty() => name.to_owned(),
        None => format!("{group}/{name}"),
    }
}

/// The path of the group that a variable lies in; empty for the root.
pub(crate) fn group_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Path and variable of a name in a group.
fn found<'m>(manifest: &'m Manifest, group: &str, name: &str) -> Result<(String, &'m Variable), Failure> {
    let path = path_of(group, name);
    let missing = || Error::not_found(format!("Variable '{}' not found in dataset", shown(name)));
    let refusal = manifest.dataset.refusals.iter().find(|refusal| refusal.path.trim_matches('/') == path);
    if let Some(refusal) = refusal {
        return Err(Error::not_found(format!("Variable '{name}' is not served: {}", refusal.reason)).into());
    }
    let variable = manifest.dataset.root.variable(&path).ok_or_else(missing)?;
    if !variable.dtype.is_number() {
        return Err(Failure::Undrawable(format!("variable '{name}' has no numbers and cannot be drawn")));
    }
    Ok((path, variable))
}

/// A variable that an option names.
fn other<'m>(
    manifest: &'m Manifest,
    group: &str,
    option: &str,
    name: &str,
) -> Result<(String, &'m Variable), Failure> {
    found(manifest, group, name).map_err(|failure| match failure {
        Failure::Core(_) => {
            Failure::mistake(format!("{option}={} is no variable nor dimension of the dataset", shown(name)))
        }
        failure => failure,
    })
}

/// Refuses a variable that an option names beside itself.
fn apart(option: &str, name: &str, path: &str, plotted: &str) -> Result<(), Failure> {
    if path != plotted {
        return Ok(());
    }
    Err(Failure::mistake(format!(
        "{option}={} is the plotted variable itself; name another one",
        shown(name)
    )))
}

/// Refuses words of the query that are neither options nor names by which the variable can be selected.
fn check_names(
    manifest: &Manifest,
    request: &Request,
    path: &str,
    variable: &Variable,
) -> Result<(), Failure> {
    let group = group_of(path);
    let scope = Scope::at(&manifest.dataset.root, group);
    for name in request.selected_names() {
        let is_dim = along(variable).iter().any(|dim| dim == name);
        let is_coordinate = scope.as_ref().is_some_and(|scope| scope.named(name).is_some());
        if !is_dim && !is_coordinate {
            let options = Options::all().iter().map(|spec| spec.name.to_owned());
            let selecting = ["sel", "isel", "bbox", "group"].map(str::to_owned);
            return Err(Failure::Mistake {
                detail: format!("{} is neither an option nor a dimension of the variable", shown(name)),
                allowed: options.chain(selecting).chain(along(variable).iter().cloned()).collect(),
            });
        }
    }
    Ok(())
}

/// Name and path of the northward component: the option `v`, or the variable whose standard name is that of the eastward
/// one with `northward` in it.
fn northward(
    manifest: &Manifest,
    (within, named): (&str, Option<&str>),
    eastward: &str,
) -> Result<(String, String), Failure> {
    if let Some(v) = named {
        let (path, _) = other(manifest, within, "v", v)?;
        return Ok((v.to_owned(), path));
    }
    let (group, _) = eastward.rsplit_once('/').unwrap_or(("", eastward));
    let standard_name = manifest.dataset.root.variable(eastward).and_then(|u| u.attrs.text("standard_name"));
    let siblings =
        manifest.dataset.root.group(group).map(|group| group.variables.as_slice()).unwrap_or_default();
    let wanted = COMPONENTS.iter().filter_map(|(east, north)| {
        let standard_name = standard_name.filter(|name| name.contains(east))?;
        let wanted = standard_name.replace(east, north);
        siblings.iter().find(|sibling| sibling.attrs.text("standard_name") == Some(wanted.as_str()))
    });
    let found = wanted
        .into_iter()
        .next()
        .ok_or_else(|| Failure::mistake("v is missing: arrows need the northward component as v=variable"))?;
    let path = if group.is_empty() { found.name.clone() } else { format!("{group}/{}", found.name) };
    Ok((found.name.clone(), path))
}
