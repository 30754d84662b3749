//! The page around a plot: the picture, a slider for each dimension that is not drawn, the choices that matter most.
//!
//! It works without JavaScript by a form; with it the picture follows the controls. Nothing comes from elsewhere, and the
//! policy that goes with the page allows no more than its own script and style.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use http::request::Parts;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thermocline_core::select::{Indices, Labels};
use thermocline_http::conditional::vary_on_accept;
use thermocline_http::html::{Escaped, link};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::query::Query;
use thermocline_model::cf::Calendar;
use thermocline_plot::{Dim, Kind, Options, Plan};
use thermocline_render::Colormap;
use thermocline_zarr::ascii_json;

use crate::address::Address;
use crate::answer::document;
use crate::form;
use crate::grouped::Subject;

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// Most bytes of labels in a page; of dimensions with longer ones the page shows positions.
const MAX_LABEL_BYTES: usize = 16 << 10;

/// Most labels of a dimension that are looked at.
const MAX_LABELS: u64 = 2000;

/// Microseconds of a second.
const MICROSECONDS: i64 = 1_000_000;

/// From 15 October 1582 to the end of the year 9999 in seconds since 1970: there the standard calendar is that of scripts.
const GREGORIAN_SECONDS: (i64, i64) = (-12_219_292_800, 253_402_300_800);

/// Most characters of a name or of units in a page.
const MAX_TITLE_CHARS: usize = 200;

/// Options that have a control.
pub(crate) const CONTROLLED: [&str; 6] = ["kind", "cmap", "vmin", "vmax", "norm", "proj"];

/// Ways to spread values over the colours that need no number.
const NORMS: [&str; 4] = ["linear", "log", "symlog", "centered"];

static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; script-src {}; style-src {}; \
         form-action 'self'; base-uri 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    HeaderValue::try_from(policy).ok()
});

/// The page of a plot.
pub(crate) fn answer(subject: &Subject, address: &Address, base: &BaseUrl, parts: &Parts) -> Response {
    let numbers = subject.numbers().map(|path| format!("{}{path}", base.prefix()));
    let html = Page { numbers, ..Page::new(&subject.plan, address, base) }.html();
    let mut response = document(parts, form::HTML, html.into_bytes());
    if let Some(policy) = &*POLICY {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
    if address.is_negotiated { vary_on_accept(response) } else { response }
}

/// A slider.
struct Slider<'p> {
    dim: &'p Dim,
    first: u64,
    last: u64,
    step: u64,
    position: u64,
}

impl<'p> Slider<'p> {
    fn new(dim: &'p Dim, choice: Option<&Indices>, position: u64) -> Self {
        let whole = Self { dim, first: 0, last: dim.len.saturating_sub(1), step: 1, position };
        match choice.map(Indices::runs) {
            Some([run]) if run.count() > 1 => {
                Self { first: run.start(), last: run.last(), step: run.step(), ..whole }
            }
            _ => whole,
        }
    }

    fn positions(&self) -> impl Iterator<Item = u64> {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX).max(1);
        (self.first..=self.last).step_by(step)
    }

    /// What the script makes labels of: those of all positions, or the first and the step of regular times; null if they
    /// are many.
    fn labels(&self, room_bytes: &mut usize) -> Value {
        let regular = || regular_times(self.dim).map(|[first, step]| json!({"first": first, "step": step}));
        self.texts(room_bytes).map(Value::from).or_else(regular).unwrap_or_default()
    }

    /// The labels of all positions, if they are few and short.
    fn texts(&self, room_bytes: &mut usize) -> Option<Vec<String>> {
        let n_labels = (self.last - self.first) / self.step.max(1) + 1;
        if n_labels > MAX_LABELS {
            return None;
        }
        let (mut labels, mut left_bytes) = (Vec::new(), *room_bytes);
        for position in self.positions() {
            let label = self.dim.text(position);
            left_bytes = left_bytes.checked_sub(written_bytes(&label))?;
            labels.push(label);
        }
        // Labels that are left out leave their room to the next ones.
        *room_bytes = left_bytes;
        Some(labels)
    }
}

