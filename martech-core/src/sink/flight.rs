//! A batch in flight: the parts still to append, and the outcomes known so far.

use std::{ops::Range, sync::Arc};

use super::{EventOutcome, NotStored, Outcome, Poison, batch::Batch, queue::Queue, shared::Shared};
use crate::store::{Appended, Rejection, RejectionCode, Steps};

/// A batch taken by a flush slot. Settled exactly once: by [`land`](Self::land), or on drop if the runtime ends first.
#[derive(Debug)]
pub(super) struct Flight<E> {
    shared: Arc<Shared<E>>,
    batch: Option<Batch<E>>,
    /// Parts without an outcome in reverse order: the next part is the last element.
    open: Vec<Range<usize>>,
    /// Known outcomes other than "stored", ascending by position. Parts are processed in order, so entries are only
    /// appended.
    exceptions: Vec<(usize, EventOutcome)>,
}

impl<E> Flight<E> {
    pub(super) fn new(shared: Arc<Shared<E>>, batch: Batch<E>) -> Self {
        let whole = 0..batch.events.len();
        Self { shared, batch: Some(batch), open: vec![whole], exceptions: Vec::new() }
    }

    /// Returns the part to append next; `None` when every outcome is known.
    pub(super) fn part(&self) -> Option<&[E]> {
        let batch = self.batch.as_ref()?;
        self.open.last().map(|part| &batch.events[part.clone()])
    }

    /// Records the store's answer for the current part. Fails if the answer is inconsistent.
    pub(super) fn record(&mut self, appended: Appended, steps: Steps) -> Result<(), String> {
        let Some(part) = self.open.last().cloned() else { return Ok(()) };
        let exceptions = exceptions(appended, part.len())?;
        if let Some(batch) = &mut self.batch {
            batch.steps = batch.steps.and(steps);
        }
        self.exceptions.extend(exceptions.into_iter().map(|(index, outcome)| (part.start + index, outcome)));
        self.open.pop();
        Ok(())
    }

    /// Splits a refused part in half, or rejects its event if it has only one.
    pub(super) fn bisect(&mut self, reason: &str) {
        let Some(part) = self.open.pop() else { return };
        if part.len() == 1 {
            self.exceptions.push((
                part.start,
                Ok(Outcome::Rejected { code: RejectionCode::REJECTED_BY_STORE, reason: reason.into() }),
            ));
            return;
        }
        let middle = part.start + part.len() / 2;
        self.open.push(middle..part.end);
        self.open.push(part.start..middle);
    }

    /// Gives up all events that have no outcome yet.
    pub(super) fn give_up(&mut self, reason: &NotStored) {
        while let Some(part) = self.open.pop() {
            self.exceptions.extend(part.map(|index| (index, Err(reason.clone()))));
        }
    }

    /// Poisons the sink and gives up all events that have no outcome yet.
    pub(super) fn poison(&mut self, poison: Poison) {
        self.shared.poison(poison.clone());
        self.give_up(&NotStored::Poisoned(poison));
    }

    /// Records that the batch waits for a retry.
    pub(super) fn pause(&mut self) {
        self.batch.iter_mut().for_each(|batch| batch.is_appending = false);
        self.shared.change(Queue::pause);
    }

    /// Records that the batch is appended again.
    pub(super) fn resume(&mut self) {
        self.batch.iter_mut().for_each(|batch| batch.is_appending = true);
        self.shared.change(Queue::resume);
    }

    /// Settles the batch. Every outcome must be known.
    pub(super) fn land(mut self) {
        self.settle();
    }

    fn settle(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.shared.settle(batch, std::mem::take(&mut self.exceptions));
        }
    }
}

impl<E> Drop for Flight<E> {
    fn drop(&mut self) {
        if self.batch.is_some() {
            self.poison(Poison::Stopped);
            self.settle();
        }
    }
}

/// Returns the outcomes other than "stored" from the answer for a part of `len` events, ascending by position. Fails if
/// the answer is inconsistent.
fn exceptions(appended: Appended, len: usize) -> Result<Vec<(usize, EventOutcome)>, String> {
    let total =
        [appended.duplicates.len(), appended.rejected.len()].into_iter().try_fold(appended.stored, usize::checked_add);
    if total != Some(len) {
        return Err(format!(
            "{} stored, {} duplicates and {} rejected of {len} events",
            appended.stored,
            appended.duplicates.len(),
            appended.rejected.len()
        ));
    }
    let duplicates = appended.duplicates.into_iter().map(|index| (index, Ok(Outcome::Duplicate)));
    let rejected = appended
        .rejected
        .into_iter()
        .map(|Rejection { index, code, reason }| (index, Ok(Outcome::Rejected { code, reason: reason.into() })));
    let mut exceptions: Vec<(usize, EventOutcome)> = duplicates.chain(rejected).collect();
    exceptions.sort_by_key(|(index, _)| *index);
    if let Some(pair) = exceptions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("event {} is listed twice", pair[0].0));
    }
    match exceptions.last() {
        Some((index, _)) if *index >= len => Err(format!("event {index} is out of range in a batch of {len}")),
        _ => Ok(exceptions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stored: usize, duplicates: &[usize], rejected: &[usize]) -> Appended {
        let rejected = rejected.iter().map(|&index| Rejection::unfit(index, "no")).collect();
        Appended { stored, duplicates: duplicates.to_vec(), rejected }
    }

    #[test]
    fn merges_duplicates_and_rejections_in_order() {
        let exceptions = exceptions(answer(1, &[0, 3], &[1]), 4).unwrap();
        let positions: Vec<_> = exceptions.iter().map(|(index, _)| *index).collect();
        assert_eq!(positions, [0, 1, 3]);
        assert!(matches!(exceptions[1].1, Ok(Outcome::Rejected { .. })));
    }

    #[test]
    fn rejects_inconsistent_answers() {
        for (lie, about) in [
            (answer(3, &[], &[]), "3 stored"),
            (answer(5, &[], &[]), "5 stored"),
            (answer(usize::MAX, &[0, 1], &[]), "stored"),
            (answer(2, &[1], &[1]), "event 1 is listed twice"),
            (answer(2, &[1, 1], &[]), "event 1 is listed twice"),
            (answer(3, &[], &[4]), "event 4 is out of range in a batch of 4"),
        ] {
            let error = exceptions(lie, 4).unwrap_err();
            assert!(error.contains(about), "{error}");
        }
    }
}
