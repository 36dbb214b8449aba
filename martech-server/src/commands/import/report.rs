//! Output of an import for people: a progress bar while it runs, and a summary at the end.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::args::ImportArgs;
use crate::import::{self, Counts, Opened, Reading, Reasons, Watch};

/// The results of an import.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    /// The results of each file, in order.
    pub(super) files: Vec<FileReport>,
}

/// The result of importing one file. After a resumption, the counts include the earlier runs.
#[derive(Debug, Clone)]
pub(super) struct FileReport {
    /// The name of the file.
    pub(super) name: String,
    /// Counts of records.
    pub(super) counts: Counts,
    /// Duration of this run.
    pub(super) elapsed: Duration,
    /// Path of the rejects file, if there is one.
    pub(super) rejects: Option<PathBuf>,
    /// The number of records that an interrupted import had settled, if this import resumed it.
    pub(super) resumed_at: Option<u64>,
    /// What is wrong with the result, if anything.
    pub(super) complaint: Option<Complaint>,
    /// The most frequent reasons for rejections, with counts; three at most.
    pub(super) reasons: Vec<String>,
    /// The first event of a dry run, as JSON.
    pub(super) first: Option<String>,
    /// Whether this was a dry run, which stores nothing.
    pub(super) dry_run: bool,
}

/// Why the import of a file that was read to its end is not a success.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Complaint {
    /// The file has records, and none of them is in the store.
    NothingStored,
    /// More records were rejected than this limit allows, in percent.
    TooManyRejected(f64),
}

impl Complaint {
    fn of(counts: &Counts, max_rejects: f64) -> Option<Self> {
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
    pub(super) fn new(name: String, report: import::FileOutcome, elapsed: Duration, args: &ImportArgs) -> Self {
        let import::FileOutcome { counts, rejects, resumed_at, reasons, first, .. } = report;
        let (complaint, reasons) = (Complaint::of(&counts, args.max_rejects), reasons.lines());
        Self { name, counts, elapsed, rejects, resumed_at, complaint, reasons, first, dry_run: args.dry_run }
    }

    /// Returns what is wrong with the result, and the reasons, as lines for people.
    pub(super) fn complaints(&self) -> Vec<String> {
        let told = self.complaint.map(|complaint| format!("{}: {complaint}", self.name));
        let reasons = if told.is_some() || self.dry_run { self.reasons.as_slice() } else { &[] };
        told.into_iter().chain(reasons.iter().map(|reason| format!("  {reason}"))).collect()
    }
}

impl Report {
    /// Returns whether no file has a complaint.
    pub(super) fn is_fine(&self) -> bool {
        self.files.iter().all(|file| file.complaint.is_none())
    }

    /// Returns the sums over all files.
    pub(super) fn total(&self) -> Counts {
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
            _ if !self.dry_run => write!(f, "{}: {} in {elapsed:.1} s", self.name, self.counts)?,
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
        write!(f, "{} files: {} in {:.1} s", self.files.len(), self.total(), elapsed.as_secs_f64())
    }
}

const WITH_SIZE: &str = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}";
const WITHOUT_SIZE: &str = "{prefix} {spinner} {bytes} {bytes_per_sec} {msg} {elapsed}";

/// Prints how far an unfinished file was imported, on standard error.
pub(super) fn tell_progress(name: &str, counts: &Counts) {
    if counts.read > 0 {
        eprintln!("{name}: so far {counts}");
    }
}

/// Shows the import of a file on standard error: messages, and a progress bar.
pub(super) struct Terminal {
    name: String,
    bar: Option<Progress>,
}

impl Terminal {
    pub(super) fn new(name: String) -> Self {
        Self { name, bar: None }
    }
}

impl Watch for Terminal {
    fn opened(&mut self, opened: &Opened<'_>) {
        let Self { name, bar } = self;
        if let Some(record) = opened.resumed_at {
            eprintln!("{name}: resuming after record {record}");
        }
        for column in opened.left_out {
            eprintln!(
                "{name}: ignoring column {column}, because another mapping sets the same figure; \
                 to keep it, use --map properties.NAME={column}",
            );
        }
        *bar = Some(Progress::new(name, opened));
    }

    fn settled(&mut self, counts: &Counts, _reasons: &Reasons, _omitted: u64) {
        if let Some(bar) = &self.bar {
            bar.show(counts);
        }
    }
}

/// The progress bar. It hides itself if standard error is no terminal.
struct Progress {
    bar: ProgressBar,
    reading: Reading,
    started: Instant,
    before: u64,
}

impl Progress {
    fn new(name: &str, opened: &Opened<'_>) -> Self {
        let (bar, template) = match opened.size {
            Some(size) => (ProgressBar::new(size), WITH_SIZE),
            None => (ProgressBar::no_length(), WITHOUT_SIZE),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Self { bar, reading: opened.reading.clone(), started: Instant::now(), before: opened.counts.read }
    }

    fn show(&self, counts: &Counts) {
        if self.bar.is_hidden() {
            return;
        }
        let rate = (counts.read - self.before) as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        self.bar.set_position(self.reading.bytes());
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
