//! Parts for tests: checks for every store, and a simulated disk that fails on command.

pub mod conformance;
mod sim_fs;

pub use sim_fs::{Crash, Effect, Fault, Held, Operation, SimFs};
