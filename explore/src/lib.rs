//! The sink, compiled from the sources of `martech-core` with the locks and tasks of [shuttle], a scheduler that runs a
//! test many times with different thread interleavings. The tests are in `tests/`.
//!
//! The schedules cover every order in which the sink's locks, cells and tasks can run. Tokio's `Notify`, `Mutex` and
//! `watch` are the real ones, each call counts as one step, and their correctness is assumed. The clock is paused.

// The same attribute as in core, because only part of core is compiled here.
#![allow(dead_code)]

#[path = "../../martech-core/src/sink/mod.rs"]
pub mod sink;
#[path = "../../martech-core/src/store.rs"]
pub mod store;

/// Replaces core's module of the same name.
mod sync {
    use std::{convert::Infallible, future::Future};

    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    use shuttle::thread;

    /// A cell in which each read and the write are separate scheduling steps.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T>(std::sync::OnceLock<T>);

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self(std::sync::OnceLock::new())
        }
    }

    impl<T> OnceLock<T> {
        pub(crate) fn get(&self) -> Option<&T> {
            thread::yield_now();
            self.0.get()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            thread::yield_now();
            self.0.set(value)
        }
    }

    /// Spawns the sink's tasks on shuttle.
    pub(crate) struct Handle;

    impl Handle {
        pub(crate) fn try_current() -> Result<Self, Infallible> {
            Ok(Self)
        }

        pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            // Dropping the handle would detach the task, and shuttle would not wait for its end.
            std::mem::forget(shuttle::future::spawn(task));
        }
    }
}
