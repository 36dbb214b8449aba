//! Torn tails, flipped bits, lost sectors and lost files.

use std::path::{Path, PathBuf};

use martech_core::{
    journal::{Journal, JournalError, Recovery},
    testing::{Fault, Operation, SimFs},
};

use crate::*;

const HEADER: u64 = 36;

/// Creates a journal of `count` frames. Reopening it removes the preallocated zeros behind them.
fn made(count: u64, options: JournalOptions) -> SimFs {
    let disk = SimFs::new();
    let (journal, _) = open(&disk, options.clone());
    fill(&journal, count);
    drop(journal);
    drop(open(&disk, options));
    disk
}

fn the_segment(disk: &SimFs) -> PathBuf {
    let [segment] = &segments(disk)[..] else { panic!("one segment is expected") };
    segment.clone()
}

/// Asserts that reopening finds the same frames, loses nothing, and continues the sequences.
fn assert_stable(disk: &SimFs, options: JournalOptions, before: &Recovery, kept: &[(u64, Vec<u8>)]) {
    let (journal, recovery) = open(disk, options.clone());
    assert_eq!(recovery.frames, kept.len() as u64);
    assert_eq!(recovery.truncated_bytes, 0, "cut twice");
    assert_eq!(recovery.missing, before.missing);
    let places = |recovery: &Recovery| {
        recovery.damaged.iter().map(|damage| (damage.segment.clone(), damage.offset, damage.len)).collect::<Vec<_>>()
    };
    assert_eq!(places(&recovery), places(before));
    assert!(recovery.damaged.iter().all(|damage| damage.known));
    assert_eq!(frames(&journal), kept);
    let next = append(&journal, b"goes on").unwrap();
    assert!(kept.last().is_none_or(|last| last.0 < next));
    drop(journal);
    let (journal, _) = open(disk, options);
    assert_eq!(frames(&journal).len(), kept.len() + 1);
}

#[test]
fn torn_last_frame_is_truncated_at_any_byte() {
    let disk = made(5, large());
    let segment = the_segment(&disk);
    let whole = disk.read(&segment).unwrap();
    let frame = 20 + payload(5).len();
    for kept in 0..frame {
        for zeros in [0, 1, frame - kept, 4096] {
            let disk = disk.copy();
            let mut torn = whole[..whole.len() - frame + kept].to_vec();
            torn.resize(torn.len() + zeros, 0);
            if torn == whole {
                continue;
            }
            disk.write(&segment, torn).unwrap();
            let (journal, recovery) = open(&disk, large());
            // Trailing zeros look like preallocated space and are not counted.
            let part = &whole[whole.len() - frame..][..kept];
            let truncated_bytes = part.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
            assert_eq!(recovery, recovered(4, truncated_bytes));
            assert_eq!(frames(&journal), expected(1..=4));
            drop(journal);
            assert_stable(&disk, large(), &recovery, &expected(1..=4));
        }
    }
}

#[test]
fn first_segment_with_torn_header_is_recreated() {
    let whole = made(0, large());
    let segment = the_segment(&whole);
    for kept in 0..HEADER as usize {
        let disk = whole.copy();
        disk.write(&segment, &whole.read(&segment).unwrap()[..kept]).unwrap();
        let (journal, recovery) = open(&disk, large());
        assert_eq!(recovery, recovered(0, kept as u64));
        fill(&journal, 3);
        drop(journal);
        assert_eq!(frames(&open(&disk, large()).0), expected(1..=3));
    }
}

#[test]
fn empty_last_segment_keeps_sequence_despite_damaged_header() {
    let disk = made(20, small());
    let (journal, _) = open(&disk, small());
    journal.trim(20).unwrap();
    drop(journal);
    for offset in 0..HEADER {
        let disk = disk.copy();
        disk.flip(the_segment(&disk), offset, 0x10).unwrap();
        let (journal, recovery) = open_unless_version(&disk, offset);
        assert_eq!(recovery.truncated_bytes, HEADER, "it is reported");
        assert_eq!(append(&journal, b"on").unwrap(), 21);
    }
}

/// A flipped version does not look like a newer version, because the checksum no longer matches.
fn open_unless_version(disk: &SimFs, offset: u64) -> (Journal, Recovery) {
    try_open(disk, small()).unwrap_or_else(|error| panic!("a flip at {offset}: {error:?}"))
}

