//! Counts the events of a body in the metrics, by the outcome that the response reports.

use martech_core::sink::Outcome;

use super::{intake::Origin, submit::Fates};
use crate::observability::metrics::{Fate, Ingested};

/// Counts the events of a body of which the sink took all or some.
pub(super) fn taken(ingested: &Ingested, origins: &[Origin], fates: &Fates) {
    let mut exceptions = fates.exceptions.iter().peekable();
    let fate = |(at, origin): (usize, &Origin)| {
        let exception = exceptions.next_if(|(position, _)| *position == at).map(|(_, outcome)| outcome);
        let fate = match exception {
            _ if at >= fates.taken => Fate::Failed,
            Some(Err(_)) => Fate::Failed,
            Some(Ok(Outcome::Duplicate)) => Fate::Duplicate,
            Some(Ok(Outcome::Rejected { .. })) => Fate::Rejected,
            Some(Ok(Outcome::Stored)) | None => Fate::Accepted,
        };
        (origin.kind, fate)
    };
    ingested.count(origins.iter().enumerate().map(fate));
}

/// Counts the events of a body of which the sink took none.
pub(super) fn refused(ingested: &Ingested, origins: &[Origin]) {
    ingested.count(origins.iter().map(|origin| (origin.kind, Fate::Refused)));
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
        let rejected = Outcome::Rejected { code: RejectionCode::IdConflict, reason: "no".into() };
        let exceptions = vec![(1, Ok(Outcome::Duplicate)), (2, Ok(rejected)), (3, Err(NotStored::Returned))];
        taken(&ingested, &origins, &Fates { taken: 5, exceptions });
        refused(&ingested, &origins[..1]);
        // Events 0 and 4 are accepted, and events 3 and 5 failed.
        let fates = [Fate::Accepted, Fate::Duplicate, Fate::Rejected, Fate::Refused, Fate::Failed];
        assert_eq!(fates.map(|fate| ingested.counted(kind, fate)), [2, 1, 1, 1, 2]);
    }
}
