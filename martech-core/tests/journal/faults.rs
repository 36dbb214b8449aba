//! Disk faults: short writes, EIO, ENOSPC, failed fsync, loss of all unsynced data.

use std::{error::Error, io};

use martech_core::{
    journal::JournalError,
    testing::{Crash, Effect, Fault, Operation, SimFs},
};

use crate::*;

#[test]
fn completes_short_and_interrupted_writes() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    for bytes in 1..60 {
        disk.inject(Fault::short_write(bytes));
        disk.inject(Fault::new(Operation::Write, Effect::Fail(io::ErrorKind::Interrupted)).skip(1));
        disk.inject(Fault::short_write(1));
        fill(&journal, 1);
    }
    drop(journal);
    let (journal, recovery) = open(&disk.crash(Crash::LoseUnsynced), small());
    assert_eq!(recovery, recovered(59, 0));
    assert_eq!(frames(&journal), expected(1..=59));
}

#[test]
fn failed_write_rolls_back_only_its_group() {
    for written in 0..24 + 32 {
        let disk = SimFs::new();
        let (journal, _) = open(&disk, large());
        fill(&journal, 3);
        let hold = Hold::new(&journal);
        if written > 0 {
            disk.inject(Fault::short_write(written));
        }
        disk.inject(Fault::eio(Operation::Write).skip(u64::from(written > 0)));
        let answers = [submit(&journal, b"lost"), submit(&journal, b"lost as well")];
        drop(hold);
        for answer in answers {
            let error = answer.recv().unwrap().unwrap_err();
            assert!(matches!(error, JournalError::Write { .. }), "{error:?}");
            assert_eq!(error.source().unwrap().to_string(), io::Error::from_raw_os_error(5).to_string());
        }
        // Nothing of the failed group survives a power loss either.
        for disk in [disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: written as u64 })] {
            let (_, recovery) = open(&disk, large());
            assert_eq!(recovery, recovered(4, 0));
        }
        assert_eq!(append(&journal, b"five").unwrap(), 5);
        assert_eq!(frames(&journal).len(), 5);
        drop(journal);
        let (journal, recovery) = open(&disk.crash(Crash::LoseUnsynced), large());
        assert_eq!(recovery, recovered(5, 0));
        assert_eq!(frames(&journal)[4], (5, b"five".to_vec()));
    }
}

#[test]
fn full_disk_rejects_appends_until_space_is_free() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 20);
    for room in 0..300 {
        disk.set_capacity(disk.used() + room);
        let before = journal.stats();
        let (accepted, failed): (Vec<_>, Vec<_>) =
            (0..10).map(|_| append(&journal, b"does it fit?")).partition(|result| result.is_ok());
        assert!(failed.iter().all(|result| matches!(result, Err(JournalError::NoSpace { .. }))), "{failed:?}");
        assert!(!failed.is_empty());
        assert_eq!(journal.stats().last_sequence, before.last_sequence + accepted.len() as u64);
        let (after, recovery) = open(&disk.crash(Crash::LoseUnsynced), small());
        assert!(recovery.is_sound(), "{recovery:?}");
        assert_eq!(frames(&after), frames(&journal));
        disk.set_capacity(u64::MAX);
    }
    let next = journal.stats().last_sequence + 1;
    assert_eq!(append(&journal, b"space again").unwrap(), next);
    let sequences: Vec<_> = frames(&journal).iter().map(|frame| frame.0).collect();
    assert_eq!(sequences, (1..=next).collect::<Vec<_>>());
}

#[test]
fn trim_frees_a_full_disk() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 20);
    disk.set_capacity(disk.used() + 40);
    let error = (0..10).find_map(|_| append(&journal, &[0; 100]).err()).unwrap();
    assert!(matches!(error, JournalError::NoSpace { .. }));
    journal.trim(15).unwrap();
    assert_eq!(append(&journal, &[0; 100]).unwrap(), 21);
}

/// The disk has no room for the segment that replaces the trimmed ones.
#[test]
fn trim_of_everything_frees_a_full_disk() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 20);
    disk.set_capacity(disk.used());
    let error = journal.trim(20).unwrap_err();
    assert!(matches!(error, JournalError::NoSpace { .. }), "{error:?}");
    assert_eq!(journal.stats().segments, 1);
    journal.trim(20).unwrap();
    assert_eq!(frames(&journal), []);
    assert_eq!(append(&journal, b"21").unwrap(), 21);
}

