//! Tells the program which compiler built it, for `/versions`.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let version = text.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
    println!("cargo::rustc-env=THERMOCLINE_RUSTC={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
