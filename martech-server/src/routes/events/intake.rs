//! From the bytes of a body to events, and to what is wrong with the others.

use axum::http::StatusCode;
use martech_core::event::{
    Batch, ErrorCode, Event, EventError, EventId, EventRules, MAX_EVENT_BYTES, Sender, Timestamp,
};

use super::answer::FULL_RESULTS;
use crate::{
    body::{Format, too_large},
    error::ApiError,
    metrics::{Ingested, Kind},
};

/// A body that was read.
#[derive(Debug)]
pub(super) struct Intake {
    /// Whether it was one event, not a list.
    pub(super) single: bool,
    /// The events that can be taken.
    pub(super) events: Vec<Event>,
    /// For each of them, where it stood and its id.
    pub(super) origins: Vec<Origin>,
    /// The others, by index.
    pub(super) refused: Vec<Refused>,
}

/// An event that breaks a rule.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) index: usize,
    pub(super) code: ErrorCode,
    /// Kept of the first [`FULL_RESULTS`] only: no answer tells more of them in full.
    pub(super) error: Option<Box<EventError>>,
}

/// Room that is made for events before any is read. A body may have many that cannot be taken.
const FIRST_ROOM: usize = 1024;

/// What is still known of an event when it has gone to the sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) index: usize,
    pub(super) id: EventId,
    /// Its type, as it is counted.
    pub(super) kind: Kind,
}

/// Reads a body; an error speaks of the body as a whole.
pub(super) fn read(
    rules: &EventRules,
    format: Format,
    bytes: &[u8],
    single_limit: usize,
    received_at: Timestamp,
    sender: Sender,
    ingested: &Ingested,
) -> Result<Intake, ApiError> {
    let batch = match format {
        Format::Json => Batch::from_json(bytes),
        Format::Ndjson => Batch::from_ndjson(bytes),
    };
    let batch = batch.map_err(refuse_body)?;
    if batch.single && bytes.len() > single_limit {
        return Err(too_large("the body of a single event", single_limit));
    }
    let room = batch.items.len().min(FIRST_ROOM);
    let mut intake = Intake {
        single: batch.single,
        events: Vec::with_capacity(room),
        origins: Vec::with_capacity(room),
        refused: Vec::new(),
    };
    for (index, parsed) in rules.parse_batch(&batch, received_at, sender).enumerate() {
        match parsed {
            Ok(event) => {
                intake.origins.push(Origin { index, id: event.id, kind: ingested.kind(&event.event_type) });
                intake.events.push(event);
            }
            Err(error) => {
                ingested.reject(error.event_type.as_ref());
                if intake.single {
                    return Err(refuse_single(error));
                }
                let code = error.code;
                let error = (intake.refused.len() < FULL_RESULTS).then(|| Box::new(error));
                intake.refused.push(Refused { index, code, error });
            }
        }
    }
    Ok(intake)
}

fn refuse_body(error: EventError) -> ApiError {
    let status = match error.code {
        ErrorCode::TooManyEvents => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    located(ApiError::new(status, error.code.as_str(), error.message), error.field)
}

/// A single event is the whole body: what is wrong with it is what the answer is about.
fn refuse_single(error: EventError) -> ApiError {
    let api_error = match error.code {
        ErrorCode::EventTooLarge => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error.code.as_str(), error.message).limit(MAX_EVENT_BYTES)
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, error.code.as_str(), error.message),
    };
    located(api_error, error.field).index(0)
}

fn located(error: ApiError, field: Option<String>) -> ApiError {
    match field {
        Some(field) => error.at(field),
        None => error,
    }
}
