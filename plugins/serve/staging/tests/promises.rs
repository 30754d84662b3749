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

#[test]
fn every_promise_names_tests_that_exist() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = plugin.ancestors().nth(3).unwrap();
    let mut files = Vec::new();
    for folder in ["plugins/serve", "src/core/staging", "src/core/jobs", "src/http", "src/server"] {
        sources(&repository.join(folder), &mut files);
    }
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let is_test = |name: &str| code.contains(&format!("fn {name}("));

    let semantics = std::fs::read_to_string(plugin.join("SEMANTICS.md")).unwrap();
    let words: BTreeSet<&str> = semantics.split('`').skip(1).step_by(2).collect();
    let named: Vec<&str> = words.into_iter().filter(|word| word.matches('_').count() > 3).collect();
    assert!(named.len() > 40, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !is_test(name)).collect();
    assert_eq!(missing, [&""; 0]);
}
