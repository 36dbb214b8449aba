//! Summaries of the users: one users file for each roll. Compaction keeps the number of files small.
//!
//! A user may be in several files and in the hot table. The summaries of all of them add up. Every file is sorted by
//! user, so a query over all users merges the files as it reads them.

mod file;
mod merge;
mod page;
mod source;
mod whole;

pub(super) use file::write_hot;
pub(super) use merge::merge_files;
pub(super) use page::page;
pub(super) use source::Span;
pub(super) use whole::{check, compare, write};

use super::{error::Result, inner::Snapshot, sorted::Sorted};
use merge::for_each_user;
use source::{Measure, Source};

/// Calls `each` with the time of the first event of every user of a span.
pub(super) fn for_each_first_seen(
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
