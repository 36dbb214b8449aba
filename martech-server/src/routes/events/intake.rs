//! Parses the bytes of a body into events, and into errors for the events that break a rule.

use martech_core::event::{Batch, ErrorCode, Event, EventError, EventId, EventRules, Sender, Timestamp};

use super::answer::FULL_RESULTS;
use crate::{
    http::{
        bodies::Format,
        error::{ApiError, catalogue},
    },
    observability::metrics::{Ingested, Kind},
};

/// The events of a parsed body.
#[derive(Debug)]
pub(super) struct Intake {
    /// Whether the body was one event instead of a list.
    pub(super) single: bool,
    /// The valid events.
    pub(super) events: Vec<Event>,
    /// The origin of each event in `events`, in the same order.
    pub(super) origins: Vec<Origin>,
    /// The invalid events, ascending by index.
    pub(super) refused: Vec<Refused>,
}

/// An event that breaks a rule.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) index: usize,
    pub(super) code: ErrorCode,
    /// The error. Kept for the first [`FULL_RESULTS`] events only, because a response lists no more in full.
    pub(super) error: Option<Box<EventError>>,
}

/// Maximum capacity to reserve before parsing: many of the events of a body may be invalid.
const FIRST_ROOM: usize = 1024;

/// The data of an event that stays available after the sink has taken the event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) index: usize,
    pub(super) id: EventId,
    /// The event type, as the metrics count it.
    pub(super) kind: Kind,
}

/// Parses a body.
///
/// # Errors
/// Returns an error if the body as a whole is unusable, or if its only event is invalid. Invalid events of a list are
/// in [`Intake::refused`] instead.
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
    let batch = batch?;
    if batch.single && bytes.len() > single_limit {
        return Err(catalogue::body_too_large("the body of a single event", single_limit));
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
                    return Err(ApiError::from(error).index(0));
                }
                let code = error.code;
                let error = (intake.refused.len() < FULL_RESULTS).then(|| Box::new(error));
                intake.refused.push(Refused { index, code, error });
            }
        }
    }
    Ok(intake)
}
