//! Retention: removal of past days.
//!
//! The event files of the days are retired. The users files are rebuilt from the remaining events, because the summary
//! of a user cannot be split by day. Both changes become visible at once. Retention runs between compactions, so no
//! file is merged meanwhile. A roll that runs meanwhile adds its own event files and users file, which stay.

use std::sync::Arc;

use super::users;
use crate::lake::{
    engine::Engine,
    error::Result,
    files::{live::EventsFile, set::Change},
};

/// Removes the files of all days before `before`. Returns the number of events in them.
pub(crate) fn remove_before(engine: &Engine, before: i32) -> Result<u64> {
    let version = engine.snapshot()?.version;
    let (mut old, mut kept): (Vec<Arc<EventsFile>>, Vec<Arc<EventsFile>>) = (Vec::new(), Vec::new());
    for (day, files) in &version.events {
        if *day < before { &mut old } else { &mut kept }.extend(files.iter().cloned());
    }
    let events = old.iter().map(|file| file.entry.rows).sum();
    if events == 0 {
        return Ok(0);
    }
    let retired = old.iter().map(|file| file.entry.id).chain(version.users.iter().map(|file| file.entry.id));
    let mut change = Change { retire: retired.collect(), ..Change::default() };
    if !kept.is_empty() {
        let (layout, id) = (engine.files.layout(), engine.files.take_file_id());
        change.add_users.push(users::write(layout, id, &kept, &mut change.folders, &mut |_| {})?);
    }
    drop((old, kept, version));
    engine.replace_files(change)?;
    Ok(events)
}
