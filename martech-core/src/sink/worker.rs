//! A flush slot: a task that takes a batch, brings it into the store, and takes the next.

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
use crate::store::{Advice, Appended, Store, StoreError};

pub(super) struct Worker<E, S> {
    shared: Arc<Shared<E>>,
    store: Arc<S>,
    retry: RetryPolicy,
    random: fastrand::Rng,
    ended: bool,
    // After the store, so that nobody who waits for the end of all slots finds the store still in use.
    halt: watch::Receiver<Option<NotStored>>,
}

/// How an append ended.
enum Answer {
    Appended(Appended),
    Failed(StoreError),
    Panicked(Arc<str>),
    /// It did not: it was cancelled, for this reason.
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
            // A store that never waits must not keep the thread to itself.
            coop::consume_budget().await;
        }
        self.ended = true;
    }

    async fn next_batch(&self) -> Option<Batch<E>> {
        loop {
            // Watching begins before looking, so that nothing is missed in between.
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
                Answer::Appended(appended) => {
                    backoff.answered();
                    if let Err(lie) = flight.record(appended) {
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
                            tracing::warn!(error = &error as &dyn Error, ?delay, "an append failed; it is retried");
                        }
                        self.shared.lock().count_retry();
                        if let Some(reason) = wait(delay, &self.halt).await {
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
        // Without its slots the sink would take events that nobody flushes.
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
        // An answer that is there is heard, whatever happens at the same moment.
        biased;
        answer = catch_panic(async { store.append(events).await }) => match answer {
            Ok(Ok(appended)) => Answer::Appended(appended),
            Ok(Err(error)) => Answer::Failed(error),
            Err(message) => Answer::Panicked(message),
        },
        reason = halted(halt) => Answer::Halted(reason),
    }
}

/// Waits, but not beyond a halt; returns its reason.
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

/// Runs a future to its end; `Err` with the message if it panics.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, Arc<str>> {
    let mut future = pin!(future);
    // After a panic the future is not polled again, and the store is not used again: the sink is poisoned.
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
