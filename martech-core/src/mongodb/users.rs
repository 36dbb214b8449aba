//! The list of users. The server finds the users of the page, then their events are read from the index.

use std::collections::HashMap;

use mongodb::bson::{Bson, Decimal128, Document, RawBsonRef, RawDocument, doc};

use super::{
    document::{self, Decimal, field},
    error::MongoError,
    event_collection::EventCollection,
    index::{self, date},
    query::Documents,
    server_info::ServerInfo,
    stats::BATCH,
};
use crate::{
    analytics::{Row, Symbols, UserSummary},
    event::EventType,
    query::{Order, UserSort, UsersCursor, UsersPage, UsersQuery},
};

impl EventCollection {
    pub(super) async fn users(&self, server: &ServerInfo, query: &UsersQuery) -> Result<UsersPage, MongoError> {
        if !server.capabilities.group {
            return self.users_by_index(server, query).await;
        }
        match self.users_by_group(server, query).await {
            Err(error) if error.is_refusal() => {
                tracing::warn!(%error, "MongoDB refused to group users; building the user list from the whole index");
                self.users_by_index(server, query).await
            }
            answer => answer,
        }
    }

    /// Returns the page, found by aggregation on the server.
    async fn users_by_group(&self, server: &ServerInfo, query: &UsersQuery) -> Result<UsersPage, MongoError> {
        let (total, mut cursors) = tokio::try_join!(self.total(server, query), self.cursors(server, query))?;
        let more = cursors.len() > query.limit;
        cursors.truncate(query.limit);
        let next = cursors.last().filter(|_| more).cloned();
        let mut summaries = self.summaries(server, &cursors).await?;
        let row = |cursor: UsersCursor| {
            // Retention may have removed a user's events since the page was found. Such a user is left out.
            summaries.remove(&cursor.user_id).map(|summary| summary.to_row(cursor.user_id))
        };
        Ok(UsersPage { users: cursors.into_iter().filter_map(row).collect(), total, next })
    }

    /// Counts the users over all pages.
    async fn total(&self, server: &ServerInfo, query: &UsersQuery) -> Result<u64, MongoError> {
        let pipeline = [
            doc! { "$match": begins_with(&query.prefix) },
            doc! { "$group": { "_id": "$userId" } },
            doc! { "$group": { "_id": null, "users": { "$sum": 1 } } },
        ];
        let mut documents = self.aggregate(server.capabilities, pipeline).documents().await?;
        let Some(document) = documents.next().await? else { return Ok(0) };
        let users = number(document, "users").and_then(|users| u64::try_from(users.coefficient_at(0)?).ok());
        users.ok_or_else(|| MongoError::Other("the server returned a user count that is not a number".to_owned()))
    }

    /// Returns the users of the page, and one more if there is a next page.
    async fn cursors(&self, server: &ServerInfo, query: &UsersQuery) -> Result<Vec<UsersCursor>, MongoError> {
        let documents = self.aggregate(server.capabilities, pipeline(query)).documents();
        let (mut documents, mut cursors) = (documents.await?, Vec::new());
        while let Some(document) = documents.next().await? {
            cursors.push(cursor(document, query.sort).ok_or_else(|| {
                MongoError::Other("the server returned a user with a value of the wrong type".to_owned())
            })?);
        }
        Ok(cursors)
    }

    /// Builds the summaries of these users.
    async fn summaries(
        &self,
        server: &ServerInfo,
        cursors: &[UsersCursor],
    ) -> Result<HashMap<String, UserSummary>, MongoError> {
        let mut summaries = HashMap::with_capacity(cursors.len());
        if cursors.is_empty() {
            return Ok(summaries);
        }
        let ids: Vec<&str> = cursors.iter().map(|cursor| cursor.user_id.as_str()).collect();
        let documents = self.events_for_summaries(server, doc! { field::USER: { "$in": ids } }).await?;
        summarize(documents, |user_id, summary| _ = summaries.insert(user_id, summary)).await?;
        Ok(summaries)
    }

    async fn events_for_summaries(&self, server: &ServerInfo, filter: Document) -> Result<Documents, MongoError> {
        let fields = doc! {
            "_id": 0, field::USER: 1, field::TYPE: 1, field::OCCURRED: 1, field::SESSION: 1, field::VALUE: 1,
            field::MICROS: 1,
            field::CURRENCY: 1,
        };
        let find = self.find(server.capabilities, filter).sort(index::key()).projection(fields);
        find.batch(BATCH).documents().await
    }

