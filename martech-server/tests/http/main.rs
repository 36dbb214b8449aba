//! The real server on a real socket, in-process: what clients send, and what they read.

mod auth;
mod bodies;
mod events;
mod harness;
mod lifecycle;
mod protocol;
mod queries;
