//! A spool whose frames are valid, damaged, or arbitrary bytes, with any watermark. The spool opens and forwards what
//! an independent reader finds behind the watermark, up to the first unreadable frame, or it names the frame.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use arbitrary::{Result, Unstructured};
use martech_core::{
    Appended, Event, Store, StoreError,
    event::{EventId, EventRules, EventType, Timestamp},
    fs::FileSystem,
    sink::SinkConfig,
    spool::{self, Record, SpoolError, SpoolOptions, SpoolStatus, Spooled},
    testing::SimFs,
};

use crate::{
    format::{self, Header},
    lake::RUNTIME,
};

const DIR: &str = "spool";
const MARKER: u32 = 0x6d61_726b;
const FRAME_HEADER: usize = 13;

pub fn run(data: &[u8]) {
    let _ = with(&mut Unstructured::new(data));
}

fn with(u: &mut Unstructured<'_>) -> Result<()> {
    let disk = SimFs::new();
    let write = |name: &str, content: Vec<u8>| disk.write(Path::new(DIR).join(name), content).expect("there is room");
    disk.create_dir_all(&Path::new(DIR).join("journal")).expect("an empty disk takes a folder");
    let mut segment = Header { version: 1, marker: MARKER, first: 1, previous: 0 }.encode();
    let mut frames = Vec::new();
    for sequence in 1..=u.int_in_range(0..=5)? {
        let payload = payload(u)?;
        segment.extend(format::frame(MARKER, sequence, &payload));
        frames.push((sequence, Frame::read(&payload)));
    }
    write(&format!("journal/{}", format::segment_name(1)), segment);
    let watermark = match u.int_in_range(0..=3)? {
        0 => None,
        1 => {
            write("forwarded", u.bytes(u.len().min(40))?.to_vec());
            None
        }
        _ => {
            let sequence = if u.ratio(1, 8)? { u.arbitrary()? } else { u.int_in_range(0..=6)? };
            write("forwarded", line(sequence).into_bytes());
            // A watermark beyond the largest sequence is ignored.
            Some(sequence).filter(|sequence| *sequence < 1 << 62)
        }
    };
    frames.retain(|(sequence, _)| *sequence > watermark.unwrap_or(0));
    RUNTIME.block_on(holds(&disk, &frames));
    Ok(())
}

/// Asserts that everything behind the watermark is forwarded once, and that the spool accepts new events.
async fn holds(disk: &SimFs, frames: &[(u64, Frame)]) {
    let sound = |frame: &Frame| matches!(frame, Frame::Sound(_));
    let fs: Arc<dyn FileSystem> = Arc::new(disk.clone());
    let found = spool::inspect::<Event>(&fs, Path::new(DIR)).expect("looking changes nothing").expect("it is there");
    let unreadable: Vec<u64> =
        frames.iter().filter(|(_, frame)| !sound(frame)).map(|(sequence, _)| *sequence).collect();
    assert_eq!(found.unreadable.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), unreadable);
    let readable: Vec<&Event> = frames.iter().flat_map(|(_, frame)| frame.events()).collect();
    assert_eq!(found.behind_events, readable.len() as u64);

    let store = Kept::default();
    let foreign = frames.iter().find(|(_, frame)| matches!(frame, Frame::Foreign));
    let spool = match (open(disk, &store).await, foreign) {
        (Ok(spool), None) => spool,
        (Err(SpoolError::Foreign { sequence, .. }), Some((first, _))) => return assert_eq!(sequence, *first),
        (opened, foreign) => panic!("{opened:?} where the foreign frame is {foreign:?}"),
    };
    let halts = frames.iter().position(|(_, frame)| !sound(frame));
    let mut events: Vec<Event> =
        frames[..halts.unwrap_or(frames.len())].iter().flat_map(|(_, frame)| frame.events()).cloned().collect();
    let one_more = Event::builder("one more", EventType::SEARCH).build(&EventRules::default()).expect("it is sound");
    assert_eq!(spool.append(std::slice::from_ref(&one_more)).await.expect("there is room").stored, 1);
    spool.forwarded().await;
    let status = spool.close(Duration::from_secs(5)).await;
    if halts.is_none() {
        events.push(one_more);
    }
    assert_eq!(store.take(), sorted(events));
    check(&status, frames, halts);
    drop(spool);

    let spool = open(disk, &store).await.expect("what was opened once opens again");
    spool.forwarded().await;
    let again = spool.close(Duration::from_secs(5)).await;
    assert_eq!(store.take(), [], "what was forwarded is not forwarded again");
    check(&again, frames, halts);
    assert_eq!((again.behind_events, again.behind_bytes), (status.behind_events, status.behind_bytes));
}