/// First and step of the times of a dimension in seconds since 1970, if they are evenly spaced whole seconds of the calendar
/// that scripts know.
fn regular_times(dim: &Dim) -> Option<[i64; 2]> {
    let Labels::Times { ticks, axis } = &dim.coordinate.as_ref()?.labels else { return None };
    let (first, second, last) = (*ticks.first()?, *ticks.get(1)?, *ticks.last()?);
    let (from, until) = GREGORIAN_SECONDS;
    let is_known = matches!(axis.calendar(), Calendar::Standard | Calendar::ProlepticGregorian)
        && first >= from * MICROSECONDS
        && last < until * MICROSECONDS;
    let step = second.checked_sub(first)?;
    let is_whole = step > 0 && step % MICROSECONDS == 0 && first % MICROSECONDS == 0;
    let is_regular =
        || ticks.windows(2).all(|pair| matches!(pair, [a, b] if b.checked_sub(*a) == Some(step)));
    (is_known && is_whole && is_regular()).then_some([first / MICROSECONDS, step / MICROSECONDS])
}

/// How long a text is in the page: in quotes, with a comma, what is not plain escaped.
fn written_bytes(text: &str) -> usize {
    let is_plain = |c: char| c.is_ascii() && !c.is_ascii_control() && !"<>&\"\\".contains(c);
    text.chars().map(|c| if is_plain(c) { 1 } else { 6 * c.len_utf16() }).sum::<usize>() + 3
}

/// The beginning of a text that may be of any length.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TITLE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// All that a page shows.
struct Page<'p> {
    plan: &'p Plan,
    sliders: Vec<Slider<'p>>,
    /// Address of the plot without its extension.
    plot: String,
    /// Address of the dataset.
    dataset: String,
    /// What the request says beside what has a control.
    rest: Vec<(String, String)>,
    /// Address of the numbers that are drawn, of a result.
    numbers: Option<String>,
}

