//! A seeded run of the journal.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
};

use fastrand::Rng;
use martech_core::{
    journal::{Journal, JournalError, JournalOptions, Recovery},
    testing::SimFs,
};

use crate::{
    draw::{self, End},
    seeds::Log,
};

/// Runs a seed. Returns the fingerprint of all its changes to disks.
pub(crate) fn run(seed: u64, log: &Log) -> u64 {
    let mut run = Run::new(seed, log);
    let mut journal = run.open();
    for _ in 0..run.random.usize(1..6) {
        run.work(&journal);
        run.end(journal);
        journal = run.open();
    }
    if run.random.u8(..4) == 0 {
        run.damage(journal);
    }
    run.prints ^ run.disk.fingerprint()
}

struct Run<'a> {
    log: &'a Log,
    random: Rng,
    disk: SimFs,
    options: JournalOptions,
    faults: u8,
    /// Payloads by sequence.
    acknowledged: BTreeMap<u64, Vec<u8>>,
    /// Submitted payloads with unknown outcome.
    unknown: Vec<Vec<u8>>,
    trimmed: u64,
    newest: u64,
    payloads: u64,
    /// A group of frames torn by a power loss may look like damage.
    power_was_lost: bool,
    prints: u64,
}

impl<'a> Run<'a> {
    fn new(seed: u64, log: &'a Log) -> Self {
        let mut random = Rng::with_seed(seed);
        let (segment, capacity) = (random.u64(100..3000), random.u64(2000..40_000));
        let options = JournalOptions::new(capacity).segment_bytes(segment);
        log.say(format_args!("{options:?}"));
        let faults = [0, 2, 6][random.usize(..3)];
        Self {
            log,
            random,
            disk: SimFs::new(),
            options,
            faults,
            acknowledged: BTreeMap::new(),
            unknown: Vec::new(),
            trimmed: 0,
            newest: 0,
            payloads: 0,
            power_was_lost: false,
            prints: 0,
        }
    }

    fn lives(&self) -> bool {
        self.disk.after_power_loss().is_none()
    }

    fn replace(&mut self, disk: SimFs) {
        self.prints = self.prints.rotate_left(1) ^ self.disk.fingerprint();
        self.disk = disk;
    }

    fn try_open(&self) -> Result<(Journal, Recovery), JournalError> {
        let opened = Journal::open(Arc::new(self.disk.clone()), Path::new("journal"), self.options.clone());
        self.log.say(match &opened {
            Ok((_, recovery)) => format!("open: {recovery:?}"),
            Err(error) => format!("open: {error:?}"),
        });
        opened
    }

    fn open(&mut self) -> Journal {
        for _ in 0..self.random.usize(..4) {
            if self.random.bool() {
                let (changes, crash) = (self.random.u64(..12), draw::crash(&mut self.random));
                self.log.say(format_args!("the power goes after {changes} more changes: {crash:?}"));
                self.disk.lose_power_after(changes, crash);
            }
            self.maybe_fault();
            let opened = self.try_open();
            self.disk.heal();
            if let Some(after) = self.disk.after_power_loss() {
                self.log.say("power lost while opening");
                self.power_was_lost = true;
                self.replace(after);
            }
            drop(opened);
        }
        let disk = self.disk.copy();
        self.replace(disk);
        let (journal, recovery) = self.try_open().unwrap();
        let lost = |sequence: &u64| recovery.missing.iter().any(|range| range.contains(sequence));
        assert!(self.power_was_lost || recovery.is_sound(), "{recovery:?}");
        assert!(!self.acknowledged.keys().any(lost), "{recovery:?}");
        self.check(&journal);
        // Frames found by opening must stay.
        for (sequence, payload) in frames(&journal) {
            self.newest = self.newest.max(sequence);
            self.acknowledged.insert(sequence, payload);
        }
        self.unknown.clear();
        journal
    }

    fn maybe_fault(&mut self) {
        if self.random.u8(..16) < self.faults {
            let fault = draw::fault(&mut self.random);
            self.log.say(format_args!("{fault:?}"));
            self.disk.inject(fault);
        }
    }

