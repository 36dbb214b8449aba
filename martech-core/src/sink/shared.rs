//! State shared by the handles and the flush slots: the locked queue, and the signals between them.

use std::{
    fmt,
    sync::{Arc, PoisonError},
};

use tokio::sync::{Notify, watch};

use super::{
    DeadLetter, DeadLetterReason, EventOutcome, NotStored, Poison, PushError,
    batch::{Batch, Load},
    dead_letter::DeadLetters,
    queue::{Caller, Queue},
    receipt::{BatchCell, Receipt},
    reservation::LocalBuffer,
};
use crate::sync::{Mutex, MutexGuard};

pub(super) type SizeOf<E> = dyn Fn(&E) -> usize + Send + Sync;

pub(super) struct Shared<E> {
    queue: Mutex<Queue<E>>,
    /// Signals the flush slots that there are batches to take, or that the sink ends.
    pub(super) work: Arc<Notify>,
    /// Signals the first waiting push that there may be room.
    room: Notify,
    /// Fair lock on which waiting pushes queue in order of arrival.
    turnstile: tokio::sync::Mutex<()>,
    /// Reason why unstored events will not be stored, once the sink stops. Each flush slot holds a receiver, so the
    /// channel is closed when all slots have ended.
    pub(super) halt: watch::Sender<Option<NotStored>>,
    size_of: Option<Box<SizeOf<E>>>,
    dead_letters: DeadLetters<E>,
}

impl<E> Shared<E> {
    pub(super) fn new(
        queue: Queue<E>,
        work: Arc<Notify>,
        size_of: Option<Box<SizeOf<E>>>,
        dead_letters: DeadLetters<E>,
    ) -> Self {
        Self {
            queue: Mutex::new(queue),
            work,
            room: Notify::new(),
            turnstile: tokio::sync::Mutex::new(()),
            halt: watch::Sender::new(None),
            size_of,
            dead_letters,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Queue<E>> {
        // No application code runs under this lock, so a panic cannot leave the queue inconsistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn size_of(&self, event: &E) -> usize {
        match &self.size_of {
            Some(size_of) => size_of(event),
            None => size_of::<E>(),
        }
    }

    // Admission.

    /// Adds an event through the handle's local buffer, if there is room now.
    #[inline]
    pub(super) fn push(
        &self,
        buffer: &Arc<LocalBuffer<E>>,
        event: E,
        load: Load,
        caller: Caller,
    ) -> Result<Receipt, PushError<E>> {
        let Some(slot) = buffer.slot(load.bytes) else {
            return self.admit(event, load, caller, |queue, event| queue.add(event, load.bytes, buffer));
        };
        let last = slot.is_last();
        let receipt = slot.fill(event);
        if last {
            self.change(|queue| queue.renew(buffer, load.bytes));
        }
        Ok(receipt)
    }

    /// Adds an item, if there is room now.
    #[inline]
    pub(super) fn admit<T, R>(
        &self,
        item: T,
        load: Load,
        caller: Caller,
        add: impl FnOnce(&mut Queue<E>, T) -> R,
    ) -> Result<R, PushError<T>> {
        self.change(|queue| match queue.check(load, caller) {
            Ok(()) => Ok(add(queue, item)),
            Err(refusal) => Err(PushError::new(item, refusal)),
        })
    }

    /// Waits behind earlier pushes, and adds an item as soon as there is room.
    pub(super) async fn wait<T, R>(
        &self,
        mut item: T,
        load: Load,
        add: impl Fn(&mut Queue<E>, T) -> R,
    ) -> Result<R, PushError<T>> {
        let _waiting = Waiting::new(self, load);
        let _turn = self.turnstile.lock().await;
        loop {
            // Created before the check, so that no signal in between is lost.
            let room = self.room.notified();
            item = match self.admit(item, load, Caller::FirstWaiting, &add) {
                Err(error) if error.is_full() => error.into_inner(),
                answer => return answer,
            };
            room.await;
        }
    }

    /// Seals the open batch, and returns the cells of all unsettled batches.
    pub(super) fn barrier(&self) -> Vec<Arc<BatchCell>> {
        self.change(Queue::barrier)
    }

    /// Changes the queue, then wakes as many flush slots as the change requires.
    #[inline]
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Queue<E>) -> R) -> R {
        let mut queue = self.lock();
        let result = change(&mut queue);
        let wakes = queue.take_wakes();
        drop(queue);
        for _ in 0..wakes {
            self.work.notify_one();
        }
        result
    }

