//! Texts with `{{ }}` in them.

use std::cell::Cell;
use std::collections::BTreeMap;

use thermocline_core::Result;

use crate::document::refused;
use crate::expression::{Names, Scope, Term, evaluate};

/// Longest text that a template may give.
const MAX_TEXT_BYTES: usize = 1 << 16;
/// Most names and calls that one text may evaluate: templates that call each other multiply.
const MAX_STEPS: usize = 10_000;

/// The templates of a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Templates {
    texts: BTreeMap<String, String>,
    /// Names and calls evaluated since the last text began.
    n_steps: Cell<usize>,
}

impl Templates {
    /// The templates of a document by name.
    pub(crate) fn new(texts: BTreeMap<String, String>) -> Self {
        Self { texts, n_steps: Cell::new(0) }
    }

    /// The text with its expressions evaluated.
    pub(crate) fn render(&self, text: String) -> Result<String> {
        if !text.contains("{{") {
            return Ok(text);
        }
        self.render_with(&text, &Names::new())
    }

    /// The text with its expressions evaluated, where `names` have values of their own.
    pub(crate) fn render_with(&self, text: &str, names: &Names) -> Result<String> {
        self.n_steps.set(0);
        self.render_at(text, names, 0)
    }

    fn render_at(&self, text: &str, names: &Names, depth: usize) -> Result<String> {
        let scope = TemplateScope { templates: self, names };
        let mut rendered = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (expression, after) = after.split_once("}}").ok_or_else(|| {
                refused(format!("template {text:?} opens an expression and does not close it"))
            })?;
            rendered.push_str(before);
            rendered.push_str(&evaluate(expression, &scope, depth)?.into_text());
            if rendered.len() > MAX_TEXT_BYTES {
                return Err(refused(format!("a template gives more than {MAX_TEXT_BYTES} bytes")));
            }
            rest = after;
        }
        rendered.push_str(rest);
        Ok(rendered)
    }
}

struct TemplateScope<'a> {
    templates: &'a Templates,
    names: &'a Names,
}

impl Scope for TemplateScope<'_> {
    fn value(&self, name: &str, arguments: Option<&Names>, depth: usize) -> Result<Term> {
        let n_steps = self.templates.n_steps.get() + 1;
        self.templates.n_steps.set(n_steps);
        if n_steps > MAX_STEPS {
            return Err(refused(format!("a template takes more than {MAX_STEPS} steps")));
        }
        if let (Some(term), None) = (self.names.get(name), arguments) {
            return Ok(term.clone());
        }
        let template = self.templates.texts.get(name);
        let template = template.ok_or_else(|| refused(format!("template {name:?} is not defined")))?;
        let empty = Names::new();
        self.templates.render_at(template, arguments.unwrap_or(&empty), depth).map(Term::Text)
    }
}
