//! Which names a harvest takes, and what its datasets are called.

use std::borrow::Cow;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use thermocline_model::DatasetId;

use crate::bytes::plain;
use crate::catalog::{About, DatasetPer, DatasetSpec, HarvestSpec, NamePatterns, SourceSpec, id_of_path};
use crate::catalog::{is_ignored, is_promising};
use crate::{Error, Result};

/// Largest program of a regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// What a harvest says of names, ready to be asked.
pub(super) struct Naming {
    pub(super) spec: Arc<HarvestSpec>,
    places: Vec<NamedPlace>,
    exclude: NamePatterns,
    fields: Vec<(String, Regex)>,
}

struct NamedPlace {
    base: String,
    /// `None` for every name that promises a dataset.
    include: Option<NamePatterns>,
}

/// A name below a place.
struct Below<'a> {
    place: &'a NamedPlace,
    /// The path below the place, as its owner wrote it.
    path: Cow<'a, str>,
}

impl Naming {
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] naming a pattern or an expression that is none.
    pub(super) fn new(spec: Arc<HarvestSpec>) -> Result<Self> {
        let place = |place: &crate::catalog::HarvestPlace| -> Result<NamedPlace> {
            let base = place.base.trim_end_matches('/').to_owned();
            let include =
                if place.include.is_empty() { None } else { Some(patterns(&spec.id, &place.include)?) };
            Ok(NamedPlace { base, include })
        };
        let field = |(name, pattern): &(String, String)| -> Result<(String, Regex)> {
            let regex = RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build().map_err(|cause| {
                let id = &spec.id;
                Error::invalid_input(format!(
                    "harvest \"{id}\": the field \"{name}\" has no usable expression: {cause}"
                ))
            })?;
            Ok((name.clone(), regex))
        };
        Ok(Self {
            places: spec.places.iter().map(place).collect::<Result<_>>()?,
            exclude: patterns(&spec.id, &spec.exclude)?,
            fields: spec.fields.iter().map(field).collect::<Result<_>>()?,
            spec,
        })
    }

    /// True for what is taken.
    pub(super) fn is_wanted(&self, href: &str) -> bool {
        self.wanted(href).is_some()
    }

    /// What an address or path is called below the innermost place that takes it; `None` if none does.
    fn wanted<'a>(&'a self, href: &'a str) -> Option<Below<'a>> {
        let below = |place: &'a NamedPlace| {
            let rest = href.strip_prefix(place.base.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            is_below.then(|| Below { place, path: plain(href, rest.trim_matches('/')) })
        };
        let wanted = self.places.iter().filter_map(below).filter(|below| self.is_taken(below));
        wanted.max_by_key(|below| below.place.base.len())
    }

    fn is_taken(&self, below: &Below<'_>) -> bool {
        let path = below.path.as_ref();
        let is_included = match &below.place.include {
            Some(include) => include.matches(path),
            None => self.spec.dataset_per == DatasetPer::Directory || is_promising(path),
        };
        let is_in_reach = self.spec.is_recursive || !path.contains('/');
        is_included && is_in_reach && !self.exclude.matches(path) && !path.split('/').any(is_ignored)
    }

    /// The dataset of an object or store; `None` for what lies below none of the places or is not taken any more.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] for a name that cannot be an id.
    pub(super) fn dataset(&self, href: &str) -> Option<Result<DatasetSpec>> {
        let below = self.wanted(href)?;
        let id = self.id(&below);
        Some(id.map(|id| self.dataset_of(id, href, &below.path)))
    }

    /// The id of an object or store; `None` for what is not taken or can have none.
    pub(super) fn id_of(&self, href: &str) -> Option<DatasetId> {
        self.id(&self.wanted(href)?).ok()
    }

    fn id(&self, below: &Below<'_>) -> Result<DatasetId> {
        let name = match below.path.as_ref() {
            "" => below.place.base.rsplit('/').next().unwrap_or_default(),
            path => path,
        };
        let id = match is_named_by_place(&self.spec.id) {
            true => id_of_path(name),
            false => format!("{}.{}", self.spec.id, id_of_path(name)),
        };
        DatasetId::new(id).map_err(|error| Error::invalid_input(error.to_string()))
    }

    fn dataset_of(&self, id: DatasetId, href: &str, path: &str) -> DatasetSpec {
        let template = &self.spec.template;
        let source = match self.spec.dataset_per {
            DatasetPer::Object => SourceSpec::Object(href.to_owned()),
            DatasetPer::Directory => SourceSpec::Directory(href.to_owned()),
        };
        let fields = self.fields(path);
        let about = match fields.is_empty() {
            true => Arc::clone(&template.about),
            false => Arc::new(About {
                fields: template.about.fields.iter().cloned().chain(fields).collect(),
                ..(*template.about).clone()
            }),
        };
        DatasetSpec { id, source, about, ..template.clone() }
    }

    fn fields(&self, path: &str) -> Vec<(String, String)> {
        let value = |(name, regex): &(String, Regex)| {
            let found = regex.captures(path)?;
            let value = found.name(name).or_else(|| found.get(1)).or_else(|| found.get(0))?;
            Some((name.clone(), value.as_str().to_owned()))
        };
        self.fields.iter().filter_map(value).collect()
    }
}

/// True for a harvest that is no entry of a catalog file but a path or address: ids of its datasets are those that they
/// have when the path is served.
fn is_named_by_place(id: &str) -> bool {
    id.contains('/')
}

