//! The lake through its public API, on a real disk and on a simulated one.

// Clippy allows these in functions marked as tests, but not in the helpers they share.
#![allow(clippy::unwrap_used)]

mod common;
mod damage;
mod days;
mod duplicates;
mod durability;
mod export;
mod facts;
mod files;
mod formats;
mod queries;