/// Checks the reported status.
fn check(status: &SpoolStatus, frames: &[(u64, Frame)], halts: Option<usize>) {
    assert_eq!((status.damage, status.rejected, status.poisoned), (0, 0, false), "{status:?}");
    match halts {
        None => {
            assert_eq!((status.behind_events, status.behind, status.halted), (0, Duration::ZERO, false), "{status:?}")
        }
        Some(at) => {
            let name = format!("frame {} ", frames[at].0);
            assert!(status.halted && status.error.as_ref().is_some_and(|error| error.contains(&name)), "{status:?}");
            assert!(status.behind_events > 0, "{status:?}");
        }
    }
}

async fn open(disk: &SimFs, store: &Kept) -> std::result::Result<Spooled<Kept, Event>, SpoolError> {
    let sink = SinkConfig::default().flush_interval(Duration::ZERO);
    let options = SpoolOptions::new(DIR).fs(Arc::new(disk.clone())).sink(sink);
    Spooled::open(options, store.clone(), |letter| panic!("nothing is refused: {letter:?}")).await
}

/// Stores every event it receives, including repeats.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<Event>>>);

impl Kept {
    fn take(&self) -> Vec<Event> {
        sorted(std::mem::take(&mut self.0.lock().expect("nobody panics")))
    }
}

impl Store<Event> for Kept {
    async fn append(&self, batch: &[Event]) -> std::result::Result<Appended, StoreError> {
        self.0.lock().expect("nobody panics").extend_from_slice(batch);
        Ok(Appended::all(batch.len()))
    }
}

/// Sorted, because batches may finish in any order.
fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_cached_key(bytes);
    events
}

fn bytes(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    event.write(&mut bytes).expect("it was read");
    bytes
}

/// A payload as an independent reader sees it.
#[derive(Debug)]
enum Frame {
    /// The frame header is invalid.
    Foreign,
    /// The frame header is valid, but its events are not.
    Unreadable,
    Sound(Vec<Event>),
}

impl Frame {
    fn read(payload: &[u8]) -> Self {
        let (Some(count), Some(1)) = (format::u32_at(payload, 9), payload.first()) else { return Self::Foreign };
        let (mut events, mut rest) = (Vec::new(), &payload[FRAME_HEADER..]);
        while !rest.is_empty() {
            let record = format::u32_at(rest, 0).and_then(|len| rest.get(4..(len as usize).checked_add(4)?));
            let Some(Ok(event)) = record.map(Event::read) else { return Self::Unreadable };
            assert_eq!(Event::read(&bytes(&event)).expect("what was read is written"), event);
            events.push(event);
            rest = &rest[4 + record.map_or(0, <[u8]>::len)..];
        }
        if events.len() == count as usize { Self::Sound(events) } else { Self::Unreadable }
    }

    fn events(&self) -> &[Event] {
        match self {
            Self::Sound(events) => events,
            _ => &[],
        }
    }
}

/// Generates a frame of some events. One in four is damaged.
fn payload(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let count = u.int_in_range(0..=3_u32)?;
    let mut payload = vec![1];
    payload.extend_from_slice(&u.arbitrary::<i64>()?.to_le_bytes());
    payload.extend_from_slice(&count.to_le_bytes());
    for _ in 0..count {
        let record = if u.ratio(1, 8)? { u.bytes(u.len().min(30))?.to_vec() } else { bytes(&event(u)?) };
        payload.extend_from_slice(&(record.len() as u32).to_le_bytes());
        payload.extend_from_slice(&record);
    }
    if u.ratio(1, 4)? {
        let at = u.choose_index(payload.len())?;
        match u.int_in_range(0..=2)? {
            0 => payload.truncate(at),
            1 => payload.extend_from_slice(u.bytes(u.len().min(8))?),
            _ => payload[at] ^= u.arbitrary::<u8>()?,
        }
    }
    Ok(payload)
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    let types = [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::SEARCH];
    // Years 1653 to 2286.
    let mut time = || Ok(Timestamp::from_millis(u.int_in_range(-10_000_000_000_000..=9_999_999_999_999)?));
    let (occurred_at, received_at) = (time()?, time()?);
    let mut event = Event::builder(*u.choose(&["u1", "u2", "\u{e9}\u{1f6d2}"])?, u.choose(&types)?.clone())
        .property("total", u.arbitrary::<i32>()?)
        .build(&EventRules::default())
        .expect("its parts are sound");
    // The builder rejects some ids and times far in the future.
    event.id = EventId::from_bytes(u.arbitrary()?);
    (event.occurred_at, event.received_at, event.estimated_time) = (occurred_at, received_at, u.arbitrary()?);
    if u.arbitrary()? {
        event.properties = None;
    }
    Ok(event)
}

/// Formats the contents of the watermark file.
fn line(sequence: u64) -> String {
    format!("{sequence} {:08x}\n", crc32c::crc32c(sequence.to_string().as_bytes()))
}
