//! Model test: random operations on a sink of random shape, against a failing store, under a paused clock. After random
//! steps the sink's statistics must match the [`Ledger`]. At the end every accepted event is in exactly one place, the
//! one that its receipt reports, and nothing hangs.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{MutexGuard, PoisonError},
};

use proptest::{collection::vec, prelude::*};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    super::batch::Load,
    ledger::{Entry, Fate, Ledger, held_batch_receipt, held_receipt, load_of, poll_once, size_of},
    ops::{Op, Owner, Shape, disaster, ops, reaction, shape},
    *,
};

type Shared = Arc<Mutex<Ledger>>;
/// Locks the ledger, also after a panic of the test.
fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

type Handle = Arc<EventSink<u32>>;
type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

struct ModelRun {
    shape: Shape,
    ledger: Shared,
    letters: Letters,
    store: ScriptedStore,
    /// Handles by number. A pending call keeps its handle alive.
    handles: Vec<(usize, Handle)>,
    next_handle: usize,
    next_event: u32,
    calls: Vec<Call>,
    tasks: Vec<JoinHandle<()>>,
}

/// Runs a push, and records in the ledger when it starts and stops waiting for room.
async fn watched<T>(ledger: Shared, load: Load, push: impl Future<Output = T>) -> T {
    struct Waiting(Shared, Load, bool);
    impl Waiting {
        fn set(&mut self, stands: bool) {
            let mut ledger = lock(&self.0);
            match (std::mem::replace(&mut self.2, stands), stands) {
                (false, true) => {
                    (ledger.waiting_load, ledger.waiting) = (ledger.waiting_load.plus(self.1), ledger.waiting + 1)
                }
                (true, false) => {
                    (ledger.waiting_load, ledger.waiting) = (ledger.waiting_load.minus(self.1), ledger.waiting - 1)
                }
                _ => {}
            }
        }
    }
    impl Drop for Waiting {
        fn drop(&mut self) {
            self.set(false);
        }
    }

    let mut push = Box::pin(push);
    let mut waiting = Waiting(ledger, load, false);
    poll_fn(move |context| {
        let poll = push.as_mut().poll(context);
        waiting.set(poll.is_pending());
        poll
    })
    .await
}

impl ModelRun {
    fn new(shape: Shape, store: ScriptedStore) -> Self {
        let (ledger, letters) = <(Shared, Letters)>::default();
        let sink = EventSink::builder()
            .max_batch(shape.max_batch)
            .capacity(shape.capacity.events)
            .capacity_bytes(shape.capacity.bytes)
            .size_of(size_of)
            .flush_interval(shape.interval)
            .linger(shape.linger)
            .min_concurrent_batch(shape.min_concurrent_batch)
            .max_concurrent_flushes(shape.slots)
            .retry(RetryPolicy { deadline: Duration::from_secs(2), ..RetryPolicy::default() })
            .seed(1)
            .dead_letters({
                let (ledger, keep) = (ledger.clone(), letters.handler());
                move |letter| {
                    let event = letter.event;
                    keep(letter);
                    // The handler is called before the receipts resolve.
                    let mut ledger = lock(&ledger);
                    ledger.poll_receipts();
                    let told = ledger.entries.get(&event).and_then(|entry| entry.fate);
                    assert!(
                        told.is_none_or(|fate| fate == Fate::Returned),
                        "the receipt of {event} said {told:?} first"
                    );
                }
            })
            .build(store.clone())
            .unwrap();
        Self {
            shape,
            ledger,
            letters,
            store,
            // Handles with odd numbers are awaited. A clone's number has the parity of the original's.
            handles: (0..4)
                .map(|number| (number, Arc::new(if number % 2 == 1 { sink.awaited() } else { sink.clone() })))
                .collect(),
            next_handle: 4,
            next_event: 0,
            calls: Vec::new(),
            tasks: Vec::new(),
        }
    }

