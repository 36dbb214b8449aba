//! The thread and task primitives that the sink's guarantees depend on, in one place. `explore/` compiles the sink's
//! sources with the primitives of a scheduler that explores possible interleavings instead.

pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};

pub(crate) use tokio::runtime::Handle;
