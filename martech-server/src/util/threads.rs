//! Numbers of threads.

use std::thread;

/// Returns the number of workers that decompress and parse bodies.
pub(crate) fn worker_count() -> usize {
    thread::available_parallelism().map_or(2, usize::from).max(2)
}
