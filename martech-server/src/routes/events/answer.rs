//! What a sender reads: how many events met which fate, and which ones.
//!
//! An answer is bounded by its question. The first [`FULL_RESULTS`] events that were not accepted are told in full; of the
//! others the answer has the indices, by status and code. So a sender learns the fate of every event, for a few bytes each.
//! The ids of events are told only on request (`results=all`).

use std::{borrow::Cow, time::Duration};

use axum::http::StatusCode;
use martech_core::{
    event::{EventError, EventId},
    sink::{EventOutcome, Outcome},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    Listing,
    indices::Indices,
    intake::{Origin, Refused},
    submit::Fates,
};
use crate::error::ApiError;

/// How many events that were not accepted are told in full.
pub(super) const FULL_RESULTS: usize = 100;

/// How many events met which fate, and which ones.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ingested)]
pub(super) struct Answer {
    accepted: usize,
    /// Events that are stored already. They were not added again.
    duplicates: usize,
    /// Events that break a rule.
    rejected: usize,
    /// Events that the store could not take in time.
    #[serde(skip_serializing_if = "is_zero")]
    failed: usize,
    /// The first 100 events that were not accepted, and with `results=all` also every accepted event.
    #[schema(value_type = Vec<EventResult>)]
    results: Results,
    /// Where more than 100 events were not accepted: the others, by status and code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<MoreResults>,
}

/// The fate of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventResult {
    /// Its position in the body, counted from 0.
    index: usize,
    /// Its id, with `results=all`.
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

/// Events that met the same fate.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MoreResults {
    status: Status,
    code: &'static str,
    /// How many events these are.
    count: usize,
    /// Their positions in the body, counted from 0: ascending, separated by commas, runs as `first-last`.
    #[schema(value_type = String, pattern = "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", example = "100-2047,2050")]
    indices: Indices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventStatus)]
enum Status {
    Accepted,
    Duplicate,
    Rejected,
    /// Nothing is wrong with the event. The store could not take it.
    Failed,
}

/// The list of results. Accepted events are written out of what is known of them anyway: a list of a hundred thousand results
/// would take ten times as much memory.
#[derive(Debug, Default)]
struct Results {
    exceptions: Vec<EventResult>,
    accepted: Vec<Origin>,
}

impl Serialize for Results {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut exceptions = self.exceptions.iter().peekable();
        let mut accepted = self.accepted.iter().peekable();
        serializer.collect_seq(std::iter::from_fn(|| {
            let next_accepted = accepted.peek().map_or(usize::MAX, |origin| origin.index);
            match exceptions.next_if(|result| result.index < next_accepted) {
                Some(result) => Some(Cow::Borrowed(result)),
                None => accepted.next().map(|origin| Cow::Owned(EventResult::accepted(*origin))),
            }
        }))
    }
}

impl EventResult {
    fn accepted(origin: Origin) -> Self {
        let Origin { index, id, .. } = origin;
        Self { index, event_id: Some(id), status: Status::Accepted, code: None, field: None, message: None }
    }
}

/// An event that was not accepted, and why.
struct Exception {
    index: usize,
    event_id: Option<EventId>,
    status: Status,
    code: &'static str,
    field: Option<String>,
    message: Cow<'static, str>,
}

impl Exception {
    /// An event that breaks a rule. The error may be missing behind the first [`FULL_RESULTS`].
    fn refused(refused: Refused) -> Self {
        let Refused { index, code, error } = refused;
        let (field, message, event_id) = match error {
            Some(error) => {
                let EventError { field, message, event_id, .. } = *error;
                (field, message.into(), event_id)
            }
            None => (None, Cow::default(), None),
        };
        Self { index, event_id, status: Status::Rejected, code: code.as_str(), field, message }
    }

    /// What the store says of an event that it has not stored; `None` where it has.
    fn of(origin: Origin, outcome: Option<EventOutcome>, is_taken: bool) -> Option<Self> {
        const NOT_STORED: &str = "the store could not take it in time";
        let (status, code, message) = match outcome {
            _ if !is_taken => (Status::Failed, "not_stored", NOT_STORED.into()),
            Some(Err(_)) => (Status::Failed, "not_stored", NOT_STORED.into()),
            Some(Ok(Outcome::Duplicate)) => {
                let message = "an event with this id is stored already; this one was not added";
                (Status::Duplicate, "duplicate", message.into())
            }
            Some(Ok(Outcome::Rejected { code, reason })) => {
                (Status::Rejected, code.as_str(), reason.to_string().into())
            }
            Some(Ok(Outcome::Stored)) | None => return None,
        };
        Some(Self { index: origin.index, event_id: Some(origin.id), status, code, field: None, message })
    }
}

impl Answer {
    /// `origins` and `refused` ascend by index.
    pub(super) fn new(mut origins: Vec<Origin>, refused: Vec<Refused>, fates: Fates, listing: Listing) -> Self {
        let Fates { taken, exceptions } = fates;
        let mut answer =
            Self { accepted: 0, duplicates: 0, rejected: 0, failed: 0, results: Results::default(), more: Vec::new() };
        let mut refused = refused.into_iter().peekable();
        let mut outcomes = exceptions.into_iter().peekable();
        let mut at = 0;
        origins.retain(|origin| {
            while let Some(refused) = refused.next_if(|refused| refused.index < origin.index) {
                answer.except(Exception::refused(refused), listing);
            }
            let outcome = outcomes.next_if(|(position, _)| *position == at).map(|(_, outcome)| outcome);
            let exception = Exception::of(*origin, outcome, at < taken);
            at += 1;
            let is_accepted = exception.is_none();
            match exception {
                Some(exception) => answer.except(exception, listing),
                None => answer.accepted += 1,
            }
            is_accepted && listing == Listing::All
        });
        for refused in refused {
            answer.except(Exception::refused(refused), listing);
        }
        answer.results.accepted = origins;
        answer
    }

    /// Counts an event that was not accepted, and tells of it.
    fn except(&mut self, exception: Exception, listing: Listing) {
        let Exception { index, event_id, status, code, field, message } = exception;
        match status {
            Status::Accepted => {}
            Status::Duplicate => self.duplicates += 1,
            Status::Rejected => self.rejected += 1,
            Status::Failed => self.failed += 1,
        }
        if self.results.exceptions.len() < FULL_RESULTS {
            let event_id = event_id.filter(|_| listing == Listing::All);
            let (code, message) = (Some(code), Some(message));
            self.results.exceptions.push(EventResult { index, event_id, status, code, field, message });
            return;
        }
        match self.more.iter_mut().find(|more| more.status == status && more.code == code) {
            Some(more) => {
                more.count += 1;
                more.indices.push(index);
            }
            None => self.more.push(MoreResults { status, code, count: 1, indices: Indices::of(index) }),
        }
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
        let error = match self.results.exceptions.first() {
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
mod tests;
