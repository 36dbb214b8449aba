//! A flush slot: a task that takes a batch, appends it to the store, and repeats.

use std::{
    any::Any,
    error::Error,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    select,
    sync::watch,
    task::coop,
    time::{Instant, sleep, sleep_until},
};

use super::{
    NotStored, Poison, RetryPolicy, batch::Batch, flight::Flight, queue::Next, retry::Backoff, shared::Shared,
};
use crate::store::{Advice, Appended, Steps, Store, StoreError};

pub(super) struct Worker<E, S> {
    shared: Arc<Shared<E>>,
    store: Arc<S>,
    retry: RetryPolicy,
    random: fastrand::Rng,
    ended: bool,
    // Declared after `store`: fields drop in order, so when the channel closes, the store is no longer in use.
    halt: watch::Receiver<Option<NotStored>>,
}

/// Result of an append.
enum Answer {
    Appended(Appended, Steps),
    Failed(StoreError),
    Panicked(Arc<str>),
    /// The append was canceled for this reason.
    Halted(NotStored),
}

impl<E, S> Worker<E, S>
where
    E: Send + Sync + 'static,
    S: Store<E>,
{
    pub(super) fn new(shared: Arc<Shared<E>>, store: Arc<S>, retry: RetryPolicy, random: fastrand::Rng) -> Self {
        let halt = shared.halt.subscribe();
        Self { shared, store, retry, random, ended: false, halt }
    }

    pub(super) async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.flush(batch).await;
            // Yields even if the store never waits.
            coop::consume_budget().await;
        }
        self.ended = true;
    }

    async fn next_batch(&self) -> Option<Batch<E>> {
        loop {
            // Created before the check, so that no signal in between is lost.
            let work = self.shared.work.notified();
            let next = self.shared.change(|queue| queue.next(Instant::now()));
            match next {
                Next::Flush(batch) => return Some(batch),
                Next::End => return None,
                Next::Wait(None) => work.await,
                Next::Wait(Some(due)) => select! {
                    () = work => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    async fn flush(&mut self, batch: Batch<E>) {
        let mut flight = Flight::new(self.shared.clone(), batch);
        let mut backoff = Backoff::new(&self.retry, &mut self.random);
        while let Some(part) = flight.part() {
            match append(&*self.store, part, &self.halt).await {
                Answer::Appended(appended, steps) => {
                    backoff.answered();
                    if let Err(lie) = flight.record(appended, steps) {
                        flight.poison(Poison::BrokenAnswer(lie.into()));
                    }
                }
                Answer::Failed(error) => match error.advice() {
                    Advice::Refused => {
                        backoff.answered();
                        flight.bisect(&error.to_string());
                    }
                    Advice::Fatal => flight.poison(Poison::Fatal(Arc::new(error))),
                    advice @ (Advice::Retry | Advice::RetryAfter(_)) => {
                        let Some(delay) = backoff.failed(advice, Instant::now()) else {
                            flight.give_up(&NotStored::RetriesExhausted(Arc::new(error)));
                            continue;
                        };
                        if backoff.is_first() {
                            tracing::warn!(error = &error as &dyn Error, ?delay, "append failed; retrying");
                        }
                        flight.pause();
                        let halted = wait(delay, &self.halt).await;
                        flight.resume();
                        if let Some(reason) = halted {
                            flight.give_up(&reason);
                        }
                    }
                },
                Answer::Panicked(message) => flight.poison(Poison::Panicked(message)),
                Answer::Halted(reason) => flight.give_up(&reason),
            }
        }
        flight.land();
    }
}

impl<E, S> Drop for Worker<E, S> {
    fn drop(&mut self) {
        // Without flush slots, the sink would accept events that are never flushed.
        if !self.ended {
            self.shared.poison(Poison::Stopped);
        }
    }
}

async fn append<E, S: Store<E>>(store: &S, events: &[E], halt: &watch::Receiver<Option<NotStored>>) -> Answer {
    if let Some(reason) = halt.borrow().clone() {
        return Answer::Halted(reason);
    }
    select! {
        // An answer takes precedence over a halt at the same moment.
        biased;
        (answer, steps) = Steps::collect(catch_panic(async { store.append(events).await })) => match answer {
            Ok(Ok(appended)) => Answer::Appended(appended, steps),
            Ok(Err(error)) => Answer::Failed(error),
            Err(message) => Answer::Panicked(message),
        },
        reason = halted(halt) => Answer::Halted(reason),
    }
}

/// Waits for `delay` or until a halt. Returns the reason of a halt.
async fn wait(delay: Duration, halt: &watch::Receiver<Option<NotStored>>) -> Option<NotStored> {
    select! {
        reason = halted(halt) => Some(reason),
        () = sleep(delay) => None,
    }
}

async fn halted(halt: &watch::Receiver<Option<NotStored>>) -> NotStored {
    let mut halt = halt.clone();
    loop {
        if let Some(reason) = halt.borrow_and_update().clone() {
            return reason;
        }
        if halt.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// Runs a future to completion. Returns `Err` with the message if it panics.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, Arc<str>> {
    let mut future = pin!(future);
    // Unwind safe: after a panic the future is not polled again, and the sink is poisoned.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Err(message_of(&*panic)).into(),
    })
    .await
}

fn message_of(panic: &(dyn Any + Send)) -> Arc<str> {
    let message = panic.downcast_ref::<&str>().copied();
    message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").into()
}
