//! What can be set about the archive.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::Landing;
use thermocline_core::cold::command::{CommandTemplate, ExitCodes};
use thermocline_core::cold::units::{size, span};
use thermocline_core::{Error, Result};

/// `[cold.NAME]` with `kind = "command"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether staged objects are read where they are, below their root, or copied from the spool.
    pub landing: LandingConfig,
    /// The command that says where objects are.
    pub locality: String,
    /// Whether the locality command tells the tape and the position of every object.
    pub knows_tapes: bool,
    /// The command that asks for objects to be brought online. Without one `fetch` does it all.
    pub stage: Option<String>,
    /// Whether the stage command returns only when the objects are there.
    pub stage_waits: bool,
    /// The command that says how far a batch is. Without one the locality tells.
    pub progress: Option<String>,
    /// The command that stops recalls.
    pub cancel: Option<String>,
    /// The command that is told that objects are not needed any more.
    pub release: Option<String>,
    /// The command that writes the bytes of one object, `{path}`, to the file `{target}`.
    pub fetch: Option<String>,
    /// The folder into which objects are fetched; without a `fetch` command the one in which the archive's tool
    /// puts them, under their paths below the root. A relative path begins at the file that names it.
    pub spool: Option<PathBuf>,
    /// Most bytes in a spool that `fetch` fills.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub spool_size: u64,
    /// How long an object stays in such a spool at most.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub spool_keep: Duration,
    /// What words of the archive's tools mean: `online`, `nearline`, `online+nearline`, `lost`, `missing`,
    /// `unavailable`; `queued`, `active`, `staged`, `failed`, `not-found`, `denied`, `busy`, `unknown`.
    pub words: BTreeMap<String, String>,
    /// What exit codes of the commands mean: `ok`, `not-found`, `denied`, `lost`, `retry`, `busy`. 0 is success, any
    /// other may be tried again.
    #[schemars(with = "BTreeMap<String, String>")]
    pub exit_codes: ExitCodes,
    /// When to ask again after an exit code that means `busy`.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub busy_after: Duration,
    /// Most objects that one command is given.
    pub objects_per_command: usize,
    /// Most commands that run at the same time, fetching and waiting ones aside.
    pub commands_at_once: usize,
    /// How long a command may take that neither fetches nor waits. Then its process group is killed.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub command_time_limit: Duration,
    /// Most fetching and most waiting commands that run at the same time.
    pub recalls_at_once: usize,
    /// How long a fetching or a waiting command may take.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub recall_time_limit: Duration,
    /// Most bytes that a command may write to its output.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub max_output: u64,
    /// Most batches under way at the same time.
    pub batches_at_once: usize,
    /// Most objects in one batch.
    pub batch_objects: usize,
    /// Most objects under way. Further batches are refused until there are fewer.
    pub max_objects: usize,
    /// How often the archive is asked how far it is.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            landing: LandingConfig::Copied,
            locality: String::new(),
            knows_tapes: false,
            stage: None,
            stage_waits: false,
            progress: None,
            cancel: None,
            release: None,
            fetch: None,
            spool: None,
            spool_size: 100 << 30,
            spool_keep: Duration::from_secs(2 * 24 * 3600),
            words: BTreeMap::new(),
            exit_codes: ExitCodes::default(),
            busy_after: Duration::from_secs(60),
            objects_per_command: 100,
            commands_at_once: 4,
            command_time_limit: Duration::from_secs(120),
            recalls_at_once: 4,
            recall_time_limit: Duration::from_secs(12 * 3600),
            max_output: 16 << 20,
            batches_at_once: 8,
            batch_objects: 500,
            max_objects: 1_000_000,
            poll_every: Duration::from_secs(10),
        }
    }
}

/// How staged objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LandingConfig {
    /// Where they are, below their root.
    InPlace,
    /// Copied from the spool.
    Copied,
}