#[test]
fn failed_fsync_poisons_the_journal() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    fill(&journal, 3);
    let hold = Hold::new(&journal);
    disk.inject(Fault::eio(Operation::Sync));
    let waiting = [submit(&journal, b"a"), submit(&journal, b"b")];
    drop(hold);
    for answer in waiting {
        assert!(matches!(answer.recv().unwrap(), Err(JournalError::Poisoned { .. })));
    }
    let syncs = disk.count(Operation::Sync);
    for _ in 0..3 {
        let error = journal.submit(b"later".to_vec(), |_| panic!("not taken")).unwrap_err();
        assert!(matches!(error, JournalError::Poisoned { .. }));
        assert_eq!(error.source().unwrap().to_string(), io::Error::from_raw_os_error(5).to_string());
    }
    assert!(matches!(journal.trim(4), Err(JournalError::Poisoned { .. })));
    assert!(matches!(journal.start_at_least(40), Err(JournalError::Poisoned { .. })));
    assert!(journal.stats().poisoned);
    assert_eq!(frames(&journal).len(), 4, "durable events can still be read");
    drop(journal);
    assert_eq!(disk.count(Operation::Sync), syncs, "an fsync was retried");

    // Unsynced data is never treated as durable, neither in the same boot nor after a power loss.
    for disk in [disk.copy(), disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: 3 })] {
        let (journal, recovery) = open(&disk, large());
        assert!(recovery.is_sound());
        assert_eq!(frames(&journal).len(), 4);
        assert_eq!(append(&journal, b"five").unwrap(), 5);
        drop(journal);
        assert_eq!(open(&disk.crash(Crash::LoseUnsynced), large()).1.frames, 5);
    }
}

/// A killed process leaves frames that are written but not synced. If the sync of the next start fails, a successful
/// sync of a later start proves nothing.
#[test]
fn open_makes_found_frames_durable_despite_failed_fsync() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    fill(&journal, 3);
    disk.lose_power_after(1, Crash::Killed);
    assert!(matches!(append(&journal, b"written"), Err(JournalError::Poisoned { .. })));
    let disk = disk.after_power_loss().unwrap();
    disk.inject(Fault::eio(Operation::Sync).times(2));
    for _ in 0..2 {
        try_open(&disk, large()).map(drop).unwrap_err();
    }
    let (journal, recovery) = open(&disk, large());
    assert_eq!(recovery, recovered(4, 0));
    for disk in [disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: 1 })] {
        assert_eq!(frames(&open(&disk, large()).0), frames(&journal));
    }
}

#[test]
fn failed_fsync_fails_all_queued_frames() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    let hold = Hold::new(&journal);
    disk.inject(Fault::eio(Operation::Sync));
    let answers: Vec<_> = (0..100).map(|_| submit(&journal, &[0; 90])).collect();
    drop(hold);
    for answer in answers {
        assert!(matches!(answer.recv().unwrap(), Err(JournalError::Poisoned { .. })));
    }
    assert_eq!(journal.stats().queued_frames, 0);
}

#[test]
fn failed_rollback_poisons_the_journal() {
    for fault in [Fault::eio(Operation::Truncate), Fault::eio(Operation::Sync)] {
        let disk = SimFs::new();
        let (journal, _) = open(&disk, large());
        fill(&journal, 3);
        disk.inject(Fault::short_write(10));
        disk.inject(Fault::eio(Operation::Write).skip(1));
        disk.inject(fault);
        assert!(matches!(append(&journal, b"lost"), Err(JournalError::Poisoned { .. })));
        assert!(matches!(journal.submit(vec![], |_| ()), Err(JournalError::Poisoned { .. })));
        drop(journal);
        let (journal, recovery) = open(&disk, large());
        assert!(recovery.is_sound());
        assert_eq!(frames(&journal), expected(1..=3));
    }
}

