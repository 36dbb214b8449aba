//! Parallel work on all cores.

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::lake::error::{LakeError, Result};

/// The largest number of threads at a time.
const MAX_THREADS: usize = 8;

/// Returns the number of threads to use: one per core, up to [`MAX_THREADS`].
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS)
}

/// Runs `work` on every thread. Each call draws numbers below `pieces`, and each number is drawn once.
pub(crate) fn run<T: Send>(
    pieces: usize,
    work: impl Fn(&dyn Fn() -> Option<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let draw = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|piece| *piece < pieces);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads().min(pieces)).map(|_| scope.spawn(|| work(&draw))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<T>>| {
            thread.join().unwrap_or_else(|_| Err(LakeError::Task("a reader thread panicked".to_owned())))
        };
        running.into_iter().map(join).collect()
    })
}

/// Applies `work` to each item, and returns the results in no particular order.
pub(crate) fn map<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> Result<T> + Sync) -> Result<Vec<T>> {
    let parts = run(items.len(), |draw| {
        let mut done = Vec::new();
        while let Some(piece) = draw() {
            done.push(work(&items[piece])?);
        }
        Ok(done)
    })?;
    Ok(parts.into_iter().flatten().collect())
}