    fn fresh(&mut self, count: usize) -> Vec<u32> {
        let first = self.next_event;
        self.next_event += count as u32;
        (first..self.next_event).collect()
    }

    fn handle(&self, which: usize) -> (usize, Handle) {
        self.handles[which % self.handles.len()].clone()
    }

    fn call(&mut self, owner: Owner, call: impl Future<Output = ()> + Send + 'static) {
        match owner {
            Owner::Task => self.tasks.push(tokio::spawn(call)),
            Owner::Model => self.calls.push(Box::pin(call)),
        }
    }

    /// Checks that an admission, or a refusal for lack of room, is correct.
    fn judge<R, T>(&self, load: Load, sink: &EventSink<u32>, answer: &Result<R, PushError<T>>) {
        let stats = sink.stats();
        let held = Load { events: stats.pending as usize, bytes: stats.pending_bytes as usize };
        let taken = held.plus(lock(&self.ledger).waiting_load);
        match answer.as_ref().map_err(PushError::refusal) {
            // An empty batch needs no room.
            Ok(_) => assert!(taken.fits(self.shape.capacity) || load.events == 0, "{load:?} is let in, {stats:?}"),
            Err(Refusal::Full { .. }) => {
                assert!(!taken.plus(load).fits(self.shape.capacity), "{load:?} is refused, {stats:?}");
            }
            Err(_) => {}
        }
    }

