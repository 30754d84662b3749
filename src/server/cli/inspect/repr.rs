//! A dataset as text, in the manner of xarray, with how each variable is served.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bytesize::ByteSize;
use thermocline_core::ErrorKind;
use thermocline_core::cold::Locality;
use thermocline_core::manifest::Manifest;
use thermocline_core::read::{Reader, Route};
use thermocline_core::staging::Presence;
use thermocline_model::{
    Attribute, Attributes, ByteOrder, DataType, Dataset, Group, Number, Variable, Verification,
};
use thermocline_serve_datasets::coordinate_names;
use thermocline_zarr::{Hierarchy, View, codec_names};

/// Longest value of an attribute that is shown, in characters.
const MAX_VALUE: usize = 70;

/// Most objects of a dataset that are looked for on cold stores.
const MAX_LOOKS: usize = 1000;

/// The dataset as text.
pub(super) async fn repr(manifest: &Arc<Manifest>, reader: &Reader) -> String {
    let dataset = &manifest.dataset;
    let n_bytes: u64 = dataset.objects.iter().map(|object| object.len_bytes).sum();
    let mut text = format!("<dataset {}> {}, {}\n", manifest.id, manifest.format, ByteSize::b(n_bytes));
    if let Some(title) = manifest.title() {
        let _ = writeln!(text, "{}", title.replace('\n', " "));
    }
    text.push_str(&locality(dataset, reader).await);
    let mut groups = Vec::new();
    dataset.root.visit(&mut |path, group| groups.push((path.to_owned(), group)));
    let n_groups = groups.len();
    for (path, group) in groups {
        if n_groups > 1 {
            let _ = writeln!(text, "\nGroup /{path}");
        }
        write_group(&mut text, manifest, reader, &path, group).await;
    }
    if !dataset.refusals.is_empty() {
        text.push_str("Not served:\n");
    }
    for refusal in &dataset.refusals {
        let shape = join(&refusal.shape);
        let _ = writeln!(text, "    {} ({shape}) {}: {}", refusal.path, refusal.dtype, refusal.reason);
    }
    if !dataset.notes.is_empty() {
        text.push_str("Notes:\n");
    }
    for note in &dataset.notes {
        let _ = writeln!(text, "    /{}: {}", note.path, note.note);
    }
    text
}

