//! Export of all events of a lake in one fixed order.

use std::{collections::VecDeque, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::merged::Merged;
use crate::{
    event::{Event, EventId, Timestamp},
    lake::{
        blocking::blocking,
        error::{LakeError, Result},
        files::{live::EventsFile, schema},
        snapshot::Snapshot,
    },
};

/// A stream of the events of a lake, ordered by UTC day, user, time and id. [`Lake::export`](crate::lake::Lake::export)
/// creates it.
///
/// ```
/// # use martech_core::{Event, EventRules, EventType, Lake, LakeOptions, Store, lake::ExportCursor};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?; let dir = dir.path();
/// # let lake = Lake::open(LakeOptions::new(dir)).await?;
/// # let event = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
/// # lake.append(&[event.clone()]).await?;
/// let mut export = lake.export(None).await?;
/// let events = export.next(1000).await?; // empty at the end
/// # assert_eq!(events[0].id, event.id);
/// let behind = lake.export(events.last().map(ExportCursor::of)).await?.next(1000).await?;
/// assert!(behind.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Export {
    position: Option<Position>,
}

struct Position {
    days: VecDeque<Vec<Arc<EventsFile>>>,
    /// The day that is being read.
    rows: Option<Merged>,
    /// Events up to this one are skipped. `None` once a later event has been found.
    after: Option<ExportCursor>,
}

/// The position of an event in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportCursor {
    /// The user of the event.
    pub user_id: String,
    /// The time of the event.
    pub occurred_at: Timestamp,
    /// The id of the event.
    pub event_id: EventId,
}

impl ExportCursor {
    /// Returns the position of an event.
    pub fn of(event: &Event) -> Self {
        Self { user_id: event.user_id.clone(), occurred_at: event.occurred_at, event_id: event.id }
    }

    fn is_before(&self, event: &Event) -> bool {
        let order = |user_id, at: Timestamp, id| (at.day(), user_id, at, id);
        let Self { user_id, occurred_at, event_id } = self;
        order(user_id, *occurred_at, *event_id) < order(&event.user_id, event.occurred_at, event.id)
    }
}

impl Export {
    pub(crate) fn new(snapshot: Snapshot, after: Option<ExportCursor>) -> Self {
        let from = after.as_ref().map_or(i32::MIN, |cursor| cursor.occurred_at.day());
        let days = snapshot.version.events.range(from..).map(|(_, files)| files.clone()).collect();
        Self { position: Some(Position { days, rows: None, after }) }
    }

    /// Returns the next events: `limit` of them, or fewer at the end. Returns an empty list once the export is
    /// complete.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read. After an error, and after a cancelled call, every call returns
    /// [`LakeError::Closed`].
    pub async fn next(&mut self, limit: usize) -> Result<Vec<Event>> {
        let mut position = self.position.take().ok_or(LakeError::Closed)?;
        let (position, events) = blocking(move || {
            let events = position.take(limit)?;
            Ok((position, events))
        })
        .await?;
        self.position = Some(position);
        Ok(events)
    }
}

impl Position {
    fn take(&mut self, limit: usize) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.len() < limit {
            let Some(rows) = &mut self.rows else {
                let Some(files) = self.days.pop_front() else { break };
                self.rows = Some(Merged::open(&files)?);
                continue;
            };
            match rows.next(|batch, row| schema::row_at(batch, row).to_event())? {
                None => self.rows = None,
                Some(event) => {
                    let event = event.map_err(|error| LakeError::Task(format!("invalid event in a row: {error}")))?;
                    if self.after.as_ref().is_none_or(|after| after.is_before(&event)) {
                        self.after = None;
                        events.push(event);
                    }
                }
            }
        }
        Ok(events)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Export").finish_non_exhaustive()
    }
}
