//! What a sender reads.

use std::{borrow::Cow, time::Duration};

use axum::http::StatusCode;
use martech_core::{
    event::{EventError, EventId},
    sink::Outcome,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Listing, intake::Origin, submit::Fates};
use crate::error::ApiError;

/// How many events met which fate, and which ones.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ingested)]
pub(super) struct Answer {
    accepted: usize,
    /// Stored already; not added again.
    duplicates: usize,
    /// Those that break a rule.
    rejected: usize,
    /// Those that the store could not have in time.
    #[serde(skip_serializing_if = "is_zero")]
    failed: usize,
    /// Those that were not accepted; all of them with `results=all`.
    results: Vec<EventResult>,
}

/// The fate of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventResult {
    /// Where it stood in the body, counted from 0.
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventStatus)]
enum Status {
    Accepted,
    Duplicate,
    Rejected,
    /// Nothing is wrong with the event: the store could not have it.
    Failed,
}

impl EventResult {
    /// An event that breaks the rules.
    pub(super) fn refused(index: usize, error: EventError) -> Self {
        Self {
            index,
            event_id: error.event_id,
            status: Status::Rejected,
            code: Some(error.code.as_str()),
            field: error.field,
            message: Some(error.message.into()),
        }
    }

    fn of(origin: Origin, status: Status, reason: Option<(&'static str, Cow<'static, str>)>) -> Self {
        let (code, message) = reason.unzip();
        Self { index: origin.index, event_id: Some(origin.id), status, code, field: None, message }
    }
}

impl Answer {
    pub(super) fn new(origins: Vec<Origin>, refused: Vec<EventResult>, fates: Fates, listing: Listing) -> Self {
        let Fates { taken, exceptions } = fates;
        let mut answer = Self { accepted: 0, duplicates: 0, rejected: refused.len(), failed: 0, results: refused };
        let mut exceptions = exceptions.into_iter().peekable();
        for (at, origin) in origins.into_iter().enumerate() {
            let exception = exceptions.next_if(|(position, _)| *position == at).map(|(_, outcome)| outcome);
            let result = match exception {
                _ if at >= taken => answer.fail(origin),
                Some(Err(_)) => answer.fail(origin),
                Some(Ok(Outcome::Duplicate)) => {
                    answer.duplicates += 1;
                    let reason = ("duplicate", "an event with this id is stored already; this one was not added");
                    EventResult::of(origin, Status::Duplicate, Some((reason.0, reason.1.into())))
                }
                Some(Ok(Outcome::Rejected { reason })) => {
                    answer.rejected += 1;
                    let reason = ("rejected_by_store", reason.to_string().into());
                    EventResult::of(origin, Status::Rejected, Some(reason))
                }
                Some(Ok(Outcome::Stored)) | None => {
                    answer.accepted += 1;
                    if listing == Listing::Exceptions {
                        continue;
                    }
                    EventResult::of(origin, Status::Accepted, None)
                }
            };
            answer.results.push(result);
        }
        answer.results.sort_unstable_by_key(|result| result.index);
        answer
    }

    fn fail(&mut self, origin: Origin) -> EventResult {
        self.failed += 1;
        EventResult::of(origin, Status::Failed, Some(("not_stored", "the store could not take it in time".into())))
    }

    /// Whether the answer is good news. A pure retry is: all of its events are safe.
    pub(super) fn verdict(&self, single: bool) -> Result<(), ApiError> {
        if self.failed > 0 {
            let total = self.accepted + self.duplicates + self.rejected + self.failed;
            let message = format!(
                "{} of {total} events could not be stored; send those again, or the whole body: \
                 events that carry an eventId are never stored twice",
                self.failed
            );
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
                .retry_after(Duration::from_secs(5)));
        }
        if self.accepted + self.duplicates > 0 {
            return Ok(());
        }
        let error = match self.results.first() {
            Some(EventResult { code: Some(code), message: Some(message), .. }) if single => {
                ApiError::new(StatusCode::BAD_REQUEST, *code, message.clone()).index(0)
            }
            _ => {
                let message = format!("none of the {} events can be taken; results say why", self.rejected);
                ApiError::new(StatusCode::BAD_REQUEST, "no_valid_events", message)
            }
        };
        Err(error)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use martech_core::sink::NotStored;

    use super::*;
    use crate::metrics::Kind;

    fn origins(indices: &[usize]) -> Vec<Origin> {
        indices.iter().map(|index| Origin { index: *index, id: EventId::new_v7(), kind: Kind::default() }).collect()
    }

    fn counts(answer: &Answer) -> [usize; 4] {
        [answer.accepted, answer.duplicates, answer.rejected, answer.failed]
    }

    #[test]
    fn positions_are_told_as_indices_of_the_body() {
        let refused = EventResult { index: 1, ..EventResult::of(origins(&[1])[0], Status::Rejected, None) };
        let fates = Fates { taken: 3, exceptions: vec![(1, Ok(Outcome::Duplicate))] };
        let answer = Answer::new(origins(&[0, 2, 3]), vec![refused], fates, Listing::Exceptions);
        assert_eq!(counts(&answer), [2, 1, 1, 0]);
        assert_eq!(answer.results.iter().map(|result| result.index).collect::<Vec<_>>(), [1, 2]);
        assert!(answer.verdict(false).is_ok());
    }

    #[test]
    fn a_pure_retry_is_no_error() {
        let fates = Fates { taken: 1, exceptions: vec![(0, Ok(Outcome::Duplicate))] };
        assert!(Answer::new(origins(&[0]), Vec::new(), fates, Listing::Exceptions).verdict(true).is_ok());
    }

    #[test]
    fn what_is_not_stored_is_never_claimed() {
        let fates = Fates { taken: 2, exceptions: vec![(0, Err(NotStored::Returned))] };
        let answer = Answer::new(origins(&[0, 1, 2]), Vec::new(), fates, Listing::All);
        assert_eq!(counts(&answer), [1, 0, 0, 2]);
        assert_eq!(answer.verdict(false).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