/// Asserts that a flip loses at most the frame it hits, alters no other, and is reported.
fn assert_flip(disk: &SimFs, options: JournalOptions, count: u64, segment: &Path, offset: u64, mask: u8) {
    disk.flip(segment, offset, mask).unwrap();
    let (journal, recovery) = open(disk, options.clone());
    let kept = frames(&journal);
    let lost: Vec<_> = (1..=count).filter(|sequence| !kept.iter().any(|frame| frame.0 == *sequence)).collect();
    let at = format!("{} {offset}, mask {mask}: {recovery:?}", segment.display());
    assert!(lost.len() <= 1, "{lost:?} lost: {at}");
    assert_eq!(kept, expected((1..=count).filter(|sequence| !lost.contains(sequence))), "{at}");
    assert_eq!(recovery.frames, kept.len() as u64);
    match lost[..] {
        // Damage to the newest frame looks like a torn write.
        [lost] if lost == count => assert!(recovery.truncated_bytes > 0 && recovery.damaged.is_empty(), "{at}"),
        [lost] => assert_eq!(recovery.missing, [lost..=lost], "{at}"),
        _ => assert!(offset < HEADER, "{at}"),
    }
    if lost != [count] {
        let [damage] = &recovery.damaged[..] else { panic!("{at}") };
        assert!(damage.segment == segment && !damage.known, "{at}");
        assert!((damage.offset..damage.offset + damage.len).contains(&offset), "{at}");
        let copy = disk.read(damage.quarantined.as_ref().unwrap()).unwrap();
        let whole = disk.read(segment).unwrap();
        assert_eq!(copy, &whole[damage.offset as usize..(damage.offset + damage.len) as usize], "{at}");
    }
    drop(journal);
    assert_stable(disk, options, &recovery, &kept);
}

#[test]
fn flipped_bit_loses_at_most_one_frame() {
    for options in [large(), small()] {
        let disk = made(12, options.clone());
        for segment in segments(&disk) {
            for offset in 0..disk.read(&segment).unwrap().len() as u64 {
                for bit in [0, 3, 7] {
                    assert_flip(&disk.copy(), options.clone(), 12, &segment, offset, 1 << bit);
                }
            }
        }
    }
}

#[test]
fn lost_sector_loses_only_its_frames() {
    let disk = made(200, large());
    let segment = the_segment(&disk);
    let whole = disk.read(&segment).unwrap();
    for sector in 0..whole.len() / 512 {
        let disk = disk.copy();
        let mut content = whole.clone();
        content[sector * 512..(sector + 1) * 512].fill(0);
        disk.write(&segment, content).unwrap();
        let (journal, recovery) = open(&disk, large());
        let kept = frames(&journal);
        drop(journal);
        if sector == 0 {
            // Header, first frame and marker are gone. Everything is quarantined and nothing is truncated.
            assert!(kept.is_empty() && recovery.truncated_bytes == 0);
            assert_eq!(disk.read(recovery.damaged[0].quarantined.as_ref().unwrap()).unwrap().len(), whole.len());
            assert_eq!(append(&open(&disk, large()).0, b"on").unwrap(), 2);
            continue;
        }
        assert!(kept.len() >= 200 - 18, "{} left", kept.len());
        assert!(kept.iter().all(|(sequence, read)| *read == payload(*sequence)));
        let missing: u64 = recovery.missing.iter().map(|range| range.end() - range.start() + 1).sum();
        assert_eq!(missing + kept.len() as u64, 200);
        assert_stable(&disk, large(), &recovery, &kept);
    }
}

#[test]
fn segment_without_header_uses_marker_of_other_segments() {
    let disk = made(60, small());
    for segment in segments(&disk) {
        let disk = disk.copy();
        let mut content = disk.read(&segment).unwrap();
        content[..50].fill(0);
        disk.write(&segment, content).unwrap();
        let (journal, recovery) = open(&disk, small());
        assert_eq!(frames(&journal).len(), 59, "{recovery:?}");
        assert_eq!(recovery.missing.len(), 1);
    }
}

#[test]
fn without_headers_first_intact_frame_gives_the_marker() {
    let disk = made(12, small());
    for segment in segments(&disk) {
        disk.flip(&segment, 0, 1).unwrap();
    }
    disk.flip(&segments(&disk)[0], HEADER, 1).unwrap();
    let (journal, recovery) = open(&disk, small());
    assert_eq!(frames(&journal), expected(2..=12));
    assert_eq!(recovery.missing, [1..=1]);
    drop(journal);
    assert_stable(&disk, small(), &recovery, &expected(2..=12));
}

