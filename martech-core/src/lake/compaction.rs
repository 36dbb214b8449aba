//! Keeping files few: small ones are merged into larger ones, of about the same size at a time.

use std::{mem, sync::Arc};

use super::{
    catalog::{EventsEntry, UsersEntry},
    error::Result,
    files::{EventsFile, UsersFile, Version},
    ids::MAX_ROWS,
    inner::Inner,
    merge,
    publish::Change,
    users,
};

/// This many files of about the same size are merged into one.
const FAN_IN: usize = 4;
/// The most files that are merged at once: a bound of memory.
const MAX_FAN_IN: usize = 16;

/// What a merged file of events may hold: its writer keeps the compressed columns and the ids in memory.
const MAX_MERGED_ROWS: u64 = MAX_ROWS as u64 / 2;

/// Merges while there are files that should be merged.
pub(super) fn compact_what_is_due(inner: &Inner) -> Result<()> {
    compact(inner, due)
}

/// Merges until every day has as few files as its events allow, and the users have one.
pub(super) fn compact_everything(inner: &Inner) -> Result<()> {
    compact(inner, everything)
}

/// Which of some files, given by their rows, to merge next.
type Choice = fn(&[u64], max_rows: u64) -> Option<Vec<usize>>;

fn compact(inner: &Inner, choice: Choice) -> Result<()> {
    while let Some(work) = next(&inner.snapshot()?.version, choice) {
        match work {
            Work::Events(files) => compact_events(inner, &files)?,
            Work::Users(files) => compact_users(inner, &files)?,
        }
    }
    Ok(())
}

enum Work {
    Events(Vec<Arc<EventsFile>>),
    Users(Vec<Arc<UsersFile>>),
}

fn next(version: &Version, choice: Choice) -> Option<Work> {
    let rows: Vec<u64> = version.users.iter().map(|file| file.entry.rows).collect();
    if let Some(chosen) = choice(&rows, u64::MAX) {
        return Some(Work::Users(chosen.into_iter().map(|index| version.users[index].clone()).collect()));
    }
    version.events.values().find_map(|files| {
        let rows: Vec<u64> = files.iter().map(|file| file.entry.rows).collect();
        let chosen = choice(&rows, MAX_MERGED_ROWS)?;
        Some(Work::Events(chosen.into_iter().map(|index| files[index].clone()).collect()))
    })
}

/// The smallest files, when there are enough of about the same size.
fn due(rows: &[u64], max_rows: u64) -> Option<Vec<usize>> {
    let by_size = by_size(rows);
    by_size.chunk_by(|left, right| tier(rows[*left]) == tier(rows[*right])).find_map(|files| {
        let chosen = fitting(rows, files, max_rows);
        (chosen.len() >= FAN_IN).then_some(chosen)
    })
}

fn everything(rows: &[u64], max_rows: u64) -> Option<Vec<usize>> {
    let chosen = fitting(rows, &by_size(rows), max_rows);
    (chosen.len() >= 2).then_some(chosen)
}

fn by_size(rows: &[u64]) -> Vec<usize> {
    let mut files: Vec<usize> = (0..rows.len()).collect();
    files.sort_by_key(|file| rows[*file]);
    files
}

/// Files of a tier differ by less than a factor of four.
fn tier(rows: u64) -> u32 {
    rows.max(1).ilog(FAN_IN as u64)
}

/// As many of the first files as one file may hold.
fn fitting(rows: &[u64], files: &[usize], max_rows: u64) -> Vec<usize> {
    let mut sum = 0;
    let fits = files.iter().take_while(|file| {
        sum += rows[**file];
        sum <= max_rows
    });
    fits.take(MAX_FAN_IN).copied().collect()
}

fn compact_events(inner: &Inner, files: &[Arc<EventsFile>]) -> Result<()> {
    let mut change = Change { retire: files.iter().map(|file| file.entry.id).collect(), ..Change::default() };
    let merged: EventsEntry = merge::merge_files(inner, files, &mut change.folders)?;
    change.add_events.push(merged);
    publish(inner, change)
}

fn compact_users(inner: &Inner, files: &[Arc<UsersFile>]) -> Result<()> {
    let mut change = Change { retire: files.iter().map(|file| file.entry.id).collect(), ..Change::default() };
    let merged: UsersEntry = users::merge_files(inner, files, &mut change.folders)?;
    change.add_users.push(merged);
    publish(inner, change)
}

fn publish(inner: &Inner, change: Change) -> Result<()> {
    let retired = change.retire.clone();
    // Not under the lock of the state: with the last reader of a version its files go.
    let mut before = None;
    inner.publish(change, |version| before = Some(mem::replace(&mut inner.state().version, Arc::new(version))))?;
    drop(before);
    inner.dedupe.forget(retired);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_files_of_a_size_and_leaves_the_others() {
        assert_eq!(due(&[100, 120, 90], 1000), None);
        assert_eq!(due(&[100, 5000, 120, 90, 110], 1_000_000), Some(vec![3, 0, 4, 2]));
        assert_eq!(due(&[100, 1000, 10_000, 100_000], 1_000_000), None);
        assert_eq!(due(&[400, 400, 400, 400], 1000), None, "four do not fit one file");
        assert_eq!(everything(&[100, 5000], 10_000), Some(vec![0, 1]));
        assert_eq!(everything(&[100, 5000], 5050), None);
    }

    #[test]
    fn the_number_of_files_stays_small_however_many_rolls_there_are() {
        let mut files: Vec<u64> = Vec::new();
        for _ in 0..2000 {
            files.push(100);
            while let Some(chosen) = due(&files, u64::MAX) {
                let sum = chosen.iter().map(|file| files[*file]).sum();
                files = files
                    .iter()
                    .enumerate()
                    .filter(|(file, _)| !chosen.contains(file))
                    .map(|(_, rows)| *rows)
                    .collect();
                files.push(sum);
            }
            assert!(files.len() <= 24, "{files:?}");
        }
    }
}