fn patterns(id: &str, patterns: &[String]) -> Result<NamePatterns> {
    NamePatterns::new(patterns)
        .map_err(|cause| Error::invalid_input(format!("harvest \"{id}\": a pattern is not usable: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;
    use crate::catalog::HarvestPlace;

    fn naming(change: impl FnOnce(&mut HarvestSpec)) -> Naming {
        let mut spec = spec("terra", "s3://terra/fused");
        change(&mut spec);
        Naming::new(Arc::new(spec)).unwrap()
    }

    #[test]
    fn ids_are_those_of_paths_below_the_id_of_the_harvest() {
        let naming = naming(|_| ());
        let of = |href: &str| naming.dataset(href).map(|spec| spec.unwrap().id.as_str().to_owned());
        assert_eq!(of("s3://terra/fused/2020/g17.h5").as_deref(), Some("terra.2020.g17"));
        assert_eq!(of("s3://terra/fused/2020/g17.txt"), None);
        assert_eq!(of("s3://terra/fused/.hidden/g17.h5"), None);
        assert_eq!(of("s3://terra/other/g17.h5"), None);
        assert_eq!(of("s3://terra/fused2/g17.h5"), None);
    }

    #[test]
    fn a_harvest_of_a_path_names_datasets_as_serving_the_path_does() {
        let naming = naming(|spec| spec.id = "s3://terra/fused".to_owned());
        let found = naming.dataset("s3://terra/fused/2020/g17.h5").unwrap().unwrap();
        assert_eq!(found.id.as_str(), "2020.g17");
    }

    #[test]
    fn a_pattern_without_a_slash_is_of_the_last_part_of_a_path() {
        let naming = naming(|spec| {
            spec.places[0].include = vec!["*.h5".to_owned(), "/*.dat".to_owned(), "a/**/*.bin".to_owned()];
            spec.exclude = vec!["*_bad.*".to_owned(), "trash/**".to_owned()];
        });
        for (path, is_wanted) in [
            ("x.h5", true),
            ("2020/01/x.h5", true),
            ("x.dat", true),
            ("2020/x.dat", false),
            ("a/b/c.bin", true),
            ("b/c.bin", false),
            ("x_bad.h5", false),
            ("trash/x.h5", false),
            ("x.nc", false),
        ] {
            assert_eq!(naming.dataset(&format!("s3://terra/fused/{path}")).is_some(), is_wanted, "{path}");
        }
    }

    #[test]
    fn what_any_of_its_places_includes_is_taken() {
        let naming = naming(|spec| {
            let place = |below: &str, include: &str| HarvestPlace {
                base: format!("s3://terra/{below}"),
                include: vec![include.to_owned()],
            };
            spec.places = vec![
                place("fused", "/*/t_*.nc"),
                place("fused", "/*/u_*.nc"),
                place("fused/2020", "/v_*.nc"),
                place("fused/2020", "/w_*.nc"),
            ];
        });
        let id = |name: &str| {
            naming.dataset(&format!("s3://terra/fused/{name}")).map(|found| found.unwrap().id.to_string())
        };
        assert_eq!(id("2020/t_1.nc").as_deref(), Some("terra.2020.t_1"));
        assert_eq!(id("2020/u_1.nc").as_deref(), Some("terra.2020.u_1"));
        assert_eq!(id("2020/v_1.nc").as_deref(), Some("terra.v_1"));
        assert_eq!(id("2020/w_1.nc").as_deref(), Some("terra.w_1"));
        assert_eq!(id("2020/x_1.nc"), None);
    }

    #[test]
    fn without_recursion_folders_are_not_looked_into() {
        let naming = naming(|spec| spec.is_recursive = false);
        assert!(naming.dataset("s3://terra/fused/a.nc").is_some());
        assert!(naming.dataset("s3://terra/fused/a/b.nc").is_none());
    }

    #[test]
    fn fields_are_what_expressions_find_in_the_path() {
        let naming = naming(|spec| {
            let field = |name: &str, pattern: &str| (name.to_owned(), pattern.to_owned());
            spec.fields = vec![
                field("year", r"(?P<year>\d{4})/"),
                field("orbit", r"_o(\d+)"),
                field("kind", "hourly|daily"),
                field("none", "monthly"),
            ];
        });
        let found = naming.dataset("s3://terra/fused/2020/daily_o00123.nc").unwrap().unwrap();
        let fields: Vec<(&str, &str)> =
            found.about.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("year", "2020"), ("orbit", "00123"), ("kind", "daily")]);
    }

    #[test]
    fn patterns_and_expressions_that_are_none_are_named() {
        let mut wrong = spec("terra", "/data");
        wrong.exclude = vec!["a[".to_owned()];
        assert!(Naming::new(Arc::new(wrong)).err().unwrap().to_string().contains("terra"));
        let mut wrong = spec("terra", "/data");
        wrong.fields = vec![("year".to_owned(), "(".to_owned())];
        assert!(Naming::new(Arc::new(wrong)).err().unwrap().to_string().contains("year"));
        let mut huge = spec("terra", "/data");
        huge.fields = vec![("year".to_owned(), r"(\w{1000}){1000}".to_owned())];
        assert!(Naming::new(Arc::new(huge)).is_err());
    }

    #[test]
    fn a_name_that_cannot_be_an_id_is_an_error() {
        let naming = naming(|_| ());
        let long = format!("s3://terra/fused/{}.nc", "x".repeat(250));
        assert!(naming.dataset(&long).unwrap().is_err());
    }
}
