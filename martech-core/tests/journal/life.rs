//! Appending, reading, trimming, closing and reopening.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use martech_core::{
    fs::Disk,
    journal::{Journal, JournalError, JournalOptions, Recovery, inspect},
    testing::{Crash, Operation, SimFs},
};

use crate::*;

#[test]
fn reads_frames_after_any_sequence() {
    let disk = SimFs::new();
    let (journal, recovery) = open(&disk, small());
    assert_eq!(recovery, Recovery::default());
    assert_eq!(journal.stats().last_sequence, 0);
    fill(&journal, 50);
    assert!(journal.stats().segments > 5, "{:?}", journal.stats());
    for after in 0..=51 {
        assert_eq!(frames_after(&journal, after), expected(after + 1..=50));
    }
    assert_eq!(frames_after(&journal, u64::MAX), []);
}

#[test]
fn empty_and_long_payloads_roundtrip() {
    let disk = SimFs::new();
    let options = JournalOptions::new(64 << 20).segment_bytes(1 << 16);
    let (journal, _) = open(&disk, options.clone());
    let payloads: Vec<_> = [0, 1, (256 << 10) - 20, 256 << 10, 3 << 20, 0].map(|len| vec![7; len]).into();
    for payload in &payloads {
        append(&journal, payload).unwrap();
    }
    let read = |journal: &Journal| frames(journal).into_iter().map(|(_, payload)| payload).collect::<Vec<_>>();
    assert!(read(&journal) == payloads);
    drop(journal);
    assert!(read(&open(&disk, options).0) == payloads);
}

#[test]
fn group_commit_syncs_queued_frames_once() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    let hold = Hold::new(&journal);
    let before = (disk.count(Operation::Sync), disk.count(Operation::Write), journal.stats().groups);
    let (sender, answers) = mpsc::channel();
    for _ in 0..300 {
        let sender = sender.clone();
        journal.submit(vec![1; 100], move |result| sender.send(result.unwrap()).unwrap()).unwrap();
    }
    assert_eq!(journal.stats().queued_frames, 300);
    drop(hold);
    let order: Vec<_> = answers.iter().take(300).collect();
    assert_eq!(order, (2..=301).collect::<Vec<_>>());
    let (fsyncs, time) = (journal.stats().fsyncs, journal.stats().fsync_time);
    assert!(fsyncs > 0 && !time.is_zero(), "{fsyncs} took {time:?}");
    let after = (disk.count(Operation::Sync), disk.count(Operation::Write), journal.stats().groups);
    assert_eq!(after, (before.0 + 1, before.1 + 1, before.2 + 1));
    assert_eq!((journal.stats().queued_frames, journal.stats().queued_bytes), (0, 0));
}

#[test]
fn group_ends_at_a_full_segment() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    let hold = Hold::new(&journal);
    let answers: Vec<_> = (0..40).map(|_| submit(&journal, &[0; 30])).collect();
    drop(hold);
    assert!(answers.iter().all(|answer| answer.recv().unwrap().is_ok()));
    assert!(segments(&disk).iter().all(|path| disk.read(path).unwrap().len() <= 236), "header and segment_bytes");
}

#[test]
fn acknowledged_frame_is_durable() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    for count in 1..=30 {
        fill(&journal, 1);
        let (after, recovery) = open(&disk.crash(Crash::LoseUnsynced), small());
        assert_eq!(recovery, recovered(count, 0));
        assert_eq!(frames(&after), expected(1..=count));
    }
}

#[test]
fn sequences_continue_after_reopen_and_full_trim() {
    let disk = SimFs::new();
    let mut next = 1;
    for round in 0..12 {
        let (journal, recovery) = open(&disk, small());
        assert!(recovery.is_sound());
        assert_eq!(journal.stats().last_sequence, next - 1);
        for _ in 0..round {
            assert_eq!(append(&journal, &payload(next)).unwrap(), next);
            next += 1;
        }
        if round % 3 == 0 {
            journal.trim(u64::MAX).unwrap();
            assert_eq!(frames(&journal), []);
            assert_eq!((segments(&disk).len(), journal.stats().last_sequence), (1, next - 1));
        }
    }
}

#[test]
fn trim_removes_only_whole_segments() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 50);
    let firsts: Vec<u64> =
        segments(&disk).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
    journal.trim(firsts[2] - 2).unwrap();
    assert_eq!(frames(&journal), expected(firsts[1]..=50));
    journal.trim(firsts[2] - 1).unwrap();
    assert_eq!(frames(&journal), expected(firsts[2]..=50));
    assert_eq!(journal.stats().first_sequence, firsts[2]);
    journal.trim(3).unwrap();
    assert_eq!(frames(&journal), expected(firsts[2]..=50));
    journal.trim(49).unwrap();
    assert_eq!(frames(&journal), expected(*firsts.last().unwrap()..=50));

    let (after, recovery) = open(&disk.crash(Crash::LoseUnsynced), small());
    assert!(recovery.is_sound(), "{recovery:?}");
    assert_eq!(frames(&after), expected(*firsts.last().unwrap()..=50));
}

