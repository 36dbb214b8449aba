//! The response to `POST /events`: counts by outcome, and the events that were not accepted.
//!
//! The size of the request bounds the size of the response. The first [`FULL_RESULTS`] events that were not accepted
//! are listed in full. The others are listed as indexes, grouped by status and code. A sender learns the outcome of
//! every event this way, at a cost of a few bytes per event. Event ids are listed only on request (`results=all`).

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
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
    submit::Outcomes,
};
use crate::http::error::{ApiError, catalogue};

/// The most frequent body of a response: a single event was accepted.
const ONE_ACCEPTED: &[u8] = br#"{"accepted":1,"duplicates":0,"rejected":0,"results":[]}"#;
/// The number of headers of a response, with room for those of CORS.
const HEADERS: usize = 16;

/// Maximum number of unaccepted events that a response lists in full.
pub(super) const FULL_RESULTS: usize = 100;

/// The code and message of a valid event that the store did not store.
pub(super) const NOT_STORED: (&str, &str) = ("not_stored", "the store did not confirm it in time");

/// The outcome of the events of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ingested)]
pub(super) struct Answer {
    accepted: usize,
    /// Number of events that were already stored. The server did not store them again.
    duplicates: usize,
    /// Number of events that break a rule.
    rejected: usize,
    /// Number of events that the store could not store in time.
    #[serde(skip_serializing_if = "is_zero")]
    failed: usize,
    /// The first 100 events that were not accepted. With `results=all`, also every accepted event.
    #[schema(value_type = Vec<EventResult>)]
    results: Results,
    /// The further events that were not accepted, grouped by status and code. Present if there are more than 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<MoreResults>,
}

/// The outcome of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventResult {
    /// The index of the event in the body, from 0.
    index: usize,
    /// The id of the event. Present with `results=all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'static, str>>,
}

/// Events with the same outcome.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MoreResults {
    status: Status,
    code: Cow<'static, str>,
    /// Number of these events.
    count: usize,
    /// The indexes of the events in the body, from 0: ascending, separated by commas, with runs as `first-last`.
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
    /// The event is valid, but the store could not store it.
    Failed,
}

/// The list of results. Results of accepted events are built from their origins during serialization: a list of a
/// hundred thousand results would take ten times as much memory.
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

/// An event that was not accepted, and the reason.
struct Exception {
    index: usize,
    event_id: Option<EventId>,
    status: Status,
    code: Cow<'static, str>,
    field: Option<String>,
    message: Cow<'static, str>,
}

impl Exception {
    /// Returns the exception for an invalid event. Events after the first [`FULL_RESULTS`] may have no error.
    fn refused(refused: Refused) -> Self {
        let Refused { index, code, error } = refused;
        let (field, message, event_id) = match error {
            Some(error) => {
                let EventError { field, message, event_id, .. } = *error;
                (field, message.into(), event_id)
            }
            None => (None, Cow::default(), None),
        };
        Self { index, event_id, status: Status::Rejected, code: code.as_str().into(), field, message }
    }

    /// Returns the exception for an event that is not newly stored, or `None` for a stored event.
    fn of(origin: Origin, outcome: Option<EventOutcome>, is_taken: bool) -> Option<Self> {
        let not_stored = || (Status::Failed, NOT_STORED.0.into(), NOT_STORED.1.into());
        let (status, code, message) = match outcome {
            _ if !is_taken => not_stored(),
            Some(Err(_)) => not_stored(),
            Some(Ok(Outcome::Duplicate)) => {
                let message = "an event with this id is stored already; this one was not added";
                (Status::Duplicate, "duplicate".into(), message.into())
            }
            Some(Ok(Outcome::Rejected { code, reason })) => (Status::Rejected, code.into(), reason.to_string().into()),
            Some(Ok(Outcome::Stored)) | None => return None,
        };
        Some(Self { index: origin.index, event_id: Some(origin.id), status, code, field: None, message })
    }
}

impl Answer {
    /// Returns the response. `origins` and `refused` must be in ascending order of their indexes.
    pub(super) fn new(mut origins: Vec<Origin>, refused: Vec<Refused>, outcomes: Outcomes, listing: Listing) -> Self {
        let Outcomes { taken, exceptions } = outcomes;
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

    /// Counts and lists an event that was not accepted.
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

    /// Returns the response with this status.
    pub(super) fn respond(&self, status: StatusCode) -> Result<Response, ApiError> {
        let body = if self.is_one_accepted() {
            Body::from(Bytes::from_static(ONE_ACCEPTED))
        } else {
            Body::from(serde_json::to_vec(self).map_err(|error| catalogue::internal(&error))?)
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        // A map that grows with each few of the headers costs more than the headers.
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn is_one_accepted(&self) -> bool {
        let Self { accepted, duplicates, rejected, failed, results, .. } = self;
        (*accepted, *duplicates, *rejected, *failed) == (1, 0, 0, 0) && results.accepted.is_empty()
    }

    /// Decides whether the request succeeded. A batch of only duplicates succeeds, because all of its events are
    /// stored.
    ///
    /// # Errors
    /// Returns 503 if some events could not be stored, and 400 if no event is accepted or a duplicate.
    pub(super) fn verdict(&self, single: bool) -> Result<(), ApiError> {
        if self.failed > 0 {
            let total = self.accepted + self.duplicates + self.rejected + self.failed;
            return Err(catalogue::not_stored(self.failed, total));
        }
        if self.accepted + self.duplicates > 0 {
            return Ok(());
        }
        let error = match self.results.exceptions.first() {
            Some(EventResult { code: Some(code), message: Some(message), .. }) if single => {
                catalogue::rejected(code.clone(), message.clone()).index(0)
            }
            _ => catalogue::no_valid_events(self.rejected),
        };
        Err(error)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests;
