//! Summaries of the users: one users file for each roll. Compaction keeps the number of files small.
//!
//! A user may be in several files and in the hot table. The summaries of all of them add up. Every file is sorted by
//! user, so a query over all users merges the files as it reads them.

mod page;
pub(crate) mod source;

use self::source::{Ascending, Measure, Source};
pub(crate) use self::{page::page, source::Span};
use crate::lake::{error::Result, rows::sorted::Sorted, snapshot::Snapshot};

/// Calls `each` with the time of the first event of every user of a span.
pub(crate) fn for_each_first_seen(
    snapshot: &Snapshot,
    hot: &Sorted<'_>,
    span: &Span,
    mut each: impl FnMut(i64),
) -> Result<()> {
    let mut sources = Source::all(snapshot, hot, Measure::FirstSeen, span)?;
    for_each_user(&mut sources, span.to.as_deref(), |_, holders, sources| {
        each(Measure::FirstSeen.of_holders(holders, sources) as i64);
        Ok(())
    })
}

/// Calls `each` once for every user before `end`, ascending, with the indexes of the sources that stand on the user.
pub(crate) fn for_each_user<S: Ascending>(
    sources: &mut [S],
    end: Option<&str>,
    mut each: impl FnMut(&str, &[usize], &[S]) -> Result<()>,
) -> Result<()> {
    let mut bound = String::new();
    let mut holders = Vec::new();
    while let Some(first) =
        (0..sources.len()).filter_map(|index| Some((sources[index].user()?, index))).min().map(|(_, index)| index)
    {
        if end.is_some_and(|end| sources[first].user().is_some_and(|user| user >= end)) {
            break;
        }
        // Before the first user of the other sources, only this source has users.
        let others = (0..sources.len()).filter(|index| *index != first);
        let bounded = others.filter_map(|index| sources[index].user()).chain(end).min().map(|user| {
            bound.clear();
            bound.push_str(user);
        });
        while sources[first].user().is_some_and(|user| bounded.is_none() || user < bound.as_str()) {
            let user = sources[first].user().unwrap_or_default();
            each(user, &[first], sources)?;
            sources[first].advance()?;
        }
        if bounded.is_none() {
            continue;
        }
        holders.clear();
        holders.extend((0..sources.len()).filter(|index| sources[*index].user() == Some(bound.as_str())));
        if holders.is_empty() || end == Some(bound.as_str()) {
            continue;
        }
        each(&bound, &holders, sources)?;
        for &holder in &holders {
            sources[holder].advance()?;
        }
    }
    Ok(())
}
