//! The server around martech-core.

pub mod import;
