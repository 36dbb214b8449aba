//! The figures of a shop, from one pass over the events and one over the users.

use std::{
    num::NonZero,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    error::{LakeError, Result},
    inner::Snapshot,
    row::day_of,
    scan::{Scan, Slice},
    sorted::Sorted,
    users,
};
use crate::{
    analytics::{StatsAccumulator, StatsPart, Symbols},
    query::{Stats, StatsQuery},
};

/// Threads that read at once, at most.
const MAX_THREADS: usize = 8;

/// The figures that a query asks for.
pub(super) fn stats(snapshot: &Snapshot, query: &StatsQuery) -> Result<Stats> {
    let accumulator = StatsAccumulator::new(query)?;
    let times: Range<i64> = accumulator.times();
    let hots = || snapshot.hot.iter().map(|hot| &**hot);
    let every_user = Sorted::by_user(hots(), |_| true);
    let in_time = Sorted::by_user(hots(), |row| times.contains(&row.occurred_at));
    let days = day_of(times.start)..day_of(times.end.max(times.start + 1) - 1) + 1;
    let files = snapshot.version.events.range(days).flat_map(|(_, files)| files).map(|file| &**file);
    let scan = Scan::open(files, &in_time, times.clone())?;
    let slices = scan.slices();

    // The pass over the users is one more piece of work beside the slices.
    let next = AtomicUsize::new(0);
    let parts = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let mut accumulator = accumulator.clone();
            let piece = next.fetch_add(1, Ordering::Relaxed);
            let part = match piece.checked_sub(1).map(|piece| slices.get(piece)) {
                None => {
                    users::for_each_first_seen(snapshot, &every_user, |first_seen| accumulator.new_user(first_seen))?;
                    accumulator.into_part(&Symbols::new())
                }
                Some(Some(slice)) => read_slice(&scan, slice, accumulator)?,
                Some(None) => return Ok(()),
            };
            parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS).min(slices.len() + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(LakeError::Task("a thread that reads panicked".to_owned())))
        })
    })?;
    let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(parts.into_iter().fold(StatsPart::default(), StatsPart::merge).into_stats(query))
}

fn read_slice(scan: &Scan<'_>, slice: &Slice, mut accumulator: StatsAccumulator) -> Result<StatsPart> {
    let mut symbols = Symbols::new();
    scan.read(slice, &mut symbols, |user, rows| accumulator.user(user, rows))?;
    Ok(accumulator.into_part(&symbols))
}
