//! Export of a whole collection, in the order of ids.

use std::sync::Arc;

use super::{document, error::MongoError, event_collection::EventCollection, query::Documents};
use crate::event::{Event, EventId};

/// The events of a collection in the order of their ids. Created by [`MongoStore::export`](super::MongoStore::export).
pub struct Export {
    target: Arc<EventCollection>,
    /// Id of the last event returned.
    after: Option<EventId>,
    /// Open cursor behind `after`, if there is one.
    documents: Option<Documents>,
}

impl Export {
    pub(super) fn new(target: Arc<EventCollection>, after: Option<EventId>) -> Self {
        Self { target, after, documents: None }
    }

    /// Returns the next events, at most `limit`. An empty vector marks the end of the export.
    ///
    /// # Errors
    /// When the server is unavailable or fails, or a document is not an event. The next call resumes where the last
    /// successful one ended. The same holds after a cancelled call.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<Event>, MongoError> {
        let documents = self.documents.take();
        let was_open = documents.is_some();
        let (documents, events) = match self.take(documents, limit).await {
            // Cursors expire when idle and do not survive a server restart: open a new one.
            Err(error) if was_open && error.is_transient() => self.take(None, limit).await?,
            taken => taken?,
        };
        self.after = events.last().map_or(self.after, |event| Some(event.id));
        // A short batch means that the cursor is exhausted.
        self.documents = Some(documents).filter(|_| events.len() == limit);
        Ok(events)
    }

    async fn take(&self, documents: Option<Documents>, limit: usize) -> Result<(Documents, Vec<Event>), MongoError> {
        let mut documents = match documents {
            Some(documents) => documents,
            None => {
                self.target.server_info().await?;
                self.target.by_id(self.after, None).await?
            }
        };
        let mut events = Vec::new();
        while events.len() < limit {
            let Some(document) = documents.next().await? else { break };
            events.push(document::read(document)?);
        }
        Ok((documents, events))
    }
}
