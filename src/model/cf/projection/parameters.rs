//! Numbers that grid mappings give.

use crate::{Attribute, Attributes};

/// The numbers of a grid mapping by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a> {
    attrs: &'a Attributes,
}

impl<'a> Parameters<'a> {
    /// Those of a grid mapping's attributes.
    pub(super) fn new(attrs: &'a Attributes) -> Self {
        Self { attrs }
    }

    /// One finite number; `None` without it, and if it is there and no number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.numbers(name).first().copied()
    }

    /// One number, or what it is by default where the attribute is missing; `None` if it is there and no number.
    pub(super) fn number_or(&self, name: &str, default: f64) -> Option<f64> {
        self.optional(name, Self::number).map(|number| number.unwrap_or(default))
    }

    /// The number of the first of several names that is there.
    pub(super) fn any(&self, names: &[&str]) -> Option<f64> {
        self.number(names.iter().find(|name| self.has(name))?)
    }

    /// The same, or what it is by default where all are missing.
    pub(super) fn any_or(&self, names: &[&str], default: f64) -> Option<f64> {
        if names.iter().any(|name| self.has(name)) { self.any(names) } else { Some(default) }
    }

    /// What `read` makes of an attribute that need not be there; `None` if it is there and `read` makes nothing of it:
    /// another map would be drawn without it.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        read: impl Fn(&Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.has(name) { read(self, name).map(Some) } else { Some(None) }
    }

    fn has(&self, name: &str) -> bool {
        self.attrs.get(name).is_some()
    }

    /// A latitude in radians.
    pub(super) fn latitude(&self, name: &str) -> Option<f64> {
        self.number(name).filter(|degrees| degrees.abs() <= 90.0).map(f64::to_radians)
    }

    /// One or two parallels in radians.
    pub(super) fn parallels(&self, name: &str) -> Option<(f64, f64)> {
        let parallels = self.numbers(name);
        let first = *parallels.first()?;
        let second = parallels.get(1).copied().unwrap_or(first);
        let is_latitude = |degrees: f64| degrees.abs() < 90.0;
        (is_latitude(first) && is_latitude(second)).then(|| (first.to_radians(), second.to_radians()))
    }

    /// A text; `None` without it, and if it is there and no text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.attrs.text(name)
    }

    /// All numbers of an attribute; none if any of them is not finite. Some writers give numbers as texts.
    fn numbers(&self, name: &str) -> Vec<f64> {
        let numbers: Vec<f64> = match self.attrs.get(name) {
            Some(Attribute::Numbers { values, .. }) => {
                values.iter().take(4).map(|value| value.as_f64()).collect()
            }
            Some(Attribute::Text(text)) => text.trim().parse().into_iter().collect(),
            _ => Vec::new(),
        };
        if numbers.iter().all(|number| number.is_finite()) { numbers } else { Vec::new() }
    }
}