    // Settlement.

    /// Settles a batch. `exceptions` lists the events that are not stored, ascending by position.
    pub(super) fn settle(&self, mut batch: Batch<E>, exceptions: Vec<(usize, EventOutcome)>) {
        let load = batch.load();

        // In reverse, so that `swap_remove` does not move events at lower positions.
        let mut letters = Vec::new();
        let mut returned = Vec::new();
        for (index, outcome) in exceptions.iter().rev() {
            if let Some(reason) = DeadLetterReason::of(outcome) {
                let awaited = batch.is_awaited(*index);
                letters.push(DeadLetter { event: batch.events.swap_remove(*index), reason, awaited });
            } else if matches!(outcome, Err(NotStored::Returned)) {
                returned.push(batch.events.swap_remove(*index));
            }
        }
        returned.reverse();
        // Dead letters are delivered before the receipts resolve.
        letters.into_iter().rev().for_each(|letter| self.dead_letters.hand_over(letter));

        let mut queue = self.lock();
        queue.give_back(batch.sequence, returned);
        queue.settle(&batch, load, exceptions);
        let has_waiting = queue.has_waiting();
        drop(queue);
        batch.wake();
        if has_waiting {
            self.room.notify_one();
        }

        // Dropped last, because no waiter depends on it.
        batch.events.clear();
        self.lock().recycle(batch.events);
    }

    /// Settles a batch of which nothing is stored.
    fn fail(&self, batch: Batch<E>, reason: &NotStored) {
        let exceptions = (0..batch.events.len()).map(|index| (index, Err(reason.clone()))).collect();
        self.settle(batch, exceptions);
    }

    // Shutdown.

    /// Accepts no more events: refuses waiting pushes, and flushes accepted events.
    pub(super) fn close(&self) {
        self.change(Queue::close);
        self.work.notify_waiters();
        self.room.notify_one();
    }

    /// Poisons the sink: publishes the reason, accepts no more events, then fails all held events.
    pub(super) fn poison(&self, poison: Poison) {
        if !self.change(|queue| queue.poison(poison.clone())) {
            return;
        }
        tracing::error!(error = &poison as &dyn std::error::Error, "event sink poisoned");
        self.room.notify_one();
        self.stop(NotStored::Poisoned(poison));
    }

    /// Stops flushing. Events not stored by now are returned by `close`.
    pub(super) fn abandon(&self) {
        self.stop(NotStored::Returned);
    }

    fn stop(&self, reason: NotStored) {
        self.halt.send_modify(|halt| *halt = Some(reason.clone()));
        self.work.notify_waiters();
        let waiting = self.change(Queue::take_waiting);
        waiting.into_iter().for_each(|batch| self.fail(batch, &reason));
    }
}

impl<E> Drop for Shared<E> {
    fn drop(&mut self) {
        let unclaimed = self.lock().take_returned();
        for event in unclaimed {
            self.dead_letters.hand_over(DeadLetter { event, reason: DeadLetterReason::Unclaimed, awaited: false });
        }
    }
}

impl<E> fmt::Debug for Shared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("stats", &self.change(Queue::stats)).finish_non_exhaustive()
    }
}

/// Counts a push as waiting until it is dropped.
struct Waiting<'a, E>(&'a Shared<E>, Load);

impl<'a, E> Waiting<'a, E> {
    fn new(shared: &'a Shared<E>, load: Load) -> Self {
        shared.lock().add_waiting(load);
        Self(shared, load)
    }
}

impl<E> Drop for Waiting<'_, E> {
    fn drop(&mut self) {
        self.0.lock().remove_waiting(self.1);
    }
}

/// Shared by all handles. Dropping the last handle closes the sink.
#[derive(Debug)]
pub(super) struct Handles<E>(pub(super) Arc<Shared<E>>);

impl<E> Drop for Handles<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}
