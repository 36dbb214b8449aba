//! `MongoStore` against a real server: the one whose connection string is in `MARTECH_TEST_MONGODB_URI`. Without it every test
//! says that it is skipped, and passes.
//!
//! Each test works on a database of its own, which it drops.

// Clippy knows only functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod answers;
mod conflicts;
mod conformance;
mod documents;
mod failpoints;
mod indexes;
mod limits;
mod network;
mod proxy;
mod server;
