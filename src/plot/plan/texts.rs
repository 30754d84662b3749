//! What stands around a plot.

use thermocline_model::Variable;
use thermocline_render::text::typeset_units;

use super::Plan;

impl Plan {
    /// The plotted variable.
    pub fn variable(&self) -> Option<&Variable> {
        self.manifest.dataset.root.variable(&self.path)
    }

    /// Name of the variable for people, with what was made of it.
    pub fn long_name(&self) -> String {
        let name = self.stored_name();
        let Some(derivation) = &self.derivation else { return name };
        let parts = [derivation.before.as_str(), &name, &derivation.after];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Name of the variable for people, as its attributes have it.
    fn stored_name(&self) -> String {
        let attrs = self.variable().map(|variable| &variable.attrs);
        let text = |name: &str| {
            attrs.and_then(|attrs| attrs.text(name)).map(str::trim).filter(|text| !text.is_empty())
        };
        let name = text("long_name").map(str::to_owned);
        let name = name.or_else(|| text("standard_name").map(|name| name.replace('_', " ")));
        name.unwrap_or_else(|| self.path.rsplit('/').next().unwrap_or(&self.path).to_owned())
    }

    /// Units as people write them; empty without any.
    pub fn units(&self) -> String {
        if let Some(units) = &self.options.units {
            return units.clone();
        }
        let units = self.variable().and_then(|variable| variable.attrs.text("units")).unwrap_or_default();
        typeset_units(units.trim())
    }

    /// Name and units, as the colour bar has them.
    pub fn label(&self) -> String {
        let quantity = self.derivation.as_ref().map_or("", |derivation| &derivation.quantity);
        let name = match quantity {
            "" => self.stored_name(),
            quantity => format!("{quantity} {}", self.stored_name()),
        };
        match self.units() {
            units if units.is_empty() => name,
            units => format!("{name} [{units}]"),
        }
    }

    /// The first line above the panel.
    pub fn title(&self) -> String {
        self.options.title.clone().unwrap_or_else(|| self.long_name())
    }

    /// The second line: the labels of the dimensions that are not drawn.
    pub fn subtitle(&self, frame: Option<u64>) -> String {
        let animated = self.animation.as_ref().map(|animation| animation.axis);
        let mut parts = Vec::new();
        for (axis, dim) in self.dims.iter().enumerate() {
            let position = if animated == Some(axis) { frame } else { self.position(axis) };
            let Some(position) = position else { continue };
            match dim.speaks_for_itself(position) {
                true => parts.push(dim.text(position)),
                false => parts.push(format!("{} {}", dim.name, dim.text(position))),
            }
        }
        parts.join(" · ")
    }
}
