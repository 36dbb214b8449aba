//! Test support: a conformance suite for stores, and a simulated disk with fault injection.

pub mod conformance;
mod sim_fs;

pub use sim_fs::{Crash, Effect, Fault, Held, Operation, SimFs};
