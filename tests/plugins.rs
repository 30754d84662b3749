//! Every plugin of the repository is registered, documented and described.

use crate::architecture::{expand, read, repository};

/// Kind and id of every folder below `plugins/`.
fn plugins() -> Vec<(String, String)> {
    let folders = expand(&repository(), "plugins/*/*");
    let split = |folder: String| {
        let mut levels = folder.split('/').skip(1).map(str::to_owned);
        Some((levels.next()?, levels.next()?))
    };
    folders.into_iter().filter_map(split).collect()
}

#[test]
fn every_plugin_is_in_the_servers_list() {
    let list = read(&repository().join("src/server/plugins.rs"));
    let manifest = read(&repository().join("src/server/Cargo.toml"));
    for (kind, id) in plugins() {
        let package = format!("thermocline-{kind}-{id}");
        assert!(manifest.contains(&package), "src/server/Cargo.toml does not name {package}");
        let module = package.replace('-', "_");
        assert!(list.contains(&module), "src/server/plugins.rs does not name {module}");
    }
}

#[test]
fn every_plugin_is_in_the_table_of_plugins() {
    let table = read(&repository().join("plugins/README.md"));
    for (kind, id) in plugins() {
        let link = format!("[`{kind}/{id}`]({kind}/{id}/lib.rs)");
        assert!(table.contains(&link), "plugins/README.md has no row for {link}");
    }
    let n_rows = table.lines().filter(|line| line.starts_with("| [`")).count();
    assert_eq!(n_rows, plugins().len(), "plugins/README.md has rows of plugins that are gone");
}

#[test]
fn the_name_of_a_plugins_folder_is_its_id() {
    let registry = thermocline::Registry::builtin();
    let config = thermocline::config::Config::default();
    let formats = registry.formats().iter().map(|format| ("format", format.id()));
    let serving = registry.serve(&config);
    let cold = registry.cold_kinds().map(|kind| ("cold", kind));
    let serve = serving.iter().map(|plugin| ("serve", plugin.id()));
    let mut registered: Vec<(String, String)> =
        formats.chain(serve).chain(cold).map(|(kind, id)| (kind.to_owned(), id.to_owned())).collect();
    registered.sort();
    assert_eq!(registered, plugins());
}

#[test]
fn every_plugin_describes_itself_in_the_agreed_order() {
    let headings = ["# Specification", "# Routes", "# Opens with", "# Limits"];
    for (kind, id) in plugins() {
        let text = read(&repository().join(format!("plugins/{kind}/{id}/lib.rs")));
        let documentation: Vec<&str> =
            text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let found: Vec<&&str> = documentation.iter().filter(|line| headings.contains(line)).collect();
        let expected: Vec<&&str> =
            headings.iter().filter(|heading| documentation.contains(heading)).collect();
        assert_eq!(found, expected, "headings of plugins/{kind}/{id}/lib.rs");
        assert!(documentation.contains(&"# Limits"), "plugins/{kind}/{id}/lib.rs has no # Limits");
    }
}
