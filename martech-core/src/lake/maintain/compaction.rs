//! Compaction keeps the number of files small: it merges small files of about the same size into larger ones.

use std::{collections::HashSet, sync::Arc};

use super::{merge, merge_users};
use crate::lake::{
    engine::Engine,
    error::{LakeError, Result},
    files::{
        ids::MAX_ROWS,
        live::{EventsFile, LiveFile, UsersFile, Version},
        set::Change,
    },
};

/// A merge is due for at least this many files of about the same size. This is also the factor between size tiers.
const FAN_IN: usize = 4;
/// The largest number of files in one merge. It bounds memory.
const MAX_FAN_IN: usize = 16;

/// The largest number of rows in a merged event file. The writer keeps the compressed columns and the ids in memory.
const MAX_MERGED_ROWS: u64 = MAX_ROWS as u64 / 2;

/// The largest number of merges that are published together.
const MAX_MERGES: usize = 256;

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
        rows: impl Fn(&E) -> u64,
        choice: Choice,
        max_rows: u64,
    ) -> Option<Vec<Arc<LiveFile<E>>>> {
        let files: Vec<_> = files.iter().filter(|file| self.holds(file.id())).collect();
        let rows: Vec<u64> = files.iter().map(|file| rows(&file.entry)).collect();
        let chosen = choice(&rows, max_rows)?;
        Some(chosen.into_iter().map(|index| files[index].clone()).collect())
    }
}

/// Files to merge into one.
enum Work {
    Events(Vec<Arc<EventsFile>>),
    Users(Vec<Arc<UsersFile>>),
}

/// Chooses the users files, or the files of one window, or of as many windows as together have at most
/// [`MAX_MERGED_ROWS`] rows.
fn next(version: &Version, choice: Choice, scope: &Scope) -> Vec<Work> {
    if let Some(files) = scope.choose(&version.users, |entry| entry.rows, choice, u64::MAX) {
        return vec![Work::Users(files)];
    }
    let mut sum = 0;
    let windows = version.events.windows().map(|(_, files)| files);
    let merges = windows.filter_map(|files| scope.choose(files, |entry| entry.rows, choice, MAX_MERGED_ROWS));
    let few = merges.take(MAX_MERGES).take_while(|files| {
        let before = sum;
        sum += files.iter().map(|file| file.entry.rows).sum::<u64>();
        before == 0 || sum <= MAX_MERGED_ROWS
    });
    few.map(Work::Events).collect()
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
        lake::files::{catalog::EventsEntry, layout::Layout, live::Shared, parquet_file::Tail, window::Days},
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
        while let Some(merged) = scope.choose(&files, |entry| entry.rows, everything, 1_000) {
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
