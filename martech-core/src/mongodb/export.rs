//! All events of a collection, one after another, for whoever copies it.

use super::{MongoError, MongoStore, document, questions::Documents};
use crate::event::{Event, EventId};

/// The events of a collection in the order of their ids. Made by [`MongoStore::export`].
#[derive(Debug)]
pub struct Export {
    store: MongoStore,
    /// The last event that was given.
    after: Option<EventId>,
    /// What is behind it, where that is known.
    documents: Option<Documents>,
}

impl Export {
    pub(super) fn new(store: MongoStore, after: Option<EventId>) -> Self {
        Self { store, after, documents: None }
    }

    /// The next events, as many as `limit`, or fewer where there are no more; empty at the end.
    ///
    /// # Errors
    /// When the server is away or fails, or a document is no event. The next call, also one after this was cancelled, goes
    /// on where the last answer ended.
    pub async fn next(&mut self, limit: usize) -> Result<Vec<Event>, MongoError> {
        let documents = self.documents.take();
        let was_open = documents.is_some();
        let (documents, events) = match self.take(documents, limit).await {
            // A server forgets what it was asked long ago, and does not survive its restart.
            Err(error) if was_open && error.is_passing() => self.take(None, limit).await?,
            taken => taken?,
        };
        self.after = events.last().map_or(self.after, |event| Some(event.id));
        // Where there were fewer, nothing is left to be asked for.
        self.documents = Some(documents).filter(|_| events.len() == limit);
        Ok(events)
    }

    async fn take(&self, documents: Option<Documents>, limit: usize) -> Result<(Documents, Vec<Event>), MongoError> {
        let mut documents = match documents {
            Some(documents) => documents,
            None => {
                self.store.prepare().await?;
                self.store.inner.by_id(self.after, None).await?
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