    fn try_push(&mut self, handle: usize) {
        let event = self.fresh(1)[0];
        let (number, sink) = self.handle(handle);
        let poisoned = sink.poison().is_some();
        let answer = sink.try_push(event);
        assert!(!(poisoned && answer.is_ok()), "a poisoned sink takes an event");
        // Reading statistics ends all reservations. After every push, it would keep them from being used.
        if answer.is_err() || event.is_multiple_of(8) {
            self.judge(load_of(&[event]), &sink, &answer);
        }
        match answer {
            Ok(receipt) => lock(&self.ledger).accept(number, vec![event], held_receipt(receipt)),
            Err(error) => assert_eq!(error.into_inner(), event),
        }
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::TryPush(handle) => self.try_push(handle),
            Op::Burst(handle, count) => (0..count).for_each(|_| self.try_push(handle)),
            Op::TryPushBatch(handle, count) => {
                let events = self.fresh(count);
                let (number, sink) = self.handle(handle);
                let answer = sink.try_push_batch(events.clone());
                self.judge(load_of(&events), &sink, &answer);
                match answer {
                    Ok(receipt) => lock(&self.ledger).accept(number, events, held_batch_receipt(receipt)),
                    Err(error) => assert_eq!(error.into_inner(), events),
                }
            }
            Op::Push(handle, owner) => {
                let event = self.fresh(1)[0];
                let ((number, sink), ledger) = (self.handle(handle), self.ledger.clone());
                self.call(owner, async move {
                    match watched(ledger.clone(), load_of(&[event]), sink.push(event)).await {
                        Ok(receipt) => lock(&ledger).accept(number, vec![event], held_receipt(receipt)),
                        Err(error) => assert!(!error.is_full() && error.into_inner() == event),
                    }
                });
            }
            Op::PushBatch(handle, count, owner) => {
                let events = self.fresh(count);
                let ((number, sink), ledger) = (self.handle(handle), self.ledger.clone());
                self.call(owner, async move {
                    let push = sink.push_batch(events.clone());
                    match watched(ledger.clone(), load_of(&events), push).await {
                        Ok(receipt) => lock(&ledger).accept(number, events, held_batch_receipt(receipt)),
                        Err(error) => assert!(!error.is_full() && error.into_inner() == events),
                    }
                });
            }
            Op::Flush(handle, owner) => {
                let ((_, sink), ledger) = (self.handle(handle), self.ledger.clone());
                self.call(owner, async move {
                    let before = lock(&ledger).order.len();
                    sink.flush().await;
                    let mut ledger = lock(&ledger);
                    ledger.poll_receipts();
                    let open = ledger.open();
                    assert!(
                        ledger.order[..before].iter().all(|event| !open.contains(event)),
                        "a barrier came too early"
                    );
                });
            }
            Op::Poll(which) if !self.calls.is_empty() => {
                let which = which % self.calls.len();
                if poll_once(self.calls[which].as_mut()).is_ready() {
                    drop(self.calls.swap_remove(which));
                }
            }
            Op::Cancel(which) if !self.calls.is_empty() && which % 2 == 0 => {
                let which = which % self.calls.len();
                drop(self.calls.swap_remove(which));
            }
            Op::Cancel(which) if !self.tasks.is_empty() => {
                let which = which % self.tasks.len();
                let task = self.tasks.swap_remove(which);
                task.abort();
                if let Err(error) = task.await {
                    assert!(error.is_cancelled(), "{error}");
                }
            }
            Op::CloneHandle(which) => {
                let (of, sink) = self.handle(which);
                let number = self.next_handle + (self.next_handle + of) % 2;
                self.handles.push((number, Arc::new(EventSink::clone(&sink))));
                self.next_handle = number + 1;
            }
            Op::DropHandle(which) if self.handles.len() > 1 => {
                let which = which % self.handles.len();
                drop(self.handles.swap_remove(which));
            }
            Op::DropReceipt(which) => {
                let mut ledger = lock(&self.ledger);
                if !ledger.held_receipts.is_empty() {
                    let which = which % ledger.held_receipts.len();
                    drop(ledger.held_receipts.swap_remove(which));
                }
            }
            Op::AwaitReceipt(which) => {
                let mut ledger = lock(&self.ledger);
                if !ledger.held_receipts.is_empty() {
                    let which = which % ledger.held_receipts.len();
                    let (events, held_receipt) = ledger.held_receipts.swap_remove(which);
                    let ledger = self.ledger.clone();
                    self.tasks.push(tokio::spawn(async move {
                        let outcomes = held_receipt.await;
                        lock(&ledger).tell(&events, &outcomes);
                    }));
                }
            }
            Op::Run(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Op::Wait(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                settle_down().await;
                self.check_haste();
            }
            Op::Close(handle, millis) => {
                let ((_, sink), ledger) = (self.handle(handle), self.ledger.clone());
                let mut close: Call = Box::pin(async move {
                    let report = sink.close(Duration::from_millis(millis)).await;
                    assert_eq!(report.stats.pending, 0);
                    assert_conserved(&report.stats);
                    lock(&ledger).unstored.push(report.unstored);
                });
                // The first poll closes the sink. No event is accepted from here on.
                if poll_once(close.as_mut()).is_pending() {
                    self.tasks.push(tokio::spawn(close));
                }
                lock(&self.ledger).closed = true;
            }
            Op::Poll(_) | Op::Cancel(_) | Op::DropHandle(_) => {}
        }
    }

    fn check(&self) {
        let stats = self.handles[0].1.stats();
        let held = Load { events: stats.pending as usize, bytes: stats.pending_bytes as usize };
        assert!(held.fits(self.shape.capacity), "{stats:?}");
        lock(&self.ledger).check(&stats, &self.letters);
    }

    /// Checks that while a slot is free, no full batch waits, and no event waits longer than the interval and
    /// the linger, which does not apply to awaited handles.
    fn check_haste(&self) {
        let mut ledger = lock(&self.ledger);
        ledger.poll_receipts();
        let (begun, mut ended) = self
            .store
            .stage(|stage| (stage.batches.concat(), [stage.stored.clone(), stage.duplicates.clone()].concat()));
        ended.extend(self.letters.events());
        // An event that is begun and not finished occupies a slot, and possibly all slots are busy.
        if begun.iter().any(|event| !ended.contains(event)) {
            return;
        }
        let waiting: Vec<u32> = ledger.open().into_iter().filter(|event| !begun.contains(event)).collect();
        assert!(waiting.len() < self.shape.max_batch, "{} events wait for a free slot", waiting.len());
        let late = Duration::from_millis(2);
        for event in waiting {
            let Entry { handle, at, .. } = &ledger.entries[&event];
            let linger = if handle % 2 == 1 { Duration::ZERO } else { self.shape.linger };
            let longest = self.shape.interval.max(linger) + late;
            assert!(at.elapsed() <= longest, "{event} waits for a free slot");
        }
    }

