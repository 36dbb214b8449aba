//! Queries. Each reads one snapshot, on blocking threads.

pub(crate) mod export;
pub(crate) mod journey;
pub(crate) mod merged;
mod parallel;
pub(crate) mod scan;
pub(crate) mod stats;
pub(crate) mod users;
