//! The words that plots know: kinds, options, colour maps, projections.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use thermocline_core::Error;
use thermocline_groupby::{Action, Component};
use thermocline_http::conditional::vary_on_accept;
use thermocline_http::html::{Escaped, page};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::negotiate::Form;
use thermocline_http::{Problem, live};
use thermocline_plot::{Format, Kind, Options};
use thermocline_render::colormap::MapName;
use thermocline_render::{Colormap, Image, MapProjection, encode};

use crate::answer::document;
use crate::form;

/// Height of the picture of a colour map; it is as wide as there are colours.
const STRIP_HEIGHT: u32 = 24;

/// Kinds of plots, and all options.
pub(crate) async fn kinds(parts: Parts) -> Result<Response, Problem> {
    let kinds: Vec<Value> = Kind::all()
        .map(|kind| json!({"name": kind.name(), "aliases": kind.aliases(), "description": kind.about()}))
        .collect();
    let options: Vec<Value> = Options::all()
        .iter()
        .map(|option| {
            json!({
                "name": option.name,
                "values": option.values,
                "default": option.default,
                "description": option.about,
                "words": option.words(),
            })
        })
        .collect();
    let formats: Vec<&str> = form::words().collect();
    let body = json!({"kinds": kinds, "options": options, "formats": formats, "groupby": groupby()});
    live::json(&parts, StatusCode::OK, &body)
}

/// The words of plots of results.
fn groupby() -> Value {
    let options = thermocline_groupby::Options::all().iter().map(|option| {
        json!({
            "name": option.name,
            "values": option.values,
            "default": option.default,
            "description": option.about,
            "words": option.words,
        })
    });
    json!({
        "groupby": "a coordinate, a time with a component as time.month, or two or three of these with commas",
        "components": Component::WORDS.map(|(word, _)| word),
        "action": Action::ALL.map(|(word, _)| word),
        "source": "name=value, selects before groups are made, whatever dimensions the result has; several times",
        "options": options.collect::<Vec<_>>(),
    })
}

/// Map projections.
pub(crate) async fn projections(parts: Parts) -> Result<Response, Problem> {
    live::json(&parts, StatusCode::OK, &json!({"projections": MapProjection::NAMES}))
}

/// Colour maps, as a page or JSON.
pub(crate) async fn colormaps(base: BaseUrl, parts: Parts) -> Result<Response, Problem> {
    let names = Colormap::names();
    let response = match Form::of_api(&parts)? {
        Form::Json => {
            let maps: Vec<Value> = names.iter().map(|map| described(map, &base)).collect();
            live::json(&parts, StatusCode::OK, &json!({"colormaps": maps, "reversed_by": "_r"}))?
        }
        Form::Html => {
            document(&parts, form::HTML, page("Colour maps", &colormaps_body(&names, &base)).into_bytes())
        }
    };
    Ok(vary_on_accept(response))
}

fn described(map: &MapName, base: &BaseUrl) -> Value {
    json!({
        "name": map.name,
        "aliases": map.aliases,
        "origin": map.origin,
        "license": map.license,
        "href": format!("{}/plot/colormaps/{}.png", base.0, segment(map.name)),
    })
}

fn colormaps_body(names: &[MapName], base: &BaseUrl) -> String {
    let rows = names.iter().map(|map| {
        format!(
            "<tr><td><code>{name}</code></td><td><img src=\"{prefix}/plot/colormaps/{file}.png\" width=\"256\" \
             height=\"{STRIP_HEIGHT}\" alt=\"colours of {name}\" loading=\"lazy\"></td><td>{origin}</td></tr>",
            name = Escaped(map.name),
            prefix = Escaped(base.prefix()),
            file = segment(map.name),
            origin = Escaped(map.origin),
        )
    });
    format!(
        "<h1>Colour maps</h1><p>Each is reversed by <code>_r</code> after its name.</p><table>{}</table>\
         <p class=\"muted\">This product includes color specifications and designs developed by Cynthia Brewer \
         (http://colorbrewer.org/).</p>",
        rows.collect::<String>()
    )
}

/// One colour map, as a picture or as its colours.
pub(crate) async fn colormap(Path(name): Path<String>, parts: Parts) -> Result<Response, Problem> {
    let split = name.rsplit_once('.').and_then(|(stem, word)| Some((stem, Format::of_extension(word)?)));
    let (stem, format) = split.unwrap_or((&name, Format::Json));
    let map = Colormap::named(stem).map_err(|error| {
        Problem::not_found(error.to_string()).with_allowed(Colormap::nearest_names(stem, 5))
    })?;
    match format {
        Format::Png => Ok(document(&parts, form::PNG, strip(&map)?)),
        Format::Json => {
            live::json(&parts, StatusCode::OK, &json!({"name": map.name, "colors": colors(&map)}))
        }
        _ => {
            Err(Problem::invalid_input("a colour map is answered as png or json")
                .with_allowed(["png", "json"]))
        }
    }
}

fn colors(map: &Colormap) -> Vec<String> {
    map.table.iter().map(|[red, green, blue]| format!("#{red:02x}{green:02x}{blue:02x}")).collect()
}

/// All colours from left to right.
fn strip(map: &Colormap) -> Result<Vec<u8>, Error> {
    let row: Vec<u8> =
        map.table.iter().flat_map(|[red, green, blue]| [*red, *green, *blue, u8::MAX]).collect();
    let pixels = row.repeat(STRIP_HEIGHT as usize);
    let image = Image { width: map.table.len() as u32, height: STRIP_HEIGHT, pixels };
    encode::png(&image).map_err(|error| Error::internal(error.to_string()))
}
