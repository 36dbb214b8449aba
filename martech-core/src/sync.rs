//! The locks and tasks on which the guarantees of the sink depend. Under `--cfg shuttle`, they are those of [shuttle],
//! a scheduler that runs a test many times with different interleavings (`tests/shuttle.rs`).
//!
//! The schedules cover every order in which the sink's locks, cells and tasks can run. Tokio's `Notify`, `Mutex` and
//! `watch` are the real ones: each call counts as one step, and their correctness is assumed.
//!
//! [shuttle]: https://docs.rs/shuttle

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, OnceLock, atomic::AtomicBool},
    thread_local,
};

#[cfg(not(shuttle))]
pub(crate) use tokio::runtime::Handle;

#[cfg(shuttle)]
pub(crate) use self::scheduled::{AtomicBool, Handle, Mutex, MutexGuard, OnceLock, thread_local};

#[cfg(shuttle)]
mod scheduled {
    use std::{convert::Infallible, future::Future};

    use shuttle::thread;
    pub(crate) use shuttle::{
        sync::{Mutex, MutexGuard, atomic::AtomicBool},
        thread_local,
    };

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
