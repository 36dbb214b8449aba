//! Imports of files by `martech-server import`, which the test kills and resumes.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    board::{Activity, Board},
    client::gzip,
    ledger::Ledger,
    program,
    report::Report,
};

/// Longer than an import takes if nothing is killed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The target of an import.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A running server.
    Server(String),
    /// A data folder on which no server runs.
    Folder(PathBuf),
}

pub(crate) struct Importer {
    dir: PathBuf,
    random: fastrand::Rng,
    pub(crate) ledger: Ledger,
    /// The file of an unfinished import, and the number of events in the ledger before it.
    unfinished: Option<(PathBuf, usize)>,
    files: usize,
}

impl Importer {
    /// Creates an importer with its own folder in `dir`.
    pub(crate) fn new(dir: &Path, source: u32, random: fastrand::Rng) -> Self {
        let dir = dir.join(format!("import{source}"));
        fs::create_dir(&dir).unwrap();
        Self { dir, random, ledger: Ledger::new(source), unfinished: None, files: 0 }
    }

    /// Imports one file after another into the server until the test ends. Returns the ledger.
    pub(crate) fn run(mut self, board: &Board, report: &Report) -> Ledger {
        let mut target = None;
        while let Some(server) = board.server() {
            // All runs of the server on a folder have the same address.
            let target = target.get_or_insert(Target::Server(format!("http://{}", server.addr)));
            let patience =
                if self.random.bool() { Duration::from_micros(self.random.u64(..300_000)) } else { PATIENCE };
            let done = board.during(Activity::Import, || self.import(target, patience));
            match done {
                Some(events) => board.acknowledge(events),
                None => report.import_killed(),
            }
        }
        if let Some(target) = target.filter(|_| self.unfinished.is_some()) {
            let done = self.import(&target, PATIENCE);
            assert!(done.is_some(), "the last import does not finish");
        }
        self.ledger
    }

    /// Imports a new file, or resumes the unfinished one. Kills the import after `patience`. Returns the number of
    /// events in the file, which are then stored, or `None` if the import was killed or did not reach the server.
    pub(crate) fn import(&mut self, target: &Target, patience: Duration) -> Option<usize> {
        let (file, first) = self.unfinished.take().unwrap_or_else(|| self.write_a_file());
        let mut child = self.start(&file, target);
        let mut stdout = child.stdout.take().unwrap();
        let (tell, summary) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            let _ = tell.send(text);
        });
        let text = summary.recv_timeout(patience);
        if text.is_err() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        reader.join().unwrap();
        let Some(text) = text.ok().filter(|_| !met_nobody(&output)) else {
            self.unfinished = Some((file, first));
            return None;
        };
        assert!(output.status.success(), "{}: {text} {}", output.status, String::from_utf8_lossy(&output.stderr));
        let events = self.ledger.events.len() - first;
        let [read, stored, duplicates, rejected] = counts(&text).unwrap_or_else(|| panic!("no counts in {text:?}"));
        assert_eq!((read, stored + duplicates, rejected), (events, events, 0), "{text}");
        (first..self.ledger.events.len()).for_each(|number| self.ledger.acknowledge(number));
        if self.random.u8(..4) == 0 {
            // Imports the whole file once more, as if it had never been imported.
            let mut again = self.start(&file, target).wait_with_output().unwrap();
            let begun = Instant::now();
            while met_nobody(&again) && begun.elapsed() < PATIENCE {
                again = self.start(&file, target).wait_with_output().unwrap();
            }
            let again = String::from_utf8_lossy(&again.stdout).into_owned();
            let [_, stored, duplicates, _] = counts(&again).unwrap_or_else(|| panic!("no counts in {again:?}"));
            assert_eq!((stored, duplicates), (0, events), "{again}");
        }
        fs::remove_file(&file).unwrap();
        Some(events)
    }

    fn start(&self, file: &Path, target: &Target) -> Child {
        let mut command = Command::new(program::path());
        command.arg("import").arg(file.file_name().unwrap()).current_dir(&self.dir);
        match target {
            Target::Server(url) => command.args(["--url", url]).env("MARTECH_TOKEN", program::TOKEN),
            Target::Folder(dir) => command.arg("--data-dir").arg(dir),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn write_a_file(&mut self) -> (PathBuf, usize) {
        let first = self.ledger.events.len();
        let (as_csv, with_ids) = (self.random.bool(), self.random.bool());
        let events = (self.random.usize(1..2_000) >> self.random.u32(..5)).max(1);
        let mut text = if as_csv { Ledger::CSV_HEADER.to_owned() } else { String::new() };
        for _ in 0..events {
            let number = self.ledger.add(&mut self.random, with_ids);
            self.ledger.events[number].tried = true;
            text += &if as_csv { self.ledger.csv(number) } else { format!("{}\n", self.ledger.json(number)) };
        }
        self.files += 1;
        let name = format!("{}.{}", self.files, if as_csv { "csv" } else { "ndjson" });
        let (name, bytes) = match self.random.u8(..3) {
            0 => (name, text.into_bytes()),
            1 => (name + ".gz", gzip(text.as_bytes())),
            _ => (name + ".zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
        };
        let path = self.dir.join(name);
        fs::write(&path, bytes).unwrap();
        (path, first)
    }
}

/// Returns whether the import ended because no server was reachable when it began.
fn met_nobody(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("cannot reach http")
}

/// Parses the summary: the counts read, stored, duplicates and rejected.
fn counts(text: &str) -> Option<[usize; 4]> {
    let count = |word: &str| text.split(word).next()?.rsplit([' ', '\n']).next()?.parse().ok();
    Some([count(" read,")?, count(" stored,")?, count(" duplicates,")?, count(" rejected")?])
}
