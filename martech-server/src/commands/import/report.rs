//! Output of an import for people: a progress bar while it runs, and a summary at the end.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{input::Input, state::Counts};

/// The results of an import.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The results of each file, in order.
    pub files: Vec<FileReport>,
}

/// The result of importing one file. After a resumption, the counts include the earlier runs.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// The name of the file.
    pub name: String,
    /// Counts of records.
    pub counts: Counts,
    /// Duration of this run.
    pub elapsed: Duration,
    /// Path of the rejects file, if there is one.
    pub rejects: Option<PathBuf>,
    /// The number of records that an interrupted import had settled, if this import resumed it.
    pub resumed_at: Option<u64>,
    /// What is wrong with the result, if anything.
    pub complaint: Option<Complaint>,
    /// The most frequent reasons for rejections, with counts; three at most.
    pub reasons: Vec<String>,
    /// The first event of a dry run, as JSON.
    pub first: Option<String>,
    /// Whether this was a dry run, which stores nothing.
    pub dry_run: bool,
}

/// Why the import of a file that was read to its end is not a success.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Complaint {
    /// The file has records, and none of them is in the store.
    NothingStored,
    /// More records were rejected than this limit allows, in percent.
    TooManyRejected(f64),
}

impl Complaint {
    pub(crate) fn of(counts: &Counts, max_rejects: f64) -> Option<Self> {
        let Counts { read, stored, duplicates, rejected } = *counts;
        if read > 0 && stored + duplicates == 0 {
            return Some(Self::NothingStored);
        }
        let too_many = rejected as f64 * 100.0 > read as f64 * max_rejects;
        too_many.then_some(Self::TooManyRejected(max_rejects))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingStored => f.write_str("nothing was stored"),
            Self::TooManyRejected(percent) => {
                write!(f, "more than {percent} % of the records were rejected (--max-rejects)")
            }
        }
    }
}

impl FileReport {
    /// Returns what is wrong with the result, and the reasons, as lines for people.
    pub fn complaints(&self) -> Vec<String> {
        let told = self.complaint.map(|complaint| format!("{}: {complaint}", self.name));
        let reasons = if told.is_some() || self.dry_run { self.reasons.as_slice() } else { &[] };
        told.into_iter().chain(reasons.iter().map(|reason| format!("  {reason}"))).collect()
    }
}

impl Report {
    /// Returns whether no file has a complaint.
    pub fn is_fine(&self) -> bool {
        self.files.iter().all(|file| file.complaint.is_none())
    }

    /// Returns the sums over all files.
    pub fn total(&self) -> Counts {
        self.files.iter().fold(Counts::default(), |sum, file| Counts {
            read: sum.read + file.counts.read,
            stored: sum.stored + file.counts.stored,
            duplicates: sum.duplicates + file.counts.duplicates,
            rejected: sum.rejected + file.counts.rejected,
        })
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.elapsed.as_secs_f64();
        match &self.first {
            _ if !self.dry_run => write!(f, "{}: {} in {elapsed:.1} s", self.name, Words(&self.counts))?,
            first => {
                let Counts { read, stored, rejected, .. } = self.counts;
                write!(f, "{}: {read} read, {stored} valid, {rejected} rejected, nothing stored", self.name)?;
                if let Some(first) = first {
                    write!(f, "; first event: {first}")?;
                }
            }
        }
        if let Some(record) = self.resumed_at {
            write!(f, " (resumed after record {record})")?;
        }
        match &self.rejects {
            Some(path) => write!(f, "; rejected records and reasons: {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Formats the line of totals, for more than one file.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed: Duration = self.files.iter().map(|file| file.elapsed).sum();
        write!(f, "{} files: {} in {:.1} s", self.files.len(), Words(&self.total()), elapsed.as_secs_f64())
    }
}

/// Formats counts with words.
pub(crate) struct Words<'a>(pub(crate) &'a Counts);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { read, stored, duplicates, rejected } = self.0;
        write!(f, "{read} read, {stored} stored, {duplicates} duplicates, {rejected} rejected")
    }
}

const WITH_SIZE: &str = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}";
const WITHOUT_SIZE: &str = "{prefix} {spinner} {bytes} {bytes_per_sec} {msg} {elapsed}";

/// The progress bar on standard error. It hides itself if standard error is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    consumed: Arc<AtomicU64>,
    started: Instant,
    before: u64,
}

impl Progress {
    pub(crate) fn new(name: &str, input: &Input, before: Counts) -> Self {
        let (bar, template) = match input.size {
            Some(size) => (ProgressBar::new(size), WITH_SIZE),
            None => (ProgressBar::no_length(), WITHOUT_SIZE),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Self { bar, consumed: input.consumed.clone(), started: Instant::now(), before: before.read }
    }

    pub(crate) fn show(&self, counts: Counts) {
        if self.bar.is_hidden() {
            return;
        }
        let rate = (counts.read - self.before) as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        self.bar.set_position(self.consumed.load(Ordering::Relaxed));
        self.bar.set_message(format!("{} events, {}/s", HumanCount(counts.read), HumanCount(rate as u64)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_if_nothing_is_stored_or_too_much_rejected() {
        let of =
            |read, stored, duplicates, rejected| Complaint::of(&Counts { read, stored, duplicates, rejected }, 10.0);
        assert_eq!(of(10, 0, 0, 10), Some(Complaint::NothingStored));
        assert_eq!(of(10, 8, 0, 2), Some(Complaint::TooManyRejected(10.0)));
        for (read, stored, duplicates, rejected) in [(0, 0, 0, 0), (10, 9, 0, 1), (10, 0, 10, 0), (10, 0, 9, 1)] {
            assert_eq!(of(read, stored, duplicates, rejected), None);
        }
        assert_eq!(Complaint::of(&Counts { read: 3, stored: 1, duplicates: 0, rejected: 2 }, 100.0), None);
    }

    #[test]
    fn progress_templates_are_valid() {
        for template in [WITH_SIZE, WITHOUT_SIZE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
