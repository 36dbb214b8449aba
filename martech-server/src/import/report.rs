//! What a person sees of an import: a bar while it runs, a summary at the end.

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

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// File by file, in order.
    pub files: Vec<FileReport>,
}

/// What the import of one file did. After a resumption the counts include what was done before.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// The file's name.
    pub name: String,
    /// Records.
    pub counts: Counts,
    /// How long it took this time.
    pub elapsed: Duration,
    /// The rejects file, when there is one.
    pub rejects: Option<PathBuf>,
    /// The record behind which it went on, when an earlier import of the file was interrupted.
    pub resumed_at: Option<u64>,
}

impl Report {
    /// The sums over all files.
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
        write!(f, "{}: {} in {:.1} s", self.name, Words(&self.counts), self.elapsed.as_secs_f64())?;
        if let Some(record) = self.resumed_at {
            write!(f, " (resumed behind record {record})")?;
        }
        match &self.rejects {
            Some(path) => write!(f, "; what was rejected, and why: {}", path.display()),
            None => Ok(()),
        }
    }
}

/// The line of totals, for more than one file.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed: Duration = self.files.iter().map(|file| file.elapsed).sum();
        write!(f, "{} files: {} in {:.1} s", self.files.len(), Words(&self.total()), elapsed.as_secs_f64())
    }
}

struct Words<'a>(&'a Counts);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { read, stored, duplicates, rejected } = self.0;
        write!(f, "{read} read, {stored} stored, {duplicates} duplicates, {rejected} rejected")
    }
}

const WITH_SIZE: &str = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}";
const WITHOUT_SIZE: &str = "{prefix} {spinner} {bytes} {bytes_per_sec} {msg} {elapsed}";

/// The bar on standard error; it hides itself where that is no terminal.
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
    fn the_templates_are_well_formed() {
        for template in [WITH_SIZE, WITHOUT_SIZE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