/// Fails each step of creating a segment once. The journal either continues or reports that it has stopped.
#[test]
fn failed_segment_creation_loses_nothing() {
    let cases = [
        (Operation::Create, 0, true),
        (Operation::Write, 0, true),
        (Operation::Sync, 0, false),
        (Operation::SyncDir, 0, false),
    ];
    for (operation, skip, goes_on) in cases {
        let disk = SimFs::new();
        let (journal, _) = open(&disk, small());
        fill(&journal, 5);
        let files = segments(&disk).len();
        disk.inject(Fault::eio(operation).skip(skip));
        let error = append(&journal, &[0; 150]).unwrap_err();
        assert_eq!(matches!(error, JournalError::Write { .. }), goes_on, "{operation:?}: {error:?}");
        assert_eq!(append(&journal, &payload(6)).is_ok(), goes_on);
        let kept = if goes_on { 6 } else { 5 };
        assert!(!goes_on || segments(&disk).len() == files + 1);
        drop(journal);
        for disk in [disk.copy(), disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: 1 })] {
            let (journal, recovery) = open(&disk, small());
            assert!(recovery.is_sound(), "{operation:?}: {recovery:?}");
            assert_eq!(frames(&journal), expected(1..=kept));
            fill(&journal, 20);
            drop(journal);
            assert_eq!(frames(&open(&disk, small()).0), expected(1..=kept + 20));
        }
    }
}

#[test]
fn half_written_segment_is_removed_or_poisons_the_journal() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 5);
    disk.inject(Fault::short_write(7));
    disk.inject(Fault::eio(Operation::Write).skip(1));
    disk.inject(Fault::eio(Operation::Remove));
    assert!(matches!(append(&journal, &[0; 150]), Err(JournalError::Poisoned { .. })));
    drop(journal);
    let (journal, recovery) = open(&disk, small());
    assert_eq!(recovery, recovered(5, 7));
    fill(&journal, 10);
    drop(journal);
    assert_eq!(frames(&open(&disk, small()).0), expected(1..=15));
}

/// State after the removal of a half-written segment was not durable, the previous segment received more frames, and
/// the power failed.
#[test]
fn reappearing_half_written_segment_is_removed() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    fill(&journal, 5);
    drop(journal);
    disk.write("journal/00000000000000000003.log", *b"MTJO").unwrap();
    let (journal, recovery) = open(&disk, large());
    assert_eq!(recovery, recovered(5, 4));
    assert_eq!(segments(&disk).len(), 1);
    fill(&journal, 1);
    drop(journal);
    assert_eq!(frames(&open(&disk, large()).0), expected(1..=6));
}

#[test]
fn failed_removal_is_retried_by_the_next_trim() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 50);
    let before = journal.stats();
    disk.inject(Fault::eio(Operation::Remove));
    let error = journal.trim(30).unwrap_err();
    assert!(matches!(&error, JournalError::Io { path, .. } if *path == segments(&disk)[0]), "{error:?}");
    assert_eq!((journal.stats().segments, journal.stats().bytes), (before.segments, before.bytes));
    journal.trim(30).unwrap();
    fill(&journal, 1);
    assert!(frames(&journal)[0].0 > 20);
}

#[test]
fn failed_directory_sync_poisons_the_journal() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 50);
    disk.inject(Fault::eio(Operation::SyncDir));
    assert!(matches!(journal.trim(30), Err(JournalError::Poisoned { .. })));
    drop(journal);
    for disk in [disk.copy(), disk.crash(Crash::LoseUnsynced)] {
        let (journal, recovery) = open(&disk, small());
        assert!(recovery.is_sound(), "{recovery:?}");
        assert_eq!(frames(&journal).last().unwrap(), &(50, payload(50)));
    }
}

#[test]
fn failed_open_names_the_path_and_changes_nothing() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 30);
    drop(journal);
    let cases = [Operation::CreateDir, Operation::List, Operation::Open, Operation::Read, Operation::Sync];
    for operation in cases.into_iter().chain([Operation::SyncDir]) {
        disk.inject(Fault::eio(operation));
        let error = try_open(&disk, small()).map(|_| ()).unwrap_err();
        assert!(matches!(&error, JournalError::Io { path, .. } if path.starts_with(DIR)), "{operation:?}: {error:?}");
        let (journal, recovery) = open(&disk.copy(), small());
        assert!(recovery.is_sound());
        assert_eq!(frames(&journal), expected(1..=30));
    }
}

#[test]
fn reader_ends_with_the_disk_error() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 30);
    disk.inject(Fault::eio(Operation::Read).skip(2));
    let read: Vec<_> = journal.read(0).collect();
    assert!(matches!(read.last(), Some(Err(JournalError::Io { .. }))));
    assert_eq!(read.iter().filter(|frame| frame.is_err()).count(), 1);
    assert_eq!(frames(&journal), expected(1..=30), "the journal itself is intact");
}