#[test]
fn unreadable_segment_is_quarantined_once() {
    for zeros in [0, 1, 300] {
        let disk = made(1, large());
        let segment = the_segment(&disk);
        let mut content = disk.read(&segment).unwrap();
        content[0] ^= 1;
        content[HEADER as usize] ^= 1;
        content.resize(content.len() + zeros, 0);
        disk.write(&segment, content).unwrap();
        let (journal, recovery) = open(&disk, large());
        assert_eq!((frames(&journal).len(), recovery.damaged.len()), (0, 1), "{recovery:?}");
        drop(journal);
        // The segment created after it has a marker, which is used to read it now.
        assert_stable(&disk, large(), &recovery, &[]);
    }
}

#[test]
fn frames_with_zero_marker_are_ignored() {
    let frame = |sequence: u64| {
        let (marker, len, payload) = (0u32.to_le_bytes(), 4u32.to_le_bytes(), *b"evil");
        let checksum = crc32c::crc32c(&[&marker[..], &len, &sequence.to_le_bytes(), &payload].concat());
        [&marker[..], &len, &checksum.to_le_bytes(), &sequence.to_le_bytes(), &payload].concat()
    };
    // The segment has no readable marker. The frames start at the usual offset, or further on.
    for behind in [0, 7] {
        let disk = SimFs::new();
        let (journal, _) = open(&disk, large());
        drop(journal);
        let segment = the_segment(&disk);
        let mut content = vec![0; HEADER as usize];
        content.extend(vec![0xff; behind]);
        content.extend((1..4).flat_map(frame));
        disk.write(&segment, content).unwrap();
        let (journal, recovery) = open(&disk, large());
        assert_eq!((frames(&journal), recovery.frames, recovery.damaged.len()), (vec![], 0, 1), "{recovery:?}");
        drop(journal);
        assert_stable(&disk, large(), &recovery, &[]);
    }
}

#[test]
fn repeated_frame_stays_damage_after_trim() {
    let disk = made(12, small());
    let [first, second, ..] = &segments(&disk)[..] else { panic!("two segments are expected") };
    let (mut bytes, behind) = (disk.read(first).unwrap(), disk.read(second).unwrap());
    let last: u64 = second.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    bytes.extend_from_slice(&behind[HEADER as usize..HEADER as usize + 20 + payload(last).len()]);
    disk.write(first, bytes).unwrap();
    let (journal, recovery) = open(&disk, small());
    assert_eq!(frames(&journal), expected(1..=12));
    assert_eq!(recovery.damaged.len(), 1);
    journal.trim(last).unwrap();
    assert_eq!(frames(&journal), expected(last + 1..=12));
}

#[test]
fn blank_segments_never_reuse_sequences() {
    let disk = made(5, large());
    for (name, bytes) in [("00000000000000000002.log", 0), ("00000000000000000003.log", 10)] {
        disk.write(Path::new(DIR).join(name), vec![0; bytes]).unwrap();
    }
    let (journal, recovery) = open(&disk, large());
    assert_eq!(frames(&journal), expected(1..=5));
    assert_eq!(recovery.truncated_bytes, 10);
    drop(journal);
    assert_stable(&disk, large(), &recovery, &expected(1..=5));
}

#[test]
fn forged_header_hides_no_frames() {
    for previous in [100, u64::MAX] {
        let disk = made(12, small());
        let segment = segments(&disk)[1].clone();
        let mut bytes = disk.read(&segment).unwrap();
        bytes[24..32].copy_from_slice(&previous.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..32]);
        bytes[32..36].copy_from_slice(&checksum.to_le_bytes());
        disk.write(&segment, bytes).unwrap();
        let (journal, recovery) = open(&disk, small());
        assert_eq!(frames(&journal), expected(1..=12));
        assert!(recovery.missing.is_empty() && recovery.damaged.len() == 1, "{recovery:?}");
        drop(journal);
        assert_stable(&disk, small(), &recovery, &expected(1..=12));
    }
}

#[test]
fn lost_segment_is_reported() {
    let disk = made(50, small());
    let lost = segments(&disk)[3].clone();
    let whole = frames(&open(&disk.copy(), small()).0);
    disk.write("journal/elsewhere", []).unwrap();
    martech_core::fs::FileSystem::remove(&disk, &lost).unwrap();
    let (journal, recovery) = open(&disk, small());
    let kept = frames(&journal);
    let [missing] = &recovery.missing[..] else { panic!("{recovery:?}") };
    assert_eq!(kept, whole.into_iter().filter(|frame| !missing.contains(&frame.0)).collect::<Vec<_>>());
    drop(journal);
    assert_stable(&disk, small(), &recovery, &kept);
}