    /// Builds the same page without aggregation, from all events of the users that match the prefix.
    async fn users_by_index(&self, server: &ServerInfo, query: &UsersQuery) -> Result<UsersPage, MongoError> {
        let (mut total, mut best) = (0, Vec::<(UsersCursor, UserSummary)>::new());
        let documents = self.events_for_summaries(server, begins_with(&query.prefix)).await?;
        let room = query.limit.saturating_add(1);
        summarize(documents, |user_id, summary| {
            total += 1;
            let cursor = UsersCursor { value: summary.sort_value(query.sort, query.currency), user_id };
            if query.cursor.as_ref().is_none_or(|after| query.rank(cursor.key(), after.key()).is_gt()) {
                best.push((cursor, summary));
            }
            if best.len() >= room.saturating_mul(2) {
                best.sort_unstable_by(|left, right| query.rank(left.0.key(), right.0.key()));
                best.truncate(room);
            }
        })
        .await?;
        best.sort_unstable_by(|left, right| query.rank(left.0.key(), right.0.key()));
        let more = best.len() > query.limit;
        best.truncate(query.limit);
        let next = best.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        Ok(UsersPage {
            users: best.into_iter().map(|(cursor, summary)| summary.to_row(cursor.user_id)).collect(),
            total,
            next,
        })
    }
}

/// Filters users by prefix, as a range of the index.
fn begins_with(prefix: &str) -> Document {
    let mut span = Document::new();
    if !prefix.is_empty() {
        span.insert("$gte", prefix);
    }
    if let Some(end) = behind(prefix) {
        span.insert("$lt", end);
    }
    if span.is_empty() {
        span
    } else {
        doc! { field::USER: span }
    }
}

/// Returns the smallest string greater than every string with this prefix, if there is one. The last character that has
/// a successor is replaced by that successor.
fn behind(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            char::MAX => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn pipeline(query: &UsersQuery) -> Vec<Document> {
    let is_order = doc! { "$eq": ["$type", EventType::PURCHASE.as_str()] };
    let value = match query.sort {
        UserSort::UserId => None,
        UserSort::FirstSeen => Some(doc! { "$min": "$occurredAt" }),
        UserSort::LastSeen => Some(doc! { "$max": "$occurredAt" }),
        UserSort::Events => Some(doc! { "$sum": 1 }),
        UserSort::Orders => Some(doc! { "$sum": { "$cond": [is_order, 1, 0] } }),
        UserSort::Revenue => {
            let in_currency = doc! { "$eq": ["$currency", query.currency.as_str()] };
            Some(doc! { "$sum": { "$cond": [{ "$and": [is_order, in_currency] }, "$orderValue", 0] } })
        }
    };
    let by_value = value.is_some();
    let mut group = doc! { "_id": "$userId" };
    value.into_iter().for_each(|value| _ = group.insert("value", value));
    let mut pipeline = vec![doc! { "$match": begins_with(&query.prefix) }, doc! { "$group": group }];
    pipeline.extend(query.cursor.as_ref().map(|cursor| doc! { "$match": is_behind(query, cursor) }));
    let direction = match query.order {
        Order::Ascending => 1,
        Order::Descending => -1,
    };
    pipeline.push(
        doc! { "$sort": if by_value { doc! { "value": direction, "_id": 1 } } else { doc! { "_id": direction } } },
    );
    // Servers reject a limit of zero. One more than the page's limit is never zero.
    pipeline.push(doc! { "$limit": i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX) });
    pipeline
}

/// Filters for the users behind the cursor.
fn is_behind(query: &UsersQuery, cursor: &UsersCursor) -> Document {
    let further = match query.order {
        Order::Ascending => "$gt",
        Order::Descending => "$lt",
    };
    if query.sort == UserSort::UserId {
        return doc! { "_id": { further: &cursor.user_id } };
    }
    let value = value_of(query.sort, cursor.value);
    doc! { "$or": [
        { "value": { further: value.clone() } },
        { "value": value, "_id": { "$gt": &cursor.user_id } },
    ] }
}

/// Converts a cursor's value to the type that the server computes, or to one that compares with it.
fn value_of(sort: UserSort, value: i128) -> Bson {
    let whole = || i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    match sort {
        UserSort::FirstSeen | UserSort::LastSeen => date(whole()).into(),
        UserSort::Revenue => {
            // A forged cursor may exceed the range of Decimal128. Its value is clamped.
            let largest = 10_i128.pow(33);
            let bits = Decimal::of_micros(value.clamp(-largest, largest)).money_bits().unwrap_or_default();
            Bson::Decimal128(Decimal128::from_bytes(bits.to_le_bytes()))
        }
        _ => whole().into(),
    }
}

