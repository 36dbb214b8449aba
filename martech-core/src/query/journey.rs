use serde::Serialize;

use super::{Order, QueryError, cursor};
use crate::{
    event::{Event, EventId, EventType, Timestamp},
    setters::setters,
};

/// A query for the events of one user, in time order.
///
/// ```
/// use martech_core::{EventType, query::{JourneyQuery, Order}};
///
/// let orders = JourneyQuery::new("u1").types([EventType::PURCHASE]).order(Order::Descending).limit(10);
/// assert!(orders.from.is_none());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JourneyQuery {
    /// The user.
    pub user_id: String,
    /// Inclusive start of the time span. `None` leaves it open.
    pub from: Option<Timestamp>,
    /// Exclusive end of the time span. `None` leaves it open.
    pub to: Option<Timestamp>,
    /// Event types to include. Includes all if empty.
    pub types: Vec<EventType>,
    /// By `occurredAt`, then by event id.
    pub order: Order,
    /// Maximum number of events.
    pub limit: usize,
    /// The `next` of the previous page.
    pub cursor: Option<JourneyCursor>,
}

impl JourneyQuery {
    /// Creates a query for the first hundred events of a user.
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

setters! {
    JourneyQuery {
        from: into Option<Timestamp>,
        to: into Option<Timestamp>,
        types: into Vec<EventType>,
        order: Order,
        limit: usize,
        cursor: into Option<JourneyCursor>,
    }
}

/// A page of a journey, as a store returns it. [`JourneyQuery::answer`] converts it to its wire shape.
#[derive(Debug, Clone, Default)]
pub struct JourneyPage {
    /// Events in the requested order.
    pub events: Vec<Event>,
    /// Start of the next page, if there is one.
    pub next: Option<JourneyCursor>,
}

/// A page of a journey: `{"userId", "events": [...], "nextCursor"?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Journey {
    /// The user.
    pub user_id: String,
    /// Events in the requested order.
    pub events: Vec<Event>,
    /// Cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl JourneyQuery {
    /// Converts a page that answers this query to its wire shape.
    pub fn answer(&self, page: JourneyPage) -> Journey {
        let JourneyPage { events, next } = page;
        Journey { user_id: self.user_id.clone(), events, next_cursor: next.map(|next| next.encode(self.order)) }
    }
}

/// The position of the last event of a page. The next page begins after it.
///
/// The cursor is a position in the order of events, not a count (keyset pagination), so events that arrive between two
/// pages neither repeat nor hide any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyCursor {
    /// Time of the event.
    pub occurred_at: Timestamp,
    /// Id of the event.
    pub event_id: EventId,
}

const KIND: &str = "journey";

impl JourneyCursor {
    /// Encodes the cursor as opaque text, bound to the order of its query.
    pub fn encode(&self, order: Order) -> String {
        cursor::encode(KIND, &[order.as_str()], &[&self.occurred_at.millis(), &self.event_id])
    }

    /// Decodes the output of [`encode`](Self::encode).
    ///
    /// # Errors
    /// Fails for text that is not a cursor, and for a cursor of another order or another kind of query.
    pub fn decode(text: &str, order: Order) -> Result<Self, QueryError> {
        let [occurred_at, event_id] = cursor::decode(text, KIND, &[order.as_str()])?;
        Ok(Self {
            occurred_at: Timestamp::from_millis(cursor::field(&occurred_at)?),
            event_id: EventId(cursor::field(&event_id)?),
        })
    }
}
