//! Answers what selections take of the datasets in a folder, for the checks in `select/` to judge.
//!
//! `select-bridge FOLDER STATE ROOT…` reads a JSON object a line, `{"dataset": "a.nc", "variables": ["v"], "path": "lat/0_1",
//! "query": [["time", "2000"]]}`, and writes a line for each: `{"dims": {"time": [3, 4]}, "single": ["time"], "masks":
//! [{"dims": ["y", "x"], "cells": [0, 5]}], "objects": ["/archive/a.nc"]}` of the first variable, or `{"error": "…"}`.

mod folder;

use std::io::{BufRead, Write};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thermocline_core::catalog::Catalog;
use thermocline_core::select::{Mask, ResolvedVariable, Selection, objects, resolve};
use thermocline_core::{Error, Result};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (folder, state) = (arguments.next().ok_or("no folder")?, arguments.next().ok_or("no state")?);
    let roots: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(answer_all(&folder, &state, &roots))
}

async fn answer_all(folder: &str, state: &str, roots: &[String]) -> Result<(), Failure> {
    let catalog = folder::catalog(folder, state, roots)?;
    catalog.scan().await;
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let answer = match answer(&catalog, &question).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(answers.flush()?)
}

async fn answer(catalog: &Catalog, question: &Value) -> Result<Value> {
    let text = |name: &str| question.get(name).and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| question.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let manifest = catalog.open(text("dataset")).await?;
    let mut selection = Selection::new();
    selection.path(text("path"))?;
    for pair in list("query") {
        let part = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
        selection.query(part(0), part(1))?;
    }
    let variables: Vec<String> =
        list("variables").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let resolved = Arc::new(resolve(&manifest, &selection, &variables).await?);
    let numbers = objects(&manifest, &resolved).await?;
    let hrefs = numbers.iter().filter_map(|number| manifest.dataset.objects.get(*number as usize));
    let hrefs: Vec<&str> = hrefs.map(|object| object.href.as_str()).collect();
    let first = resolved.variables.first().ok_or_else(|| Error::not_found("no variable"))?;
    Ok(json!({ "dims": dims(first), "single": single(first), "masks": masks(first), "objects": hrefs }))
}

fn dims(variable: &ResolvedVariable) -> Value {
    let named = variable.axes.iter().filter_map(|axis| Some((axis.dim.clone(), axis.indices.as_ref()?)));
    named
        .map(|(dim, indices)| (dim, indices.iter().collect::<Value>()))
        .collect::<Map<String, Value>>()
        .into()
}

fn single(variable: &ResolvedVariable) -> Value {
    variable.axes.iter().filter(|axis| axis.is_single).map(|axis| axis.dim.clone()).collect()
}

fn masks(variable: &ResolvedVariable) -> Value {
    let cells = |mask: &Mask| -> Value {
        let width = mask.shape().last().copied().unwrap_or(1);
        let first =
            |row: &[u64]| row.iter().zip(mask.shape()).fold(0, |at, (row, len)| at * len + row) * width;
        mask.rows().flat_map(|(row, columns)| columns.map(move |column| first(&row) + column)).collect()
    };
    variable.masks.iter().map(|mask| json!({ "dims": mask.dims(), "cells": cells(mask) })).collect()
}
