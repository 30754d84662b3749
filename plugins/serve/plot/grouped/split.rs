//! Which words of a query are those of groupby, which those of the plot, and what selects of which.

use std::collections::HashSet;

use thermocline_groupby::{Options, Plan, Request};
use thermocline_model::Variable;
use thermocline_model::cf::{Horizontal, Scope, along};
use thermocline_plot::{Failure, Request as PlotRequest};

use super::actions;

/// The option that names the groupers.
pub(crate) const GROUPBY: &str = "groupby";

/// The option that names the action.
pub(crate) const ACTION: &str = "action";

/// The option that selects of the source whatever dimensions the result has: `source=time=2000:2009`.
pub(crate) const SOURCE: &str = "source";

/// The option that names the group of the variable.
const GROUP: &str = "group";

/// The option that both have.
const BINS: &str = "bins";

/// The words of a query by what they are about.
#[derive(Debug, PartialEq)]
pub(super) struct Split {
    pub(super) grouper: String,
    pub(super) action: String,
    /// Options of groupby, the group, and what selects of the source in any case.
    pub(super) options: Vec<(String, String)>,
    /// Options of the plot.
    pub(super) plot: Vec<(String, String)>,
    /// What else selects, of the source or of the result.
    pub(super) selecting: Vec<(String, String)>,
}

impl Split {
    /// The words of a plot of a result; `None` for plots of a variable.
    ///
    /// # Errors
    /// [`Failure::Mistake`] without an action, for groupers or actions that come twice, and for what does not select of the
    /// source.
    pub(super) fn of(pairs: &[(String, String)]) -> Result<Option<Self>, Failure> {
        let Some(grouper) = only(pairs, GROUPBY)? else { return Ok(None) };
        let action = only(pairs, ACTION)?.ok_or_else(|| Failure::Mistake {
            detail: "groupby needs an action, as groupby=time.month&action=mean".to_owned(),
            allowed: actions(),
        })?;
        let (mut options, mut plot, mut selecting) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in pairs {
            let part = match name.as_str() {
                GROUPBY | ACTION => continue,
                SOURCE => {
                    options.push(of_source(value)?);
                    continue;
                }
                BINS if is_whole(value) => &mut plot,
                GROUP => &mut options,
                name if Options::spec(name).is_some() => &mut options,
                name if PlotRequest::is_option(name) => &mut plot,
                _ => &mut selecting,
            };
            part.push((name.clone(), value.clone()));
        }
        Ok(Some(Self { grouper, action, options, plot, selecting }))
    }
}

/// The value of a name that comes at most once.
fn only(pairs: &[(String, String)], name: &str) -> Result<Option<String>, Failure> {
    let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(Failure::mistake(format!("{name} is given twice"))),
        (value, _) => Ok(value.cloned()),
    }
}

/// Name and value of what selects of the source.
fn of_source(words: &str) -> Result<(String, String), Failure> {
    let split = words.split_once('=').filter(|(name, _)| Options::spec(name).is_none());
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
        Failure::mistake(
            "source selects before groups are made, as source=time=2000:2009 or source=isel=time=0:10",
        )
    })
}

/// The words of a request as those of a plot of its result.
pub(super) fn words_of(request: &Request) -> Pairs {
    let words = request.pairs().into_iter().map(|(name, value)| {
        if Options::spec(&name).is_some() || name == GROUP {
            return (name, value);
        }
        (SOURCE.to_owned(), format!("{name}={value}"))
    });
    words.collect()
}

/// True for a number of bars: groupby has at least two edges, or a number after `n:`.
fn is_whole(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit())
}

type Pairs = Vec<(String, String)>;

/// What selects of the source, and what of the result of a plan without selections.
pub(super) fn assigned(plan: &Plan, selecting: &[(String, String)]) -> (Pairs, Pairs) {
    let known = Known::of(plan);
    selecting.iter().cloned().partition(|(name, value)| {
        let of_result = match name.as_str() {
            "bbox" => known.has_places,
            "sel" | "isel" => known.has(value.split_once('=').map_or(value.as_str(), |(dim, _)| dim)),
            name => known.has(name),
        };
        !of_result
    })
}

