//! The collection of events: driver handles, settings, metrics, and what is known about the server.

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use mongodb::{
    Client, Collection, Database,
    bson::{Document, RawDocumentBuf},
    options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria},
};
use tokio::sync::Mutex;

use super::{
    error::MongoError,
    monitor::{MongoCommand, Monitor},
    options::{Acknowledgement, MongoOptions},
    permits::QueryPermits,
    server_info::ServerInfo,
};

pub(super) struct EventCollection {
    pub(super) options: MongoOptions,
    pub(super) client: Client,
    pub(super) database: Database,
    pub(super) acknowledgement: Acknowledgement,
    pub(super) monitor: Arc<Monitor>,
    pub(super) permits: Arc<QueryPermits>,
    /// Cleared when a query is refused, because the index may have been dropped.
    server: StdMutex<Option<Arc<ServerInfo>>>,
    /// Held while the server is probed. Holds when the last probe started and how it failed.
    pub(super) attempt: Mutex<Option<(Instant, MongoError)>>,
}

/// How long the server may take to return the first results of a query over the whole collection.
pub(super) const WHOLE: Duration = Duration::from_secs(1800);

impl EventCollection {
    /// Returns a collection whose server has not been contacted yet.
    pub(super) fn new(
        options: MongoOptions,
        client: Client,
        database: Database,
        acknowledgement: Acknowledgement,
        monitor: Arc<Monitor>,
        permits: Arc<QueryPermits>,
    ) -> Self {
        Self {
            options,
            client,
            database,
            acknowledgement,
            monitor,
            permits,
            server: StdMutex::default(),
            attempt: Mutex::new(None),
        }
    }

    pub(super) fn known(&self) -> Option<Arc<ServerInfo>> {
        let known = self.server.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|server| server.until.is_none_or(|until| Instant::now() < until))
    }

    pub(super) fn set_known(&self, server: Option<Arc<ServerInfo>>) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// The collection, with the read preference of the connection string.
    pub(super) fn collection(&self) -> Collection<RawDocumentBuf> {
        self.database.collection(&self.options.collection)
    }

    /// The collection, read from the primary, which has every acknowledged write.
    pub(super) fn primary(&self) -> Collection<RawDocumentBuf> {
        let mut options = CollectionOptions::default();
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        // `local` is the server's default, so it is set only to override another level. Some servers reject the option.
        options.read_concern = self.database.read_concern().map(|_| ReadConcern::local());
        self.database.collection_with_options(&self.options.collection, options)
    }

    pub(super) async fn command(&self, database: &Database, command: Document) -> Result<Document, MongoError> {
        self.ask(MongoCommand::Other, self.options.answer_timeout, database.run_command(command)).await
    }

    /// Runs a command with a time limit and records it in the metrics.
    pub(super) async fn ask<T>(
        &self,
        command: MongoCommand,
        limit: Duration,
        work: impl IntoFuture<Output = Answer<T>>,
    ) -> Result<T, MongoError> {
        self.monitor.watch(command, timed(limit, work)).await
    }
}

pub(super) type Answer<T> = Result<T, mongodb::error::Error>;

/// Waits for an answer up to a time limit. Dropping the future closes its connection, so a late answer cannot reach
/// another request.
pub(super) async fn timed_raw<T>(
    limit: Duration,
    work: impl IntoFuture<Output = Answer<T>>,
) -> Result<Answer<T>, MongoError> {
    let late = |_| MongoError::TimedOut(format!("no answer within {} s", limit.as_secs_f64()));
    tokio::time::timeout(limit, work.into_future()).await.map_err(late)
}

pub(super) async fn timed<T>(limit: Duration, work: impl IntoFuture<Output = Answer<T>>) -> Result<T, MongoError> {
    timed_raw(limit, work).await?.map_err(MongoError::from)
}
