//! Name and version of every component, for `/versions`.

use crate::plugins::Registry;

/// Names and versions, in the order in which they are shown.
pub(super) fn versions(registry: &Registry) -> Vec<(String, String)> {
    let os = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let own = [
        ("thermocline", env!("CARGO_PKG_VERSION").to_owned()),
        ("rustc", env!("THERMOCLINE_RUSTC").to_owned()),
        ("os", name.map_or(std::env::consts::OS, |name| name.trim_matches('"')).to_owned()),
        ("architecture", std::env::consts::ARCH.to_owned()),
    ];
    let libraries = registry.formats().iter().flat_map(|format| format.libraries());
    own.into_iter().chain(libraries).map(|(name, version)| (name.to_owned(), version)).collect()
}
