//! The `thermocline` command.

use std::process::ExitCode;

/// Thousands of waiting clients hold buffers that they never write to: glibc's allocator makes them resident, and
/// keeps what bursts leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    thermocline::run(thermocline::Registry::builtin())
}
