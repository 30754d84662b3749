//! Settings of the plugin.

use std::collections::HashSet;

/// The column of collections.
pub(crate) const COLLECTION: &str = "collection";

/// The column of ids.
pub(crate) const DATASET_ID: &str = "dataset_id";

/// The column of data variables.
pub(crate) const VARIABLE_ID: &str = "variable_id";

/// The column of addresses.
pub(crate) const URI: &str = "uri";

/// Columns that every row fills.
pub(crate) const ALWAYS_FILLED: [&str; 3] = [COLLECTION, DATASET_ID, VARIABLE_ID];

/// Most columns of the table.
const MAX_COLUMNS: usize = 100;

/// What can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// Global attributes that become columns of intake-esm, between `collection`, `dataset_id` and `uri`.
    /// `variable_id` is the data variable and is always there.
    pub columns: Vec<String>,
    /// Columns by which intake-esm groups what it opens together.
    pub groupby_attrs: Vec<String>,
    /// Most datasets in one catalog; beyond it catalogs are nested by the beginnings of ids.
    pub nested_above: usize,
    /// Bytes of finished documents that are kept.
    pub cache_bytes: u64,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            columns: owned(&[
                "activity_id",
                "institution_id",
                "source_id",
                "experiment_id",
                "member_id",
                "table_id",
                VARIABLE_ID,
                "grid_label",
            ]),
            groupby_attrs: owned(&[COLLECTION, DATASET_ID]),
            nested_above: 5000,
            cache_bytes: 64 << 20,
        }
    }
}

impl IntakeSettings {
    /// What is wrong with the settings: the key and why.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let columns = mistake_of_columns(&self.columns).map(|message| ("columns", message));
        let groupby = self.mistake_of_groupby().map(|message| ("groupby_attrs", message));
        let nested =
            (self.nested_above == 0).then(|| ("nested_above", "is 0, must be at least 1".to_owned()));
        columns.into_iter().chain(groupby).chain(nested).collect()
    }

    fn mistake_of_groupby(&self) -> Option<String> {
        // With one alone intake-esm raises KeyError.
        if self.groupby_attrs.len() < 2 {
            return Some("names fewer than two columns: intake-esm opens nothing then".to_owned());
        }
        let known = self.all_columns();
        let unknown = self.groupby_attrs.iter().find(|name| !known.contains(&name.as_str()) || *name == URI);
        if let Some(unknown) = unknown {
            let allowed: Vec<_> = known.into_iter().filter(|name| *name != URI).collect();
            return Some(format!("names \"{unknown}\", which is none of the columns {}", allowed.join(", ")));
        }
        first_repeated(&self.groupby_attrs).map(|name| format!("names \"{name}\" twice"))
    }

    /// Columns of the table, in order.
    pub(crate) fn all_columns(&self) -> Vec<&str> {
        let mut columns = vec![COLLECTION, DATASET_ID];
        columns.extend(self.columns.iter().map(String::as_str));
        if !columns.contains(&VARIABLE_ID) {
            columns.push(VARIABLE_ID);
        }
        columns.push(URI);
        columns
    }
}

fn mistake_of_columns(columns: &[String]) -> Option<String> {
    if columns.len() > MAX_COLUMNS {
        return Some(format!("names {} columns, {MAX_COLUMNS} are allowed", columns.len()));
    }
    let own = [COLLECTION, DATASET_ID, URI];
    if let Some(name) = columns.iter().find(|name| own.contains(&name.as_str()) || name.is_empty()) {
        return Some(format!(
            "names \"{name}\": collection, dataset_id and uri are always there, by themselves"
        ));
    }
    first_repeated(columns).map(|name| format!("names \"{name}\" twice"))
}

fn first_repeated(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(columns: &[&str], groupby_attrs: &[&str]) -> IntakeSettings {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        IntakeSettings {
            columns: owned(columns),
            groupby_attrs: owned(groupby_attrs),
            ..IntakeSettings::default()
        }
    }

    #[test]
    fn the_defaults_have_no_mistakes() {
        assert_eq!(IntakeSettings::default().mistakes(), []);
    }

    #[test]
    fn what_intake_esm_cannot_group_by_is_a_mistake() {
        for (columns, groupby, key) in [
            (&["a"][..], &["a", "dataset_id"][..], None),
            (&["a"], &["collection", "variable_id"], None),
            (&["a"], &["dataset_id"], Some("groupby_attrs")),
            (&["a"], &["dataset_id", "b"], Some("groupby_attrs")),
            (&["a"], &["dataset_id", "uri"], Some("groupby_attrs")),
            (&["a"], &["a", "a"], Some("groupby_attrs")),
            (&["a", "a"], &["a", "dataset_id"], Some("columns")),
            (&["uri"], &["collection", "dataset_id"], Some("columns")),
            (&[""], &["collection", "dataset_id"], Some("columns")),
        ] {
            let found = settings(columns, groupby).mistakes();
            assert_eq!(found.first().map(|(key, _)| *key), key, "{columns:?} {groupby:?}: {found:?}");
        }
    }

    #[test]
    fn variables_have_a_column_whether_it_is_named_or_not() {
        let columns = settings(&["a"], &["a", "collection"]);
        assert_eq!(columns.all_columns(), ["collection", "dataset_id", "a", "variable_id", "uri"]);
        let columns = settings(&["variable_id", "a"], &["a", "collection"]);
        assert_eq!(columns.all_columns(), ["collection", "dataset_id", "variable_id", "a", "uri"]);
    }
}
