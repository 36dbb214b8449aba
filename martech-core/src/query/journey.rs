use serde::Serialize;

use super::{Order, QueryError, cursor};
use crate::event::{Event, EventId, EventType, Timestamp};

/// The events of one user, in time order.
#[derive(Debug, Clone)]
pub struct JourneyQuery {
    /// Whose.
    pub user_id: String,
    /// Only events in this span; `None` for an open side.
    pub from: Option<Timestamp>,
    /// Exclusive end.
    pub to: Option<Timestamp>,
    /// Only these types; all when empty.
    pub types: Vec<EventType>,
    /// By `occurredAt`, then by event id.
    pub order: Order,
    /// How many at most.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<JourneyCursor>,
}

impl JourneyQuery {
    /// The first hundred events of a user.
    pub fn new(user_id: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            from: None,
            to: None,
            types: Vec::new(),
            order: Order::Ascending,
            limit: 100,
            cursor: None,
        }
    }
}

/// A page of a journey, as a store gives it. [`JourneyQuery::answer`] makes its wire shape.
#[derive(Debug, Clone, Default)]
pub struct JourneyPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Where the next page begins, if there is more.
    pub next: Option<JourneyCursor>,
}

/// A page of a journey on the wire: `{"userId", "events": [...], "nextCursor"?}`, the events as they
/// [serialize](Event#impl-Serialize-for-Event).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Journey {
    /// Whose.
    pub user_id: String,
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Where the next page begins, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl JourneyQuery {
    /// The wire shape of a page that answers this query.
    pub fn answer(&self, page: JourneyPage) -> Journey {
        let JourneyPage { events, next } = page;
        Journey { user_id: self.user_id.clone(), events, next_cursor: next.map(|next| next.encode(self.order)) }
    }
}

/// The last event of a page; the next page begins behind it.
///
/// It names a place in the order of events, not a count, so events that arrive between two pages
/// neither repeat nor hide any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyCursor {
    /// Its time.
    pub occurred_at: Timestamp,
    /// Its id.
    pub event_id: EventId,
}

const KIND: &str = "journey";

impl JourneyCursor {
    /// As opaque text, bound to the order of the query that it comes from.
    pub fn encode(&self, order: Order) -> String {
        cursor::encode(KIND, &[order.as_str()], &[&self.occurred_at.millis(), &self.event_id])
    }

    /// Reads what [`encode`](Self::encode) made; refuses a cursor of another order, or of another question.
    pub fn decode(text: &str, order: Order) -> Result<Self, QueryError> {
        let [occurred_at, event_id] = cursor::decode(text, KIND, &[order.as_str()])?;
        Ok(Self {
            occurred_at: Timestamp::from_millis(cursor::field(&occurred_at)?),
            event_id: EventId(cursor::field(&event_id)?),
        })
    }
}
