//! Reads all events of a store, in an order in which a cursor can resume.

use martech_core::{
    event::{Event, EventId},
    lake::{self, ExportCursor},
    mongodb,
};
use serde::{Deserialize, Serialize};

use crate::projects::backend::{Backend, BackendError};

/// The position behind an event of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Cursor {
    Lake(ExportCursor),
    Mongo(EventId),
}

/// A store to read from.
pub(super) enum Source {
    Lake(Box<lake::Export>),
    Mongo(Box<mongodb::Export>),
}

impl Source {
    /// Opens a store, after a cursor if one is given.
    pub(super) async fn open(store: &Backend, after: Option<Cursor>) -> Result<Self, BackendError> {
        Ok(match store {
            Backend::Lake(lake) => {
                let after =
                    after.and_then(|cursor| if let Cursor::Lake(cursor) = cursor { Some(cursor) } else { None });
                Self::Lake(Box::new(lake.export(after).await?))
            }
            Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => {
                let after = after.and_then(|cursor| if let Cursor::Mongo(id) = cursor { Some(id) } else { None });
                Self::Mongo(Box::new(mongo.store.export(after)))
            }
        })
    }

    /// Returns the position behind `events`, which were returned last.
    pub(super) fn cursor(&self, events: &[Event]) -> Option<Cursor> {
        match self {
            Self::Lake(export) => export.cursor().map(Cursor::Lake),
            Self::Mongo(_) => events.last().map(|event| Cursor::Mongo(event.id)),
        }
    }

    /// Returns up to `limit` next events; an empty list at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<Event>, BackendError> {
        match self {
            Self::Lake(export) => Ok(export.next(limit).await?),
            Self::Mongo(export) => Ok(export.next(limit).await?),
        }
    }
}