impl<'p> Page<'p> {
    fn new(plan: &'p Plan, address: &Address, base: &BaseUrl) -> Self {
        let drawn = plan.content.axes();
        let free = plan.dims.iter().enumerate().filter(|(axis, dim)| dim.len > 1 && !drawn.contains(axis));
        let sliders: Vec<Slider<'p>> = free
            .filter_map(|(axis, dim)| {
                let choice = plan.choices.get(axis).and_then(Option::as_deref);
                Some(Slider::new(dim, choice, plan.position(axis)?))
            })
            .collect();
        let dataset = format!("{}/datasets/{}", base.prefix(), segment(plan.manifest.id.as_str()));
        let plot = format!("{dataset}/plot/{}", segment(&address.variable));
        let is_chosen = |(name, value): &(String, String)| {
            let selects = |slider: &Slider<'_>| {
                let dim = value.split_once('=').map(|(dim, _)| dim);
                matches!(name.as_str(), "isel" | "sel") && dim == Some(slider.dim.name.as_str())
            };
            CONTROLLED.contains(&name.as_str()) || sliders.iter().any(selects)
        };
        let is_slider = |name: &str| sliders.iter().any(|slider| slider.dim.name == name);
        let query = Query::parse(&plan.canonical());
        let pairs = query.pairs().filter_map(|(name, value)| match name.as_str() {
            "path" => Some((name, without(&value, is_slider)?)),
            _ => Some((name, value)),
        });
        let rest = pairs.filter(|pair| !is_chosen(pair)).collect();
        Self { plan, sliders, plot, dataset, rest, numbers: None }
    }

    fn html(&self) -> String {
        let title = format!("{} – {}", self.plan.path, self.plan.manifest.id);
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style></head>\
             <body>{heading}{figure}{form}{links}<div id=\"value\" role=\"status\" aria-live=\"polite\"></div>\
             <button type=\"button\" id=\"along\" hidden></button><svg id=\"value-frame\" hidden></svg>\
             <script type=\"application/json\" id=\"plot\">{known}</script><script>{SCRIPT}</script></body></html>\n",
            title = Escaped(&title),
            heading = self.heading(),
            figure = self.figure(),
            form = self.form(),
            links = self.links(),
            known = self.known(),
        )
    }

    fn title(&self) -> String {
        if self.plan.derivation.is_some() {
            return shortened(&self.plan.long_name());
        }
        let variable = self.plan.manifest.dataset.root.variable(&self.plan.path);
        let text = |name: &str| variable.and_then(|variable| variable.attrs.text(name)).map(str::trim);
        let name = text("long_name").or_else(|| text("standard_name")).filter(|name| !name.is_empty());
        shortened(name.unwrap_or(&self.plan.path))
    }

    fn units(&self) -> String {
        let variable = self.plan.manifest.dataset.root.variable(&self.plan.path);
        let units = variable.and_then(|variable| variable.attrs.text("units")).map(str::trim);
        shortened(units.filter(|units| *units != "1").unwrap_or_default())
    }

    fn heading(&self) -> String {
        let id = self.plan.manifest.id.as_str();
        format!(
            "<h1>{} <small><code>{}</code> of {} · {}</small></h1>",
            Escaped(&self.title()),
            Escaped(&self.plan.path),
            link(&self.dataset, id),
            link(&format!("{}/plot", self.dataset), "all plots"),
        )
    }

    fn figure(&self) -> String {
        let shown = self
            .sliders
            .iter()
            .map(|slider| format!("{} {}", slider.dim.name, slider.dim.text(slider.position)));
        let alt: Vec<String> = std::iter::once(self.title()).chain(shown).collect();
        format!(
            "<figure><img id=\"picture\" src=\"{}\" alt=\"{}\"></figure>\
             <p id=\"status\" role=\"status\" aria-live=\"polite\"></p>\
             <progress id=\"bar\" hidden aria-label=\"Progress of the recall\"></progress>",
            Escaped(&self.url("png")),
            Escaped(&alt.join(", ")),
        )
    }

    /// The address of the plot as the page shows it first, in a form.
    fn url(&self, extension: &str) -> String {
        let options = &self.plan.request.options;
        let chosen = CONTROLLED.iter().filter_map(|name| Some(((*name).to_owned(), written(options, name)?)));
        let positions = self
            .sliders
            .iter()
            .map(|slider| ("isel".to_owned(), format!("{}={}", slider.dim.name, slider.position)));
        let pairs = self.rest.iter().cloned().chain(chosen).chain(positions);
        let query: Vec<String> =
            pairs.map(|(name, value)| format!("{}={}", segment(&name), segment(&value))).collect();
        format!("{}.{extension}?{}", self.plot, query.join("&"))
    }

    fn form(&self) -> String {
        let mut html =
            format!("<form id=\"controls\" method=\"get\" action=\"{}.html\">", Escaped(&self.plot));
        html.push_str("<input type=\"hidden\" name=\"page\" value=\"1\">");
        for (name, value) in &self.rest {
            // Writing into a text does not fail.
            let _ = write!(
                html,
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                Escaped(name),
                Escaped(value)
            );
        }
        html.push_str("<div class=\"sliders\">");
        html.extend(self.sliders.iter().enumerate().map(|(number, slider)| slider_html(number, slider)));
        html.push_str("</div><div class=\"options\">");
        html.push_str(&self.options());
        html.push_str("<label>&nbsp;<button type=\"submit\">Draw</button></label></div></form>");
        html
    }

    fn options(&self) -> String {
        let options = &self.plan.request.options;
        let value = |name: &str| written(options, name).unwrap_or_default();
        let maps: String =
            Colormap::names().iter().map(|map| format!("<option value=\"{}\">", Escaped(map.name))).collect();
        let number = |name: &str, title: &str| {
            format!(
                "<label>{title}<input type=\"number\" step=\"any\" name=\"{name}\" value=\"{}\" placeholder=\"auto\"></label>",
                Escaped(&value(name))
            )
        };
        [
            select("kind", "Kind", &value("kind"), &Kind::names()),
            format!(
                "<label>Colour map<input type=\"text\" name=\"cmap\" list=\"maps\" value=\"{}\" placeholder=\"auto\" \
                 autocomplete=\"off\" spellcheck=\"false\"></label><datalist id=\"maps\">{maps}</datalist>",
                Escaped(&value("cmap"))
            ),
            number("vmin", "From"),
            number("vmax", "To"),
            select("norm", "Scale", &value("norm"), &NORMS),
            select("proj", "Projection", &value("proj"), &thermocline_render::MapProjection::NAMES),
        ]
        .concat()
    }

    fn links(&self) -> String {
        let links = ["png", "webp", "svg", "json"].map(|extension| {
            let href = self.url(extension);
            format!(
                "<a data-form=\"{extension}\" href=\"{}\">{}</a>",
                Escaped(&href),
                extension.to_uppercase()
            )
        });
        let numbers = self.numbers.iter().map(|numbers| link(&format!("{numbers}?f=html"), "Numbers"));
        format!("<p class=\"links\">{}{}</p>", links.concat(), numbers.collect::<String>())
    }

    /// What the script has to know, as the content of a `script` element: nothing in it ends the element.
    fn known(&self) -> String {
        let mut room_bytes = MAX_LABEL_BYTES;
        let labels =
            self.sliders.iter().map(|slider| (slider.dim.name.clone(), slider.labels(&mut room_bytes)));
        let labels: Map<String, Value> = labels.collect();
        let series = self.sliders.iter().find(|slider| slider.dim.is_time()).or(self.sliders.first());
        let known = json!({
            "plot": self.plot,
            "title": self.title(),
            "units": self.units(),
            "rest": self.rest,
            "labels": labels,
            "series": series.map(|slider| &slider.dim.name),
        });
        let json = String::from_utf8_lossy(&ascii_json(&known)).into_owned();
        json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    }
}

