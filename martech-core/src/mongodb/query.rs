//! Reading documents: builders for queries, and cursors with time limits that yield to other tasks.

use std::time::Duration;

use mongodb::{
    Cursor,
    action::{Aggregate, Find},
    bson::{Document, RawDocument, RawDocumentBuf, doc},
    options::Hint,
};

use super::{
    error::MongoError,
    event_collection::{EventCollection, WHOLE, timed},
    index,
    monitor::MongoCommand,
    server_info::Capabilities,
};
use crate::event::EventId;

/// How long to wait for the response to a query.
fn timeout(target: &EventCollection) -> Duration {
    // Without a time limit, a query ends when its caller drops it.
    target.options.query_timeout.map_or(Duration::MAX, |limit| limit.saturating_add(target.options.answer_timeout))
}

/// A cursor over the documents of a response.
#[derive(Debug)]
pub(super) struct Documents {
    cursor: Cursor<RawDocumentBuf>,
    timeout: Duration,
}

impl Documents {
    pub(super) fn new(cursor: Cursor<RawDocumentBuf>, timeout: Duration) -> Self {
        Self { cursor, timeout }
    }

    /// Returns the next document, which is borrowed until the next call.
    pub(super) async fn next(&mut self) -> Result<Option<&RawDocument>, MongoError> {
        // Documents of a batch that has arrived need no waiting, so a loop over them would never yield without this.
        tokio::task::consume_budget().await;
        let more = timed(self.timeout, self.cursor.advance()).await?;
        Ok(more.then(|| self.cursor.current()))
    }
}

impl EventCollection {
    /// Starts a `find`, with the index if possible.
    pub(super) fn find(&self, capabilities: Capabilities, filter: Document) -> FindEvents<'_> {
        FindEvents { target: self, capabilities, filter, sort: None, projection: None, limit: None, batch: None }
    }

    /// Starts an aggregation.
    pub(super) fn aggregate(
        &self,
        capabilities: Capabilities,
        pipeline: impl IntoIterator<Item = Document>,
    ) -> AggregateEvents<'_> {
        AggregateEvents { target: self, capabilities, pipeline: pipeline.into_iter().collect() }
    }

    /// Returns the documents with ids greater than `after`, or all of them, in the order of ids, reduced by
    /// `projection`.
    pub(super) async fn by_id(
        &self,
        after: Option<EventId>,
        projection: Option<Document>,
    ) -> Result<Documents, MongoError> {
        let filter = after.map_or_else(Document::new, |id| doc! { "_id": { "$gt": uuid(id) } });
        let collection = self.collection();
        let mut find = collection.find(filter).sort(doc! { "_id": 1 });
        if let Some(projection) = projection {
            find = find.projection(projection);
        }
        let cursor = self.ask(MongoCommand::Find, WHOLE, find).await?;
        Ok(Documents { cursor, timeout: self.options.answer_timeout })
    }
}

/// Reads a whole number of any numeric type from a response.
pub(super) fn whole(answer: &Document, name: &str) -> Option<i64> {
    let value = answer.get(name)?;
    value.as_i64().or(value.as_i32().map(i64::from)).or(value.as_f64().map(|number| number as i64))
}

/// Converts an event's id to the BSON of a document.
pub(super) fn uuid(id: EventId) -> mongodb::bson::Binary {
    mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() }
}

/// Builder of a `find` command.
pub(super) struct FindEvents<'a> {
    target: &'a EventCollection,
    capabilities: Capabilities,
    filter: Document,
    sort: Option<Document>,
    projection: Option<Document>,
    limit: Option<i64>,
    batch: Option<u32>,
}

impl FindEvents<'_> {
    pub(super) fn sort(mut self, sort: Document) -> Self {
        self.sort = Some(sort);
        self
    }

    pub(super) fn projection(mut self, projection: Document) -> Self {
        self.projection = Some(projection);
        self
    }

    pub(super) fn limit(mut self, limit: i64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets the number of documents per batch.
    pub(super) fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(u32::try_from(batch).unwrap_or(u32::MAX).clamp(1, 10_000));
        self
    }

    pub(super) async fn documents(self) -> Result<Documents, MongoError> {
        let (target, capabilities) = (self.target, self.capabilities);
        let collection = target.collection();
        let mut find: Find<'_, RawDocumentBuf> = collection.find(self.filter);
        if let Some(sort) = self.sort {
            find = find.sort(sort);
        }
        if let Some(projection) = self.projection {
            find = find.projection(projection);
        }
        if let Some(limit) = self.limit {
            find = find.limit(limit);
        }
        if let Some(batch) = self.batch {
            find = find.batch_size(batch);
        }
        if capabilities.hint {
            find = find.hint(Hint::Keys(index::key()));
        }
        if !capabilities.index && capabilities.disk {
            find = find.allow_disk_use(true);
        }
        if let Some(limit) = target.options.query_timeout.filter(|_| capabilities.max_time) {
            find = find.max_time(limit);
        }
        let timeout = timeout(target);
        Ok(Documents { cursor: target.ask(MongoCommand::Find, timeout, find).await?, timeout })
    }
}

/// Builder of an `aggregate` command.
pub(super) struct AggregateEvents<'a> {
    target: &'a EventCollection,
    capabilities: Capabilities,
    pipeline: Vec<Document>,
}

impl AggregateEvents<'_> {
    pub(super) async fn documents(self) -> Result<Documents, MongoError> {
        let (target, capabilities) = (self.target, self.capabilities);
        let collection = target.collection();
        let mut aggregate: Aggregate<'_, _, RawDocumentBuf> = collection.aggregate(self.pipeline).with_type();
        if capabilities.disk {
            aggregate = aggregate.allow_disk_use(true);
        }
        if let Some(limit) = target.options.query_timeout.filter(|_| capabilities.max_time) {
            aggregate = aggregate.max_time(limit);
        }
        let timeout = timeout(target);
        Ok(Documents { cursor: target.ask(MongoCommand::Aggregate, timeout, aggregate).await?, timeout })
    }
}
