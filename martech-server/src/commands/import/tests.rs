mod formats;
mod options;
mod rejects;
mod repetition;
mod server;

use std::{fs, io::Write, path::Path};

use clap::Parser;
use martech_core::{Appended, StoreError, event::EventId, memory::MemoryStore};
use serde_json::Value;

use super::{report::Complaint, *};
use crate::import::Counts;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ImportArgs,
}

/// A folder with files to import, and a store.
struct Shop {
    dir: tempfile::TempDir,
    store: MemoryStore<Event>,
}

impl Shop {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), store: MemoryStore::keyed(|event: &Event| event.id) }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn args(&self, file: &Path, options: &[&str]) -> ImportArgs {
        let words = ["import", file.to_str().unwrap(), "--data-dir", self.dir.path().to_str().unwrap()];
        let rejects = self.rejects_path();
        let words = words.into_iter().chain(["--rejects", rejects.to_str().unwrap()]);
        Command::try_parse_from(words.chain(options.iter().copied())).unwrap().args
    }

    fn rejects_path(&self) -> PathBuf {
        self.dir.path().join("rejects")
    }

    fn import_to(&self, store: impl Store<Event>, file: &Path, options: &[&str]) -> Result<FileReport, CommandError> {
        let args = self.args(file, options);
        let jobs = plan(&args)?;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut report = runtime.block_on(import_into(store, &args, &jobs, |_| ()))?;
        Ok(report.files.remove(0))
    }

    fn import(&self, file: &Path, options: &[&str]) -> FileReport {
        self.import_to(self.store.clone(), file, options).unwrap()
    }

    fn rejects(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.rejects_path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn ids(&self) -> Vec<EventId> {
        self.store.events().iter().map(|event| event.id).collect()
    }

    fn states(&self) -> usize {
        fs::read_dir(self.dir.path().join("imports")).map_or(0, |entries| entries.count())
    }
}

fn counts(report: &FileReport) -> [u64; 4] {
    let Counts { read, stored, duplicates, rejected } = report.counts;
    [read, stored, duplicates, rejected]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn events(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"userId\":\"u{}\",\"type\":\"search\",\"occurredAt\":\"2026-01-01T00:00:00Z\"}}\n", n % 7))
        .collect()
}
