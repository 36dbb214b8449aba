//! `MongoStore` against a real server, whose connection string is in `MARTECH_TEST_MONGODB_URI`. Without it, every test
//! reports that it is skipped, and passes.
//!
//! Each test uses a database of its own and drops it.

// Clippy allows these in functions marked as tests, but not in the helpers they share.
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