impl From<LandingConfig> for Landing {
    fn from(landing: LandingConfig) -> Self {
        match landing {
            LandingConfig::InPlace => Self::InPlace,
            LandingConfig::Copied => Self::Copied,
        }
    }
}

/// The commands, split into words.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    pub(crate) locality: CommandTemplate,
    pub(crate) stage: Option<CommandTemplate>,
    pub(crate) progress: Option<CommandTemplate>,
    pub(crate) cancel: Option<CommandTemplate>,
    pub(crate) release: Option<CommandTemplate>,
    pub(crate) fetch: Option<CommandTemplate>,
}

impl Config {
    /// The commands, once everything in the configuration makes sense.
    pub(crate) fn checked(&self) -> Result<Templates> {
        let invalid = |text: &str| Err(Error::invalid_input(text));
        let counts = [
            ("objects_per_command", self.objects_per_command),
            ("commands_at_once", self.commands_at_once),
            ("recalls_at_once", self.recalls_at_once),
            ("batches_at_once", self.batches_at_once),
            ("batch_objects", self.batch_objects),
            ("max_objects", self.max_objects),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::invalid_input(format!("{key}: must be greater than 0")));
        }
        if self.command_time_limit.is_zero() || self.recall_time_limit.is_zero() || self.poll_every.is_zero()
        {
            return invalid("command_time_limit, recall_time_limit and poll_every: must be greater than 0");
        }
        if self.max_output == 0 || self.spool_size == 0 {
            return invalid("max_output and spool_size: must be greater than 0");
        }
        match (self.landing, &self.spool) {
            (LandingConfig::InPlace, Some(_)) => {
                return invalid("spool: has no meaning where objects are read in place");
            }
            (LandingConfig::Copied, None) => {
                return invalid("spool: the folder of staged objects is missing");
            }
            (LandingConfig::Copied, Some(spool)) if !spool.is_absolute() => {
                return invalid("spool: must be an absolute path");
            }
            _ => {}
        }
        if self.fetch.is_some() && self.landing == LandingConfig::InPlace {
            return invalid("fetch: has no meaning where objects are read in place");
        }
        if self.stage.is_none() && self.fetch.is_none() {
            return invalid("stage: the command that asks for objects is missing");
        }
        if self.stage.is_none() && (self.stage_waits || self.progress.is_some()) {
            return invalid("stage_waits and progress: have no meaning without a stage command");
        }
        self.templates()
    }

    fn templates(&self) -> Result<Templates> {
        let batch = ["path", "paths", "key", "id", "lifetime"];
        let fetch = optional("fetch", self.fetch.as_deref(), &["path", "target"])?;
        if fetch.as_ref().is_some_and(|fetch| !(fetch.takes("path") && fetch.takes("target"))) {
            return Err(Error::invalid_input("fetch: must have {path} and {target}"));
        }
        Ok(Templates {
            locality: template("locality", &self.locality, &["path", "paths"])?,
            stage: optional("stage", self.stage.as_deref(), &["path", "paths", "key", "lifetime"])?,
            progress: optional("progress", self.progress.as_deref(), &batch)?,
            cancel: optional("cancel", self.cancel.as_deref(), &batch)?,
            release: optional("release", self.release.as_deref(), &["path", "paths"])?,
            fetch,
        })
    }
}

fn optional(key: &str, text: Option<&str>, places: &[&str]) -> Result<Option<CommandTemplate>> {
    text.map(|text| template(key, text, places)).transpose()
}

fn template(key: &str, text: &str, places: &[&str]) -> Result<CommandTemplate> {
    let named = |error: Error| Error::new(error.kind(), format!("{key}: {}", error.message()));
    let template = CommandTemplate::parse(text, places).map_err(named)?;
    if template.takes("path") && template.takes("paths") {
        return Err(Error::invalid_input(format!("{key}: has {{path}} and {{paths}}")));
    }
    Ok(template)
}
