//! The catalog, and rows in the journal, from any text and any bytes. The lake either opens and holds what an
//! independent reader finds in them, before and after a roll, or names the damaged file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use arbitrary::{Result, Unstructured};
use martech_core::{
    Event, EventType, Lake,
    event::{EventId, Facts, Timestamp},
    lake::LakeError,
    query::TimeRange,
    testing::SimFs,
};

use crate::{
    format::{self, Header},
    lake::{self, DIR, RUNTIME},
};

const MARKER: u32 = 0x6d61_726b;
const MEMORY: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let _ = with(&mut Unstructured::new(data));
}

fn with(u: &mut Unstructured<'_>) -> Result<()> {
    let disk = lake::disk();
    let mut rows = Vec::new();
    let mut readable = true;
    let write = |name: &str, content: Vec<u8>| disk.write(Path::new(DIR).join(name), content).expect("there is room");
    match u.int_in_range(0..=3)? {
        0 => {
            let text = u.bytes(u.len())?;
            write("catalog", text.to_vec());
        }
        1 => {
            let state = u.bytes(u.len())?;
            write("catalog", sealed(state));
        }
        _ => {
            let mut segment = Header { version: 1, marker: MARKER, first: 1, previous: 0 }.encode();
            for sequence in 1..=u.int_in_range(0..=4)? {
                let payload = payload(u, sequence)?;
                segment.extend(format::frame(MARKER, sequence, &payload));
                match decode(&payload) {
                    Some(more) => rows.extend(more),
                    None => readable = false,
                }
            }
            write(&format!("journal/{}", format::segment_name(1)), segment);
            // A lake without a catalog reports it as lost.
            write("catalog", sealed(br#"{"format":1,"sequence":0,"nextFile":1,"events":[],"users":[]}"#));
        }
    }
    RUNTIME.block_on(async {
        match Lake::open(lake::options(&disk, MEMORY)).await {
            Ok(lake) => {
                assert!(readable, "it opened, and there is a frame of no events");
                // A lake never stores an event twice, so behavior for repeated events is unspecified.
                let ids: BTreeSet<EventId> = rows.iter().map(|row| row.id).collect();
                if ids.len() == rows.len() {
                    holds(&disk, lake, rows).await;
                }
            }
            Err(error) => {
                lake::check(&error);
                let journal = matches!(&error, LakeError::Damaged { path, .. } if path.ends_with("journal"));
                assert_eq!(journal, !readable, "{error}");
            }
        }
    });
    Ok(())
}

/// Appends the checksum line to a catalog's state.
fn sealed(state: &[u8]) -> Vec<u8> {
    [state, format!("\n{:08x}\n", crc32c::crc32c(state)).as_bytes()].concat()
}

/// Asserts that the lake holds exactly these rows, before and after a roll and a restart.
async fn holds(disk: &SimFs, lake: Lake, rows: Vec<Event>) {
    let mut expected: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for row in &rows {
        expected.entry(row.user_id.clone()).or_default().push(row.clone());
    }
    expected.values_mut().for_each(|events| events.sort_by_key(|event| (event.occurred_at, event.id)));
    let users: Vec<String> = expected.keys().cloned().collect();
    let counts: Vec<(String, u64)> = expected.iter().map(|(user, rows)| (user.clone(), rows.len() as u64)).collect();
    let times = rows.iter().map(|row| row.occurred_at.millis());
    let from = times.clone().min().unwrap_or_default();
    let to = times.max().unwrap_or_default() + 1;
    // At most a century, because of the monthly buckets.
    let to = to.min(from + 100 * 366 * 86_400_000);
    let times = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };

    let hot = lake::ask(&lake, &users, times).await;
    assert_eq!(lake.status().events, rows.len() as u64);
    assert_eq!(hot.users, Ok((counts, users.len() as u64)));
    for (user, journey) in &hot.journeys {
        assert_eq!(journey.as_ref(), Ok(&expected[user]), "{user}");
    }
    assert!(hot.stats.is_ok(), "{:?}", hot.stats);

    lake.roll().await.expect("what is in the hot table can be written");
    assert_eq!(hot, lake::ask(&lake, &users, times).await);
    lake.close().await.expect("it closes");
    let lake = Lake::open(lake::options(disk, MEMORY)).await.expect("it opens again");
    assert_eq!((lake.status().events, lake.status().hot_events), (rows.len() as u64, 0));
    assert_eq!(hot, lake::ask(&lake, &users, times).await);
    lake.close().await.expect("it closes");
}

/// Generates rows, most of them valid.
fn payload(u: &mut Unstructured<'_>, sequence: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for row in 0..u.int_in_range(0..=4)? {
        bytes.extend_from_slice(&u128::from(8 * sequence + row).to_be_bytes());
        text(&mut bytes, u.choose(&["", "u", "user-2", "ü\u{10ffff}"])?);
        let kinds = ["page_view", "purchase", "search", "x9", "", "no type"];
        let known = if u.ratio(15, 16)? { 4 } else { kinds.len() };
        text(&mut bytes, u.choose(&kinds[..known])?);
        let time = if u.ratio(15, 16)? { i64::from(u.arbitrary::<i32>()?) * 1000 } else { u.arbitrary()? };
        signed(&mut bytes, time);
        signed(
            &mut bytes,
            if u.ratio(15, 16)? { time.saturating_add(u.arbitrary::<i16>()?.into()) } else { u.arbitrary()? },
        );
        for (place, texts) in
            [["a", ""], ["s", "t"], ["{}", "{\"a\":1}"], ["", ""], ["EUR", "usd!"], ["/", "x"], ["p", ""], ["q", "r"]]
                .iter()
                .enumerate()
        {
            let there: bool = u.arbitrary()?;
            bytes.push(there.into());
            match place {
                _ if !there => {}
                3 => signed(&mut bytes, u.arbitrary()?),
                _ => text(&mut bytes, u.choose(texts)?),
            }
        }
    }
    if u.ratio(1, 4)? {
        let at = u.choose_index(bytes.len().max(1))?;
        match u.int_in_range(0..=2)? {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(u.bytes(u.len().min(8))?),
            _ => {
                let mask = u.arbitrary::<u8>()?;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask);
            }
        }
    }
    Ok(bytes)
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text.as_bytes());
}

