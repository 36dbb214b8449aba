//! The figures of a shop, computed in one pass over the events and one over the users.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    parallel,
    scan::{Scan, SliceReader},
    users,
};
use crate::{
    analytics::{StatsAccumulator, StatsPlan},
    lake::{
        error::Result,
        rows::{row::day_of, sorted::Sorted, window::Days},
        snapshot::Snapshot,
    },
    query::{Stats, StatsQuery, TimeRange},
};

/// Returns the figures that a query asks for.
pub(crate) fn stats(snapshot: &Snapshot, query: &StatsQuery) -> Result<Stats> {
    let plan = Arc::new(StatsPlan::new(query)?);
    let hot = Sorted::by_user(snapshot.hot.iter().map(|hot| &**hot), "");
    let is_read = |days: Days| plan.spans().iter().any(|span| days.touches(&days_of(*span)));
    let files = snapshot.version.events().filter(|file| is_read(file.entry.days));
    let scan = Scan::new(files.map(|file| &**file), &hot, plan.spans())?;
    let slices = scan.slices();
    let spans = users::Span::cut(snapshot, "", parallel::threads())?;

    // The pieces are the spans of all users, then the slices of events.
    let parts = parallel::run(spans.len() + slices.len(), |draw| {
        let mut accumulator = StatsAccumulator::new(plan.clone());
        let mut reader = SliceReader::new(&scan);
        while let Some(piece) = draw() {
            if let Some(span) = spans.get(piece) {
                users::for_each_first_seen(snapshot, &hot, span, |first_seen| accumulator.new_user(first_seen))?;
            } else {
                let loaded = reader.load(&slices[piece - spans.len()], accumulator.symbols())?;
                loaded.for_each_person(|rows| accumulator.user(rows));
            }
        }
        Ok(accumulator)
    })?;
    let whole = parts.into_iter().reduce(|mut whole, part| {
        whole.merge(part);
        whole
    });
    Ok(whole.unwrap_or_else(|| StatsAccumulator::new(plan)).finish())
}

/// Returns the UTC days of a span that is not empty.
fn days_of(span: TimeRange) -> RangeInclusive<i32> {
    day_of(span.from.millis())..=day_of(span.to.millis() - 1)
}
