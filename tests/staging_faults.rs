//! What was acknowledged is never lost and no wrong byte is served, whatever fails: the engine over the simulated
//! tape library, with a database and a cache on the disk, on a clock that tests move.
//!
//! `THERMOCLINE_FAULT_STEPS` says how many steps the random run takes (default 2,500), `THERMOCLINE_FAULT_SEED` from
//! which number its chance is made.
//!
//! # Limits
//! A process is ended here by dropping its tasks; what a kill in the middle of a system call leaves behind, and disks
//! that fail, are tried by `staging/faults.py`.

#![cfg(test)]

#[path = "staging_faults/cases.rs"]
mod cases;
#[path = "staging_faults/clock.rs"]
mod clock;
#[path = "staging_faults/flaky.rs"]
mod flaky;
#[path = "staging_faults/random.rs"]
mod random;
#[path = "staging_faults/reference.rs"]
mod reference;
#[path = "staging_faults/week.rs"]
mod week;
#[path = "staging_faults/world.rs"]
mod world;