    /// Waits for all work to finish, and accounts for every event.
    async fn end(self) {
        let Self { shape, ledger, letters, store, handles, calls, tasks, .. } = self;
        let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
        for task in tasks.into_iter().chain(calls) {
            task.await.unwrap();
        }
        drop(handles);
        let held_receipts = std::mem::take(&mut lock(&ledger).held_receipts);
        for (events, held_receipt) in held_receipts {
            let outcomes = held_receipt.await;
            lock(&ledger).tell(&events, &outcomes);
        }
        // The slots end. Events that no caller of `close` claimed are dead-lettered with the last of them.
        while Arc::strong_count(&store.0) > 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }

        let ledger = lock(&ledger);
        let letter_fate = |reason: &DeadLetterReason| match reason {
            DeadLetterReason::Rejected { .. } => Fate::Rejected,
            DeadLetterReason::Unclaimed => Fate::Returned,
            DeadLetterReason::RetriesExhausted(_) | DeadLetterReason::Poisoned(_) => Fate::DeadLettered,
        };
        let all = |fate: Fate, events: Vec<u32>| events.into_iter().map(move |event| (event, fate));
        for letter in letters.all().iter().filter(|letter| !matches!(letter.reason, DeadLetterReason::Unclaimed)) {
            assert_eq!(letter.awaited, ledger.entries[&letter.event].handle % 2 == 1, "{letter:?}");
        }
        let lettered = letters.events().into_iter().zip(letters.reasons().iter().map(letter_fate).collect::<Vec<_>>());
        let ended = all(Fate::Stored, store.stored())
            .chain(all(Fate::Duplicate, store.stage(|stage| stage.duplicates.clone())))
            .chain(all(Fate::Returned, ledger.unstored.concat()))
            .chain(lettered);
        let mut found = BTreeMap::new();
        for (event, fate) in ended {
            assert_eq!(found.insert(event, fate), None, "event {event} ended in two places");
        }
        assert!(found.keys().eq(ledger.entries.keys()), "{:?} were accepted, {found:?}", ledger.entries.keys());
        for (event, entry) in &ledger.entries {
            assert!(entry.fate.is_none_or(|told| found[event] == told), "{event}: {entry:?}, {:?}", found[event]);
        }

        let batches = store.batches();
        assert!(batches.iter().all(|batch| batch.len() <= shape.max_batch), "{batches:?}");
        assert!(
            batches.iter().flatten().all(|event| found.contains_key(event)),
            "the store got an event that was not accepted"
        );
        assert!(store.stage(|stage| stage.most_running) <= shape.slots);
        batches.iter().for_each(|batch| ledger.check_order(batch));
        ledger.unstored.iter().for_each(|events| ledger.check_order(events));
        if shape.slots == 1 {
            ledger.check_order(&store.stored());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_accepted_event_ends_in_one_place(
        shape in shape(),
        ops in ops(),
        script in vec(reaction(), 0..30),
        disaster in disaster(),
        poisonous in vec(0u32..200, 0..4),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = ScriptedStore::scripted(script.into_iter().chain(disaster));
            store.stage(|stage| stage.poisonous = poisonous);
            let play = async {
                let mut world = ModelRun::new(shape, store);
                for (op, look) in ops {
                    world.run(op).await;
                    if look {
                        world.check();
                    }
                }
                world.end().await;
            };
            timeout(Duration::from_secs(1_000_000), play).await.expect("something hangs");
        });
    }
}
