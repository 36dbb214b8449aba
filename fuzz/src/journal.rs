//! The journal, with segments that are valid, damaged, or arbitrary bytes. The journal opens, or refuses an unknown
//! version. The frames it returns are those that a simple independent reader finds, and reopening gives the same
//! result.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
};

use arbitrary::{Result, Unstructured};
use martech_core::{
    fs::FileSystem,
    journal::{Journal, JournalError, JournalOptions, Recovery},
    testing::SimFs,
};

use crate::format::{self, Header, SEGMENT_HEADER};

const DIR: &str = "journal";
const MARKER: u32 = 0x6d61_726b;

type Frames = Vec<(u64, Vec<u8>)>;

pub fn run(data: &[u8]) {
    let Ok(files) = files(&mut Unstructured::new(data)) else { return };
    let disk = SimFs::new();
    disk.create_dir_all(Path::new(DIR)).expect("an empty disk takes a folder");
    for (first, bytes) in &files {
        disk.write(Path::new(DIR).join(format::segment_name(*first)), bytes.clone()).expect("there is room");
    }
    let (journal, recovery) = match open(&disk) {
        Ok(opened) => opened,
        Err(JournalError::UnsupportedVersion { .. }) => {
            assert!(files.values().any(|file| Header::decode(file).is_some_and(|header| header.version != 1)));
            return;
        }
        Err(error) => panic!("it does not open: {error}"),
    };
    let found = read(&journal);
    assert_eq!(found, model(&files));
    assert_eq!(recovery.frames, found.len() as u64);
    assert!(recovery.missing.is_sorted_by(|left, right| left.end() < right.start()), "{recovery:?}");
    assert!(!recovery.missing.iter().any(|gap| gap.is_empty()), "{recovery:?}");
    for (sequence, _) in &found {
        assert!(!recovery.missing.iter().any(|gap| gap.contains(sequence)), "{sequence} is there: {recovery:?}");
        assert!(*sequence <= journal.stats().last_sequence);
    }
    drop(journal);

    let (journal, again) = open(&disk).expect("what was opened once opens again");
    assert_eq!(read(&journal), found);
    assert_eq!(again.truncated_bytes, 0, "a torn tail is cut once");
    assert!(again.damaged.iter().all(|damage| damage.known), "damage is set aside once: {again:?}");
    let ranges = |recovery: &Recovery| -> Vec<_> {
        recovery.damaged.iter().map(|damage| (damage.segment.clone(), damage.offset, damage.len)).collect()
    };
    assert_eq!((ranges(&again), &again.missing), (ranges(&recovery), &recovery.missing));

    let mut whole = found;
    for payload in [&b"one more"[..], b"and another"] {
        let sequence = append(&journal, payload);
        assert!(whole.last().is_none_or(|(last, _)| *last < sequence), "{sequence} was given before");
        whole.push((sequence, payload.to_vec()));
    }
    assert_eq!(read(&journal), whole);
    drop(journal);
    let (journal, _) = open(&disk).expect("it opens with what was appended");
    assert_eq!(read(&journal), whole);
    journal.trim(whole[whole.len() / 2].0).expect("the disk is sound");
    assert!(whole.ends_with(&read(&journal)), "what is trimmed is the oldest");
}

/// Generates up to four segments. Most consist of valid frames, some of whose bytes are then changed.
fn files(u: &mut Unstructured<'_>) -> Result<BTreeMap<u64, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut next = 1;
    for _ in 0..u.int_in_range(0..=3)? {
        let first = if u.ratio(1, 8)? { u.arbitrary()? } else { next };
        let bytes = if u.ratio(1, 4)? { bytes(u)? } else { segment(u, first, &mut next)? };
        files.insert(first, damaged(u, bytes)?);
    }
    Ok(files)
}

fn segment(u: &mut Unstructured<'_>, first: u64, next: &mut u64) -> Result<Vec<u8>> {
    let odd = u.ratio(1, 8)?;
    let header = Header {
        version: if odd { u.int_in_range(0..=2)? } else { 1 },
        marker: if odd { u.arbitrary()? } else { MARKER },
        first,
        previous: if odd { u.arbitrary()? } else { first.wrapping_sub(1) },
    };
    let mut segment = header.encode();
    for _ in 0..u.int_in_range(0..=5)? {
        let sequence = if u.ratio(1, 16)? { u.arbitrary()? } else { *next };
        segment.extend(format::frame(header.marker, sequence, &bytes(u)?));
        *next = sequence.wrapping_add(1);
    }
    Ok(segment)
}

fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = u.int_in_range(0..=64)?;
    Ok(u.bytes(length.min(u.len()))?.to_vec())
}

/// Flips, removes, inserts or copies bytes.
fn damaged(u: &mut Unstructured<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.int_in_range(0..=bytes.len())?;
        let end = u.int_in_range(at..=bytes.len().min(at + 80))?;
        match u.int_in_range(0..=5)? {
            0 => bytes.truncate(at),
            1 => bytes[at..end].fill(0),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            4 => {
                let new = self::bytes(u)?;
                bytes.splice(at..end, new);
            }
            _ => {
                let mask = u.arbitrary::<u8>()?;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask);
            }
        }
    }
    Ok(bytes)
}

/// Finds the frames of segments by trying every offset.
fn model(files: &BTreeMap<u64, Vec<u8>>) -> Frames {
    // Files whose first sequence is 0 or beyond 2^62 are not segments. The newest file is not one yet if it ends within
    // its header, or at an invalid header.
    let mut segments: Vec<(u64, &[u8], Option<Header>)> = files
        .range(1..=1 << 62)
        .map(|(first, bytes)| (*first, &**bytes, Header::decode(bytes).filter(|header| header.fits(*first))))
        .collect();
    segments.pop_if(|(_, bytes, header)| header.is_none() && bytes.len() <= SEGMENT_HEADER);
    let of_headers = segments.iter().rev().find_map(|(.., header)| Some((*header)?.marker));
    let of_journal = of_headers.or_else(|| {
        segments.iter().find_map(|(_, bytes, _)| {
            let marker = u32::from_le_bytes(*bytes.get(SEGMENT_HEADER..)?.first_chunk()?);
            format::frame_at(&bytes[SEGMENT_HEADER..], marker).map(|_| marker)
        })
    });
    let (mut frames, mut next) = (Vec::new(), 1);
    for (first, bytes, header) in segments {
        next = next.max(first);
        let Some(marker) = header.map(|header| header.marker).or(of_journal) else { continue };
        let mut at = SEGMENT_HEADER;
        while at < bytes.len() {
            match format::frame_at(&bytes[at..], marker).filter(|(sequence, _)| *sequence >= next) {
                Some((sequence, payload)) => {
                    frames.push((sequence, payload.to_vec()));
                    next = sequence + 1;
                    at += format::frame(marker, sequence, payload).len();
                }
                None => at += 1,
            }
        }
    }
    frames
}

fn open(disk: &SimFs) -> Result<(Journal, Recovery), JournalError> {
    let options = JournalOptions::new(1 << 20).segment_bytes(200);
    Journal::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

fn read(journal: &Journal) -> Frames {
    let frame = |frame: Result<martech_core::journal::Frame, JournalError>| frame.expect("damage was reported before");
    journal.read(0).map(frame).map(|frame| (frame.sequence, frame.payload.to_vec())).collect()
}

fn append(journal: &Journal, payload: &[u8]) -> u64 {
    let (done, answers) = mpsc::channel();
    journal.submit(payload.to_vec(), move |result| drop(done.send(result))).expect("there is room");
    answers.recv().expect("the writer answers").expect("the disk is sound")
}