/// The names of a result.
struct Known<'p> {
    dims: HashSet<&'p str>,
    scope: Option<Scope<'p>>,
    has_places: bool,
}

impl<'p> Known<'p> {
    fn of(plan: &'p Plan) -> Self {
        let dims: HashSet<&str> = plan.dims.iter().map(|dim| plan.dim_name(dim)).collect();
        let group = plan.path.rsplit_once('/').map_or("", |(group, _)| group);
        let scope = Scope::at(&plan.manifest.dataset.root, group);
        let places = plan
            .variable()
            .zip(scope.as_ref())
            .and_then(|(variable, scope)| Horizontal::of(variable, scope, &Horizontal::candidates(scope)));
        let stays = |variable: &Variable| along(variable).iter().all(|dim| dims.contains(dim.as_str()));
        let has_places = places.is_some_and(|places| stays(places.latitude) && stays(places.longitude));
        Self { dims, scope, has_places }
    }

    /// True for a dimension of the result, and for a coordinate along some of them.
    fn has(&self, name: &str) -> bool {
        let coordinate = || self.scope.as_ref().and_then(|scope| scope.named(name));
        let stays = |variable: &Variable| {
            let dims = along(variable);
            !dims.is_empty() && dims.iter().all(|dim| self.dims.contains(dim.as_str()))
        };
        self.dims.contains(name) || coordinate().is_some_and(stays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Pairs {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn words_go_to_groupby_to_the_plot_or_select() {
        let query =
            "groupby=lat&cmap=magma&action=mean&bins=n:4&bins=20&group=/a&isel=lon=1&over=lon&by=x&time=2000";
        let split = Split::of(&pairs(query)).unwrap().unwrap();
        assert_eq!((split.grouper.as_str(), split.action.as_str()), ("lat", "mean"));
        assert_eq!(split.options, pairs("bins=n:4&group=/a&over=lon"));
        assert_eq!(split.plot, pairs("cmap=magma&bins=20&by=x"));
        assert_eq!(split.selecting, pairs("isel=lon=1&time=2000"));
    }

    #[test]
    fn the_words_of_a_request_select_of_its_source() {
        let words = pairs(
            "group=a&source=bbox=0,0,9,9&source=isel=lat=1&source=sel=q=3&source=time=2000:2009&over=lon",
        );
        let query = [pairs("groupby=time&action=mean&freq=MS"), words].concat();
        let split = Split::of(&query).unwrap().unwrap();
        assert!(split.selecting.is_empty() && split.plot.is_empty());
        let request = Request::parse("tas", &split.grouper, &split.action, &split.options).unwrap();
        let again = [pairs("groupby=time&action=mean"), words_of(&request)].concat();
        let again = Split::of(&again).unwrap().unwrap();
        assert_eq!(Request::parse("tas", "time", "mean", &again.options).unwrap(), request);
    }

    #[test]
    fn what_does_not_select_is_not_of_the_source() {
        for query in ["source=time", "source=over=lon", "source="] {
            let query = format!("groupby=time.month&action=mean&{query}");
            assert!(matches!(Split::of(&pairs(&query)), Err(Failure::Mistake { .. })), "{query}");
        }
    }

    #[test]
    fn without_groupby_nothing_is_split() {
        assert_eq!(Split::of(&pairs("action=mean&q=1")).unwrap(), None);
    }

    #[test]
    fn groupby_needs_one_action() {
        for query in
            ["groupby=time.month", "groupby=a&groupby=b&action=mean", "groupby=a&action=mean&action=max"]
        {
            assert!(matches!(Split::of(&pairs(query)), Err(Failure::Mistake { .. })), "{query}");
        }
    }
}
