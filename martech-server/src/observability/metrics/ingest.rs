//! Counters of events by type and outcome, and the duration of ingestion.

use std::time::Instant;

use martech_core::event::{EventType, EventTypes};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, core::Collector};

use super::http::BUCKETS;

/// Outcome of an event, as reported to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventOutcome {
    Accepted,
    Duplicate,
    /// The event breaks a rule, or the store rejects it.
    Rejected,
    /// The event is valid. The server refused it with its whole body.
    Refused,
    /// The event is valid. The store did not take it in time.
    Failed,
}

impl EventOutcome {
    const NAMES: [&'static str; 5] = ["accepted", "duplicate", "rejected", "refused", "failed"];
}

/// Event type as a metric label: one that the configuration names, or any other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kind(usize);

/// Label of types that the configuration does not name. Types that a sender makes up create no new series.
const OTHER: &str = "other";

/// Names of the acknowledgment levels, in the order of their histograms.
const ACKS: [&str; 3] = ["buffered", "durable", "stored"];

/// Counts events. All counters are created at startup, so that counting is an addition.
#[derive(Debug)]
pub(crate) struct Ingested {
    /// Sorted. The kind of a type is its index; all other types have the index after the last.
    names: Vec<EventType>,
    counters: Vec<[IntCounter; EventOutcome::NAMES.len()]>,
    events: IntCounterVec,
    durations: [Histogram; ACKS.len()],
    seconds: HistogramVec,
}

impl Ingested {
    pub(crate) fn new(types: &EventTypes) -> Self {
        let opts = Opts::new(
            "martech_events_ingested_total",
            "Events by type and by the outcome reported to the client; types that the configuration does not name are other.",
        );
        let events = IntCounterVec::new(opts, &["type", "status"]).expect("the name is valid");
        let opts = HistogramOpts::new(
            "martech_event_ingestion_duration_seconds",
            "Time from the end of a body of events to its response, by acknowledgment level.",
        );
        let seconds = HistogramVec::new(opts.buckets(BUCKETS.to_vec()), &["ack"]).expect("the name is valid");
        let mut names: Vec<EventType> = types.named().collect();
        names.sort_unstable();
        names.dedup();
        let labels = names.iter().map(EventType::as_str).chain([OTHER]);
        let counters =
            labels.map(|name| EventOutcome::NAMES.map(|outcome| events.with_label_values(&[name, outcome]))).collect();
        let durations = ACKS.map(|ack| seconds.with_label_values(&[ack]));
        Self { names, counters, events, durations, seconds }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.events.clone()), Box::new(self.seconds.clone())]
    }

    /// Returns the kind of a type.
    pub(crate) fn kind(&self, event_type: &EventType) -> Kind {
        Kind(self.names.binary_search(event_type).unwrap_or(self.names.len()))
    }

    /// Returns the type of a kind; `None` for types that the configuration does not name.
    pub(crate) fn event_type(&self, kind: Kind) -> Option<&EventType> {
        self.names.get(kind.0)
    }

    /// Counts an event that breaks a rule.
    pub(crate) fn reject(&self, event_type: Option<&EventType>) {
        let kind = event_type.map_or(Kind(self.names.len()), |event_type| self.kind(event_type));
        self.counters[kind.0][EventOutcome::Rejected as usize].inc();
    }

    /// Counts the events of a body, with one addition for each kind and outcome among them.
    pub(crate) fn count(&self, events: impl IntoIterator<Item = (Kind, EventOutcome)>) {
        let events = events.into_iter();
        // Most bodies have one event, which needs no sums.
        if let (1, Some(1)) = events.size_hint() {
            return events.for_each(|(kind, outcome)| self.counters[kind.0][outcome as usize].inc());
        }
        let mut tally = vec![[0_u64; EventOutcome::NAMES.len()]; self.counters.len()];
        for (kind, outcome) in events {
            tally[kind.0][outcome as usize] += 1;
        }
        for (counts, counters) in tally.iter().zip(&self.counters) {
            for (count, counter) in counts.iter().zip(counters).filter(|(count, _)| **count > 0) {
                counter.inc_by(*count);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn counted(&self, kind: Kind, outcome: EventOutcome) -> u64 {
        self.counters[kind.0][outcome as usize].get()
    }

    /// Records the ingestion duration of a body that arrived at `since`. `ack` is an index into `ACKS`.
    pub(crate) fn took(&self, ack: usize, since: Instant) {
        self.durations[ack].observe(since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_types_share_one_series() {
        let types: EventTypes = "wishlist_add, *".parse().unwrap();
        let ingested = Ingested::new(&types);
        let kind = |name: &str| ingested.kind(&EventType::parse(name).unwrap());
        assert_ne!(kind("page_view"), kind("wishlist_add"));
        assert_eq!(kind("made_up"), kind("also_made_up"));
        let series = || ingested.events.collect().iter().map(|family| family.get_metric().len()).sum::<usize>();
        let before = series();
        for n in 0..1_000 {
            let kind = kind(&format!("made_up_{n}"));
            ingested.count([
                (kind, EventOutcome::Accepted),
                (kind, EventOutcome::Duplicate),
                (kind, EventOutcome::Accepted),
            ]);
        }
        assert_eq!(series(), before);
        let counted = |name, outcome| ingested.events.with_label_values(&[name, outcome]).get();
        assert_eq!((counted(OTHER, "accepted"), counted(OTHER, "duplicate")), (2_000, 1_000));
        assert_eq!(counted("page_view", "accepted"), 0);
    }
}
