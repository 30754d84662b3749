//! `thermocline token`: makes, lists and revokes tokens by which clients are known.

mod file;

use std::process::ExitCode;

use clap::Subcommand;
use sha2::{Digest, Sha256};

use super::{Failure, Given};
use crate::config::{Config, Loaded, Origin, Scope, TokenConfig};
use crate::plugins::Registry;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and the lines of the configuration that admit it; the token is shown this once
    New(NewToken),
    /// Shows the tokens of the configuration: never what they are, which stands nowhere
    List,
    /// Takes a token out of the configuration file
    Revoke {
        /// Name of the token: `[tokens.NAME]`
        name: String,
    },
}

/// A token to be made.
#[derive(Debug, clap::Args)]
pub(crate) struct NewToken {
    /// Name of the token: `[tokens.NAME]`
    name: String,
    /// What it allows: read, stage, admin
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "read,stage")]
    scopes: Vec<String>,
    /// Whose it is; its name without one
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// Groups of whoever holds it, for access rules
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// When it ends, in UTC: 2027-12-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Puts it into the configuration file
    #[arg(long)]
    write: bool,
}

/// Random bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// How a running server takes over what changed.
const TAKE_OVER: &str = "a running server takes it over in seconds, or at SIGHUP";

pub(crate) fn run(registry: &Registry, given: &Given, command: &TokenCommand) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::New(new) => make(registry, given, new)?,
        TokenCommand::List => print!("{}", listed(&given.load(registry, Vec::new())?.config)),
        TokenCommand::Revoke { name } => revoke(&given.load(registry, Vec::new())?, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn make(registry: &Registry, given: &Given, new: &NewToken) -> Result<(), Failure> {
    let token = format!("tcl_{}", hexadecimal(&random::<TOKEN_BYTES>()?));
    let config = new.config(&token)?;
    let name = &new.name;
    let written = match new.write {
        false => None,
        true => {
            let loaded = given.load(registry, Vec::new())?;
            if loaded.config.tokens.contains_key(name) {
                return Err(Failure::Usage(format!("there is a token \"{name}\" already")));
            }
            let path = loaded.file.ok_or_else(|| {
                Failure::Usage(
                    "there is no configuration file to write to: name one with --config".to_owned(),
                )
            })?;
            file::add(&path, name, &config)?;
            Some(path)
        }
    };
    eprintln!("The token, shown this once (Authorization: Bearer TOKEN, or as a password):");
    println!("{token}");
    match written {
        Some(path) => eprintln!("\nIts hash stands in {}; {TAKE_OVER}.", path.display()),
        None => eprintln!("\nFor the configuration:\n{}", file::table(name, &config)),
    }
    Ok(())
}

impl NewToken {
    /// What the configuration holds of the token.
    fn config(&self, token: &str) -> Result<TokenConfig, Failure> {
        let name = &self.name;
        let is_plain =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !is_plain {
            return Err(Failure::Usage(format!("\"{name}\" is no name: use letters, digits, - and _")));
        }
        let config = TokenConfig {
            hash: hash(token),
            owner: self.owner.clone(),
            groups: self.groups.clone(),
            scopes: self.scopes.iter().map(|text| scope(text)).collect::<Result<_, _>>()?,
            expires: self.expires.clone(),
        };
        if let (Some(text), None) = (&config.expires, config.expiry()) {
            return Err(Failure::Usage(format!("\"{text}\" is not a time such as 2027-12-31T00:00:00Z")));
        }
        Ok(config)
    }
}

fn scope(text: &str) -> Result<Scope, Failure> {
    match text {
        "read" => Ok(Scope::Read),
        "stage" => Ok(Scope::Stage),
        "admin" => Ok(Scope::Admin),
        _ => Err(Failure::Usage(format!("no scope \"{text}\": there are read, stage and admin"))),
    }
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Stage => "stage",
        Scope::Admin => "admin",
    }
}

/// The tokens of a configuration as a table.
fn listed(config: &Config) -> String {
    let heads = ["NAME", "OWNER", "GROUPS", "SCOPES", "EXPIRES"].map(str::to_owned);
    let rows = config.tokens.iter().map(|(name, token)| {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope_name(*scope)).collect();
        [
            name.clone(),
            token.owner.clone().unwrap_or_else(|| name.clone()),
            token.groups.join(","),
            scopes.join(","),
            token.expires.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    });
    let rows: Vec<[String; 5]> = std::iter::once(heads).chain(rows).collect();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &[String; 5]| {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column).unwrap_or(0)));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn revoke(loaded: &Loaded, name: &str) -> Result<(), Failure> {
    if !loaded.config.tokens.contains_key(name) {
        let known: Vec<&str> = loaded.config.tokens.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        return Err(Failure::Usage(format!("no token \"{name}\": {known}")));
    }
    let path = match loaded.origin(&["tokens", name, "hash"].map(str::to_owned)) {
        Origin::File { path, .. } => path,
        elsewhere => {
            return Err(Failure::Usage(format!("the token \"{name}\" is set by {elsewhere}, not in a file")));
        }
    };
    file::remove(&path, name)?;
    eprintln!("\"{name}\" is gone from {}; {TAKE_OVER}.", path.display());
    Ok(())
}

/// Bytes that nobody can foretell.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let (mut bytes, mut filled) = ([0; N], 0);
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let more = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty());
        filled += more.map_err(|cause| Failure::because("the system gives no random numbers", cause))?;
    }
    Ok(bytes)
}

/// What the configuration holds of a token.
fn hash(token: &str) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(token.as_bytes())))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_one_that_the_configuration_takes() {
        let config = TokenConfig { hash: hash("abc"), ..TokenConfig::default() };
        // FIPS 180-2, appendix B.1.
        assert_eq!(config.hash, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(config.digest().is_some());
    }

    #[test]
    fn a_list_shows_who_may_what_and_never_a_hash() {
        let token = TokenConfig {
            hash: hash("abc"),
            owner: Some("ann".to_owned()),
            groups: vec!["climate".to_owned(), "ocean".to_owned()],
            scopes: vec![Scope::Read, Scope::Stage],
            expires: None,
        };
        let config = Config { tokens: [("laptop".to_owned(), token)].into(), ..Config::default() };
        let text = listed(&config);
        assert_eq!(
            text,
            "NAME    OWNER  GROUPS         SCOPES      EXPIRES\nlaptop  ann    climate,ocean  read,stage  never\n"
        );
    }
}
