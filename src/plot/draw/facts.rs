//! What a plot shows, in words that programs read.

use serde_json::{Map, Value, json};
use thermocline_render::{MapProjection, Norm, Scale, Statistics};

use super::panel::Panel;
use crate::Plan;
use crate::plan::{Content, Dim};

/// Most labels of a dimension that are listed.
const MAX_LABELS: u64 = 1000;

/// The document of a panel. Statistics are those that its range of colours took: with both ends given nothing is read
/// beside the picture, and there are none.
pub(super) fn document(plan: &Plan, panel: &Panel) -> Map<String, Value> {
    let mut document = about(plan);
    let known = &panel.known;
    if let Some(scale) = &known.scale {
        document.insert("cmap".into(), json!(scale.colormap.name));
        document.insert("vmin".into(), json!(scale.vmin));
        document.insert("vmax".into(), json!(scale.vmax));
        document.insert("norm".into(), json!(norm_word(plan, scale)));
        document.insert("levels".into(), json!(scale.edges()));
    }
    if let Some(view) = &known.view {
        document.insert("projection".into(), json!(projection_word(&view.projection)));
        document.insert("center".into(), json!([view.center.0, view.center.1]));
    }
    if let Some(extent) = &known.extent {
        document.insert("extent".into(), json!([extent.west, extent.east, extent.south, extent.north]));
    }
    document.insert("width".into(), json!(panel.layout.width));
    document.insert("height".into(), json!(panel.layout.height));
    document.insert("panel".into(), json!(panel.layout.panel));
    document.insert("statistics".into(), known.statistics.as_ref().map_or(Value::Null, statistics));
    document.insert("chunks".into(), json!(known.n_chunks));
    document.insert("bytes_read".into(), json!(known.bytes_read));
    document.extend(known.more.clone());
    document
}

/// What is known before anything is read.
fn about(plan: &Plan) -> Map<String, Value> {
    let mut document = Map::new();
    let drawn = plan.content.axes();
    let dims =
        plan.dims.iter().enumerate().map(|(axis, dim)| dim_document(plan, axis, dim, drawn.contains(&axis)));
    let options = plan.options.words().into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    document.insert("dataset".into(), json!(plan.manifest.id.to_string()));
    document.insert("variable".into(), json!(plan.path));
    document.insert("kind".into(), json!(plan.kind.name()));
    document.insert("long_name".into(), json!(plan.long_name()));
    document.insert("units".into(), json!(plan.units()));
    document.insert("title".into(), json!(plan.title()));
    document.insert("subtitle".into(), json!(plan.subtitle(None)));
    document.insert("dims".into(), dims.collect());
    document.insert("options".into(), Value::Object(options.collect()));
    if let Some(derivation) = &plan.derivation {
        let words = derivation.words.iter().map(|(name, value)| json!([name, value]));
        document.insert("derivation".into(), words.collect());
    }
    document.insert("canonical".into(), json!(plan.canonical()));
    document.insert("is_map".into(), json!(matches!(plan.content, Content::Map(_))));
    document
}

/// A dimension: its length, what is shown of it, and its labels if they are not too many.
fn dim_document(plan: &Plan, axis: usize, dim: &Dim, is_drawn: bool) -> Value {
    let choice = plan.choices.get(axis).and_then(Option::as_ref);
    let position = plan.position(axis);
    let mut document = json!({
        "name": dim.name,
        "length": dim.len,
        "title": dim.title(),
        "is_drawn": is_drawn,
        "is_time": dim.is_time(),
        "has_labels": dim.coordinate.is_some(),
        "position": position,
        "value": position.map(|position| dim.value(position)),
        "label": position.map(|position| dim.text(position)),
        "n_selected": choice.map_or(dim.len, |indices| indices.len()),
    });
    if let Some(last) = dim.len.checked_sub(1)
        && let Some(document) = document.as_object_mut()
    {
        document.insert("first".into(), json!(dim.value(0)));
        document.insert("last".into(), json!(dim.value(last)));
        if !is_drawn && dim.len <= MAX_LABELS {
            let labels: Vec<String> = (0..dim.len).map(|position| dim.value(position)).collect();
            document.insert("labels".into(), json!(labels));
        }
    }
    document
}

fn statistics(statistics: &Statistics) -> Value {
    // NaN has no number in JSON: without values there are none.
    json!({
        "n_valid": statistics.n_valid,
        "n_missing": statistics.n_missing,
        "min": statistics.min,
        "max": statistics.max,
        "mean": statistics.mean,
    })
}

fn projection_word(projection: &MapProjection) -> &'static str {
    match projection {
        MapProjection::PlateCarree => "platecarree",
        MapProjection::Mercator => "mercator",
        MapProjection::Robinson => "robinson",
        MapProjection::Mollweide => "mollweide",
        MapProjection::EqualEarth => "equalearth",
        MapProjection::Orthographic => "orthographic",
        MapProjection::NorthPolar => "northpolar",
        MapProjection::SouthPolar => "southpolar",
        MapProjection::Lambert => "lambert",
        MapProjection::Data(_) => "data",
        MapProjection::Native => "native",
    }
}

/// How the values are spread: as it was asked for, or as their range made it.
pub(super) fn norm_word(plan: &Plan, scale: &Scale) -> String {
    let written = crate::Options::spec("norm").and_then(|spec| spec.write(&plan.options));
    let found = if scale.norm == Norm::Centered { "centered" } else { "linear" };
    written.unwrap_or_else(|| found.to_owned())
}
