//! Parsing of single events of about 250 bytes, and of a batch of a thousand events.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use martech_core::event::{Batch, Event, EventId, EventRules, Sender, Timestamp};

const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_795_342_500_250);

/// Returns a page view of about 250 bytes with the given id.
fn page_view(id: EventId) -> String {
    format!(
        r#"{{"eventId":"{id}","userId":"customer-{:05}","type":"page_view","occurredAt":"2026-11-22T10:14:58.250Z","sessionId":"s-9f2c61","properties":{{"page":"/shoes/running/42","productId":"SKU-10042","price":129.9,"referrer":"newsletter"}}}}"#,
        id.as_bytes()[15]
    )
}

fn one(c: &mut Criterion) {
    let rules = EventRules::default();
    let id = EventId::from_text("018f3b2a-0000-7000-8000-0000000000aa").expect("a UUID");
    let with_id = page_view(id);
    let without_id = with_id.replace(&format!(r#""eventId":"{id}","#), "");
    let purchase = with_id.replace("page_view", "purchase").replace("price", "total");

    let mut group = c.benchmark_group("event");
    for (name, json) in [("page_view", &with_id), ("purchase", &purchase), ("id_made_here", &without_id)] {
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(name, |b| b.iter(|| rules.parse(black_box(json), RECEIVED_AT)));
    }
    group.finish();

    let event = rules.parse(&with_id, RECEIVED_AT).expect("a valid event");
    c.bench_function("event/to_json", |b| b.iter(|| serialize(black_box(&event))));
}

fn serialize(event: &Event) -> String {
    serde_json::to_string(event).expect("events serialize")
}

fn batch(c: &mut Criterion) {
    const EVENTS: usize = 1000;
    let rules = EventRules::default();
    let events: Vec<_> = (0..EVENTS).map(|_| page_view(EventId::new_v7())).collect();
    let array = format!("[{}]", events.join(","));
    let lines = events.join("\n");

    let mut group = c.benchmark_group("batch_of_1000");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("split_array", |b| b.iter(|| Batch::from_json(black_box(array.as_bytes()))));
    group.bench_function("array", |b| {
        b.iter(|| {
            Batch::from_json(black_box(array.as_bytes()))
                .map(|batch| rules.parse_batch(&batch, RECEIVED_AT, Sender::Anonymous).collect::<Vec<_>>())
        });
    });
    group.bench_function("ndjson", |b| {
        b.iter(|| {
            Batch::from_ndjson(black_box(lines.as_bytes()))
                .map(|batch| rules.parse_batch(&batch, RECEIVED_AT, Sender::Anonymous).collect::<Vec<_>>())
        });
    });
    group.finish();
}

criterion_group!(benches, one, batch);
criterion_main!(benches);
