//! The hot paths, for `benches/instructions`, which counts their instructions under callgrind.
//!
//! `instructions PATH COUNT` does the work of a path COUNT times, on one thread where it can.

use std::{env, error::Error, hint::black_box, path::Path};

use bytes::Bytes;
use martech_core::{
    Appended, EventSink, Lake, LakeOptions, Store, StoreError,
    event::{Batch, Event, EventRules, Sender, Timestamp},
    query::{Interval, Reader, StatsQuery, TimeRange},
};
use martech_server::testing::InProcess;

/// 2026-11-22.
const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);
const HOUR: i64 = 3_600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("usage: instructions PATH COUNT")?;
    let count: usize = arguments.next().ok_or("usage: instructions PATH COUNT")?.parse()?;
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &*path {
        "parse" => parse(count),
        "push" => runtime.block_on(push(count))?,
        "post-buffered" => runtime.block_on(post(dir.path(), "/events?ack=buffered", count))?,
        "post-durable" => runtime.block_on(post(dir.path(), "/events", count))?,
        "stats" => runtime.block_on(stats(dir.path(), count))?,
        _ => return Err(format!("no path is called {path}").into()),
    }
    Ok(())
}

fn body(n: usize) -> String {
    format!(
        r#"{{"userId":"user-{:06}","sessionId":"s-{:06}","type":"page_view","properties":{{"page":"/products/{}","width":1280}}}}"#,
        n % 500,
        n % 1_000,
        n % 50
    )
}

fn events(rules: &EventRules, text: &str, at: Timestamp) -> Vec<Event> {
    let batch = Batch::from_json(text.as_bytes()).expect("the text is JSON");
    rules.parse_batch(&batch, at, Sender::Trusted).collect::<Result<_, _>>().expect("the event is valid")
}

/// Parses bodies of one event.
fn parse(count: usize) {
    let rules = EventRules::default();
    for n in 0..count {
        black_box(events(&rules, &body(n % 16), NOW));
    }
}

struct Nowhere;

impl Store<Event> for Nowhere {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        Ok(Appended::all(batch.len()))
    }
}

/// Pushes events into a sink, a hundred at a time without a pause.
async fn push(count: usize) -> Result<(), Box<dyn Error>> {
    let sink = EventSink::builder().build(Nowhere)?;
    let event = events(&EventRules::default(), &body(1), NOW).remove(0);
    for n in 0..count {
        drop(sink.try_push(event.clone()).map_err(|refused| refused.refusal().to_string())?);
        if n % 100 == 99 {
            sink.flush().await;
        }
    }
    Ok(())
}

/// Sends requests with one event to a server, from the head of the request to its response, and stores the events.
async fn post(dir: &Path, target: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let server = InProcess::open(dir).await?;
    for n in 0..count {
        let status = server.post(target, Bytes::from(body(n))).await;
        if !status.is_success() {
            return Err(format!("{target}: {status}").into());
        }
    }
    server.close().await?;
    Ok(())
}

/// Asks a lake of 4,000 events for the figures of two days.
async fn stats(dir: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let lake = Lake::open(LakeOptions::new(dir)).await?;
    let rules = EventRules::default();
    let mut batch = Vec::new();
    for n in 0..4_000_usize {
        let at = Timestamp::from_millis(NOW.millis() - 40 * HOUR + n as i64 * 35_000);
        batch.extend(events(&rules, &body(n), at));
    }
    lake.append(&batch).await?;
    lake.roll().await?;
    let range = TimeRange { from: Timestamp::from_millis(NOW.millis() - 48 * HOUR), to: NOW };
    for _ in 0..count {
        let query = StatsQuery::new(range).interval(Interval::Hour);
        black_box(lake.stats(query).await?);
    }
    lake.close().await?;
    Ok(())
}