fn signed(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 127 {
        bytes.push(rest as u8 | 128);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Decodes the events of a payload, as a journey shows them. `None` if any row is invalid.
fn decode(bytes: &[u8]) -> Option<Vec<Event>> {
    let mut rest = Rest(bytes);
    let mut rows = Vec::new();
    while !rest.0.is_empty() {
        let event = Event {
            id: EventId::from_bytes(*rest.take(16)?.first_chunk()?),
            user_id: rest.text()?,
            event_type: EventType::parse(&rest.text()?).ok()?,
            occurred_at: rest.time()?,
            received_at: rest.time()?,
            anonymous_id: rest.option(Rest::text)?,
            session_id: rest.option(Rest::text)?,
            properties: rest.option(Rest::text)?,
            estimated_time: false,
            facts: Facts::default(),
        };
        rest.option(Rest::signed)?;
        (0..4).try_for_each(|_| rest.option(Rest::text).map(drop))?;
        rows.push(event);
    }
    Some(rows)
}

/// The unread part of a payload.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                return (place < 9 || byte <= 1).then_some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        self.number().map(|number| (number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        String::from_utf8(self.take(usize::try_from(length).ok()?)?.to_vec()).ok()
    }

    /// Reads a time within the range of the calendar.
    fn time(&mut self) -> Option<Timestamp> {
        self.signed().filter(|millis| jiff::Timestamp::from_millisecond(*millis).is_ok()).map(Timestamp::from_millis)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.take(1)? {
            [0] => Some(None),
            [1] => read(self).map(Some),
            _ => None,
        }
    }
}
