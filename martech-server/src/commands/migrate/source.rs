//! Reads all events of a store, in an order in which a cursor can resume.

use martech_core::{
    event::Event,
    lake::{self, ExportCursor},
    mongodb,
};

use crate::projects::backend::{Backend, BackendError};

/// A store to read from.
pub(super) enum Source {
    Lake(Box<lake::Export>),
    Mongo(Box<mongodb::Export>),
}

impl Source {
    /// Opens a store, after a cursor if one is given.
    pub(super) async fn open(store: &Backend, after: Option<ExportCursor>) -> Result<Self, BackendError> {
        Ok(match store {
            Backend::Lake(lake) => Self::Lake(Box::new(lake.export(after).await?)),
            Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => {
                Self::Mongo(Box::new(mongo.store.export(after.map(|cursor| cursor.event_id))))
            }
        })
    }

    /// Returns up to `limit` next events; an empty list at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<Event>, BackendError> {
        match self {
            Self::Lake(export) => Ok(export.next(limit).await?),
            Self::Mongo(export) => Ok(export.next(limit).await?),
        }
    }
}
