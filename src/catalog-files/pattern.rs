//! Patterns of paths whose fields say which dataset a file belongs to.

use std::sync::Arc;

use globset::Glob;
use regex::bytes::{Regex, RegexBuilder};

use crate::template::{self, Part};

/// What a field matches unless its family says otherwise.
const FIELD: &str = "[^_/]+";

/// Longest regular expression of a field, in bytes.
const MAX_FIELD_BYTES: usize = 1000;

/// Most memory of one compiled expression, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Most ways in which the beginning of one path may match: several `**` make many.
const MAX_STATES: usize = 64;

/// The pattern of a path below a root: `*`, `?`, `[…]`, `{a,b}` within a name, `**` for any folders, and fields.
#[derive(Debug, Clone)]
pub(crate) struct FieldPattern {
    steps: Vec<Step>,
    n_fields: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// Any number of folders.
    AnyDepth,
    /// This name.
    Literal(String),
    /// One name.
    Name {
        regex: Regex,
        /// For each group of the expression by its name, the number of its field.
        groups: Vec<(String, usize)>,
    },
}

/// How far the beginning of a path has matched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    step: usize,
    /// Values of the fields by their numbers.
    pub(crate) values: Vec<Option<Arc<str>>>,
}

impl FieldPattern {
    /// Reads a pattern. `names` are all fields of the family, `expressions` what those match that do not match
    /// anything without `_`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(
        pattern: &str,
        names: &[String],
        expressions: &[(String, String)],
    ) -> Result<Self, String> {
        let steps = pattern
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| step(part, names, expressions))
            .collect::<Result<Vec<_>, _>>()?;
        if matches!(steps.last(), Some(Step::AnyDepth)) {
            return Err(format!("{pattern:?} ends in `**`, which names folders only; files are `**/*`"));
        }
        Ok(Self { steps, n_fields: names.len() })
    }

    /// The states in which nothing was matched yet.
    pub(crate) fn begin(&self) -> Vec<State> {
        let mut states = Vec::new();
        self.enter(State { step: 0, values: vec![None; self.n_fields] }, &mut states);
        states
    }

    /// The states after one more name of the path.
    pub(crate) fn advance(&self, states: &[State], name: &str) -> Vec<State> {
        let mut next = Vec::new();
        for state in states {
            match self.steps.get(state.step) {
                Some(Step::AnyDepth) => self.enter(state.clone(), &mut next),
                Some(Step::Literal(expected)) if expected == name => {
                    self.enter(State { step: state.step + 1, ..state.clone() }, &mut next);
                }
                Some(Step::Literal(_)) => {}
                Some(Step::Name { regex, groups }) => {
                    if let Some(values) = values(regex, groups, name, &state.values) {
                        self.enter(State { step: state.step + 1, values }, &mut next);
                    }
                }
                None => {}
            }
        }
        next
    }

    /// The only names that can come next; `None` if all have to be looked at.
    pub(crate) fn names_after(&self, states: &[State]) -> Option<Vec<&str>> {
        let name = |state: &State| match self.steps.get(state.step) {
            Some(Step::Literal(name)) => Some(name.as_str()),
            _ => None,
        };
        states.iter().map(name).collect()
    }

    /// The state among `states` in which the whole pattern has matched.
    pub(crate) fn whole<'s>(&self, states: &'s [State]) -> Option<&'s State> {
        states.iter().find(|state| state.step == self.steps.len())
    }

    fn enter(&self, state: State, states: &mut Vec<State>) {
        if states.contains(&state) || states.len() >= MAX_STATES {
            return;
        }
        if let Some(Step::AnyDepth) = self.steps.get(state.step) {
            states.push(state.clone());
            self.enter(State { step: state.step + 1, ..state }, states);
        } else {
            states.push(state);
        }
    }
}

fn step(part: &str, names: &[String], expressions: &[(String, String)]) -> Result<Step, String> {
    if part == "**" {
        return Ok(Step::AnyDepth);
    }
    if !part.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return Ok(Step::Literal(part.to_owned()));
    }
    let mut expression = "^".to_owned();
    let mut groups = Vec::new();
    for piece in template::parts(part) {
        match piece {
            Part::Text(glob) => expression.push_str(&glob_expression(glob)?),
            Part::Field(name) => {
                let number = names.iter().position(|known| known == name);
                let number = number.ok_or_else(|| format!("the field {{{name}}} is unknown"))?;
                let group = format!("thermocline_{}", groups.len());
                expression.push_str(&format!("(?P<{group}>{})", field_expression(name, expressions)?));
                groups.push((group, number));
            }
        }
    }
    expression.push('$');
    let built = RegexBuilder::new(&expression).size_limit(MAX_COMPILED_BYTES).build();
    let regex = built.map_err(|error| last_line(&error.to_string()))?;
    Ok(Step::Name { regex, groups })
}

