//! `thermocline token`: makes tokens by which clients are known.

use std::process::ExitCode;

use clap::Subcommand;
use sha2::{Digest, Sha256};

use super::Failure;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and the lines of the configuration that admit it; the token is shown this once
    New {
        /// Name of the token: `[tokens.NAME]`
        name: String,
        /// What it allows
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "read,stage")]
        scopes: Vec<String>,
    },
}

/// Random bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

pub(crate) fn run(command: &TokenCommand) -> Result<ExitCode, Failure> {
    let TokenCommand::New { name, scopes } = command;
    let is_plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !is_plain {
        return Err(Failure::Usage(format!("\"{name}\" is no name: use letters, digits, - and _")));
    }
    if let Some(unknown) = scopes.iter().find(|scope| !matches!(scope.as_str(), "read" | "stage" | "admin")) {
        return Err(Failure::Usage(format!("no scope \"{unknown}\": there are read, stage and admin")));
    }
    let token = format!("tcl_{}", hexadecimal(&random::<TOKEN_BYTES>()?));
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    eprintln!("The token, shown this once (Authorization: Bearer TOKEN, or as a password):");
    println!("{token}");
    eprintln!("\nFor the configuration:\n[tokens.{name}]");
    eprintln!("hash = \"{}\"\nscopes = [{}]", hash(&token), scopes.join(", "));
    Ok(ExitCode::SUCCESS)
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
    use crate::config::TokenConfig;

    #[test]
    fn the_hash_is_one_that_the_configuration_takes() {
        let config = TokenConfig { hash: hash("abc"), ..TokenConfig::default() };
        // FIPS 180-2, appendix B.1.
        assert_eq!(config.hash, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(config.digest().is_some());
    }
}
