//! Facts about the server that the store has reached.

use std::time::Instant;

use serde::Serialize;

use super::options::Limits;

/// Facts about the server.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerInfo {
    /// Version reported by the server, such as `8.0.4`, or `unknown`.
    pub server_version: String,
    /// Kind of deployment.
    pub deployment: Deployment,
    /// Limits of one insert.
    pub limits: Limits,
    /// Missing or weaker features and their fallbacks, one or two sentences each.
    pub warnings: Vec<String>,
    /// Features that queries may use.
    #[serde(skip)]
    pub(super) capabilities: Capabilities,
    /// When these facts expire, because the index is still being built.
    #[serde(skip)]
    pub(super) until: Option<Instant>,
}

/// The kind of deployment behind the server that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Deployment {
    /// A single server.
    Standalone,
    /// A replica set, which may have a single member.
    ReplicaSet,
    /// A sharded cluster behind a `mongos` router.
    Sharded,
}

/// Server features that matter for queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// An index on exactly `{userId: 1, occurredAt: 1}` exists.
    pub(super) index: bool,
    /// Queries can name an index (`hint`).
    pub(super) hint: bool,
    /// Queries can be limited in time (`maxTimeMS`).
    pub(super) max_time: bool,
    /// The aggregation stages that queries need are supported.
    pub(super) group: bool,
    /// Sorting and grouping can spill to disk (`allowDiskUse`).
    pub(super) disk: bool,
    /// Decimal128 is supported.
    pub(super) decimals: bool,
}
