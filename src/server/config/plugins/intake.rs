//! Section `[plugins.intake]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_serve_intake::IntakeSettings;

use crate::config::load::Check;
use crate::config::units::Size;

/// Intake and intake-esm catalogs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntakeConfig {
    /// Whether the plugin is there.
    pub enabled: bool,
    /// Global attributes of the data that become columns of intake-esm, by their own names. The columns
    /// `collection`, `dataset_id`, `variable_id` and `uri` are always there.
    pub columns: Vec<String>,
    /// Columns by which intake-esm puts together what it opens at once: at least two, since it opens nothing by one.
    /// While some dataset leaves one of them empty, `collection` and `dataset_id` are taken: it would be lost.
    pub groupby_attrs: Vec<String>,
    /// Most datasets in one catalog. Beyond it `/intake.yaml` names catalogs by the beginnings of ids, since clients
    /// read a catalog whole.
    pub nested_above: usize,
    /// Most memory for finished catalogs, as a size. They are large and asked for again and again.
    pub memory: Size,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        let settings = IntakeSettings::default();
        Self {
            enabled: true,
            columns: settings.columns,
            groupby_attrs: settings.groupby_attrs,
            nested_above: settings.nested_above,
            memory: Size(settings.cache_bytes),
        }
    }
}

impl From<&IntakeConfig> for IntakeSettings {
    fn from(config: &IntakeConfig) -> Self {
        Self {
            columns: config.columns.clone(),
            groupby_attrs: config.groupby_attrs.clone(),
            nested_above: config.nested_above,
            cache_bytes: config.memory.0,
        }
    }
}

impl IntakeConfig {
    pub(super) fn complete(&self, check: &mut Check<'_>) {
        for (key, message) in IntakeSettings::from(self).mistakes() {
            check.mistake(&["plugins", "intake", key], message);
        }
    }
}
