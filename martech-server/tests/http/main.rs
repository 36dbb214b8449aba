//! Tests of the HTTP API: the real server on a real socket, in the process of the test.

// Clippy exempts only functions marked as tests, not their helpers.
#![allow(clippy::unwrap_used)]

mod accounts;
mod auth;
mod bodies;
mod care;
mod connections;
mod contract;
mod dashboard;
mod events;
mod harness;
mod headers;
mod held_bodies;
mod imports;
mod keys;
mod lifecycle;
mod malformed;
mod metrics;
mod mongodb;
mod openapi;
mod otlp;
mod overload;
mod projects;
mod protocol;
mod queries;
mod rates;
mod rejects;
mod senders;
mod settings;
mod stream;
mod tls;
mod unavailable;
mod uploads;
mod users;
