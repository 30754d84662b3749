//! What can be set about the file system.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::command::{CommandTemplate, ExitCodes};
use thermocline_core::cold::units::span;
use thermocline_core::{Error, Result};

/// `[cold.NAME]` with `kind = "posix"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Extended attributes that tell the state of a file. The first that a file has decides.
    pub attributes: Vec<AttributeConfig>,
    /// A command that tells the state of files that have none of the attributes. Without one the share of blocks
    /// that are allocated decides.
    pub state_command: Option<StateCommandConfig>,
    /// Whether files with few allocated blocks are offline beyond doubt: no warning about compression.
    pub trust_blocks: bool,
    /// Whether every file that is online has a copy on tape. Otherwise only those count as safe that this server
    /// has seen offline in the same state: others are never released.
    pub assume_archived: bool,
    /// What brings a file online.
    pub trigger: Trigger,
    /// The command that brings files online: `{path}` for one, `{paths}` for many, or neither with
    /// `recall_input = "lines"`. It may return at once or when the files are there.
    pub recall: Option<String>,
    /// What the recall command reads.
    pub recall_input: RecallInput,
    /// The command that stops recalls, with `{path}` or `{paths}`.
    pub cancel: Option<String>,
    /// The command that makes files cold again, with `{path}` or `{paths}`.
    pub release: Option<String>,
    /// Most files that one command is given.
    pub files_per_command: usize,
    /// Most recall commands that run at the same time.
    pub commands_at_once: usize,
    /// How long a recall command may take. Then its process group is killed.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub command_time_limit: Duration,
    /// How long a release or cancel command may take.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub release_time_limit: Duration,
    /// What exit codes of the commands mean: `ok`, `not-found`, `denied`, `lost`, `retry`, `busy`. 0 is success, any
    /// other may be tried again.
    #[schemars(with = "BTreeMap<String, String>")]
    pub exit_codes: ExitCodes,
    /// When to ask again after an exit code that means `busy`.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub busy_after: Duration,
    /// How long a file may take to come online after its recall was accepted.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub online_within: Duration,
    /// Most batches under way at the same time.
    pub batches_at_once: usize,
    /// Most files in one batch.
    pub batch_objects: usize,
    /// Most files under way. Further batches are refused until there are fewer.
    pub max_objects: usize,
    /// How often the state of files is looked at while they are recalled.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_every: Duration,
    /// Most threads, and most state commands, that look at files at the same time.
    pub looks_at_once: usize,
    /// How long looking at a file may take before the file system counts as one that does not answer.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub look_time_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attributes: vec![AttributeConfig::toy()],
            state_command: None,
            trust_blocks: false,
            assume_archived: false,
            trigger: Trigger::Command,
            recall: None,
            recall_input: RecallInput::None,
            cancel: None,
            release: None,
            files_per_command: 100,
            commands_at_once: 4,
            command_time_limit: Duration::from_secs(12 * 3600),
            release_time_limit: Duration::from_secs(300),
            exit_codes: ExitCodes::default(),
            busy_after: Duration::from_secs(60),
            online_within: Duration::from_secs(24 * 3600),
            batches_at_once: 8,
            batch_objects: 1000,
            max_objects: 1_000_000,
            poll_every: Duration::from_secs(5),
            looks_at_once: 8,
            look_time_limit: Duration::from_secs(20),
        }
    }
}

/// An attribute that tells the state of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeConfig {
    /// Its name, `user.hsm.state`.
    pub name: String,
    /// What its values mean.
    #[serde(default)]
    pub values: BTreeMap<String, FileState>,
    /// What any other value means.
    #[serde(default = "nearline")]
    pub otherwise: FileState,
}

impl AttributeConfig {
    /// `user.hsm.state`, the attribute that small systems and our own tests use.
    fn toy() -> Self {
        let values =
            [("online", FileState::Online), ("restoring", FileState::Recalling), ("lost", FileState::Lost)];
        Self {
            name: "user.hsm.state".to_owned(),
            values: values.map(|(value, state)| (value.to_owned(), state)).into(),
            otherwise: FileState::Nearline,
        }
    }
}

fn nearline() -> FileState {
    FileState::Nearline
}

/// A command that tells the state of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateCommandConfig {
    /// The command, with `{path}`; or with `{paths}` if it prints a line for each path, in their order.
    pub run: String,
    /// Words of its output and what they mean; the worst of them counts.
    pub words: BTreeMap<String, FileState>,
    /// What an output without any of the words means; without it that is an error.
    #[serde(default)]
    pub otherwise: Option<FileState>,
}

