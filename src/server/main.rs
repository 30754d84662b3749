//! The `thermocline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    thermocline::run(thermocline::Registry::builtin())
}
