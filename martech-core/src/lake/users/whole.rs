//! The files of users against the files of events: they say the same, and can be made anew from those.

use std::sync::Arc;

use super::{
    super::{
        catalog::UsersEntry,
        error::Result,
        files::{EventsFile, UsersFile},
        layout::Layout,
        scan::{Scan, SliceReader},
        sorted::Sorted,
        writing::Folders,
    },
    file::UsersWriter,
    source::{Ascending, FileSource, Measure, Span},
};
use crate::analytics::{Symbols, UserSummary};

/// Users of whom files of users do not say what the files of events say.
#[derive(Debug, Default)]
pub(in super::super) struct Differences {
    pub(in super::super) users: u64,
    /// One of them.
    pub(in super::super) example: Option<String>,
}

impl Differences {
    fn note(&mut self, user_id: &str) {
        self.users += 1;
        self.example.get_or_insert_with(|| user_id.to_owned());
    }
}

/// Reads a file of users to its end: users ascend, each once.
pub(in super::super) fn check(file: &UsersFile) -> Result<()> {
    let mut source = FileSource::open(file, Measure::Everything, &Span::default())?;
    let mut last: Option<String> = None;
    let mut rows = 0;
    while let Some(user) = source.user() {
        if last.as_deref().is_some_and(|last| last >= user) {
            return Err(file.damaged(format!("row {rows}: it does not come behind the one before")));
        }
        last = Some(user.to_owned());
        source.summary()?;
        source.advance()?;
        rows += 1;
    }
    if rows != file.entry.rows {
        return Err(file.damaged(format!("it has {rows} rows, and the catalog says {}", file.entry.rows)));
    }
    Ok(())
}

/// Compares what both say of every user. `tick` hears of so many events at a time.
pub(in super::super) fn compare(
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
        // Users of whom there are no events.
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

/// The first user on whom a source stands, when it comes before `end`.
fn first_before(sources: &[FileSource], end: Option<&str>) -> Option<String> {
    let first = sources.iter().filter_map(FileSource::user).min()?;
    end.is_none_or(|end| first < end).then(|| first.to_owned())
}

/// What all sources that stand on a user say together; they go on to the next.
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

/// Writes one file of users that says what files of events say.
pub(in super::super) fn write(
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

/// Calls `each` with every user of the events, ascending.
fn for_each_summary(
    events: &[Arc<EventsFile>],
    tick: &mut dyn FnMut(u64),
    mut each: impl FnMut(&str, &UserSummary) -> Result<()>,
) -> Result<()> {
    let hot = Sorted::by_user([], "");
    let scan = Scan::new(events.iter().map(|file| &**file), &hot, i64::MIN..i64::MAX);
    for slice in scan.slices()? {
        // Not for all slices together: of all there is, names take more than there may be room for.
        let (mut reader, mut symbols) = (SliceReader::new(&scan), Symbols::new());
        reader.load(&slice, &mut symbols)?.for_each_user(|user_id, rows| {
            tick(rows.len() as u64);
            let summary = UserSummary::from_rows(rows, &symbols);
            // The files were found sound: it is text.
            summary.map_or(Ok(()), |summary| each(&String::from_utf8_lossy(user_id), &summary))
        })?;
    }
    Ok(())
}
