//! The figures of a shop, from one pass over the events and one over the users.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    error::{LakeError, Result},
    inner::Snapshot,
    row::day_of,
    scan::Scan,
    sorted::Sorted,
    users,
};
use crate::{
    analytics::{StatsAccumulator, StatsPlan},
    query::{Stats, StatsQuery},
};

/// Threads that read at once, at most.
const MAX_THREADS: usize = 8;

/// The figures that a query asks for.
pub(super) fn stats(snapshot: &Snapshot, query: &StatsQuery) -> Result<Stats> {
    let plan = Arc::new(StatsPlan::new(query)?);
    let times = plan.span().from.millis()..plan.span().to.millis();
    let hot = Sorted::by_user(snapshot.hot.iter().map(|hot| &**hot), |_| true);
    let days = day_of(times.start)..=day_of(times.end - 1);
    let files = snapshot.version.events.range(days).flat_map(|(_, files)| files).map(|file| &**file);
    let scan = Scan::new(files, &hot, times);
    let slices = scan.slices()?;

    // The pass over the users is one more piece of work beside the slices.
    let next = AtomicUsize::new(0);
    let work = || -> Result<StatsAccumulator> {
        let mut accumulator = StatsAccumulator::new(plan.clone());
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = piece.checked_sub(1) else {
                users::for_each_first_seen(snapshot, &hot, |first_seen| accumulator.new_user(first_seen))?;
                continue;
            };
            let Some(slice) = slices.get(piece) else { return Ok(accumulator) };
            scan.load(slice, accumulator.symbols())?.for_each_user(|rows| accumulator.user(rows));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS).min(slices.len() + 1);
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<StatsAccumulator>>| {
            thread.join().unwrap_or_else(|_| Err(LakeError::Task("a thread that reads panicked".to_owned())))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let mut whole = StatsAccumulator::new(plan);
    parts.into_iter().for_each(|part| whole.merge(part));
    Ok(whole.finish())
}
