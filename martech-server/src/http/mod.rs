//! HTTP: connections, the bodies, limits and errors of requests, and who sends them.

pub(crate) mod auth;
pub(crate) mod bodies;
pub(crate) mod connections;
pub(crate) mod csv;
pub(crate) mod error;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod observe;
pub(crate) mod openapi;
pub(crate) mod params;
pub(crate) mod peer;
pub(crate) mod quality;
pub(crate) mod rate_limits;
pub(crate) mod request_log;
