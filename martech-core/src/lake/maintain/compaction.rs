//! Compaction keeps the number of files small, and the files narrow where there are many events:
//! - Small files of a window that have about the same size are merged into a larger one.
//! - Windows with few events are joined in a wider one.
//! - A wide window with many events is split: a merge gives each narrower window that has become dense a file of its
//!   own.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
    sync::Arc,
};

use super::{
    merge::{self, DENSE_ROWS},
    merge_users,
};
use crate::lake::{
    engine::Engine,
    error::{LakeError, Result},
    files::{
        ids::MAX_ROWS,
        live::{EventsFile, LiveFile, UsersFile, Version},
        set::Change,
    },
    rows::window::Window,
};

/// A merge is due for at least this many files of about the same size. This is also the factor between size tiers.
const FAN_IN: usize = 4;
/// The largest number of files in one merge. It bounds memory.
const MAX_FAN_IN: usize = 16;

/// The largest number of rows in a merged event file. The writer keeps the compressed columns and the ids in memory.
const MAX_MERGED_ROWS: u64 = MAX_ROWS as u64 / 2;

/// The files of a wide window are split from this number of rows on. One of the eight narrower windows is dense then.
const CROWDED_ROWS: u64 = 8 * DENSE_ROWS;

/// The largest number of merges that are published together.
const MAX_MERGES: usize = 256;

/// The largest number of files of windows that are joined at a time.
const MAX_JOINED: usize = 64;

/// Merges files until no merge is due.
pub(crate) fn compact_what_is_due(engine: &Engine) -> Result<()> {
    compact(engine, due)
}

/// Merges until each window of days has as few files as its rows allow, and the users have one file.
pub(crate) fn compact_everything(engine: &Engine) -> Result<()> {
    compact(engine, everything)
}

/// Chooses which files to merge next, given the number of rows of each. Returns positions in the slice.
type Choice = fn(&[u64], max_rows: u64) -> Option<Vec<usize>>;

fn compact(engine: &Engine, choice: Choice) -> Result<()> {
    let mut scope = Scope::begin(engine.files.next_file_id());
    loop {
        let work = next(&engine.snapshot()?.version, choice, &scope);
        if work.is_empty() {
            return Ok(());
        }
        let piece = engine.compactions.begin();
        let mut change = Change::default();
        if let Err(error) = work.iter().try_for_each(|work| work.merge(engine, &mut change)) {
            engine.files.discard(&change.add_events, &change.add_users);
            if matches!(error, LakeError::Closed) {
                piece.stopped();
            }
            return Err(error);
        }
        scope.made.extend(change.add_events.iter().map(|entry| entry.id));
        scope.made.extend(change.add_users.iter().map(|entry| entry.id));
        engine.replace_files(change)?;
        piece.done();
    }
}

/// The files that a compaction may merge: files that existed when it began, and files that it made. Files that are
/// rolled meanwhile are left to the next compaction, so a compaction ends however fast events arrive.
#[derive(Debug)]
struct Scope {
    before: u64,
    made: HashSet<u64>,
}

impl Scope {
    fn begin(next_file: u64) -> Self {
        Self { before: next_file, made: HashSet::new() }
    }

    fn holds(&self, file: u64) -> bool {
        file < self.before || self.made.contains(&file)
    }

    /// Returns the files to merge next, or `None` if no merge is due.
    fn choose<E>(
        &self,
        files: &[Arc<LiveFile<E>>],
        choice: impl Fn(&[u64]) -> Option<Vec<usize>>,
    ) -> Option<Vec<Arc<LiveFile<E>>>> {
        let files: Vec<_> = files.iter().filter(|file| self.holds(file.id())).collect();
        let rows: Vec<u64> = files.iter().map(|file| file.rows()).collect();
        let chosen = choice(&rows)?;
        Some(chosen.into_iter().map(|index| files[index].clone()).collect())
    }