#[test]
fn payload_is_never_read_as_a_frame() {
    // A payload that contains another journal's segment, frames included, and is then damaged.
    let other = made(20, large());
    let inner = other.read(the_segment(&other)).unwrap();
    let disk = SimFs::new();
    let (journal, _) = open(&disk, large());
    for payload in [&b"before"[..], &inner, b"behind"] {
        append(&journal, payload).unwrap();
    }
    drop(journal);
    disk.flip(the_segment(&disk), HEADER + 26 + 4, 0x40).unwrap(); // the length of the second frame
    let (journal, recovery) = open(&disk, large());
    assert_eq!(frames(&journal), [(1, b"before".to_vec()), (3, b"behind".to_vec())]);
    assert_eq!(recovery.missing, [2..=2]);
}

#[test]
fn blocks_of_an_older_segment_are_ignored() {
    let disk = made(10, large());
    let old = disk.read(the_segment(&disk)).unwrap();
    let (journal, _) = open(&disk, large());
    journal.trim(10).unwrap();
    for sequence in 11..=12 {
        assert_eq!(append(&journal, &payload(sequence)).unwrap(), sequence);
    }
    drop(journal);
    drop(open(&disk, large()));
    let segment = the_segment(&disk);
    let mut content = disk.read(&segment).unwrap();
    content.extend_from_slice(&old[HEADER as usize..]);
    disk.write(&segment, content).unwrap();
    let (journal, recovery) = open(&disk, large());
    assert_eq!(frames(&journal), expected(11..=12));
    assert_eq!(recovery.truncated_bytes, old.len() as u64 - HEADER);
}

#[test]
fn damage_while_open_is_reported_once() {
    let disk = made(10, large());
    let segment = the_segment(&disk);
    disk.flip(&segment, HEADER + 5, 1).unwrap(); // frame 1, known when opening
    let (journal, recovery) = open(&disk, large());
    assert_eq!(recovery.missing, [1..=1]);
    disk.flip(&segment, disk.read(&segment).unwrap().len() as u64 - 45, 1).unwrap(); // frame 9, or 8
    let read: Vec<_> = journal.read(0).collect();
    assert_eq!(read.iter().filter(|frame| frame.is_ok()).count(), 8);
    let errors: Vec<_> = read.iter().filter_map(|frame| frame.as_ref().err()).collect();
    assert!(matches!(errors[..], [JournalError::Damaged { .. }]), "{errors:?}");
    assert!(read.last().unwrap().is_ok());
}

#[test]
fn damage_is_skipped_when_quarantine_fails() {
    let disk = made(10, large());
    disk.flip(the_segment(&disk), HEADER + 5, 1).unwrap();
    disk.set_capacity(0);
    disk.inject(Fault::eio(Operation::Rename));
    let (journal, recovery) = open(&disk, large());
    assert_eq!(recovery.damaged[0].quarantined, None);
    assert_eq!(frames(&journal), expected(2..=10));
    drop(journal);
    disk.set_capacity(u64::MAX);
    disk.heal();
    let (_, recovery) = open(&disk, large());
    assert!(recovery.damaged[0].quarantined.is_some() && !recovery.damaged[0].known);
}

#[test]
fn unrelated_files_are_ignored() {
    let disk = made(3, large());
    for name in ["notes.txt", "1.log", "00000000000000000000.log", "99999999999999999999.log", "x.log"] {
        disk.write(Path::new(DIR).join(name), *b"not ours").unwrap();
    }
    let (journal, recovery) = open(&disk, large());
    assert_eq!(recovery, recovered(3, 0));
    journal.trim(3).unwrap();
    assert_eq!(disk.files().len(), 6);
}

#[test]
fn newer_format_is_rejected_and_left_unchanged() {
    let disk = made(3, large());
    let segment = the_segment(&disk);
    let mut content = disk.read(&segment).unwrap();
    content[8] = 2;
    let checksum = crc32c::crc32c(&content[..32]);
    content[32..36].copy_from_slice(&checksum.to_le_bytes());
    disk.write(&segment, content.clone()).unwrap();
    let error = try_open(&disk, large()).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::UnsupportedVersion { version: 2, .. }), "{error:?}");
    assert_eq!(disk.read(&segment).unwrap(), content);
}
