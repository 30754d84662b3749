//! Names of flags beside their colours.

use thermocline_model::{Attribute, Variable};
use thermocline_render::{Levels, Scale};

use crate::Plan;

/// The same scale; with the names of flags, if each of its bands has exactly one.
pub(super) fn named(plan: &Plan, mut scale: Scale) -> Scale {
    if let (Levels::Edges(edges), Some(variable)) = (&scale.levels, plan.variable()) {
        scale.names = names(variable, edges).unwrap_or_default();
    }
    scale
}

/// The meaning of the one flag within each band; `None` where a band has none or several.
fn names(variable: &Variable, edges: &[f64]) -> Option<Vec<String>> {
    let meanings: Vec<&str> = variable.attrs.text("flag_meanings")?.split_whitespace().collect();
    let Some(Attribute::Numbers { values, .. }) = variable.attrs.get("flag_values") else { return None };
    if values.len() != meanings.len() {
        return None;
    }
    let within = |low: f64, high: f64| {
        let is_within = |(number, _): &(f64, &str)| (low..high).contains(number);
        let flags = values.iter().map(|value| value.as_f64()).zip(meanings.iter().copied());
        let mut found = flags.filter(is_within);
        let (_, name) = found.next()?;
        found.next().is_none().then(|| name.replace('_', " "))
    };
    let bands = edges.windows(2).map(|pair| match pair {
        [low, high] => within(*low, *high),
        _ => None,
    });
    bands.collect()
}
