//! All events of a store, in an order in which a place can be found again.

use martech_core::{
    event::{Event, EventId},
    lake::Export,
    mongodb::MongoStore,
};

use super::state::Place;
use crate::backend::{Backend, BackendError};

/// A store that is read.
pub(super) enum Source {
    Lake(Box<Export>),
    Mongo { store: MongoStore, after: Option<EventId> },
}

impl Source {
    /// Begins behind a place.
    pub(super) async fn open(store: &Backend, after: Option<Place>) -> Result<Self, BackendError> {
        Ok(match store {
            Backend::Lake(lake) => Self::Lake(Box::new(lake.export(after.map(Place::into_event)).await?)),
            Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => {
                Self::Mongo { store: mongo.store.clone(), after: after.map(|place| place.event_id) }
            }
        })
    }

    /// The next events; none at the end.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<Event>, BackendError> {
        match self {
            Self::Lake(export) => Ok(export.next(limit).await?),
            Self::Mongo { store, after } => {
                let events = store.scan(*after, limit).await?;
                *after = events.last().map(|event| event.id);
                Ok(events)
            }
        }
    }
}
