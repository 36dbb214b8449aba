//! Statistics of a shop. The events of the spans are read from the index, user by user. Aggregation over all users finds
//! when each was first seen.

use std::sync::Arc;

use mongodb::bson::{Document, doc};

use super::{
    document::{self, field},
    error::MongoError,
    event_collection::EventCollection,
    index::{self, date},
    server_info::ServerInfo,
};
use crate::{
    analytics::{Row, StatsAccumulator, StatsPlan},
    query::{Stats, StatsQuery, TimeRange},
};

impl EventCollection {
    pub(super) async fn stats(&self, server: &ServerInfo, query: &StatsQuery) -> Result<Stats, MongoError> {
        let plan = Arc::new(StatsPlan::new(query)?);
        let mut counted = StatsAccumulator::new(plan.clone());
        let seen = async {
            if !server.capabilities.group {
                return self.first_seen_by_index(server, &plan).await;
            }
            match self.first_seen(server, &plan).await {
                Err(error) if error.is_refusal() => {
                    tracing::warn!(%error, "MongoDB refused to group users; finding new users in the whole index");
                    self.first_seen_by_index(server, &plan).await
                }
                seen => seen,
            }
        };
        let (seen, ()) = tokio::try_join!(seen, self.count_events(server, &plan, &mut counted))?;
        counted.merge(seen);
        Ok(counted.finish())
    }

    async fn count_events(
        &self,
        server: &ServerInfo,
        plan: &StatsPlan,
        counted: &mut StatsAccumulator,
    ) -> Result<(), MongoError> {
        let filter = within(field::OCCURRED, plan.spans());
        let fields = doc! {
            "_id": 0, field::USER: 1, field::TYPE: 1, field::OCCURRED: 1, field::SESSION: 1, field::VALUE: 1,
            field::MICROS: 1,
            field::CURRENCY: 1, field::PAGE: 1, field::PRODUCT: 1, field::SEARCH: 1,
        };
        let find = self.find(server.capabilities, filter).sort(index::key()).projection(fields);
        let mut documents = find.batch(BATCH).documents().await?;
        let (mut user, mut rows) = (String::new(), Vec::<Row>::new());
        while let Some(document) = documents.next().await? {
            let (of, row) = document::row(document, counted.symbols())?;
            if of != user {
                if !rows.is_empty() {
                    counted.user(&rows);
                    rows.clear();
                }
                of.clone_into(&mut user);
            }
            rows.push(row);
        }
        if !rows.is_empty() {
            counted.user(&rows);
        }
        Ok(())
    }

    /// Finds the users whose first event lies in a span, by aggregation on the server.
    async fn first_seen(&self, server: &ServerInfo, plan: &Arc<StatsPlan>) -> Result<StatsAccumulator, MongoError> {
        // `$first` in the index order lets the server skip from user to user (DISTINCT_SCAN) if it supports that.
        let pipeline = [
            doc! { "$sort": index::key() },
            doc! { "$group": { "_id": "$userId", "first": { "$first": "$occurredAt" } } },
            doc! { "$match": within("first", plan.spans()) },
        ];
        let mut counted = StatsAccumulator::new(plan.clone());
        let mut documents = self.aggregate(server.capabilities, pipeline).documents().await?;
        while let Some(document) = documents.next().await? {
            let first = document.get_datetime("first").map_err(|error| MongoError::Other(error.to_string()))?;
            counted.new_user(first.timestamp_millis());
        }
        Ok(counted)
    }

    /// Finds the same users by reading the whole index.
    async fn first_seen_by_index(
        &self,
        server: &ServerInfo,
        plan: &Arc<StatsPlan>,
    ) -> Result<StatsAccumulator, MongoError> {
        let mut counted = StatsAccumulator::new(plan.clone());
        let fields = doc! { field::USER: 1, field::OCCURRED: 1 };
        let find = self.find(server.capabilities, doc! {}).sort(index::key()).projection(fields);
        let mut documents = find.batch(BATCH).documents().await?;
        let mut user = None::<String>;
        while let Some(document) = documents.next().await? {
            let of = document.get_str(field::USER).unwrap_or_default();
            if user.as_deref() != Some(of) {
                user = Some(of.to_owned());
                counted.new_user(document::time_and_id(document)?.0.millis());
            }
        }
        Ok(counted)
    }
}

/// Returns the filter for dates in one of the spans.
fn within(field: &str, spans: &[TimeRange]) -> Document {
    let within = |span: &TimeRange| doc! { field: { "$gte": date(span.from.millis()), "$lt": date(span.to.millis()) } };
    match spans {
        [span] => within(span),
        spans => doc! { "$or": spans.iter().map(within).collect::<Vec<_>>() },
    }
}

/// Documents per batch. With these fields, a batch has a few hundred kilobytes.
pub(super) const BATCH: usize = 4_000;
