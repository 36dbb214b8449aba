//! Options of the event stores.

use std::{path::Path, time::Duration};

use martech_core::{lake::LakeOptions, mongodb::MongoOptions};

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
}

impl BackendOptions {
    /// Returns the options of a lake in a folder.
    pub(crate) fn lake(&self, dir: &Path) -> LakeOptions {
        LakeOptions::new(dir)
            .roll_bytes(self.roll_bytes)
            .roll_age(self.roll_age)
            .dedupe_memory(self.dedupe_memory)
            .journal_capacity(self.journal_bytes)
    }
}
