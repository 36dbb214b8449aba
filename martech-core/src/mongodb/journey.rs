//! One user's events, ordered by time and then by id.
//!
//! The index returns events by time. Events with equal times are sorted by id on the client, and no more of them are
//! kept than fit on the page.

use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::{
    document::{self, field},
    error::MongoError,
    event_collection::EventCollection,
    index::date,
    server_info::ServerInfo,
};
use crate::{
    event::{EventId, Timestamp},
    query::{JourneyCursor, JourneyPage, JourneyQuery, Order},
};

impl EventCollection {
    pub(super) async fn journey(&self, server: &ServerInfo, query: &JourneyQuery) -> Result<JourneyPage, MongoError> {
        let Some(filter) = filter(query).filter(|_| query.limit > 0) else { return Ok(JourneyPage::default()) };
        let direction = match query.order {
            Order::Ascending => 1,
            Order::Descending => -1,
        };
        let find = self.find(server.capabilities, filter).sort(doc! { "userId": direction, "occurredAt": direction });
        let mut documents = find.batch(query.limit.saturating_add(1)).documents().await?;
        let mut page = Page::new(query);
        while let Some(document) = documents.next().await? {
            if !page.take(document::time_and_id(document)?, || document.to_owned()) {
                break;
            }
        }
        page.finish()
    }
}

/// Builds the filter for the server. Returns `None` if the span is empty.
fn filter(query: &JourneyQuery) -> Option<Document> {
    let mut first = query.from.map(Timestamp::millis);
    let mut last = match query.to {
        Some(to) => Some(to.millis().checked_sub(1)?),
        None => None,
    };
    if let Some(cursor) = query.cursor {
        // Other events at the cursor's time may follow it.
        let at = cursor.occurred_at.millis();
        match query.order {
            Order::Ascending => first = Some(first.map_or(at, |first| first.max(at))),
            Order::Descending => last = Some(last.map_or(at, |last| last.min(at))),
        }
    }
    if let (Some(first), Some(last)) = (first, last)
        && first > last
    {
        return None;
    }
    let mut filter = doc! { field::USER: &query.user_id };
    let mut span = Document::new();
    first.into_iter().for_each(|first| _ = span.insert("$gte", date(first)));
    last.into_iter().for_each(|last| _ = span.insert("$lte", date(last)));
    if !span.is_empty() {
        filter.insert(field::OCCURRED, span);
    }
    if !query.types.is_empty() {
        let types: Vec<&str> = query.types.iter().map(|event_type| event_type.as_str()).collect();
        filter.insert(field::TYPE, doc! { "$in": types });
    }
    Some(filter)
}

/// A page that is being filled.
struct Page<'q> {
    query: &'q JourneyQuery,
    /// Events before `moment`, in their final order.
    events: Vec<RawDocumentBuf>,
    /// Time of the events in `tie`.
    moment: Option<Timestamp>,
    /// Events at `moment` that may still fit on the page.
    tie: Vec<(EventId, RawDocumentBuf)>,
}

impl<'q> Page<'q> {
    fn new(query: &'q JourneyQuery) -> Self {
        Self { query, events: Vec::new(), moment: None, tie: Vec::new() }
    }

    /// Adds the next event in time order. Returns whether the page needs more. One event beyond the limit shows that
    /// there is another page.
    fn take(&mut self, (at, id): (Timestamp, EventId), document: impl FnOnce() -> RawDocumentBuf) -> bool {
        if self.moment != Some(at) {
            self.end_moment();
            self.moment = Some(at);
        }
        if self.missing() == 0 {
            return false;
        }
        if self.query.cursor.is_some_and(|cursor| !self.is_behind((at, id), cursor)) {
            return true;
        }
        self.tie.push((id, document()));
        // Sorting only at twice the needed number makes the cost amortized, not per event.
        if self.tie.len() >= self.missing().saturating_mul(2) {
            self.sort_tie();
        }
        true
    }

    fn is_behind(&self, position: (Timestamp, EventId), cursor: JourneyCursor) -> bool {
        let cursor = (cursor.occurred_at, cursor.event_id);
        match self.query.order {
            Order::Ascending => position > cursor,
            Order::Descending => position < cursor,
        }
    }

    fn missing(&self) -> usize {
        self.query.limit.saturating_add(1) - self.events.len()
    }

    fn sort_tie(&mut self) {
        self.tie.sort_unstable_by_key(|(id, _)| *id);
        if self.query.order == Order::Descending {
            self.tie.reverse();
        }
        self.tie.truncate(self.missing());
    }

    fn end_moment(&mut self) {
        self.sort_tie();
        self.events.extend(self.tie.drain(..).map(|(_, document)| document));
    }

    fn finish(mut self) -> Result<JourneyPage, MongoError> {
        self.end_moment();
        let more = self.events.len() > self.query.limit;
        self.events.truncate(self.query.limit);
        let events = self.events.iter().map(|document| document::read(document)).collect::<Result<Vec<_>, _>>()?;
        let last = events.last().filter(|_| more);
        let next = last.map(|last| JourneyCursor { occurred_at: last.occurred_at, event_id: last.id });
        Ok(JourneyPage { events, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    #[test]
    fn events_at_one_time_stay_within_bounds() {
        for order in [Order::Ascending, Order::Descending] {
            let query = JourneyQuery { limit: 3, order, ..JourneyQuery::new("u") };
            let mut page = Page::new(&query);
            for number in 0..200_u8 {
                let shuffled = number.wrapping_mul(7);
                assert!(page.take((Timestamp::from_millis(5), id(shuffled)), RawDocumentBuf::new));
                assert!(page.tie.len() <= 8);
            }
            page.sort_tie();
            let kept: Vec<EventId> = page.tie.iter().map(|(id, _)| *id).collect();
            let mut all: Vec<EventId> = (0..200_u8).map(|number| id(number.wrapping_mul(7))).collect();
            all.sort_unstable();
            if order == Order::Descending {
                all.reverse();
            }
            assert_eq!(kept, all[..4]);
            assert!(!page.take((Timestamp::from_millis(6), id(1)), RawDocumentBuf::new));
        }
    }

    #[test]
    fn empty_span_sends_no_query() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        let span = |from, to| filter(&JourneyQuery { from, to, ..JourneyQuery::new("u") });
        assert_eq!(span(at(5), at(5)), None);
        assert_eq!(span(None, at(i64::MIN)), None);
        let expected = doc! { "userId": "u", "occurredAt": { "$gte": date(5), "$lte": date(5) } };
        assert_eq!(span(at(5), at(6)), Some(expected));
        assert_eq!(span(None, None), Some(doc! { "userId": "u" }));
    }

    #[test]
    fn cursor_narrows_the_span() {
        let cursor = Some(JourneyCursor { occurred_at: Timestamp::from_millis(7), event_id: id(1) });
        let with = |order, from| {
            let from = Some(Timestamp::from_millis(from));
            filter(&JourneyQuery { from, order, cursor, ..JourneyQuery::new("u") })
                .map(|filter| filter["occurredAt"].clone())
        };
        assert_eq!(with(Order::Ascending, 5), Some(doc! { "$gte": date(7) }.into()));
        assert_eq!(with(Order::Ascending, 9), Some(doc! { "$gte": date(9) }.into()));
        assert_eq!(with(Order::Descending, 5), Some(doc! { "$gte": date(5), "$lte": date(7) }.into()));
        assert_eq!(with(Order::Descending, 9), None);
    }
}
