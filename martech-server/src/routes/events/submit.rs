//! Submits events to the sink and collects their outcomes.

use martech_core::{
    event::Event,
    sink::{BatchReceipt, EventOutcome, EventSink},
};
use tokio::sync::OwnedSemaphorePermit;

use super::Ack;
use crate::{http::error::ApiError, observability::Timeline, projects::QueueBounds};

/// Larger batches are submitted in chunks, so that one large body neither needs nor occupies the whole queue.
const CHUNK_EVENTS: usize = 10_000;
const CHUNK_BYTES: usize = 8 << 20;

/// The outcomes of the events of a body. Positions are indexes into the submitted list.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// The number of events that the sink took. These are the first events of the list.
    pub(super) taken: usize,
    /// The outcomes of these events other than stored, ascending by position. Always empty for [`Ack::Buffered`],
    /// whose outcomes are not known.
    pub(super) exceptions: Vec<(usize, EventOutcome)>,
}

impl Outcomes {
    /// Returns the number of events that are stored, or assumed to be stored.
    pub(super) fn stored(&self) -> usize {
        self.taken.saturating_sub(self.exceptions.len())
    }
}

/// Submits all events, and waits for the step that `ack` names.
///
/// The first chunk needs room in the queue immediately. Later chunks wait for room. The permit is released when the
/// events are durable, or earlier if `ack` does not wait for that.
///
/// # Errors
/// Returns an error if the sink refuses the first chunk. The sink has then taken no event.
pub(super) async fn submit(
    sink: &EventSink<Event>,
    bounds: QueueBounds,
    events: Vec<Event>,
    permit: Option<OwnedSemaphorePermit>,
    ack: Ack,
    timeline: &Timeline,
) -> Result<Outcomes, ApiError> {
    let mut outcomes = Outcomes::default();
    let mut receipts = Vec::new();
    for chunk in chunks(events, bounds) {
        let (len, handed_over) = (chunk.len(), timeline.now());
        let pushed = match outcomes.taken {
            0 => push_now(sink, chunk)?,
            _ => match sink.push_batch(chunk).await {
                Ok(receipt) => receipt,
                // The sink has taken part of the body, so the response reports the outcome per event.
                Err(_) => break,
            },
        };
        receipts.push((outcomes.taken, handed_over, pushed));
        outcomes.taken += len;
    }
    // MongoDB may be away for long. A client that waits for it does not count meanwhile.
    let _permit = permit.filter(|_| ack != Ack::Stored);
    if ack != Ack::Buffered {
        for (first, handed_over, receipt) in receipts {
            let outcome = receipt.await;
            timeline.batch(handed_over, outcome.timing());
            let exceptions = outcome.into_exceptions();
            outcomes.exceptions.extend(exceptions.into_iter().map(|(at, outcome)| (first + at, outcome)));
        }
    }
    Ok(outcomes)
}

/// Submits a chunk if there is room for it.
fn push_now(sink: &EventSink<Event>, chunk: Vec<Event>) -> Result<BatchReceipt, ApiError> {
    // A vector with a single event would become the batch of the sink, and grow with each of the events that follow.
    match <[Event; 1]>::try_from(chunk) {
        Ok([event]) => sink.try_push(event).map(BatchReceipt::from).map_err(|refused| refused.refusal().into()),
        Err(chunk) => sink.try_push_batch(chunk).map_err(|refused| refused.refusal().into()),
    }
}

/// Splits a list into chunks that fit into an empty queue. An event that is larger than the byte limit forms a chunk of
/// its own.
fn chunks(events: Vec<Event>, bounds: QueueBounds) -> Vec<Vec<Event>> {
    let (max_events, max_bytes) = (bounds.events.min(CHUNK_EVENTS), bounds.bytes.min(CHUNK_BYTES));
    let fits_whole = events.len() <= max_events && events.iter().map(Event::size).sum::<usize>() <= max_bytes;
    if fits_whole {
        return if events.is_empty() { Vec::new() } else { vec![events] };
    }
    let mut chunks: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let size = event.size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < max_events && bytes + size <= max_bytes => {
                bytes += size;
                chunk.push(event);
            }
            _ => {
                bytes = size;
                chunks.push(vec![event]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use martech_core::event::{EventRules, EventType};
    use proptest::prelude::*;

    use super::*;

    fn event(payload: usize) -> Event {
        Event::builder("u1", EventType::PAGE_VIEW)
            .property("text", "x".repeat(payload))
            .build(&EventRules::default())
            .unwrap()
    }

    proptest! {
        #[test]
        fn chunks_keep_order_and_bounds(
            payloads in prop::collection::vec(0..4_000usize, 0..40),
            max_events in 1..10usize,
        ) {
            let bounds = QueueBounds { events: max_events, bytes: 8_000 };
            let events: Vec<Event> = payloads.iter().map(|payload| event(*payload)).collect();
            let chunks = chunks(events.clone(), bounds);
            for chunk in &chunks {
                prop_assert!((1..=max_events).contains(&chunk.len()));
                prop_assert!(chunk.len() == 1 || chunk.iter().map(Event::size).sum::<usize>() <= bounds.bytes);
            }
            prop_assert_eq!(chunks.concat(), events);
        }
    }
}
