//! Parts for tests: a simulated disk that fails on command.

mod sim_fs;

pub use sim_fs::{Crash, Effect, Fault, Operation, SimFs};
