//! The embedded store, through its public face, on a real disk and on a simulated one.

// Clippy knows only functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod common;
mod damage;
mod days;
mod duplicates;
mod durability;
mod export;
mod files;
mod queries;
