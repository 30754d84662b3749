//! Generators: references made from counters.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use thermocline_core::Result;

use crate::document::{MAX_REFERENCES, Reference, References, refused};
use crate::expression::{Names, Term};
use crate::template::Templates;

/// A generator of the document (`gen`).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Generator {
    key: String,
    url: String,
    #[serde(default)]
    offset: Option<Value>,
    #[serde(default)]
    length: Option<Value>,
    dimensions: BTreeMap<String, Counter>,
}

/// The values that a name takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Counter {
    Range {
        #[serde(default)]
        start: i64,
        stop: i64,
        #[serde(default = "one")]
        step: i64,
    },
    List(Vec<Value>),
}

fn one() -> i64 {
    1
}

impl Counter {
    fn len(&self) -> Result<u64> {
        match self {
            Self::List(values) => Ok(values.len() as u64),
            Self::Range { step: 0, .. } => Err(refused("a generator counts in steps of 0")),
            Self::Range { start, stop, step } => {
                let span = if *step > 0 {
                    i128::from(*stop) - i128::from(*start)
                } else {
                    i128::from(*start) - i128::from(*stop)
                };
                let step = i128::from(*step).unsigned_abs();
                let n = if span <= 0 { 0 } else { span.unsigned_abs().div_ceil(step) };
                u64::try_from(n).map_err(|_| refused("a generator counts beyond 64 bits"))
            }
        }
    }

    fn value(&self, position: u64) -> Result<Term> {
        match self {
            Self::Range { start, step, .. } => {
                let offset = i64::try_from(position).ok().and_then(|position| step.checked_mul(position));
                let value = offset.and_then(|offset| start.checked_add(offset));
                value.map(Term::Integer).ok_or_else(|| refused("a generator counts beyond 64 bits"))
            }
            Self::List(values) => {
                let value = usize::try_from(position).ok().and_then(|position| values.get(position));
                let term = value.and_then(|value| match value {
                    Value::String(text) => Some(Term::Text(text.clone())),
                    other => other.as_i64().map(Term::Integer),
                });
                term.ok_or_else(|| refused("a generator lists what is neither integer nor text"))
            }
        }
    }
}

/// Adds what the generators make to the references.
pub(crate) fn expand(
    generators: &[Generator],
    templates: &Templates,
    references: &mut References,
) -> Result<()> {
    for generator in generators {
        let counts = generator.dimensions.values().map(Counter::len).collect::<Result<Vec<u64>>>()?;
        let total = counts.iter().try_fold(1_u64, |product, count| product.checked_mul(*count));
        let room = MAX_REFERENCES.saturating_sub(references.len()) as u64;
        let total = total
            .filter(|total| *total <= room)
            .ok_or_else(|| refused(format!("generator {:?} makes too many references", generator.key)))?;
        for position in 0..total {
            let names = names(generator, &counts, position)?;
            let (key, reference) = generate(generator, templates, &names)?;
            references.insert(key, reference);
        }
    }
    Ok(())
}

/// The values of a generator's names at a position in the product of its counters.
fn names(generator: &Generator, counts: &[u64], mut position: u64) -> Result<Names> {
    let mut names = Names::new();
    for ((name, counter), count) in generator.dimensions.iter().zip(counts).rev() {
        names.insert(name.clone(), counter.value(position % count)?);
        position /= count;
    }
    Ok(names)
}

fn generate(generator: &Generator, templates: &Templates, names: &Names) -> Result<(String, Reference)> {
    let render = |text: &str| templates.render_with(text, names);
    let number = |value: &Value| match value {
        Value::String(text) => render(text)?
            .trim()
            .parse::<u64>()
            .map_err(|_| refused(format!("generator {:?}: {text:?} is no number of bytes", generator.key))),
        other => other
            .as_u64()
            .ok_or_else(|| refused(format!("generator {:?}: {other} is no number of bytes", generator.key))),
    };
    let url = render(&generator.url)?;
    let reference = match (&generator.offset, &generator.length) {
        (Some(offset), Some(length)) => {
            Reference::Range { url, offset: number(offset)?, len_bytes: number(length)? }
        }
        (None, None) => Reference::Whole { url },
        _ => return Err(refused(format!("generator {:?} has only one of offset and length", generator.key))),
    };
    Ok((render(&generator.key)?, reference))
}
