//! Random operations, faults and power losses, checked against a list of acknowledged frames.

use std::collections::BTreeMap;

use martech_core::{
    journal::{Journal, JournalError},
    testing::{Crash, Fault, Operation, SimFs},
};
use proptest::prelude::*;

use crate::*;

#[derive(Debug, Clone)]
enum Step {
    /// Submits frames of these lengths together.
    Append(Vec<usize>),
    Trim(u64),
    StartAtLeast(u64),
    Reopen,
    Kill,
    PowerLoss(Option<u64>),
    Fault(Operation, u64),
    ShortThenFail(usize),
    Space(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop::sample::select(vec![
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Truncate,
        Operation::Remove,
    ]);
    prop_oneof![
        10 => prop::collection::vec(0..120_usize, 1..6).prop_map(Step::Append),
        2 => (0..60_u64).prop_map(Step::Trim),
        1 => (0..6_u64).prop_map(Step::StartAtLeast),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        2 => prop::option::of(any::<u64>()).prop_map(Step::PowerLoss),
        1 => (operation, 0..4_u64).prop_map(|(operation, skip)| Step::Fault(operation, skip)),
        1 => (1..100_usize).prop_map(Step::ShortThenFail),
        1 => (0..400_u64).prop_map(Step::Space),
    ]
}

/// Frames that must be present, and frames with unknown outcome that may be.
#[derive(Debug, Default)]
struct Model {
    acknowledged: BTreeMap<u64, Vec<u8>>,
    unknown: Vec<Vec<u8>>,
    trimmed: u64,
    newest: u64,
}

impl Model {
    fn check(&self, journal: &Journal) {
        let read: BTreeMap<_, _> = frames(journal).into_iter().collect();
        for (sequence, payload) in self.acknowledged.range(self.trimmed + 1..) {
            assert_eq!(read.get(sequence), Some(payload), "acknowledged {sequence}");
        }
        for (sequence, payload) in &read {
            let known = self.acknowledged.get(sequence).is_some_and(|known| known == payload);
            assert!(known || self.unknown.contains(payload), "{sequence} was never submitted, or failed");
        }
        assert!(journal.stats().last_sequence >= self.newest);
    }

    /// Frames with unknown outcome that are present after opening must stay.
    fn settle(&mut self, journal: &Journal) {
        for (sequence, payload) in frames(journal) {
            self.acknowledged.entry(sequence).or_insert(payload);
            self.newest = self.newest.max(sequence);
        }
        self.unknown.clear();
    }
}

fn run(steps: Vec<Step>) {
    let mut disk = SimFs::new();
    let (mut journal, _) = open(&disk, small());
    let mut model = Model::default();
    let mut unique = 0_u64;
    for step in steps {
        let mut reopen = None;
        match step {
            Step::Append(lengths) => {
                let mut submitted = Vec::new();
                for length in lengths {
                    unique += 1;
                    let payload = [&unique.to_le_bytes()[..], &vec![length as u8; length]].concat();
                    let (sender, answer) = std::sync::mpsc::channel();
                    let taken = journal.submit(payload.clone(), move |result| sender.send(result).unwrap());
                    match taken {
                        Ok(()) => submitted.push((payload, answer)),
                        Err(error) => assert!(matches!(error, JournalError::Poisoned { .. })),
                    }
                }
                for (payload, answer) in submitted {
                    match answer.recv().unwrap() {
                        Ok(sequence) => {
                            assert!(sequence > model.newest, "{sequence} was assigned before");
                            model.newest = sequence;
                            model.acknowledged.insert(sequence, payload);
                        }
                        Err(JournalError::Poisoned { .. }) => model.unknown.push(payload),
                        Err(JournalError::Write { .. } | JournalError::NoSpace { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
            Step::Trim(back) => {
                let through = model.newest.saturating_sub(back);
                model.trimmed = model.trimmed.max(through);
                // A failed trim may have removed some segments.
                let _ = journal.trim(through);
            }
            Step::StartAtLeast(ahead) => {
                let sequence = model.newest + ahead;
                if journal.start_at_least(sequence).is_ok() {
                    model.newest = model.newest.max(sequence.saturating_sub(1));
                }
            }
            Step::Reopen => reopen = Some(disk.clone()),
            Step::Kill => reopen = Some(disk.copy()),
            Step::PowerLoss(None) => reopen = Some(disk.crash(Crash::LoseUnsynced)),
            Step::PowerLoss(Some(seed)) => reopen = Some(disk.crash(Crash::KeepSome { seed })),
            Step::Fault(operation, skip) => disk.inject(Fault::eio(operation).skip(skip)),
            Step::ShortThenFail(bytes) => {
                disk.inject(Fault::short_write(bytes));
                disk.inject(Fault::eio(Operation::Write).skip(1));
            }
            Step::Space(room) => disk.set_capacity(disk.used() + room),
        }
        if let Some(after) = reopen {
            drop(journal);
            disk = after;
            disk.heal();
            disk.set_capacity(u64::MAX);
            let (opened, recovery) = open(&disk, small());
            assert!(recovery.is_sound(), "{recovery:?}");
            journal = opened;
            model.check(&journal);
            model.settle(&journal);
        } else {
            model.check(&journal);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn acknowledged_frames_are_never_lost_or_duplicated(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
