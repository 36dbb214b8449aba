//! Options of the event stores.

use std::{path::Path, time::Duration};

use martech_core::{
    lake::{LakeOptions, ScanLimit},
    mongodb::MongoOptions,
};

/// The `/stats` queries that all lakes of a server run at once. With two, a long query of one project does not hold up
/// the others. More would take more memory and finish no sooner: each query uses all cores.
pub(crate) const SCANS: usize = 2;

/// Options of the event stores of a server. All projects have the same.
#[derive(Debug, Clone)]
pub(crate) struct BackendOptions {
    /// The options of MongoDB; `None` for a lake.
    pub(crate) mongo: Option<MongoOptions>,
    /// The maximum size of the spool in front of MongoDB; `None` for no spool.
    pub(crate) spool_bytes: Option<u64>,
    pub(crate) roll_bytes: usize,
    pub(crate) roll_age: Duration,
    pub(crate) dedupe_memory: usize,
    pub(crate) journal_bytes: u64,
    /// Shared by the lakes of all projects.
    pub(crate) scan_limit: ScanLimit,
}

impl BackendOptions {
    /// Returns the options of a lake in a folder.
    pub(crate) fn lake(&self, dir: &Path) -> LakeOptions {
        LakeOptions::new(dir)
            .roll_bytes(self.roll_bytes)
            .roll_age(self.roll_age)
            .dedupe_memory(self.dedupe_memory)
            .journal_capacity(self.journal_bytes)
            .scan_limit(self.scan_limit.clone())
    }
}
