//! Searching among collections.
//!
//! # Specification
//! STAC API extension collection-search v1.0.0 with free-text v1.0.0 (terms with commas between them, any of which is
//! found).

use std::sync::Arc;

use axum::response::Response;
use serde_json::json;
use thermocline_search::Collection as Found;

use crate::answer::{Asked, Freshness, away};
use crate::api::any;
use crate::documents::{Collection, JSON, Members, link};
use crate::geometry::parse_bbox;
use crate::problem::{Parsed, StacProblem};
use crate::request::{GetSearch, decoded_pairs, limit_in, numbers};
use crate::settings::StacSettings;
use crate::times::parse_interval;

/// Most terms of a search.
const MAX_TERMS: usize = 100;

/// Collections in an answer that was asked for without `limit`.
const USUAL_LIMIT: usize = 1000;

/// What collections are looked for.
#[derive(Debug)]
struct CollectionSearch {
    terms: Vec<String>,
    bbox: Option<[f64; 4]>,
    interval: Option<(Option<i64>, Option<i64>)>,
    limit: usize,
    /// Goes on after the collection of this id.
    after: Option<String>,
}

/// `/stac/collections`.
pub(crate) async fn list(asked: Asked) -> Parsed<Response> {
    let search = CollectionSearch::from_get(asked.query(), &asked.context.settings)?;
    let collections = asked.context.seen.collections();
    let example = any(&asked.context.seen, None).await?;
    away(move || {
        let matching: Vec<&Arc<Found>> = collections.iter().filter(|found| search.matches(found)).collect();
        let rest =
            matching.iter().filter(|found| search.after.as_ref().is_none_or(|after| found.id > *after));
        let rest: Vec<&Arc<Found>> = rest.take(search.limit.saturating_add(1)).copied().collect();
        let shown = rest.get(..search.limit).unwrap_or(&rest);
        let mut links = vec![link("self", asked.self_url(), JSON), link("root", asked.context.root(), JSON)];
        if let Some(last) = shown.last().filter(|_| rest.len() > shown.len()) {
            links.push(
                link("next", asked.url_with(&GetSearch(asked.query()).with_token(&last.id)), JSON)
                    .method("GET"),
            );
        }
        let example = example.as_deref().map(|hit| &*hit.summary);
        let documents: Vec<Collection> = shown
            .iter()
            .map(|found| Collection::new(found, Members::of_a_list(example), &asked.context))
            .collect();
        let document = json!({
            "collections": documents,
            "links": links,
            "numberMatched": matching.len(),
            "numberReturned": shown.len(),
        });
        asked.document(&document, JSON, Freshness::Kept)
    })
    .await
}

impl CollectionSearch {
    fn from_get(query: &str, settings: &StacSettings) -> Parsed<Self> {
        let limit = USUAL_LIMIT.min(settings.max_limit.max(1));
        let mut search = Self { terms: Vec::new(), bbox: None, interval: None, limit, after: None };
        for (name, value) in decoded_pairs(query)? {
            match name.as_str() {
                "q" => search.terms = terms(&value)?,
                "bbox" => search.bbox = Some(parse_bbox(&numbers(&value)?)?),
                "datetime" => search.interval = Some(parse_interval(&value)?),
                "limit" => {
                    let limit = usize::try_from(limit_in(&value)?).unwrap_or(usize::MAX);
                    search.limit = limit.min(settings.max_limit.max(1));
                }
                "token" => search.after = Some(value),
                _ => {}
            }
        }
        Ok(search)
    }

    fn matches(&self, found: &Found) -> bool {
        let in_box = self.bbox.is_none_or(|wanted| found.bbox.is_some_and(|bbox| touches(bbox, wanted)));
        let in_time = self.interval.is_none_or(|(start, end)| {
            let span = found.span.as_ref();
            span.is_some_and(|span| {
                start.is_none_or(|start| span.end_us >= start) && end.is_none_or(|end| span.start_us <= end)
            })
        });
        in_box && in_time && self.has_any_term(found)
    }

    fn has_any_term(&self, found: &Found) -> bool {
        if self.terms.is_empty() {
            return true;
        }
        let spec = found.spec.as_deref();
        let own =
            [Some(&found.id), spec.and_then(|spec| spec.title.as_ref()), spec.map(|spec| &spec.description)];
        let keywords = found.keywords.iter().chain(spec.iter().flat_map(|spec| &spec.keywords));
        let texts: Vec<String> =
            own.into_iter().flatten().chain(keywords).map(|text| text.to_lowercase()).collect();
        self.terms.iter().any(|term| texts.iter().any(|text| text.contains(term)))
    }
}

fn terms(text: &str) -> Parsed<Vec<String>> {
    let terms = text.split(',').map(|term| term.trim().trim_matches('"').to_lowercase());
    let terms: Vec<String> = terms.filter(|term| !term.is_empty()).collect();
    if terms.len() > MAX_TERMS {
        return Err(StacProblem::invalid(format!("q has at most {MAX_TERMS} terms")));
    }
    Ok(terms)
}

/// True if two boxes share a point; either may cross the antimeridian.
fn touches(a: [f64; 4], b: [f64; 4]) -> bool {
    let parts = |[west, _, east, _]: [f64; 4]| {
        if west > east { vec![(west, 180.0), (-180.0, east)] } else { vec![(west, east)] }
    };
    let in_latitude = a[1] <= b[3] && b[1] <= a[3];
    let others = parts(b);
    in_latitude && parts(a).iter().any(|a| others.iter().any(|b| a.0 <= b.1 && b.0 <= a.1))
}

#[cfg(test)]
mod tests {
    use thermocline_search::Span;

    use super::*;

    fn found() -> Found {
        Found {
            id: "reanalysis".to_owned(),
            spec: None,
            n_items: 1,
            bbox: Some([170.0, -10.0, -170.0, 10.0]),
            span: Some(Span { start_us: 0, end_us: 1_000_000, is_instant: false, note: None }),
            license: None,
            keywords: vec!["Sea Surface".to_owned()],
            variables: Vec::new(),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn collections_are_found_by_words_place_and_time() {
        for (query, is_found) in [
            ("", true),
            ("q=sea", true),
            ("q=nothing,SURFACE", true),
            ("q=nothing", false),
            ("bbox=175,0,176,1", true),
            ("bbox=-175,0,-174,1", true),
            ("bbox=0,0,1,1", false),
            ("bbox=179,20,-179,30", false),
            ("datetime=1970-01-01T00:00:01Z/..", true),
            ("datetime=1970-01-01T00:00:02Z/..", false),
            ("datetime=../1969-12-31T23:59:59Z", false),
            ("q=sea&datetime=1970-01-01T00:00:00Z&bbox=175,0,176,1&limit=5&nonsense=1", true),
        ] {
            let search = CollectionSearch::from_get(query, &StacSettings::default()).unwrap();
            assert_eq!(search.matches(&found()), is_found, "{query}");
        }
    }

    #[test]
    fn searches_that_make_no_sense_are_refused() {
        for bad in ["limit=0", "bbox=1,2,3", "datetime=yesterday"] {
            assert!(CollectionSearch::from_get(bad, &StacSettings::default()).is_err(), "{bad}");
        }
        assert!(
            CollectionSearch::from_get(&format!("q={}", "a,".repeat(200)), &StacSettings::default()).is_err()
        );
    }
}
