//! The files of a lake with some bytes changed: id indexes, and Parquet files of events and of users. Every query gives
//! the right answer, or an error that names the file.

use std::{panic, path::PathBuf, sync::LazyLock};

use arbitrary::{Result, Unstructured};
use martech_core::{
    Event, EventRules, EventType, Lake, Store,
    event::{EventId, Timestamp},
    query::TimeRange,
    testing::SimFs,
};

use crate::lake::{self, Answers, DIR, RUNTIME};

/// A lake with the files of two rolls, and with events in its journal.
struct Original {
    disk: SimFs,
    files: Vec<PathBuf>,
    events: Vec<Event>,
    answers: Answers,
}

static ORIGINAL: LazyLock<Original> = LazyLock::new(|| {
    // The Parquet reader panics on some damage, and the lake turns those panics into errors. All other panics are
    // findings.
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|place| ["/parquet-", "/arrow-"].iter().any(|name| place.file().contains(name)))
        {
            report(info);
        }
    }));
    RUNTIME.block_on(async {
        let (disk, events) = (lake::disk(), events());
        let lake = Lake::open(lake::options(&disk, 1 << 20)).await.expect("it opens");
        for (batch, events) in events.chunks(60).enumerate() {
            assert_eq!(lake.append(events).await.expect("it takes them").stored, events.len());
            if batch < 2 {
                lake.roll().await.expect("it writes files");
            }
        }
        let answers = lake::ask(&lake, &users(), times()).await;
        lake.close().await.expect("it closes");
        let data =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet" || extension == "ids");
        let files = disk.files().into_iter().filter(data).collect();
        Original { disk, files, events, answers }
    })
});

const START: i64 = 1_760_000_000_000;
const DAY: i64 = 86_400_000;

/// Users whose journeys are read.
fn users() -> Vec<String> {
    (0..2).map(|user| format!("user-{user}")).collect()
}

fn times() -> TimeRange {
    TimeRange { from: Timestamp::from_millis(START - DAY), to: Timestamp::from_millis(START + 60 * DAY) }
}

fn events() -> Vec<Event> {
    let event = |number: u64| {
        let kind = [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::SEARCH][number as usize % 3].clone();
        let time = Timestamp::from_millis(START + (number as i64 * 7919 * 1000) % (2 * DAY));
        let builder = Event::builder(format!("user-{}", number % 7), kind)
            .id(EventId::from_bytes((u128::from(number) + (1 << 100)).to_be_bytes()))
            .occurred_at(time)
            .received_at(Timestamp::from_millis(START + 3 * DAY))
            .property("total", number)
            .property("page", format!("/{}", number % 5))
            .property("q", "shoes");
        let builder = if number.is_multiple_of(2) { builder.session_id(format!("s{}", number % 9)) } else { builder };
        builder.build(&EventRules::default()).expect("the event is sound")
    };
    (0..150).map(event).collect()
}

pub fn run(data: &[u8]) {
    let _ = with(&mut Unstructured::new(data));
}

fn with(u: &mut Unstructured<'_>) -> Result<()> {
    let original = &*ORIGINAL;
    let disk = original.disk.copy();
    // Without memory for indexes, ids are looked up on disk one by one.
    let memory = if u.arbitrary()? { 1 << 20 } else { 0 };
    for _ in 0..u.int_in_range(1..=3)? {
        let path = u.choose(&original.files)?;
        let bytes = changed(u, disk.read(path).expect("the file is there"))?;
        disk.write(path, bytes).expect("there is room");
    }
    // Appends, rolls and compactions cost more than queries, so they run only in some iterations.
    let then = u.int_in_range(0..=5)?;
    RUNTIME.block_on(async {
        let lake = match Lake::open(lake::options(&disk, memory)).await {
            Ok(lake) => lake,
            Err(error) => return lake::check(&error),
        };
        right_or_failed(&lake).await;
        if then == 0 {
            match lake.append(&original.events).await {
                Ok(appended) => assert_eq!(appended.duplicates.len(), original.events.len(), "{appended:?}"),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    assert!(cause.is_some_and(|cause| cause.contains(DIR)), "{error:?}");
                }
            }
        } else if then == 1 {
            for done in [lake.roll().await, lake.compact().await] {
                done.unwrap_or_else(|error| lake::check(&error));
            }
            right_or_failed(&lake).await;
        }
        lake.close().await.expect("it closes");
    });
    Ok(())
}

async fn right_or_failed(lake: &Lake) {
    let (found, right) = (lake::ask(lake, &users(), times()).await, &ORIGINAL.answers);
    assert!(found.users.is_err() || found.users == right.users, "{:?}", found.users);
    assert!(found.stats.is_err() || found.stats == right.stats, "{:?}", found.stats);
    for (user, journey) in &found.journeys {
        assert!(journey.is_err() || *journey == right.journeys[user], "{user}: {journey:?}");
    }
}

/// Changes some bytes.
fn changed(u: &mut Unstructured<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..u.int_in_range(1..=4)? {
        // Headers and footers mislead readers most.
        let length = bytes.len();
        let at = match u.int_in_range(0..=2)? {
            0 => u.int_in_range(0..=length)?,
            1 => u.int_in_range(0..=length.min(64))?,
            _ => length - u.int_in_range(0..=length.min(1500))?,
        };
        let end = u.int_in_range(at..=length.min(at + 16))?;
        match u.int_in_range(0..=7)? {
            0 => bytes.truncate(at),
            1 => bytes[at..end].fill(0),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.extend_from_within(at..end),
            4 => bytes[at..end].fill(0xff),
            5 => {
                let new = u.bytes(u.len().min(8))?;
                bytes.splice(at..end, new.iter().copied());
            }
            _ => {
                let mask = u.arbitrary::<u8>()?;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask);
            }
        }
    }
    Ok(bytes)
}
