//! Random operations against a store that does its worst. Whatever happens, the books balance, capacity holds, nothing
//! hangs, and every accepted event ends in exactly one place, the one that its receipt names.

use std::collections::{BTreeMap, HashSet};

use proptest::{collection::vec, prelude::*};
use tokio::{task::JoinHandle, time::timeout};

use super::*;

const CAPACITY: usize = 12;
const CAPACITY_BYTES: usize = 40;

#[derive(Debug, Clone)]
enum Op {
    TryPush,
    Push,
    TryPushBatch(usize),
    PushBatch(usize),
    /// Cancels a push that may be waiting.
    Cancel(usize),
    Flush,
    Wait(u64),
}

#[derive(Debug, Clone)]
enum End {
    Close(u64),
    Drop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::TryPush),
        4 => Just(Op::Push),
        1 => (0usize..15).prop_map(Op::TryPushBatch),
        2 => (0usize..15).prop_map(Op::PushBatch),
        2 => (0usize..8).prop_map(Op::Cancel),
        1 => Just(Op::Flush),
        3 => (0u64..300).prop_map(Op::Wait),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let millis = |range| any::<u64>().prop_map(move |value: u64| Duration::from_millis(value % range));
    prop_oneof![
        8 => Just(Act::Take),
        4 => millis(200).prop_map(Act::TakeAfter),
        1 => millis(900_000).prop_map(Act::TakeAfter),
        3 => Just(Act::Retry),
        1 => millis(20_000).prop_map(Act::RetryAfter),
        2 => vec(0usize..5, 0..3).prop_map(Act::Duplicates),
        2 => vec(0usize..5, 0..3).prop_map(Act::Reject),
    ]
}

/// Mostly none.
fn disaster() -> impl Strategy<Value = Option<Act>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Act::Fatal)),
        1 => Just(Some(Act::Panic)),
        1 => Just(Some(Act::Lie(Appended::all(1_000)))),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => (0u64..3_000).prop_map(End::Close), 1 => Just(End::Drop)]
}

/// What a receipt said of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stored,
    Duplicate,
    DeadLettered,
    Returned,
}

impl Fate {
    fn of(outcome: &EventOutcome) -> Self {
        match outcome {
            Ok(Outcome::Stored) => Self::Stored,
            Ok(Outcome::Duplicate) => Self::Duplicate,
            Ok(Outcome::Rejected { .. }) => Self::DeadLettered,
            Err(NotStored::Returned) => Self::Returned,
            Err(_) => Self::DeadLettered,
        }
    }
}

/// Receipts of accepted events.
type Accepted = Arc<Mutex<Vec<(Vec<u32>, BatchReceipt)>>>;

struct World {
    sink: EventSink<u32>,
    accepted: Accepted,
    single: Arc<Mutex<Vec<(u32, Receipt)>>>,
    pushes: Vec<JoinHandle<()>>,
    flushes: Vec<JoinHandle<()>>,
    next: u32,
}

impl World {
    fn fresh(&mut self, count: usize) -> Vec<u32> {
        let first = self.next;
        self.next += count as u32;
        (first..self.next).collect()
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::TryPush => {
                let event = self.fresh(1)[0];
                match self.sink.try_push(event) {
                    Ok(receipt) => self.single.lock().unwrap().push((event, receipt)),
                    Err(error) => assert_eq!(error.into_inner(), event),
                }
            }
            Op::Push => {
                let event = self.fresh(1)[0];
                let (sink, single) = (self.sink.clone(), self.single.clone());
                self.pushes.push(tokio::spawn(async move {
                    match sink.push(event).await {
                        Ok(receipt) => single.lock().unwrap().push((event, receipt)),
                        Err(error) => assert!(!error.is_full() && error.into_inner() == event),
                    }
                }));
            }
            Op::TryPushBatch(count) => {
                let events = self.fresh(count);
                match self.sink.try_push_batch(events.clone()) {
                    Ok(receipt) => self.accepted.lock().unwrap().push((events, receipt)),
                    Err(error) => assert_eq!(error.into_inner(), events),
                }
            }
            Op::PushBatch(count) => {
                let events = self.fresh(count);
                let (sink, accepted) = (self.sink.clone(), self.accepted.clone());
                self.pushes.push(tokio::spawn(async move {
                    match sink.push_batch(events.clone()).await {
                        Ok(receipt) => accepted.lock().unwrap().push((events, receipt)),
                        Err(error) => assert!(!error.is_full() && error.into_inner() == events),
                    }
                }));
            }
            Op::Cancel(which) => {
                if !self.pushes.is_empty() {
                    let which = which % self.pushes.len();
                    self.pushes.swap_remove(which).abort();
                }
            }
            Op::Flush => {
                let sink = self.sink.clone();
                self.flushes.push(tokio::spawn(async move { sink.flush().await }));
            }
            Op::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        let stats = self.sink.stats();
        assert_conserved(&stats);
        assert!(stats.pending <= CAPACITY as u64 && stats.pending_bytes <= CAPACITY_BYTES as u64, "{stats:?}");
    }
}