#[test]
fn reader_continues_with_later_frames() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    let mut reader = journal.read(2);
    assert!(reader.next().is_none());
    for round in 0..10 {
        fill(&journal, 7);
        let read: Vec<_> = reader.by_ref().map(|frame| frame.unwrap().sequence).collect();
        let from = if round == 0 { 3 } else { 7 * round + 1 };
        assert_eq!(read, (from..=7 * (round + 1)).collect::<Vec<_>>());
    }
}

#[test]
fn reader_survives_trim_of_its_segment() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 50);
    let mut reader = journal.read(0);
    assert_eq!(reader.next().unwrap().unwrap().sequence, 1);
    journal.trim(30).unwrap();
    let read: Vec<_> = reader.map(|frame| frame.unwrap()).collect();
    assert!(read.is_sorted_by_key(|frame| frame.sequence));
    assert!(read.iter().all(|frame| frame.payload == payload(frame.sequence)));
    assert!((31..=50).all(|sequence| read.iter().any(|frame| frame.sequence == sequence)));
}

#[test]
fn readers_writers_and_trim_run_concurrently() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, JournalOptions::new(1 << 20).segment_bytes(2_000));
    const TOTAL: u64 = 2_000;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..TOTAL / 4 {
                    append(&journal, b"some payload").unwrap();
                }
            });
        }
        scope.spawn(|| {
            let mut reader = journal.read(0);
            let mut last = 0;
            while last < TOTAL {
                match reader.next() {
                    Some(frame) => {
                        let frame = frame.unwrap();
                        assert_eq!((frame.sequence, &frame.payload[..]), (last + 1, &b"some payload"[..]));
                        last = frame.sequence;
                        if last.is_multiple_of(100) {
                            journal.trim(last).unwrap();
                        }
                    }
                    None => thread::yield_now(),
                }
            }
        });
    });
    journal.trim(TOTAL).unwrap();
    let stats = journal.stats();
    assert_eq!((stats.segments, stats.last_sequence), (1, TOTAL));
    assert_eq!(segments(&disk).len(), 1);
}

#[test]
fn full_journal_rejects_appends_until_trimmed() {
    let disk = SimFs::new();
    let options = JournalOptions::new(400).segment_bytes(200);
    let (journal, _) = open(&disk, options.clone());
    let mut taken = 0;
    while journal.submit(vec![0; 80], |_| ()).is_ok() {
        taken += 1;
        assert!(taken < 100);
    }
    assert_eq!(taken, 4);
    drop(journal);
    let (journal, _) = open(&disk, options);
    assert!(matches!(journal.submit(vec![0; 80], |_| ()), Err(JournalError::Full)));
    journal.trim(4).unwrap();
    assert_eq!(append(&journal, &[0; 4_000]).unwrap(), 5);
    assert!(matches!(journal.submit(vec![], |_| ()), Err(JournalError::Full)));
    journal.trim(5).unwrap();
    assert_eq!(append(&journal, &[]).unwrap(), 6);
}

#[test]
fn queue_is_bounded_by_frames_and_bytes() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, JournalOptions::new(1 << 30).segment_bytes(1 << 30));
    let hold = Hold::new(&journal);
    let taken = (0..10_000).take_while(|_| journal.submit(vec![], |_| ()).is_ok()).count();
    assert_eq!(taken, 4096);
    assert!(matches!(journal.submit(vec![], |_| ()), Err(JournalError::Busy)));
    drop(hold);
    while journal.stats().queued_frames > 0 {
        thread::yield_now();
    }
    let hold = Hold::new(&journal);
    let taken = (0..100).take_while(|_| journal.submit(vec![0; 8 << 20], |_| ()).is_ok()).count();
    assert_eq!(taken, 7);
    assert!(matches!(journal.submit(vec![0; 8 << 20], |_| ()), Err(JournalError::Busy)));
    drop(hold);
    assert!(matches!(
        journal.submit(vec![0; (64 << 20) + 1], |_| ()),
        Err(JournalError::TooLarge { max: 0x400_0000, .. })
    ));
}

