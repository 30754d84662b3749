//! The configuration: one file, one environment scheme, one set of flags, with the same keys in all three.
//!
//! Values come from the defaults, then the file, then `THERMOCLINE__SECTION__KEY` in the environment,
//! then the flags; later wins. Every mistake is reported at once, with the place where it was made.
//! The documentation of a key is the documentation of its field here: `config example`,
//! `config schema` and the messages are made from it.

mod access;
mod catalogs;
mod cold;
mod credentials;
mod example;
mod index;
mod jobs;
mod layers;
mod limits;
mod load;
mod mistake;
mod oidc;
mod plugins;
mod read;
mod roots;
mod schema;
mod server;
mod show;
mod staging;
mod state;
mod tokens;
mod units;
mod unsupported;

pub use access::AccessConfig;
pub(crate) use access::UNNAMED_PROXY;
pub use catalogs::CatalogsConfig;
pub use cold::{CheckStore, ColdConfig, KeyMistake, StoreKeys, StorePaths};
pub use credentials::{CredentialsConfig, CredentialsKind};
pub use example::example;
pub use index::{IndexConfig, VerifyConfig};
pub use jobs::JobsConfig;
pub use layers::Flag;
pub(crate) use layers::parse_value;
pub use limits::{LimitsConfig, PerClientConfig};
pub use load::{Known, Loaded, Surroundings, load};
pub use mistake::{Mistake, Mistakes, Origin};
pub use oidc::OidcConfig;
pub use plugins::{IntakeConfig, KerchunkConfig, OtherPluginConfig, PluginsConfig, ZarrConfig};
pub use read::ReadConfig;
pub use roots::{AddressRuleConfig, RootConfig};
pub use schema::json_schema;
pub use server::{CorsConfig, LogFormat, ServerConfig, TlsConfig};
pub use show::{Annotation, show};
pub use staging::{OwnerConfig, RecallOnRead, StagingConfig};
pub use state::StateConfig;
pub use tokens::{Scope, TokenConfig};
pub use units::{Network, Size, Span};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be configured.
///
/// Each section is a struct of its own; every key has a default, so an empty file is a valid one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How clients reach the server, and what it bears from them.
    pub server: ServerConfig,
    /// Where the index lies, and how much memory decoded data may take.
    pub state: StateConfig,
    /// Folders and prefixes below which files may be read, by name. Nothing outside them is ever opened.
    /// A path given to `serve` is such a root by itself.
    pub roots: BTreeMap<String, RootConfig>,
    /// Access to object stores, by name. Secrets stay in files or in the environment.
    pub credentials: BTreeMap<String, CredentialsConfig>,
    /// Which files declare the datasets.
    pub catalogs: CatalogsConfig,
    /// How files are indexed and verified.
    pub index: IndexConfig,
    /// How the archive is read.
    pub read: ReadConfig,
    /// Cold stores, by name: where objects of some roots lie that have to be brought online before they can be read.
    pub cold: BTreeMap<String, ColdConfig>,
    /// How cold objects are brought online, who may ask for it, and how long readers wait.
    pub staging: StagingConfig,
    /// Who may read, stage and administer which datasets: rules by name, which datasets name in their catalog files. The
    /// rule called "default" is that of datasets that name none; without it they are open to anyone. Each list is of
    /// "anyone", "token:NAME" (the name of a token, or the owner of some), "group:NAME" and "network:CIDR". Tokens with the
    /// scope "admin" may everything.
    pub access: BTreeMap<String, AccessConfig>,
    /// Tokens by which clients are known, by name.
    pub tokens: BTreeMap<String, TokenConfig>,
    /// OpenID Connect issuers whose tokens count too, by name, as bearer tokens or as passwords of Basic authentication. The
    /// program has to be built with the feature "oidc". Rules of access know the holders by their groups, and all of them
    /// as "token:oidc:NAME".
    pub oidc: BTreeMap<String, OidcConfig>,
    /// Long work: how much of it at once, and how long its results are kept.
    pub jobs: JobsConfig,
    /// Bounds for what a file may claim: a damaged or hostile file is refused, never believed.
    pub limits: LimitsConfig,
    /// The plugins, each by its id; `enabled = false` leaves one out.
    pub plugins: PluginsConfig,
}
