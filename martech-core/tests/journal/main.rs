//! The journal on a simulated disk: the frames it keeps, and the errors it reports.

#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod faults;
mod life;
mod model;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use martech_core::{
    journal::{Journal, JournalError, JournalOptions, Recovery},
    testing::SimFs,
};

pub(crate) const DIR: &str = "journal";

/// Small segments, so that few frames fill several.
pub(crate) fn small() -> JournalOptions {
    JournalOptions::new(1 << 20).segment_bytes(200)
}

/// One segment for all frames.
pub(crate) fn large() -> JournalOptions {
    JournalOptions::new(1 << 20).segment_bytes(1 << 20)
}

pub(crate) fn try_open(disk: &SimFs, options: JournalOptions) -> Result<(Journal, Recovery), JournalError> {
    Journal::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

/// The recovery of a journal without damage.
pub(crate) fn recovered(frames: u64, truncated_bytes: u64) -> Recovery {
    let mut recovery = Recovery::default();
    (recovery.frames, recovery.truncated_bytes) = (frames, truncated_bytes);
    recovery
}

pub(crate) fn open(disk: &SimFs, options: JournalOptions) -> (Journal, Recovery) {
    try_open(disk, options).unwrap()
}

/// Submits a payload. The result arrives through the channel.
pub(crate) fn submit(journal: &Journal, payload: &[u8]) -> mpsc::Receiver<Result<u64, JournalError>> {
    let (sender, receiver) = mpsc::channel();
    journal.submit(payload.to_vec(), move |result| sender.send(result).unwrap_or_default()).unwrap();
    receiver
}

/// Appends one frame as a group of its own.
pub(crate) fn append(journal: &Journal, payload: &[u8]) -> Result<u64, JournalError> {
    let (sender, receiver) = mpsc::channel();
    journal.submit(payload.to_vec(), move |result| sender.send(result).unwrap())?;
    receiver.recv().unwrap()
}

pub(crate) fn payload(sequence: u64) -> Vec<u8> {
    format!("payload {sequence}").into_bytes()
}

/// Appends `count` frames, each as a group of its own.
pub(crate) fn fill(journal: &Journal, count: u64) {
    for _ in 0..count {
        let next = journal.stats().last_sequence + 1;
        assert_eq!(append(journal, &payload(next)).unwrap(), next);
    }
}

/// Reads all frames. Panics on the first error.
pub(crate) fn frames(journal: &Journal) -> Vec<(u64, Vec<u8>)> {
    frames_after(journal, 0)
}

pub(crate) fn frames_after(journal: &Journal, after: u64) -> Vec<(u64, Vec<u8>)> {
    journal.read(after).map(|frame| frame.map(|frame| (frame.sequence, frame.payload.to_vec())).unwrap()).collect()
}

pub(crate) fn expected(sequences: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    sequences.into_iter().map(|sequence| (sequence, payload(sequence))).collect()
}

pub(crate) fn segments(disk: &SimFs) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

/// Blocks the writer thread in a callback until dropped, so that submitted frames are committed as one group.
pub(crate) struct Hold {
    _release: mpsc::Sender<()>,
}

impl Hold {
    /// Blocks the writer with a frame of its own, which takes one sequence.
    pub(crate) fn new(journal: &Journal) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (entered, wait) = mpsc::channel();
        let hold = move |result: Result<u64, JournalError>| {
            result.unwrap();
            entered.send(()).unwrap();
            released.recv().unwrap_err();
        };
        journal.submit(b"hold".to_vec(), hold).unwrap();
        wait.recv().unwrap();
        Self { _release: release }
    }
}
