//! The embedded store, through its public face, on a real disk and on a simulated one.

mod common;
mod duplicates;
mod durability;
mod files;
mod queries;