    /// Returns the files of a window to merge next.
    fn choose_in(&self, window: Window, files: &[Arc<EventsFile>], choice: Choice) -> Option<Vec<Arc<EventsFile>>> {
        let chosen = self.choose(files, |rows| choice(rows, MAX_MERGED_ROWS));
        chosen.or_else(|| self.choose(files, crowded).filter(|_| !window.is_day()))
    }
}

/// Files to merge into one.
enum Work {
    Events(Vec<Arc<EventsFile>>),
    Users(Vec<Arc<UsersFile>>),
}

/// Chooses the users files, or the files of one window, or of as many windows as together have at most
/// [`MAX_MERGED_ROWS`] rows. If no merge is due, chooses windows to join.
fn next(version: &Version, choice: Choice, scope: &Scope) -> Vec<Work> {
    if let Some(files) = scope.choose(&version.users, |rows| choice(rows, u64::MAX)) {
        return vec![Work::Users(files)];
    }
    let windows = version.events.windows();
    let merges = few(windows.filter_map(|(window, files)| scope.choose_in(window, files, choice)));
    if merges.is_empty() { few(sparse(version, scope).into_values()) } else { merges }
}

/// Takes as many merges as may be published together.
fn few(merges: impl Iterator<Item = Vec<Arc<EventsFile>>>) -> Vec<Work> {
    let mut sum = 0;
    let few = merges.take(MAX_MERGES).take_while(|files| {
        let before = sum;
        sum += files.iter().map(|file| file.entry.rows).sum::<u64>();
        before == 0 || sum <= MAX_MERGED_ROWS
    });
    few.map(Work::Events).collect()
}

/// Chooses the files of sparse windows that lie in one wider window, which stays sparse. Returns them by the wider
/// window. The wider windows do not overlap.
fn sparse(version: &Version, scope: &Scope) -> BTreeMap<Window, Vec<Arc<EventsFile>>> {
    let mut around = BTreeMap::<Window, Vec<&[Arc<EventsFile>]>>::new();
    let is_left = |files: &[Arc<EventsFile>]| files.iter().all(|file| scope.holds(file.id()));
    let windows = version.events.windows();
    for (window, files) in windows.filter(|(_, files)| rows_of(files) < DENSE_ROWS && is_left(files)) {
        for wider in iter::once(window).chain(window.ancestors()) {
            around.entry(wider).or_default().push(files);
        }
    }
    let mut due = BTreeMap::new();
    for (window, windows) in around {
        if due.first_key_value().is_some_and(|(first, _): (&Window, _)| !first.is_as_wide_as(window)) {
            break;
        }
        due.extend(joined(windows).map(|files| (window, files)));
    }
    due
}

/// Returns the files of some windows to join, if there are enough. A large file is left alone until the others together
/// have at least a quarter of its rows, so that it is not written again for a few rows.
fn joined(mut windows: Vec<&[Arc<EventsFile>]>) -> Option<Vec<Arc<EventsFile>>> {
    windows.sort_by_key(|files| rows_of(files));
    let mut rows: u64 = windows.iter().map(|files| rows_of(files)).sum();
    while let Some(largest) = windows.last().map(|files| rows_of(files))
        && (rows - largest) * (FAN_IN as u64) < largest
    {
        windows.pop();
        rows -= largest;
    }
    let is_due = windows.len() >= FAN_IN && rows < DENSE_ROWS;
    is_due.then(|| windows.concat().into_iter().take(MAX_JOINED).collect())
}

fn rows_of(files: &[Arc<EventsFile>]) -> u64 {
    files.iter().map(|file| file.entry.rows).sum()
}

impl Work {
    fn merge(&self, engine: &Engine, change: &mut Change) -> Result<()> {
        match self {
            Self::Events(files) => {
                merge::merge_files(engine, files, &mut change.add_events, &mut change.folders)?;
                change.retire.extend(files.iter().map(|file| file.entry.id));
            }
            Self::Users(files) => {
                change.add_users.push(merge_users::merge_files(engine, files, &mut change.folders)?);
                change.retire.extend(files.iter().map(|file| file.entry.id));
            }
        }
        Ok(())
    }
}

