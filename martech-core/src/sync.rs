//! The parts of threads and tasks on which the sink's promises rest, in one place: `explore/` compiles the sink's sources
//! with those of a scheduler instead, which tries out how they may interleave.

pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

pub(crate) use tokio::runtime::Handle;
