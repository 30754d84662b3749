//! Lists the datasets of a family: one for each distinct set of fields of its id.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thermocline_core::catalog::{About, DatasetSpec, SourceSpec};
use thermocline_model::DatasetId;

use crate::declare::Family;
use crate::find::{self, MADE_BY_AGGREGATE, Places};
use crate::pattern::{FieldPattern, State};
use crate::{template, walk};

/// Most names that are looked at for one family.
const MAX_LOOKED_AT: usize = 2_000_000;

/// Most datasets of one family.
const MAX_DATASETS: usize = 100_000;

/// Most files of a family with several patterns, which are remembered one by one.
const MAX_SEEN: usize = 200_000;

/// Values of the fields of an id.
type Key = Vec<Arc<str>>;

/// Files of one set of fields.
struct Group {
    n_files: usize,
    first: PathBuf,
    /// Values of all fields in which its files agree.
    values: Vec<Option<Arc<str>>>,
}

/// What the files below the roots make of a family.
#[derive(Default)]
struct Groups {
    by_key: BTreeMap<Key, Group>,
    /// Matches of several patterns, which may match a file twice.
    seen: HashSet<PathBuf>,
    too_many: Option<String>,
}

/// The datasets of a family as the files are now. A family that has none is one dataset that is refused.
/// `has_matches` says of each pattern whether files matched it, before and after.
///
/// # Errors
/// What cannot be looked at, or is away: which datasets there are is not known then.
pub(crate) fn list(
    family: &Family,
    places: &Places<'_>,
    has_matches: &mut Vec<bool>,
) -> Result<Vec<DatasetSpec>, String> {
    if let Some(reason) = &family.refused {
        return Ok(vec![refused(family, reason.clone())]);
    }
    let bases = match places.bases(family.root.as_deref()) {
        Ok(bases) => bases,
        Err(reason) => return Ok(vec![refused(family, reason)]),
    };
    let mut groups = Groups::default();
    let mut n_left = MAX_LOOKED_AT;
    has_matches.resize(family.patterns.len(), false);
    for (pattern, had_matches) in family.patterns.iter().zip(has_matches) {
        let n_matches = match groups.match_below(family, pattern, &bases, &mut n_left)? {
            Ok(n_matches) => n_matches,
            Err(reason) => return Ok(vec![refused(family, reason)]),
        };
        // Of a folder that is away for a moment an empty one may be left, or none.
        if *had_matches && n_matches == 0 {
            let text = &pattern.0;
            return Err(format!("no file matches {text:?} any more, so its last datasets stay in force"));
        }
        *had_matches = n_matches > 0;
        if let Some(reason) = groups.too_many {
            return Ok(vec![refused(family, reason)]);
        }
    }
    if groups.by_key.is_empty() {
        return Ok(vec![refused(family, format!("no file matches below {}", bases.join(", ")))]);
    }
    Ok(specs(family, groups.by_key, places))
}

impl Groups {
    /// Adds what one pattern matches below the first root that has a match, and says how much that is. The inner error
    /// refuses the family.
    fn match_below(
        &mut self,
        family: &Family,
        (text, pattern): &(String, FieldPattern),
        bases: &[String],
        n_left: &mut usize,
    ) -> Result<Result<usize, String>, String> {
        for base in bases {
            if base.contains("://") {
                let reason =
                    format!("the pattern {text:?} is below {base}; patterns there are not built yet");
                return Ok(Err(reason));
            }
            let mut n_matches = 0_usize;
            walk::walk(Path::new(base), pattern, n_left, &mut |path, state| {
                n_matches += 1;
                self.add(family, path, state);
            })?;
            if n_matches > 0 {
                return Ok(Ok(n_matches));
            }
        }
        Ok(Ok(0))
    }