/// Chooses the smallest files, if enough of them have about the same size.
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

/// Chooses the largest files, if they have so many rows that a part of their window must be dense.
fn crowded(rows: &[u64]) -> Option<Vec<usize>> {
    let mut largest = by_size(rows);
    largest.reverse();
    let mut sum = 0;
    let last = largest.iter().position(|file| {
        sum += rows[*file];
        sum >= CROWDED_ROWS
    })?;
    (last < MAX_FAN_IN).then(|| largest[..=last].to_vec())
}

fn by_size(rows: &[u64]) -> Vec<usize> {
    let mut files: Vec<usize> = (0..rows.len()).collect();
    files.sort_by_key(|file| rows[*file]);
    files
}

/// Returns the size tier of a file. Files of one tier differ by less than a factor of four.
fn tier(rows: u64) -> u32 {
    rows.max(1).ilog(FAN_IN as u64)
}

/// Returns as many of the first files as fit into one file.
fn fitting(rows: &[u64], files: &[usize], max_rows: u64) -> Vec<usize> {
    let mut sum = 0;
    let fits = files.iter().take_while(|file| {
        sum += rows[**file];
        sum <= max_rows
    });
    fits.take(MAX_FAN_IN).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        fs::Disk,
        lake::{
            files::{catalog::EventsEntry, layout::Layout, live::Shared, parquet_file::Tail},
            rows::window::Days,
        },
    };

    #[test]
    fn compaction_ends_while_new_files_arrive() {
        let layout = Layout { fs: Arc::new(Disk), root: PathBuf::new() };
        let shared = Arc::new(Shared::new(layout));
        let file = |id| {
            EventsFile::events(
                EventsEntry { id, days: Days::of_day(0), rows: 10, bytes: 100, tail: Tail::default() },
                &shared,
            )
        };
        let mut files: Vec<_> = (1..=20).map(file).collect();
        let (mut scope, mut numbers) = (Scope::begin(21), 21..100);
        while let Some(merged) = scope.choose(&files, |rows| everything(rows, 1_000)) {
            files.retain(|file| merged.iter().all(|merged| merged.id() != file.id()));
            // The merged file, and a file that was rolled meanwhile.
            let made = numbers.next().expect("it goes on for ever");
            scope.made.insert(made);
            files.extend([file(made), file(numbers.next().expect("it goes on for ever"))]);
        }
        assert_eq!(files.iter().filter(|file| scope.holds(file.id())).count(), 1);
    }

    #[test]
    fn merges_only_files_of_similar_size() {
        assert_eq!(due(&[100, 120, 90], 1000), None);
        assert_eq!(due(&[100, 5000, 120, 90, 110], 1_000_000), Some(vec![3, 0, 4, 2]));
        assert_eq!(due(&[100, 1000, 10_000, 100_000], 1_000_000), None);
        assert_eq!(due(&[400, 400, 400, 400], 1000), None, "four do not fit one file");
        assert_eq!(everything(&[100, 5000], 10_000), Some(vec![0, 1]));
        assert_eq!(everything(&[100, 5000], 5050), None);
    }

    #[test]
    fn splits_wide_windows_with_many_rows() {
        assert_eq!(crowded(&[CROWDED_ROWS - 1]), None);
        assert_eq!(crowded(&[10, CROWDED_ROWS, 20]), Some(vec![1]));
        assert_eq!(crowded(&[10, 150_000, 20, 140_000]), Some(vec![1, 3]));
        assert_eq!(crowded(&[CROWDED_ROWS / 17; 20]), None, "merging files of one size comes first");
    }

    #[test]
    fn file_count_stays_small_after_many_rolls() {
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