async fn play(ops: Vec<Op>, script: Vec<Act>, disaster: Option<Act>, unbearable: Vec<u32>, interval: u64, end: End) {
    let letters = Letters::default();
    let store = Puppet::acting(script.into_iter().chain(disaster));
    store.stage(|stage| stage.unbearable = unbearable);
    let sink = EventSink::builder()
        .max_batch(5)
        .capacity(CAPACITY)
        .capacity_bytes(CAPACITY_BYTES)
        .size_of(|event| 1 + *event as usize % 7)
        .flush_interval(Duration::from_millis(interval))
        .max_concurrent_flushes(2)
        .retry(RetryPolicy { deadline: Duration::from_secs(2), ..RetryPolicy::default() })
        .seed(1)
        .dead_letters(letters.handler())
        .build(store.clone())
        .unwrap();
    let (accepted, single) = <(Accepted, Arc<Mutex<Vec<(u32, Receipt)>>>)>::default();
    let mut world =
        World { sink, accepted: accepted.clone(), single: single.clone(), pushes: vec![], flushes: vec![], next: 0 };
    for op in ops {
        world.run(op).await;
    }

    let World { sink, pushes, flushes, .. } = world;
    let mut unstored = Vec::new();
    if let End::Close(millis) = end {
        let report = sink.close(Duration::from_millis(millis)).await;
        assert_eq!(report.stats.pending, 0);
        assert_conserved(&report.stats);
        unstored = report.unstored;
    }
    for push in pushes {
        push.await.unwrap();
    }
    drop(sink);
    for flush in flushes {
        flush.await.unwrap();
    }

    let mut told: BTreeMap<u32, Fate> = BTreeMap::new();
    let singles = std::mem::take(&mut *single.lock().unwrap());
    for (event, receipt) in singles {
        assert!(told.insert(event, Fate::of(&receipt.await)).is_none());
    }
    let batches = std::mem::take(&mut *accepted.lock().unwrap());
    for (events, receipt) in batches {
        let outcome = receipt.await;
        assert_eq!(outcome.len(), events.len());
        for (index, event) in events.into_iter().enumerate() {
            assert!(told.insert(event, Fate::of(&outcome.get(index).unwrap())).is_none());
        }
    }

    let ended = [
        (Fate::Stored, store.stored()),
        (Fate::Duplicate, store.stage(|stage| stage.duplicates.clone())),
        (Fate::DeadLettered, letters.events()),
        (Fate::Returned, unstored),
    ];
    let mut found: BTreeMap<u32, Fate> = BTreeMap::new();
    for (fate, events) in ended {
        for event in events {
            assert_eq!(found.insert(event, fate), None, "event {event} ended in two places");
        }
    }
    assert_eq!(told, found);

    let batches = store.batches();
    assert!(batches.iter().all(|batch| batch.len() <= 5));
    let appended: HashSet<u32> = batches.into_iter().flatten().collect();
    assert!(appended.iter().all(|event| told.contains_key(event)), "only accepted events reach the store");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_accepted_event_ends_in_one_place(
        ops in vec(op(), 0..60),
        script in vec(act(), 0..30),
        disaster in disaster(),
        unbearable in vec(0u32..60, 0..4),
        interval in prop_oneof![Just(0u64), 1u64..200],
        end in end(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let play = play(ops, script, disaster, unbearable, interval, end);
            timeout(Duration::from_secs(1_000_000), play).await.expect("something hangs");
        });
    }
}