/// How many objects are where, if any lies on a cold store: a line, or nothing.
async fn locality(dataset: &Dataset, reader: &Reader) -> String {
    let Some(recalls) = reader.recalls() else { return String::new() };
    let residency = Arc::clone(recalls.residency());
    let hrefs: Vec<String> =
        dataset.objects.iter().take(MAX_LOOKS).map(|object| object.href.clone()).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for href in hrefs.iter().filter(|href| residency.is_bound(href)) {
        let locality = match residency.presence(href).await {
            Ok(Presence::Online { .. } | Presence::Unbound) => Locality::Online,
            Ok(Presence::Cold) => Locality::Nearline,
            Err(error) if error.kind() == ErrorKind::Lost => Locality::Lost,
            Err(_) => Locality::Unavailable,
        };
        *counts.entry(locality.as_str()).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
    match counts.as_slice() {
        [] => String::new(),
        counts => format!("Locality:  {}\n", counts.join(", ")),
    }
}

async fn write_group(
    text: &mut String,
    manifest: &Arc<Manifest>,
    reader: &Reader,
    path: &str,
    group: &Group,
) {
    let dims = group.dims.iter().map(|dim| {
        let unlimited = if dim.is_unlimited { " (unlimited)" } else { "" };
        format!("{}: {}{unlimited}", dim.name, dim.len)
    });
    let _ = writeln!(text, "Dimensions:  ({})", dims.collect::<Vec<_>>().join(", "));
    let coordinates = coordinate_names(group);
    let (coords, data): (Vec<_>, Vec<_>) =
        group.variables.iter().partition(|variable| coordinates.contains(&variable.name));
    for (title, variables) in [("Coordinates:", coords), ("Data variables:", data)] {
        if variables.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{title}");
        for variable in variables {
            let name =
                if path.is_empty() { variable.name.clone() } else { format!("{path}/{}", variable.name) };
            write_variable(text, manifest, reader, &name, variable).await;
        }
    }
    write_attributes(text, &group.attrs);
}

fn is_index(variable: &Variable) -> bool {
    variable.dims.len() == 1 && variable.dims.first() == Some(&variable.name)
}

async fn write_variable(
    text: &mut String,
    manifest: &Arc<Manifest>,
    reader: &Reader,
    path: &str,
    variable: &Variable,
) {
    let star = if is_index(variable) { '*' } else { ' ' };
    let dims: Vec<String> =
        variable.dims.iter().zip(&variable.shape).map(|(name, len)| format!("{name}: {len}")).collect();
    let dtype = dtype_name(&variable.dtype);
    let _ = writeln!(text, "  {star} {} ({}) {dtype}", variable.name, dims.join(", "));
    let route = match route(manifest, reader, path, variable).await {
        Some(Route::Ranges) => "ranges",
        Some(Route::Inline) => "inline",
        Some(Route::Derived) => "derived",
        Some(Route::Mixed) => "mixed",
        None => "unknown",
    };
    let stored =
        manifest.table(variable).await.map(|table| (table.len(), table.stored_bytes())).unwrap_or_default();
    let (n_chunks, n_bytes) = (stored.0, ByteSize::b(stored.1));
    let chunks = join(&variable.storage.chunk_shape);
    let codecs =
        variable.storage.encodings.first().map(|encoding| codec_names(&encoding.codecs)).unwrap_or_default();
    let codecs = if codecs.is_empty() { "no codec".to_owned() } else { codecs.join(", ") };
    let verified = match &variable.verification {
        Verification::Verified { n_chunks } => format!("{n_chunks} verified"),
        Verification::Unverified { reason } => format!("not verified: {reason}"),
    };
    let _ =
        writeln!(text, "        {route}; {n_chunks} chunks of ({chunks}), {n_bytes}; {codecs}; {verified}");
}

/// The route of the variable in Zarr version 2, which keeps most stored bytes as they are.
async fn route(manifest: &Arc<Manifest>, reader: &Reader, path: &str, variable: &Variable) -> Option<Route> {
    let hierarchy = Hierarchy::of(manifest, View::V2);
    let array = hierarchy.array(path)?;
    reader.route(manifest, variable, &array.form).await.ok()
}

fn write_attributes(text: &mut String, attrs: &Attributes) {
    if !attrs.is_empty() {
        text.push_str("Attributes:\n");
    }
    for (name, value) in attrs.iter() {
        let value = attribute_text(value);
        let shown: String = value.chars().take(MAX_VALUE).collect();
        let rest = if shown.len() < value.len() { "…" } else { "" };
        let _ = writeln!(text, "    {name}: {}{rest}", shown.replace('\n', " "));
    }
}

fn attribute_text(attribute: &Attribute) -> String {
    let number = |number: &Number| match number {
        Number::Integer(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    };
    match attribute {
        Attribute::Text(text) => text.clone(),
        Attribute::Texts(texts) => texts.join(", "),
        Attribute::Numbers { values, .. } => values.iter().map(number).collect::<Vec<_>>().join(", "),
    }
}

/// The type in numpy's words.
fn dtype_name(dtype: &DataType) -> String {
    let name = match dtype {
        DataType::Bool => "bool".to_owned(),
        DataType::Int { size, .. } => format!("int{}", u32::from(*size) * 8),
        DataType::UInt { size, .. } => format!("uint{}", u32::from(*size) * 8),
        DataType::Float { size, .. } => format!("float{}", u32::from(*size) * 8),
        DataType::Char => "S1".to_owned(),
        DataType::FixedString { len, .. } => format!("S{len}"),
        DataType::String => "string".to_owned(),
        DataType::Compound { fields, .. } => {
            let members: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name, dtype_name(&field.dtype))).collect();
            format!("{{{}}}", members.join(", "))
        }
    };
    if dtype.byte_order() == Some(ByteOrder::Big) { format!("{name} (big-endian)") } else { name }
}

fn join(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
