//! The same request in one form.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use thermocline_core::select::{Indices, ResolvedAxis, ResolvedVariable};

use super::Plan;

/// Counted up whenever the same request gives other bytes.
const RENDERER_VERSION: u32 = 3;

impl Plan {
    /// Every option with its value in a fixed order, as a query without `?`: requests with the same one give the same
    /// picture. Positions are written as `isel`, whatever they were selected by.
    pub fn canonical(&self) -> String {
        let derived = self.derivation.iter().flat_map(|derivation| &derivation.words);
        let mut pairs: Vec<(&str, String)> =
            derived.map(|(name, value)| (name.as_str(), value.clone())).collect();
        pairs.extend(self.options.words());
        pairs.extend(self.selection_words());
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The selection in words: positions where they are one run of every axis, else as the request has it.
    fn selection_words(&self) -> Vec<(&'static str, String)> {
        let Some(variable) = self.selected.variables.first() else { return Vec::new() };
        let mut words = Vec::new();
        let group = self.request.group();
        if !group.is_empty() {
            words.push(("group", group.to_owned()));
        }
        match self.positions(variable) {
            Some(positions) if variable.masks.is_empty() => words.extend(positions),
            _ => words.extend(self.words_of_request(variable)),
        }
        words
    }

    /// `isel` of each axis of which something is selected; `None` where one takes more words.
    fn positions(&self, variable: &ResolvedVariable) -> Option<Vec<(&'static str, String)>> {
        let mut words = Vec::new();
        for axis in &variable.axes {
            if let Some(indices) = &axis.indices {
                words.push(("isel", format!("{}={}", axis.dim, positions_text(axis, indices)?)));
            }
        }
        Some(words)
    }

    /// The words of the request, and the positions of axes that it does not name.
    fn words_of_request(&self, variable: &ResolvedVariable) -> Vec<(&'static str, String)> {
        let mut words: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in &self.request.selecting {
            match name.as_str() {
                "group" => {}
                "isel" => words.push(("isel", value.clone())),
                "bbox" => words.push(("bbox", value.clone())),
                "path" => words.push(("path", value.clone())),
                "sel" => words.push(("sel", value.clone())),
                dim => words.push(("sel", format!("{dim}={value}"))),
            }
        }
        words.sort();
        for (axis, choice) in variable.axes.iter().zip(&self.choices) {
            let is_default = choice.is_none() && axis.is_single;
            if let Some(indices) = axis.indices.as_ref().filter(|_| is_default)
                && let Some(text) = positions_text(axis, indices)
            {
                words.push(("isel", format!("{}={text}", axis.dim)));
            }
        }
        words
    }

    /// A strong entity tag without quotes: of the dataset's revision, the canonical parameters, the form of the answer
    /// and the version of the renderer.
    pub fn etag(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.manifest.id.to_string());
        add(&self.manifest.revision.0);
        add(&self.path);
        add(self.request.format.extension());
        add(&RENDERER_VERSION.to_string());
        add(&self.canonical());
        for variable in &self.selected.variables {
            add(&variable.path);
            for axis in &variable.axes {
                let runs =
                    axis.indices.as_ref().map(|indices| (indices.runs().to_vec(), indices.is_reversed()));
                add(&format!("{} {runs:?}", axis.dim));
            }
        }
        // Without masks the positions above say all: other words for them are the same picture.
        let masking = self.request.selecting.iter().filter(|_| self.has_masks());
        for (_, value) in masking {
            add(value);
        }
        let digest = hash.finalize();
        digest.iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn has_masks(&self) -> bool {
        self.selected.variables.iter().any(|variable| !variable.masks.is_empty())
    }

    /// A name for the file that a browser saves: dataset, variable and the steps that are shown.
    pub fn file_name(&self) -> String {
        let mut name = format!("{}_{}", self.manifest.id, self.path);
        if let Some(derivation) = &self.derivation {
            name.push('_');
            name.push_str(&derivation.file_part);
        }
        for (axis, dim) in self.dims.iter().enumerate() {
            if let Some(position) = self.position(axis).filter(|_| dim.len > 1) {
                name.push('_');
                name.push_str(&dim.value(position));
            }
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut name: String = name.chars().take(120).map(|c| if is_plain(c) { c } else { '-' }).collect();
        name.push('.');
        name.push_str(self.request.format.extension());
        name
    }

    /// The position that is shown of an axis that is not drawn.
    pub fn position(&self, axis: usize) -> Option<u64> {
        let axis = self.selected.variables.first()?.axes.get(axis)?;
        axis.indices.as_ref().filter(|_| axis.is_single)?.first()
    }
}

/// Positions as `isel` takes them; `None` if they are not one run.
fn positions_text(axis: &ResolvedAxis, indices: &Indices) -> Option<String> {
    let [run] = indices.runs() else { return None };
    if axis.is_single && run.count() == 1 {
        return Some(run.start().to_string());
    }
    let (first, last, step) = (run.start(), run.last(), run.step());
    Some(match (indices.is_reversed(), first) {
        (false, _) if step == 1 => format!("{first}:{}", last + 1),
        (false, _) => format!("{first}:{}:{step}", last + 1),
        (true, 0) => format!("{last}::-{step}"),
        (true, _) => format!("{last}:{}:-{step}", first - 1),
    })
}

/// A value in a query: what is neither a letter nor a digit nor one of a few signs is escaped.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~,:()/".contains(&byte);
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
