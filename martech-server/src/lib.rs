//! The server around martech-core.
