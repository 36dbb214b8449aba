//! Counts the events of a body in the metrics, by the outcome that the response reports.

use martech_core::sink::Outcome;

use super::{intake::Origin, submit::Outcomes};
use crate::observability::metrics::{EventOutcome, Ingested};

/// Counts the events of a body of which the sink took all or some.
pub(super) fn taken(ingested: &Ingested, origins: &[Origin], outcomes: &Outcomes) {
    let mut exceptions = outcomes.exceptions.iter().peekable();
    let outcome = |(at, origin): (usize, &Origin)| {
        let exception = exceptions.next_if(|(position, _)| *position == at).map(|(_, outcome)| outcome);
        let outcome = match exception {
            _ if at >= outcomes.taken => EventOutcome::Failed,
            Some(Err(_)) => EventOutcome::Failed,
            Some(Ok(Outcome::Duplicate)) => EventOutcome::Duplicate,
            Some(Ok(Outcome::Rejected { .. })) => EventOutcome::Rejected,
            Some(Ok(Outcome::Stored)) | None => EventOutcome::Accepted,
        };
        (origin.kind, outcome)
    };
    ingested.count(origins.iter().enumerate().map(outcome));
}

/// Counts the events of a body of which the sink took none.
pub(super) fn refused(ingested: &Ingested, origins: &[Origin]) {
    ingested.count(origins.iter().map(|origin| (origin.kind, EventOutcome::Refused)));
}

#[cfg(test)]
mod tests {
    use martech_core::event::{EventId, EventType, EventTypes};
    use martech_core::{RejectionCode, sink::NotStored};

    use super::*;

    #[test]
    fn counts_each_event_once() {
        let ingested = Ingested::new(&EventTypes::known());
        let kind = ingested.kind(&EventType::SEARCH);
        let origins: Vec<_> = (0..6).map(|index| Origin { index, id: EventId::new_v7(), kind }).collect();
        let rejected = Outcome::Rejected { code: RejectionCode::ID_CONFLICT, reason: "no".into() };
        let exceptions = vec![(1, Ok(Outcome::Duplicate)), (2, Ok(rejected)), (3, Err(NotStored::Returned))];
        taken(&ingested, &origins, &Outcomes { taken: 5, exceptions });
        refused(&ingested, &origins[..1]);
        // Events 0 and 4 are accepted, and events 3 and 5 failed.
        let outcomes = [
            EventOutcome::Accepted,
            EventOutcome::Duplicate,
            EventOutcome::Rejected,
            EventOutcome::Refused,
            EventOutcome::Failed,
        ];
        assert_eq!(outcomes.map(|outcome| ingested.counted(kind, outcome)), [2, 1, 1, 1, 2]);
    }
}
