//! Snapshots: what a query reads.

use std::sync::Arc;

use super::{files::live::Version, rows::hot::Hot};

/// The view of a reader: one state of the hot table and of the files.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) hot: Vec<Arc<Hot>>,
    pub(crate) version: Arc<Version>,
}