/// A selection of a path without the pairs of some names; `None` if none is left.
fn without(path: &str, is_left_out: impl Fn(&str) -> bool) -> Option<String> {
    let words: Vec<&str> = path.split('/').collect();
    let pairs = words.chunks(2).filter(|pair| !pair.first().is_some_and(|name| is_left_out(name)));
    let left: Vec<&str> = pairs.flatten().copied().collect();
    (!left.is_empty()).then(|| left.join("/"))
}

/// The value of an option as a query writes it; `None` if it is not set.
fn written(options: &Options, name: &str) -> Option<String> {
    Options::spec(name).and_then(|spec| spec.write(options))
}

fn slider_html(number: usize, slider: &Slider<'_>) -> String {
    let Slider { dim, first, last, step, position } = slider;
    let (name, text) = (Escaped(&dim.name), dim.text(*position));
    format!(
        "<div class=\"slider\"><label for=\"slider-{number}\">{name}</label>\
         <input type=\"range\" id=\"slider-{number}\" name=\"isel.{name}\" data-dim=\"{name}\" \
         data-output=\"label-{number}\" min=\"{first}\" max=\"{last}\" step=\"{step}\" value=\"{position}\" \
         aria-valuetext=\"{text}\"><output id=\"label-{number}\" for=\"slider-{number}\">{text}</output>\
         <button type=\"button\" data-slider=\"slider-{number}\" aria-label=\"Play along {name}\" hidden>▶</button></div>",
        text = Escaped(&text),
    )
}

/// A list of words, of which none means the server's choice.
fn select(name: &str, title: &str, chosen: &str, words: &[&str]) -> String {
    let is_known = chosen.is_empty() || words.contains(&chosen);
    let other = (!is_known).then_some(chosen);
    let options = words.iter().copied().chain(other).map(|word| {
        let selected = if word == chosen { " selected" } else { "" };
        format!("<option{selected}>{}</option>", Escaped(word))
    });
    format!(
        "<label>{title}<select name=\"{name}\"><option value=\"\">auto</option>{}</select></label>",
        options.collect::<String>()
    )
}