/// The state of a file, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It can be read; whether there is a copy on tape is not said.
    Online,
    /// It can be read, and there is a copy on tape.
    #[serde(rename = "online+nearline")]
    Both,
    /// It is on tape.
    Nearline,
    /// It is being brought online.
    Recalling,
    /// No copy is left.
    Lost,
}

impl FileState {
    /// True if it can be read.
    pub(crate) fn is_online(self) -> bool {
        matches!(self, Self::Online | Self::Both)
    }
}

/// What brings files online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The recall command.
    Command,
    /// Reading one byte, in a process of its own: `head -c 1`, or the recall command if there is one. Each of these
    /// processes lives until its file is there.
    Read,
    /// `posix_fadvise(WILLNEED)`, where it returns at once.
    Fadvise,
}

/// What the recall command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecallInput {
    /// Nothing.
    None,
    /// Paths, one a line.
    Lines,
}

/// The commands, split into words.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    pub(crate) recall: Option<CommandTemplate>,
    pub(crate) cancel: Option<CommandTemplate>,
    pub(crate) release: Option<CommandTemplate>,
    pub(crate) state: Option<CommandTemplate>,
}

impl Config {
    /// The commands, once everything in the configuration makes sense.
    pub(crate) fn checked(&self) -> Result<Templates> {
        let counts = [
            ("files_per_command", self.files_per_command),
            ("commands_at_once", self.commands_at_once),
            ("batches_at_once", self.batches_at_once),
            ("batch_objects", self.batch_objects),
            ("max_objects", self.max_objects),
            ("looks_at_once", self.looks_at_once),
        ];
        let spans = [
            ("command_time_limit", self.command_time_limit),
            ("release_time_limit", self.release_time_limit),
            ("online_within", self.online_within),
            ("poll_every", self.poll_every),
            ("look_time_limit", self.look_time_limit),
        ];
        let is_nothing = counts.iter().find(|(_, count)| *count == 0).map(|(key, _)| key);
        let is_never = spans.iter().find(|(_, span)| span.is_zero()).map(|(key, _)| key);
        if let Some(key) = is_nothing.or(is_never) {
            return Err(Error::invalid_input(format!("{key}: must be greater than 0")));
        }
        if let Some(attribute) = self.attributes.iter().find(|attribute| !attribute.name.contains('.')) {
            let text = format!("attributes: {:?} has no namespace such as \"user.\"", attribute.name);
            return Err(Error::invalid_input(text));
        }
        Ok(Templates {
            recall: self.recall_template()?,
            cancel: optional("cancel", self.cancel.as_deref())?,
            release: optional("release", self.release.as_deref())?,
            state: optional(
                "state_command.run",
                self.state_command.as_ref().map(|state| state.run.as_str()),
            )?,
        })
    }

    fn recall_template(&self) -> Result<Option<CommandTemplate>> {
        let recall = match (self.trigger, self.recall.as_deref()) {
            (Trigger::Fadvise, None) => return Ok(None),
            (Trigger::Fadvise, Some(_)) => {
                return Err(Error::invalid_input("recall: has no meaning with trigger = \"fadvise\""));
            }
            (Trigger::Read, recall) => recall.unwrap_or("head -c 1 {path}"),
            (Trigger::Command, Some(recall)) => recall,
            (Trigger::Command, None) => {
                return Err(Error::invalid_input("recall: the command that brings files online is missing"));
            }
        };
        match self.recall_input {
            RecallInput::None => template("recall", recall).map(Some),
            RecallInput::Lines => {
                CommandTemplate::parse(recall, &[]).map_err(|error| named("recall", error)).map(Some)
            }
        }
    }
}

fn optional(key: &str, text: Option<&str>) -> Result<Option<CommandTemplate>> {
    text.map(|text| template(key, text)).transpose()
}

/// A command that is given paths.
fn template(key: &str, text: &str) -> Result<CommandTemplate> {
    let template = CommandTemplate::parse(text, &["path", "paths"]).map_err(|error| named(key, error))?;
    if template.takes("path") == template.takes("paths") {
        let text = format!("{key}: command {text:?} must have either {{path}} or {{paths}}");
        return Err(Error::invalid_input(text));
    }
    Ok(template)
}

fn named(key: &str, error: Error) -> Error {
    Error::new(error.kind(), format!("{key}: {}", error.message()))
}
