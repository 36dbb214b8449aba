//! Retention: removal of past days.
//!
//! Event files of past days are retired. Files that also have later days are written again without the past ones. The
//! users files are rebuilt from the remaining events, because the summary of a user cannot be split by day. All of it
//! becomes visible at once. Retention runs between compactions, so no file is merged meanwhile. A roll that runs
//! meanwhile adds its own event files and users file, which stay.

use std::sync::Arc;

use super::{
    merge::{ZSTD_LEVEL, rewrite},
    users,
};
use crate::lake::{
    engine::Engine,
    error::{LakeError, Result},
    files::{events_writer::EventsWriter, live::EventsFile, set::Change},
};

/// Removes the events of all days before `before`. Returns their number.
pub(crate) fn remove_before(engine: &Engine, before: i32) -> Result<u64> {
    let version = engine.snapshot()?.version;
    let is_old = |file: &Arc<EventsFile>| file.entry.days.first() < before;
    let (old, mut kept): (Vec<_>, Vec<_>) = version.events().cloned().partition(is_old);
    if old.is_empty() {
        return Ok(0);
    }
    let retired = old.iter().map(|file| file.entry.id).chain(version.users.iter().map(|file| file.entry.id));
    let mut change = Change { retire: retired.collect(), ..Change::default() };
    let written = write(engine, &old, &mut kept, before, &mut change);
    if let Err(error) = written {
        engine.files.discard(&change.add_events, &change.add_users);
        return Err(error);
    }
    let rows = |files: &mut dyn Iterator<Item = u64>| files.sum::<u64>();
    let before = rows(&mut old.iter().map(|file| file.entry.rows));
    let after = rows(&mut change.add_events.iter().map(|entry| entry.rows));
    drop((old, kept, version));
    engine.replace_files(change)?;
    Ok(before - after)
}

/// Writes the rows of `old` files from day `before` on, and the users of these and of `kept` files. Fails with
/// [`LakeError::Closed`] once the lake is closed.
fn write(
    engine: &Engine,
    old: &[Arc<EventsFile>],
    kept: &mut Vec<Arc<EventsFile>>,
    before: i32,
    change: &mut Change,
) -> Result<()> {
    let files = &engine.files;
    for file in old.iter().filter(|file| file.entry.days.last() >= before) {
        if engine.is_closed() {
            return Err(LakeError::Closed);
        }
        let rows = file.entry.rows as usize;
        let writer = EventsWriter::create(files.shared(), files.take_file_id(), rows, ZSTD_LEVEL)?;
        if let Some(entry) = rewrite(writer, file, |_, day| day >= before, &mut change.folders)? {
            change.add_events.push(entry);
            kept.push(files.file(entry));
        }
    }
    if !kept.is_empty() {
        let id = files.take_file_id();
        change.add_users.push(users::write(files.layout(), id, kept, &mut change.folders, &mut |_| {})?);
    }
    Ok(())
}
