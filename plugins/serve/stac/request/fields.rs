//! The parameter `fields`: which members of an Item are sent.
//!
//! # Specification
//! STAC API extension fields, v1.0.0.

use serde_json::{Map, Value};

use crate::problem::{Parsed, StacProblem};

/// Sent if nothing is asked for in particular.
const DEFAULT: [&str; 8] =
    ["type", "stac_version", "id", "geometry", "bbox", "links", "assets", "properties.datetime"];

/// Sent beside whatever is asked for.
const ALWAYS: [&str; 4] = ["type", "stac_version", "id", "collection"];

/// Most fields of a request.
const MAX_FIELDS: usize = 500;

/// Most names in the path of a field.
const MAX_DEPTH: usize = 16;

/// Which members of an Item are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    /// `None` if the request has no such list: then all that is not excluded is sent.
    include: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Fields {
    /// From the two lists of a request.
    ///
    /// # Errors
    /// 400 for lists that are too long.
    pub(super) fn new(include: Option<Vec<String>>, exclude: Vec<String>) -> Parsed<Self> {
        let named = || include.iter().flatten().chain(&exclude);
        if named().count() > MAX_FIELDS || named().any(|name| name.split('.').count() > MAX_DEPTH) {
            let message = format!("fields are at most {MAX_FIELDS}, of at most {MAX_DEPTH} names each");
            return Err(StacProblem::invalid(message));
        }
        Ok(Self { include, exclude })
    }

    /// From `a,-b,+c`.
    pub(super) fn from_text(text: &str) -> Parsed<Self> {
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.strip_prefix('-') {
                Some(name) => exclude.push(name.to_owned()),
                None => include.push(name.strip_prefix('+').unwrap_or(name).to_owned()),
            }
        }
        Self::new((!include.is_empty()).then_some(include), exclude)
    }

    /// The members of `item` that are sent.
    pub(crate) fn select(&self, item: Value) -> Value {
        let mut selected = match self.include.as_deref() {
            Some([]) => copied(&item, &mut DEFAULT.into_iter()),
            None if self.exclude.is_empty() => copied(&item, &mut DEFAULT.into_iter()),
            Some(include) => copied(&item, &mut ALWAYS.into_iter().chain(include.iter().map(String::as_str))),
            None => item,
        };
        for name in self.exclude.iter().filter(|name| !self.is_wanted(name)) {
            remove(&mut selected, name);
        }
        selected
    }

    /// True if a field or a part of it was asked for by name.
    fn is_wanted(&self, name: &str) -> bool {
        let is_below = |wanted: &str| wanted.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        self.include.iter().flatten().any(|wanted| wanted == name || is_below(wanted))
    }
}

fn copied(item: &Value, names: &mut dyn Iterator<Item = &str>) -> Value {
    let mut selected = Value::Object(Map::new());
    for name in names {
        copy(item, &mut selected, name);
    }
    selected
}

/// Copies what a path names, if it is there.
fn copy(item: &Value, selected: &mut Value, name: &str) {
    let Some(found) = name.split('.').try_fold(item, |value, key| value.as_object()?.get(key)) else {
        return;
    };
    let mut place = selected;
    for key in name.split('.') {
        let Value::Object(object) = place else { return };
        place = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
    }
    *place = found.clone();
}

fn remove(item: &mut Value, name: &str) {
    let (parent, last) = match name.rsplit_once('.') {
        Some((parent, last)) => {
            (parent.split('.').try_fold(item, |value, key| value.as_object_mut()?.get_mut(key)), last)
        }
        None => (Some(item), name),
    };
    if let Some(Value::Object(object)) = parent {
        // The order of the others stays.
        object.shift_remove(last);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item() -> Value {
        json!({
            "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": "x", "collection": "c",
            "geometry": null, "properties": {"title": "t", "datetime": "d", "license": "l"}, "links": [],
            "assets": {"zarr": {"href": "h", "type": "z"}},
        })
    }

    fn fields(include: Option<&[&str]>, exclude: &[&str]) -> Fields {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Fields::new(include.map(owned), owned(exclude)).unwrap()
    }

    #[test]
    fn fields_are_selected_as_the_extension_says() {
        let default = json!({"type": "Feature", "stac_version": "1.1.0", "id": "x", "geometry": null, "links": [],
            "assets": {"zarr": {"href": "h", "type": "z"}}, "properties": {"datetime": "d"}});
        let always = json!({"type": "Feature", "stac_version": "1.1.0", "id": "x", "collection": "c"});
        let with = |more: Value| {
            let mut all = always.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        for (fields, expected) in [
            (Fields::from_text("").unwrap(), default.clone()),
            (fields(Some(&[]), &[]), default),
            (Fields::from_text("+id").unwrap(), always.clone()),
            (Fields::from_text("id,nonsense").unwrap(), always.clone()),
            (
                Fields::from_text("properties.title, assets.zarr.href").unwrap(),
                with(json!({"properties": {"title": "t"}, "assets": {"zarr": {"href": "h"}}})),
            ),
            (
                Fields::from_text("-properties,+properties.title").unwrap(),
                with(json!({"properties": {"title": "t"}})),
            ),
            (fields(Some(&["geometry"]), &["geometry"]), with(json!({"geometry": null}))),
            (
                fields(Some(&["properties"]), &["properties.title"]),
                with(json!({"properties": {"datetime": "d", "license": "l"}})),
            ),
            (fields(Some(&["properties.title.x", "id.y"]), &[]), always),
        ] {
            assert_eq!(fields.select(item()), expected, "{fields:?}");
        }
        let mut less = item();
        less.as_object_mut().unwrap().remove("geometry");
        less["properties"].as_object_mut().unwrap().remove("title");
        assert_eq!(fields(None, &["geometry", "properties.title", "absent.member"]).select(item()), less);
    }

    #[test]
    fn a_field_within_another_that_is_asked_for_changes_nothing() {
        let selected = fields(Some(&["properties", "properties.title"]), &[]).select(item());
        assert_eq!(selected["properties"], item()["properties"]);
        let selected = fields(Some(&["properties.title", "properties"]), &[]).select(item());
        assert_eq!(selected["properties"], item()["properties"]);
    }

    #[test]
    fn too_many_fields_are_refused() {
        assert!(Fields::from_text(&"a,".repeat(501)).is_err());
        assert!(Fields::from_text(&"a.".repeat(20)).is_err());
    }
}