#[test]
fn skipped_sequences_are_not_reported_missing() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, small());
    fill(&journal, 3);
    journal.start_at_least(3).unwrap();
    journal.start_at_least(4).unwrap();
    assert_eq!(append(&journal, b"four").unwrap(), 4);
    journal.start_at_least(100).unwrap();
    journal.start_at_least(200).unwrap();
    assert_eq!(append(&journal, b"far").unwrap(), 200);
    drop(journal);
    let (journal, recovery) = open(&disk, small());
    assert_eq!(recovery, recovered(5, 0));
    assert_eq!(frames(&journal).iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 2, 3, 4, 200]);
    journal.trim(4).unwrap();
    assert_eq!(frames(&journal), [(200, b"far".to_vec())]);
    assert_eq!(segments(&disk).len(), 1);
}

#[test]
fn drop_of_last_clone_completes_pending_appends() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    let hold = Hold::new(&journal);
    let answers: Vec<_> = (0..100).map(|_| submit(&journal, b"x")).collect();
    let clone = journal.clone();
    drop(journal);
    drop(hold);
    drop(clone);
    assert!(answers.iter().all(|answer| answer.try_recv().unwrap().is_ok()));
}

#[test]
fn callback_may_own_the_last_clone() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    let (sender, receiver) = mpsc::channel();
    let hold = Hold::new(&journal);
    let own = journal.clone();
    let done = move |result: Result<u64, JournalError>| {
        drop(own);
        sender.send(result).unwrap();
    };
    journal.submit(b"last".to_vec(), done).unwrap();
    let behind = submit(&journal, b"behind it");
    drop(hold);
    drop(journal);
    assert_eq!(receiver.recv().unwrap().unwrap(), 2);
    assert_eq!(behind.recv().unwrap().unwrap(), 3);
}

#[test]
fn panicking_callback_does_not_affect_other_frames() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    let hold = Hold::new(&journal);
    journal.submit(b"x".to_vec(), |_| panic!("a panic that the test wants")).unwrap();
    let same_group = submit(&journal, b"y");
    drop(hold);
    assert_eq!(same_group.recv().unwrap().unwrap(), 3);
    assert_eq!(append(&journal, b"z").unwrap(), 4);
}

#[tokio::test]
async fn append_waits_until_the_frame_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/journal");
    let (journal, _) = Journal::open(Arc::new(Disk), &path, small()).unwrap();
    for sequence in 1..=20 {
        assert_eq!(journal.append(payload(sequence)).await.unwrap(), sequence);
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    journal.submit(payload(21), |result| sender.send(result).unwrap()).unwrap();
    assert_eq!(receiver.await.unwrap().unwrap(), 21);
    journal.trim(10).unwrap();
    drop(journal);
    let (journal, recovery) = Journal::open(Arc::new(Disk), &path, small()).unwrap();
    assert!(recovery.is_sound());
    let left = frames(&journal);
    assert_eq!(left, expected(left[0].0..=21));
    assert!(left[0].0 > 1);
}

#[test]
fn small_groups_overwrite_preallocated_zeros() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    let length = |disk: &SimFs| disk.read(&segments(disk)[0]).unwrap().len();
    fill(&journal, 1);
    let ahead = length(&disk);
    assert!(ahead > 200_000, "{ahead}");
    fill(&journal, 9);
    assert_eq!(length(&disk), ahead, "the file need not grow for each group");
    assert!(journal.stats().bytes < 1000, "zeros do not count");

    // A killed process leaves the zeros. Opening recognizes them as preallocated space.
    for killed in [disk.copy(), disk.crash(Crash::LoseUnsynced)] {
        let found = inspect(&killed, Path::new(DIR), |_, _| {}).unwrap();
        assert_eq!((found.frames, found.torn, found.bytes), (10, None, journal.stats().bytes));
        let (journal, recovery) = open(&killed, large());
        assert_eq!(recovery, recovered(10, 0));
        assert_eq!(append(&journal, &payload(11)).unwrap(), 11);
        assert_eq!(frames(&journal), expected(1..=11));
    }
    drop(journal);
    let (journal, _) = open(&disk, large());
    assert_eq!(length(&disk) as u64, journal.stats().bytes, "opening gives them back");
}

#[test]
fn large_groups_are_not_preallocated() {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    append(&journal, &[7; 100_000]).unwrap();
    assert_eq!(disk.used(), journal.stats().bytes);
    append(&journal, b"small").unwrap();
    assert!(disk.used() > journal.stats().bytes + 200_000);
    // Fills past the end of the zeros, then up to the end of the segment.
    for _ in 0..4 {
        append(&journal, &[7; 200_000]).unwrap();
    }
    append(&journal, b"small").unwrap();
    assert!(disk.used() <= 1 << 20, "{}", disk.used());
}
