//! Comparison of users files with event files, and rebuilding of users files from event files.

mod by_user;

use std::sync::Arc;

use crate::{
    analytics::UserSummary,
    lake::{
        error::Result,
        files::{
            catalog::UsersEntry,
            events_writer::Folders,
            layout::Layout,
            live::{EventsFile, UsersFile},
            users_file::UsersWriter,
        },
        read::users::source::{Ascending, FileSource, Measure, Span},
    },
};

/// Users whose users files do not agree with their events.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) users: u64,
    /// One of these users.
    pub(crate) example: Option<String>,
}

impl Differences {
    fn note(&mut self, user_id: &str) {
        self.users += 1;
        self.example.get_or_insert_with(|| user_id.to_owned());
    }
}

/// Reads a users file to its end. Checks that users ascend without repetition, and that the number of rows is right.
pub(crate) fn check(file: &UsersFile) -> Result<()> {
    let mut source = FileSource::open(file, Measure::Everything, &Span::default())?;
    let mut last: Option<String> = None;
    let mut rows = 0;
    while let Some(user) = source.user() {
        if last.as_deref().is_some_and(|last| last >= user) {
            return Err(file.damaged(format!("row {rows}: out of order")));
        }
        last = Some(user.to_owned());
        source.summary()?;
        source.advance()?;
        rows += 1;
    }
    if rows != file.entry.rows {
        return Err(file.damaged(format!("{rows} rows, but the catalog says {}", file.entry.rows)));
    }
    Ok(())
}

/// Compares the users files with the event files. `tick` is called with numbers of events as they are read.
pub(crate) fn compare(
    users: &[Arc<UsersFile>],
    events: &[Arc<EventsFile>],
    tick: &mut dyn FnMut(u64),
) -> Result<Differences> {
    let mut sources = users
        .iter()
        .map(|file| FileSource::open(file, Measure::Everything, &Span::default()))
        .collect::<Result<Vec<_>>>()?;
    let mut differences = Differences::default();
    for_each_summary(events, tick, |user_id, summary| {
        // Users without events.
        while let Some(first) = first_before(&sources, Some(user_id)) {
            differences.note(&first);
            take(&mut sources, &first)?;
        }
        if take(&mut sources, user_id)?.as_ref() != Some(summary) {
            differences.note(user_id);
        }
        Ok(())
    })?;
    while let Some(first) = first_before(&sources, None) {
        differences.note(&first);
        take(&mut sources, &first)?;
    }
    Ok(differences)
}

/// Returns the first user on whom a source stands, if it comes before `end`.
fn first_before(sources: &[FileSource], end: Option<&str>) -> Option<String> {
    let first = sources.iter().filter_map(FileSource::user).min()?;
    end.is_none_or(|end| first < end).then(|| first.to_owned())
}

/// Returns the combined summary of a user, and advances all sources that stand on the user.
fn take(sources: &mut [FileSource], user_id: &str) -> Result<Option<UserSummary>> {
    let mut whole: Option<UserSummary> = None;
    for source in sources.iter_mut().filter(|source| source.user() == Some(user_id)) {
        let part = source.summary()?;
        match (&mut whole, part) {
            (Some(whole), Some(part)) => whole.merge(&part),
            (whole, part) => *whole = part,
        }
        source.advance()?;
    }
    Ok(whole)
}

/// Writes one users file from event files.
pub(crate) fn write(
    layout: &Layout,
    id: u64,
    events: &[Arc<EventsFile>],
    folders: &mut Folders,
    tick: &mut dyn FnMut(u64),
) -> Result<UsersEntry> {
    let mut writer = UsersWriter::create(layout, id)?;
    for_each_summary(events, tick, |user_id, summary| writer.push(user_id, summary))?;
    writer.finish(folders)
}

/// Calls `each` with every user of the events, ascending, and the summary of the user.
fn for_each_summary(
    events: &[Arc<EventsFile>],
    tick: &mut dyn FnMut(u64),
    mut each: impl FnMut(&str, &UserSummary) -> Result<()>,
) -> Result<()> {
    by_user::for_each_user(events, |user_id, rows, symbols| {
        tick(rows.len() as u64);
        UserSummary::from_rows(rows, symbols).map_or(Ok(()), |summary| each(user_id, &summary))
    })
}