fn number(document: &RawDocument, name: &str) -> Option<Decimal> {
    document.get(name).ok().flatten().and_then(document::decimal_of)
}

fn cursor(document: &RawDocument, sort: UserSort) -> Option<UsersCursor> {
    let user_id = document.get("_id").ok()?.and_then(RawBsonRef::as_str)?.to_owned();
    let value = match sort {
        UserSort::UserId => 0,
        UserSort::FirstSeen | UserSort::LastSeen => document.get_datetime("value").ok()?.timestamp_millis().into(),
        UserSort::Events | UserSort::Orders => number(document, "value")?.coefficient_at(0)?,
        UserSort::Revenue => number(document, "value")?.to_micros()?,
    };
    Some(UsersCursor { value, user_id })
}

/// Number of one user's events that are added to a summary at once.
const CHUNK: usize = 1 << 15;

/// Builds each user's summary. Events come grouped by user and in time order.
async fn summarize(mut documents: Documents, mut each: impl FnMut(String, UserSummary)) -> Result<(), MongoError> {
    let mut current = Current::default();
    while let Some(document) = documents.next().await? {
        let (user, row) = document::row(document, &mut current.symbols)?;
        if current.user_id.as_deref() != Some(user) {
            let user = user.to_owned();
            current.end(&mut each);
            current.user_id = Some(user);
            // The row refers to the symbols that were just dropped, so it is read again.
            let row = if current.forget_many() { document::row(document, &mut current.symbols)?.1 } else { row };
            current.rows.push(row);
        } else {
            current.rows.push(row);
            if current.rows.len() == CHUNK {
                current.add();
            }
        }
    }
    current.end(&mut each);
    Ok(())
}

/// The user whose events are being read.
#[derive(Default)]
struct Current {
    user_id: Option<String>,
    symbols: Symbols,
    rows: Vec<Row>,
    summary: Option<UserSummary>,
}

impl Current {
    fn add(&mut self) {
        let Some(more) = UserSummary::from_rows(&self.rows, &self.symbols) else { return };
        self.rows.clear();
        match &mut self.summary {
            Some(summary) => summary.merge(&more),
            None => self.summary = Some(more),
        }
    }

    fn end(&mut self, each: &mut impl FnMut(String, UserSummary)) {
        self.add();
        if let (Some(user_id), Some(summary)) = (self.user_id.take(), self.summary.take()) {
            each(user_id, summary);
        }
    }

    /// Drops the symbols if there are many. One user has few types and currencies, but all users together may have
    /// many. Returns whether the symbols were dropped.
    fn forget_many(&mut self) -> bool {
        let many = self.symbols.currencies.len() + self.symbols.types.len() > MANY;
        if many {
            self.symbols = Symbols::new();
        }
        many
    }
}

/// More types and currencies than any shop has.
const MANY: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_becomes_half_open_range() {
        let end = |prefix: &str| behind(prefix);
        assert_eq!(end("a").as_deref(), Some("b"));
        assert_eq!(end("shopper-9").as_deref(), Some("shopper-:"));
        assert_eq!(end("x\u{d7ff}").as_deref(), Some("x\u{e000}"));
        assert_eq!(end("x\u{10ffff}\u{10ffff}").as_deref(), Some("y"));
        assert_eq!((end("\u{10ffff}"), end("")), (None, None));
        assert_eq!(begins_with(""), doc! {});
        assert_eq!(begins_with("ab"), doc! { "userId": { "$gte": "ab", "$lt": "ac" } });
    }

    #[test]
    fn sort_values_roundtrip_through_bson() {
        let raw = |value: Bson| RawDocumentOf(doc! { "_id": "u", "value": value });
        let value = |value: Bson, sort| cursor(&raw(value).raw(), sort).map(|cursor| cursor.value);
        assert_eq!(value(Bson::Int32(7), UserSort::Events), Some(7));
        assert_eq!(value(Bson::Double(7.0), UserSort::Orders), Some(7));
        assert_eq!(value(Bson::Int64(0), UserSort::Revenue), Some(0));
        for micros in [0, 1, -12_500_000, 10_i128.pow(30)] {
            assert_eq!(value(value_of(UserSort::Revenue, micros), UserSort::Revenue), Some(micros));
        }
        assert_eq!(value(value_of(UserSort::LastSeen, -5), UserSort::LastSeen), Some(-5));
        assert_eq!(value(Bson::String("7".to_owned()), UserSort::Events), None);
    }

    struct RawDocumentOf(Document);

    impl RawDocumentOf {
        fn raw(&self) -> mongodb::bson::RawDocumentBuf {
            mongodb::bson::RawDocumentBuf::try_from(&self.0).unwrap()
        }
    }
}