/// The expression of a part of a name without fields.
fn glob_expression(glob: &str) -> Result<String, String> {
    let glob = Glob::new(glob).map_err(|error| error.kind().to_string())?;
    let expression = glob.regex();
    let expression = expression.strip_prefix("(?-u)^").unwrap_or(expression);
    Ok(format!("(?s-u:{})", expression.strip_suffix('$').unwrap_or(expression)))
}

/// What a field matches.
fn field_expression<'e>(name: &str, expressions: &'e [(String, String)]) -> Result<&'e str, String> {
    let Some((_, expression)) = expressions.iter().find(|(known, _)| known == name) else {
        return Ok(FIELD);
    };
    check_expression(expression)?;
    Ok(expression)
}

/// Refuses what cannot be the expression of a field: bounded in length and in memory.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_expression(expression: &str) -> Result<(), String> {
    if expression.len() > MAX_FIELD_BYTES {
        return Err(format!("it has {} bytes, more than {MAX_FIELD_BYTES}", expression.len()));
    }
    let built = RegexBuilder::new(expression).size_limit(MAX_COMPILED_BYTES).build();
    built.map(drop).map_err(|error| last_line(&error.to_string()))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

/// The values after a name; `None` if it does not match, or gives a field another value than before.
fn values(
    regex: &Regex,
    groups: &[(String, usize)],
    name: &str,
    before: &[Option<Arc<str>>],
) -> Option<Vec<Option<Arc<str>>>> {
    let captures = regex.captures(name.as_bytes())?;
    let mut values = before.to_vec();
    for (group, number) in groups {
        let value = std::str::from_utf8(captures.name(group)?.as_bytes()).ok()?;
        let slot = values.get_mut(*number)?;
        match slot {
            Some(known) if **known != *value => return None,
            Some(_) => {}
            None => *slot = Some(value.into()),
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(pattern: &str, expressions: &[(&str, &str)], path: &str) -> Option<Vec<String>> {
        let names: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
        let expressions: Vec<_> =
            expressions.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let pattern = FieldPattern::new(pattern, &names, &expressions).unwrap();
        let end = path.split('/').fold(pattern.begin(), |states, name| pattern.advance(&states, name));
        let values = pattern.whole(&end)?.values.iter();
        Some(values.map(|value| value.as_deref().unwrap_or("-").to_owned()).collect())
    }

    #[test]
    fn fields_are_what_stands_in_their_place() {
        for (pattern, path, expected) in [
            ("{a}_{b}_*.nc", "tas_Amon_2000.nc", Some(["tas", "Amon"])),
            ("{a}_{b}_*.nc", "tas_2000.nc", None),
            ("x/*/{a}.nc", "x/y/tas.nc", Some(["tas", "-"])),
            ("x/*/{a}.nc", "x/tas.nc", None),
            ("**/{a}.nc", "tas.nc", Some(["tas", "-"])),
            ("**/{a}.nc", "x/y/tas.nc", Some(["tas", "-"])),
            ("{a}/**/{b}.nc", "m/x/y/tas.nc", Some(["m", "tas"])),
            ("{a}/{a}_{b}.nc", "tas/tas_day.nc", Some(["tas", "day"])),
            ("{a}/{a}_{b}.nc", "tas/pr_day.nc", None),
            ("{a}.{nc,nc4}", "tas.nc4", Some(["tas", "-"])),
            ("{a}[0-9].nc", "tas7.nc", Some(["tas", "-"])),
            ("{a}.nc", "t+s é.nc", Some(["t+s é", "-"])),
        ] {
            let expected = expected.map(|values| values.map(str::to_owned).to_vec());
            assert_eq!(fields_of(pattern, &[], path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_field_matches_what_its_expression_says() {
        let years = [("b", "[0-9]{4}")];
        assert_eq!(
            fields_of("{a}_{b}.nc", &years, "tas_2000.nc"),
            Some(vec!["tas".to_owned(), "2000".to_owned()])
        );
        assert_eq!(fields_of("{a}_{b}.nc", &years, "tas_200.nc"), None);
        assert_eq!(
            fields_of("{a}.nc", &[("a", "x_.*")], "x_y_z.nc"),
            Some(vec!["x_y_z".to_owned(), "-".to_owned()])
        );
        // Alternatives end with their field.
        assert_eq!(fields_of("{a}.nc", &[("a", "x|y")], "x"), None);
    }

    #[test]
    fn what_cannot_be_matched_is_refused_with_the_reason() {
        let names = vec!["a".to_owned()];
        for (pattern, expression, word) in [
            ("{a}.nc", "(", "group"),
            ("{a}.nc", "\\w{1000}{1000}", "size"),
            ("{a}[.nc", "x", "class"),
            ("{a}/**", "x", "**"),
            ("{b}.nc", "x", "{b}"),
        ] {
            let expressions = [("a".to_owned(), expression.to_owned())];
            let reason = FieldPattern::new(pattern, &names, &expressions).unwrap_err();
            assert!(reason.contains(word), "{pattern}: {reason}");
        }
    }
}
