//! One batch on its way into the store: what is still to do, and what is known.

use std::{ops::Range, sync::Arc};

use super::{EventOutcome, NotStored, Outcome, Poison, batch::Batch, shared::Shared};
use crate::store::{Appended, Rejection, RejectionCode};

/// A taken batch. It is settled once: by [`land`](Self::land), or when it is dropped before, as at the end of the runtime.
#[derive(Debug)]
pub(super) struct Flight<E> {
    shared: Arc<Shared<E>>,
    batch: Option<Batch<E>>,
    /// Parts whose fate is open, the first one last.
    open: Vec<Range<usize>>,
    /// The known fates other than "stored", ascending. Parts are worked off in order, so they only grow at the end.
    exceptions: Vec<(usize, EventOutcome)>,
}

impl<E> Flight<E> {
    pub(super) fn new(shared: Arc<Shared<E>>, batch: Batch<E>) -> Self {
        let whole = 0..batch.events.len();
        Self { shared, batch: Some(batch), open: vec![whole], exceptions: Vec::new() }
    }

    /// The part to append next; `None` when every fate is known.
    pub(super) fn part(&self) -> Option<&[E]> {
        let batch = self.batch.as_ref()?;
        self.open.last().map(|part| &batch.events[part.clone()])
    }

    /// The store answered for the current part.
    pub(super) fn record(&mut self, appended: Appended) -> Result<(), String> {
        let Some(part) = self.open.last().cloned() else { return Ok(()) };
        let steps = appended.steps;
        let exceptions = exceptions(appended, part.len())?;
        if let Some(batch) = &mut self.batch {
            batch.steps = batch.steps.and(steps);
        }
        self.exceptions.extend(exceptions.into_iter().map(|(index, outcome)| (part.start + index, outcome)));
        self.open.pop();
        Ok(())
    }

    /// The store refuses the current part as a whole: halves it, or rejects the event if it stands alone.
    pub(super) fn bisect(&mut self, reason: &str) {
        let Some(part) = self.open.pop() else { return };
        if part.len() == 1 {
            self.exceptions
                .push((part.start, Ok(Outcome::Rejected { code: RejectionCode::Unfit, reason: reason.into() })));
            return;
        }
        let middle = part.start + part.len() / 2;
        self.open.push(middle..part.end);
        self.open.push(part.start..middle);
    }

    /// Nothing that is still open will be stored.
    pub(super) fn give_up(&mut self, reason: &NotStored) {
        while let Some(part) = self.open.pop() {
            self.exceptions.extend(part.map(|index| (index, Err(reason.clone()))));
        }
    }

    /// The store cannot be trusted with anything any more.
    pub(super) fn poison(&mut self, poison: Poison) {
        self.shared.poison(poison.clone());
        self.give_up(&NotStored::Poisoned(poison));
    }

    /// Every fate is known: tells everyone.
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

/// What the store's answer says of a part of `len` events that is not "stored", ascending by position.
/// Fails if the answer cannot be true.
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
        return Err(format!("event {} is named twice", pair[0].0));
    }
    match exceptions.last() {
        Some((index, _)) if *index >= len => Err(format!("event {index} is named in a batch of {len}")),
        _ => Ok(exceptions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stored: usize, duplicates: &[usize], rejected: &[usize]) -> Appended {
        let rejected = rejected.iter().map(|&index| Rejection::unfit(index, "no")).collect();
        Appended { stored, duplicates: duplicates.to_vec(), rejected, ..Appended::default() }
    }

    #[test]
    fn duplicates_and_rejections_are_merged_in_order() {
        let exceptions = exceptions(answer(1, &[0, 3], &[1]), 4).unwrap();
        let positions: Vec<_> = exceptions.iter().map(|(index, _)| *index).collect();
        assert_eq!(positions, [0, 1, 3]);
        assert!(matches!(exceptions[1].1, Ok(Outcome::Rejected { .. })));
    }

    #[test]
    fn answers_that_cannot_be_true_are_found() {
        for (lie, about) in [
            (answer(3, &[], &[]), "3 stored"),
            (answer(5, &[], &[]), "5 stored"),
            (answer(usize::MAX, &[0, 1], &[]), "stored"),
            (answer(2, &[1], &[1]), "event 1 is named twice"),
            (answer(2, &[1, 1], &[]), "event 1 is named twice"),
            (answer(3, &[], &[4]), "event 4 is named in a batch of 4"),
        ] {
            let error = exceptions(lie, 4).unwrap_err();
            assert!(error.contains(about), "{error}");
        }
    }
}
