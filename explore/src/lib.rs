//! The sink, from the very sources of `martech-core`, on the locks and tasks of [shuttle]: a scheduler that runs a test
//! again and again, each time with its threads interleaved in another way. The tests are in `tests/`.
//!
//! What is explored is each order in which the sink's locks, its cells and its tasks may take turns. tokio's `Notify`,
//! `Mutex` and `watch` are the real ones, and each call of them counts as one step: they are tokio's to prove. The clock
//! stands still.

// The same as in core, of which this is a part.
#![allow(dead_code)]

#[path = "../../martech-core/src/sink/mod.rs"]
pub mod sink;
#[path = "../../martech-core/src/store.rs"]
pub mod store;

/// In place of core's module of this name.
mod sync {
    use std::{convert::Infallible, future::Future};

    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    use shuttle::thread;

    /// A cell whose looks and whose change are steps of their own.
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

    /// Where the sink's tasks run.
    pub(crate) struct Handle;

    impl Handle {
        pub(crate) fn try_current() -> Result<Self, Infallible> {
            Ok(Self)
        }

        pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            // A handle that is dropped would detach the task, and shuttle would not wait for its end.
            std::mem::forget(shuttle::future::spawn(task));
        }
    }
}