    fn add(&mut self, family: &Family, path: PathBuf, state: &State) {
        if self.too_many.is_some() || (family.patterns.len() > 1 && !self.seen.insert(path.clone())) {
            return;
        }
        if self.seen.len() > MAX_SEEN {
            let reason =
                format!("its patterns match more than {MAX_SEEN} files; with one pattern it may have more");
            self.too_many = Some(reason);
            return;
        }
        let key: Option<Key> = state.values.iter().take(family.n_of_id).cloned().collect();
        let Some(key) = key else { return };
        let n_groups = self.by_key.len();
        match self.by_key.get_mut(&key) {
            Some(group) => {
                group.n_files += 1;
                for (known, other) in group.values.iter_mut().zip(&state.values) {
                    if known != other {
                        *known = None;
                    }
                }
            }
            None if n_groups >= MAX_DATASETS => {
                let reason = format!("it has more than {MAX_DATASETS} datasets; make several families of it");
                self.too_many = Some(reason);
            }
            None => {
                let group = Group { n_files: 1, first: path, values: state.values.clone() };
                self.by_key.insert(key, group);
            }
        }
    }
}

/// The datasets of the groups, in the order of their fields. Those whose id cannot be one are refused together.
fn specs(family: &Family, groups: BTreeMap<Key, Group>, places: &Places<'_>) -> Vec<DatasetSpec> {
    let mut specs: Vec<DatasetSpec> = Vec::with_capacity(groups.len());
    let mut positions: HashMap<String, usize> = HashMap::with_capacity(groups.len());
    let mut unnamed: Option<(usize, String)> = None;
    for (key, group) in groups {
        let id = filled(&family.id, family, &group);
        let Some(id) = usable_id(&id) else {
            let (n, _) = unnamed.get_or_insert((0, format!("{}, would be {id:?}", group.first.display())));
            *n += 1;
            continue;
        };
        match positions.get(id.as_str()).and_then(|position| specs.get_mut(*position)) {
            Some(first) => {
                let reason = format!("several sets of fields give this id, one of them {key:?}");
                first.source = SourceSpec::Refused(reason);
            }
            None => {
                positions.insert(id.to_string(), specs.len());
                specs.push(spec(family, id, &group, places));
            }
        }
    }
    if let Some((n, example)) = unnamed {
        let reason = format!(
            "{n} of its datasets have no id, which is letters, digits, `.`, `_` and `-`, at most 200, and \
             begins with a letter or digit: {example}"
        );
        specs.push(refused(family, reason));
    }
    specs
}

fn spec(family: &Family, id: DatasetId, group: &Group, places: &Places<'_>) -> DatasetSpec {
    let template = &family.template;
    let source = match group.n_files {
        1 => {
            let found = find::at(&group.first);
            found.unwrap_or_else(|| SourceSpec::Refused(format!("{} is gone", group.first.display())))
        }
        n => {
            let first = group.first.display();
            SourceSpec::Refused(format!(
                "{n} files have these fields, the first {first}, {MADE_BY_AGGREGATE}"
            ))
        }
    };
    let source = places.on_store(source, family.store.as_deref(), template.format.as_deref());
    let fields = family.names.iter().zip(&group.values);
    let fields = fields.filter_map(|(name, value)| Some((name.clone(), value.as_deref()?.to_owned())));
    DatasetSpec {
        id,
        title: template.title.as_deref().map(|title| filled(title, family, group)),
        description: template.description.as_deref().map(|text| filled(text, family, group)),
        source,
        about: Arc::new(About { fields: fields.collect(), ..(*template.about).clone() }),
        ..template.clone()
    }
}

/// A text with the fields of a group in their places.
fn filled(text: &str, family: &Family, group: &Group) -> String {
    template::fill(text, |name| {
        let number = family.names.iter().position(|known| known == name)?;
        group.values.get(number)?.as_deref()
    })
}

/// The id if catalog files could declare it.
fn usable_id(id: &str) -> Option<DatasetId> {
    let is_usable = id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_usable { DatasetId::new(id).ok() } else { None }
}

/// The whole family as one dataset that says why it is none.
fn refused(family: &Family, reason: String) -> DatasetSpec {
    DatasetSpec { source: SourceSpec::Refused(reason), ..family.template.clone() }
}

#[cfg(test)]
mod tests;
