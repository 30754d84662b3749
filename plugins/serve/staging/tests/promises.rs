//! The promises of `SEMANTICS.md` are held by tests that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Source files below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Names of functions that are run as tests.
fn tests_of(code: &str) -> BTreeSet<&str> {
    let mut is_test = false;
    let mut tests = BTreeSet::new();
    for line in code.lines().map(str::trim) {
        if let Some((_, function)) = line.split_once("fn ").filter(|_| is_test) {
            tests.extend(function.split('(').next());
        }
        let is_attribute = line.starts_with("#[") || line.starts_with("//");
        is_test = line.starts_with("#[test]") || line.starts_with("#[tokio::test") || is_test && is_attribute;
    }
    tests
}

#[test]
fn only_functions_with_the_attribute_are_tests() {
    let code =
        "#[test]\n/// x\nfn a() {}\n  #[tokio::test(start_paused = true)]\n  async fn b() {\n fn c() {}\n";
    assert_eq!(tests_of(code), BTreeSet::from(["a", "b"]));
}

#[test]
fn every_promise_names_tests_that_exist() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = plugin.ancestors().nth(3).unwrap();
    let mut files = Vec::new();
    for folder in ["plugins/serve", "plugins/cold", "src/core", "src/http", "src/server"] {
        sources(&repository.join(folder), &mut files);
    }
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let tests = tests_of(&code);

    let semantics = std::fs::read_to_string(plugin.join("SEMANTICS.md")).unwrap();
    let promises: Vec<&str> = semantics.split("\n\n").filter(|text| text.contains("**")).collect();
    assert!(promises.len() > 20, "{promises:?}");
    for promise in promises {
        let (_, held_by) = promise.rsplit_once('—').unwrap_or_else(|| panic!("nothing holds: {promise}"));
        let links = held_by.split("](").skip(1).filter_map(|link| link.split(')').next());
        let links: Vec<&str> = links.collect();
        let outside_links = held_by.split('[').map(|text| text.rsplit(')').next().unwrap_or_default());
        let named: Vec<&str> = outside_links.flat_map(|text| text.split('`').skip(1).step_by(2)).collect();
        assert!(!(named.is_empty() && links.is_empty()), "no test holds: {promise}");
        // Also those that stand between two promises of a paragraph.
        let within = promise.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 3);
        for name in named.into_iter().chain(within) {
            assert!(tests.contains(name), "{name} is no test, named by: {promise}");
        }
        for link in links {
            assert!(plugin.join(link).exists(), "{link} is not there, named by: {promise}");
        }
    }
}
