//! Tokens in a configuration file, whose other lines stay as they are.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use tempfile::NamedTempFile;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::scope_name;
use crate::cli::Failure;
use crate::config::TokenConfig;

/// The lines of a token.
pub(super) fn table(name: &str, token: &TokenConfig) -> String {
    let mut document = DocumentMut::new();
    // There is no other token in it, and no key that is no table.
    let _ = insert(&mut document, name, token);
    document.to_string()
}

/// Puts a token into a file.
///
/// # Errors
/// A file that cannot be read or written, or has other things called `tokens`.
pub(super) fn add(path: &Path, name: &str, token: &TokenConfig) -> Result<(), Failure> {
    let _turn = lock(path)?;
    let mut document = read(path)?;
    insert(&mut document, name, token)?;
    write(path, &document)
}

/// Takes a token out of a file.
///
/// # Errors
/// A file that cannot be read or written, or has no such token.
pub(super) fn remove(path: &Path, name: &str) -> Result<(), Failure> {
    let _turn = lock(path)?;
    let mut document = read(path)?;
    let tokens = document.get_mut("tokens").and_then(Item::as_table_like_mut);
    if tokens.and_then(|tokens| tokens.remove(name)).is_none() {
        return Err(Failure::Failed(format!("{} has no [tokens.{name}]", path.display())));
    }
    write(path, &document)
}

fn insert(document: &mut DocumentMut, name: &str, token: &TokenConfig) -> Result<(), Failure> {
    let mut table = Table::new();
    table.insert("hash", value(&token.hash));
    if let Some(owner) = &token.owner {
        table.insert("owner", value(owner));
    }
    if !token.groups.is_empty() {
        table.insert("groups", value(token.groups.iter().map(String::as_str).collect::<Array>()));
    }
    table.insert("scopes", value(token.scopes.iter().map(|scope| scope_name(*scope)).collect::<Array>()));
    if let Some(expires) = &token.expires {
        table.insert("expires", value(expires));
    }
    let mut tokens = Table::new();
    tokens.set_implicit(true);
    let tokens = document.entry("tokens").or_insert(Item::Table(tokens)).as_table_like_mut();
    let tokens = tokens.ok_or_else(|| Failure::Failed("\"tokens\" is no section of the file".to_owned()))?;
    // Another command may have made it since the configuration was read.
    if tokens.contains_key(name) {
        return Err(Failure::Usage(format!("there is a token \"{name}\" already")));
    }
    tokens.insert(name, Item::Table(table));
    Ok(())
}

/// Keeps other commands from changing the tokens of a file until it is dropped. What is locked is the folder: the file
/// itself is replaced.
fn lock(path: &Path) -> Result<File, Failure> {
    let failed = |cause: std::io::Error| Failure::because(format!("cannot lock {}", path.display()), cause);
    let path = path.canonicalize().map_err(failed)?;
    let folder = File::open(path.parent().unwrap_or_else(|| Path::new("/"))).map_err(failed)?;
    folder.lock().map_err(failed)?;
    Ok(folder)
}

fn read(path: &Path) -> Result<DocumentMut, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|cause| Failure::because(format!("cannot read {}", path.display()), cause))?;
    text.parse::<DocumentMut>()
        .map_err(|cause| Failure::because(format!("cannot read {}", path.display()), cause))
}

/// Replaces a file in one step, with the owner and the rights that it had.
fn write(path: &Path, document: &DocumentMut) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| Failure::because(format!("cannot write {}", path.display()), cause);
    // What a link leads to is replaced, not the link.
    let path = path.canonicalize().map_err(failed)?;
    let metadata = path.metadata().map_err(failed)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(document.to_string().as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    chown(file.path(), Some(metadata.uid()), Some(metadata.gid())).map_err(failed)?;
    fs::set_permissions(file.path(), metadata.permissions()).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Scope;

    fn token() -> TokenConfig {
        TokenConfig {
            hash: "sha256:00".to_owned(),
            owner: Some("ann".to_owned()),
            groups: vec!["climate".to_owned()],
            scopes: vec![Scope::Read, Scope::Stage],
            expires: Some("2027-12-31T00:00:00Z".to_owned()),
        }
    }

    #[test]
    fn a_token_comes_and_goes_and_the_rest_of_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thermocline.toml");
        let before =
            "# ours\n[server]\nlisten = \"127.0.0.1:9000\"   # here\n\n[tokens.old]\nhash = \"sha256:11\"\n";
        fs::write(&path, before).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();

        add(&path, "new", &token()).unwrap();
        let with = fs::read_to_string(&path).unwrap();
        assert!(with.starts_with(before), "{with}");
        let read: TokenConfig =
            toml::from_str::<toml::Table>(&with).unwrap()["tokens"]["new"].clone().try_into().unwrap();
        assert_eq!(read, token());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);

        remove(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        assert!(remove(&path, "new").is_err());
        remove(&path, "old").unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("sha256"));
    }

    #[test]
    fn commands_at_the_same_time_lose_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thermocline.toml");
        fs::write(&path, "").unwrap();

        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || add(path, &format!("t{number}"), &token()).unwrap());
            }
        });

        let read: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read["tokens"].as_table().unwrap().len(), 16);
        assert!(add(&path, "t3", &token()).is_err(), "what is there is not replaced");
    }

    #[test]
    fn the_lines_that_are_shown_are_those_that_would_be_written() {
        let text = table("new", &token());
        assert!(text.starts_with("[tokens.new]\nhash = \"sha256:00\"\n"), "{text}");
        assert!(text.contains("scopes = [\"read\", \"stage\"]"), "{text}");
    }
}