    fn work(&mut self, journal: &Journal) {
        if self.random.u8(..3) > 0 {
            let (changes, crash) = (self.random.u64(..40), draw::crash(&mut self.random));
            self.log.say(format_args!("the power goes after {changes} more changes: {crash:?}"));
            self.disk.lose_power_after(changes, crash);
        }
        for _ in 0..self.random.usize(1..12) {
            self.maybe_fault();
            if self.random.u8(..32) < self.faults {
                self.disk.set_capacity(self.disk.used() + self.random.u64(..400));
            }
            match self.random.u8(..10) {
                0..7 => self.append(journal),
                7..9 => {
                    let through = self.newest.saturating_sub(self.random.u64(..6));
                    self.trimmed = self.trimmed.max(through);
                    let trimmed = journal.trim(through);
                    self.log.say(format_args!("trim {through}: {trimmed:?}"));
                }
                _ => {
                    let sequence = self.newest + self.random.u64(..4);
                    let started = journal.start_at_least(sequence);
                    self.log.say(format_args!("start at least at {sequence}: {started:?}"));
                    if started.is_ok() {
                        self.newest = self.newest.max(sequence.saturating_sub(1));
                    }
                }
            }
            self.disk.heal();
            if self.random.bool() {
                self.disk.set_capacity(u64::MAX);
            }
            if !self.lives() {
                return;
            }
            self.check(journal);
        }
    }

    /// Submits several frames. The first accepted one forms a group alone, and the others form the next group.
    fn append(&mut self, journal: &Journal) {
        let held = self.disk.hold();
        let mut submitted = Vec::new();
        for _ in 0..self.random.u64(1..6) {
            self.payloads += 1;
            let mut payload = self.payloads.to_le_bytes().to_vec();
            payload.resize(8 + self.random.usize(..600), self.payloads as u8);
            let (sender, answer) = mpsc::channel();
            match journal.submit(payload.clone(), move |result| sender.send(result).unwrap()) {
                Ok(()) => submitted.push((payload, answer)),
                Err(error) => {
                    self.log.say(format_args!("refused: {error:?}"));
                    continue;
                }
            }
            if submitted.len() == 1 {
                held.wait();
            }
        }
        drop(held);
        for (payload, answer) in submitted {
            let answer = answer.recv().unwrap();
            self.log.say(format_args!("append {} bytes: {answer:?}", payload.len()));
            // Every sync fails without power, so a success was reported before the loss.
            match answer {
                Ok(sequence) => {
                    assert!(sequence > self.newest, "{sequence} was assigned before");
                    self.newest = sequence;
                    self.acknowledged.insert(sequence, payload);
                }
                // The group was rolled back.
                Err(JournalError::Write { .. } | JournalError::NoSpace { .. }) => {}
                _ => self.unknown.push(payload),
            }
        }
    }

    fn check(&self, journal: &Journal) {
        let read = frames(journal);
        for (sequence, payload) in self.acknowledged.range(self.trimmed + 1..) {
            assert_eq!(read.get(sequence), Some(payload), "acknowledged {sequence}");
        }
        for (sequence, payload) in &read {
            let known = self.acknowledged.get(sequence).is_some_and(|known| known == payload);
            assert!(known || self.unknown.contains(payload), "{sequence} was never submitted, or failed");
        }
        assert!(journal.stats().last_sequence >= self.newest);
    }

    fn end(&mut self, journal: Journal) {
        let end = draw::end(&mut self.random);
        let disk = match (self.disk.after_power_loss(), end) {
            (Some(after), _) => after,
            (None, End::Close) => self.disk.copy(),
            (None, End::Crash(crash)) => self.disk.crash(crash),
        };
        self.power_was_lost |= !self.lives() || matches!(end, End::Crash(_));
        self.log.say(format_args!("{end:?}"));
        drop(journal);
        self.replace(disk);
    }

    /// Flips a bit. Lost frames must be reported, and all others must be intact.
    fn damage(&mut self, journal: Journal) {
        drop(journal);
        let Some(flipped) = draw::flip(&mut self.random, &self.disk) else { return };
        self.log.say(format_args!("flipped: {flipped}"));
        let Ok((journal, recovery)) = self.try_open() else { return };
        let read = frames(&journal);
        let lost: Vec<u64> = self
            .acknowledged
            .range(self.trimmed + 1..)
            .map(|(sequence, _)| *sequence)
            .filter(|sequence| !read.contains_key(sequence))
            .collect();
        for (sequence, payload) in &read {
            assert_eq!(self.acknowledged.get(sequence), Some(payload), "{sequence}");
        }
        for sequence in lost {
            let missing = recovery.missing.iter().any(|range| range.contains(&sequence));
            assert!(missing || recovery.truncated_bytes > 0, "{sequence} is lost without a report");
        }
    }
}

fn frames(journal: &Journal) -> BTreeMap<u64, Vec<u8>> {
    journal.read(0).map(|frame| frame.map(|frame| (frame.sequence, frame.payload.to_vec())).unwrap()).collect()
}
