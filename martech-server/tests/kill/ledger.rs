//! A ledger of the events that were sent, and of their outcomes.

use std::fmt::Write as _;

use serde_json::{Value, json};
use uuid::{Builder, Uuid};

/// The events of one source: a sender or an importer. Each source has its own users.
pub(crate) struct Ledger {
    pub(crate) source: u32,
    /// The index of an event is its number.
    pub(crate) events: Vec<Sent>,
}

/// An event that may have been sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// `None` if the import derives the id.
    pub(crate) id: Option<Uuid>,
    user: u32,
    kind: Kind,
    occurred_at: String,
    /// Whether any request or file has contained the event, answered or not.
    pub(crate) tried: bool,
    /// Whether a response has reported the event as durable.
    pub(crate) acknowledged: bool,
    /// The last run of the server that accepted the event with `ack=buffered`.
    pub(crate) buffered: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PageView,
    Search,
    Purchase,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::Search => "search",
            Self::Purchase => "purchase",
        }
    }
}

/// The query for the totals. Its range contains the times of all events.
pub(crate) const STATS: &str = "/stats?from=2026-01-01&to=2026-01-08&tz=UTC";
const USERS: u32 = 10;
/// The total of every purchase. The expected revenue is this times the number of purchases.
pub(crate) const PRICE_IN_CENTS: u64 = 1_999;

impl Ledger {
    pub(crate) fn new(source: u32) -> Self {
        Self { source, events: Vec::new() }
    }

    /// Creates an event. Returns its number.
    pub(crate) fn add(&mut self, random: &mut fastrand::Rng, with_id: bool) -> usize {
        // The id contains the source, so that no two sources have an id in common.
        let random_id = random.u128(..) << 32 | u128::from(self.source);
        let id = with_id.then(|| Builder::from_random_bytes(random_id.to_be_bytes()).into_uuid());
        let occurred_at = format!(
            "2026-01-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            random.u8(1..6),
            random.u8(0..24),
            random.u8(0..60),
            random.u8(0..60),
            random.u16(0..1000)
        );
        let kind = *random.choice(&[Kind::PageView, Kind::PageView, Kind::Search, Kind::Purchase]).unwrap();
        let user = random.u32(0..USERS);
        self.events.push(Sent { id, user, kind, occurred_at, tried: false, acknowledged: false, buffered: None });
        self.events.len() - 1
    }

    pub(crate) fn user(&self, number: usize) -> String {
        format!("source{}-user{}", self.source, self.events[number].user)
    }

    /// Returns the event as it is sent.
    pub(crate) fn json(&self, number: usize) -> Value {
        let sent = &self.events[number];
        let mut event = json!({
            "userId": self.user(number),
            "type": sent.kind.name(),
            "occurredAt": sent.occurred_at,
            "properties": { "page": format!("/products/{}", number % 50), "source": self.source, "number": number },
        });
        match sent.kind {
            Kind::PageView => {}
            Kind::Search => event["properties"]["query"] = json!(format!("term {}", number % 20)),
            Kind::Purchase => event["properties"]["total"] = json!(price()),
        }
        if let Some(id) = sent.id {
            event["eventId"] = json!(id);
        }
        event
    }

    /// The columns of [`csv`](Self::csv).
    pub(crate) const CSV_HEADER: &str =
        "eventId,userId,type,occurredAt,properties.page,properties.source,properties.number,properties.total\n";

    /// Returns the event as a line of CSV.
    pub(crate) fn csv(&self, number: usize) -> String {
        let sent = &self.events[number];
        let mut line = sent.id.map(|id| id.to_string()).unwrap_or_default();
        let (user, kind, source) = (self.user(number), sent.kind.name(), self.source);
        let total = if sent.kind == Kind::Purchase { price() } else { String::new() };
        let page = number % 50;
        writeln!(line, ",{user},{kind},{},/products/{page},{source},{number},{total}", sent.occurred_at).unwrap();
        line
    }

    /// Returns whether an event of a journey equals the sent event of this number.
    pub(crate) fn tells(&self, number: usize, event: &Value) -> bool {
        let Some(sent) = self.events.get(number) else { return false };
        event["userId"].as_str().is_none_or(|user| user == self.user(number))
            && event["type"] == sent.kind.name()
            && event["occurredAt"] == *sent.occurred_at
            && sent.id.is_none_or(|id| event["eventId"].as_str() == Some(&id.to_string()))
            && sent.tried
    }

    pub(crate) fn acknowledge(&mut self, number: usize) {
        self.events[number].acknowledged = true;
    }
}

impl Sent {
    pub(crate) fn is_purchase(&self) -> bool {
        self.kind == Kind::Purchase
    }
}

fn price() -> String {
    format!("{}.{:02}", PRICE_IN_CENTS / 100, PRICE_IN_CENTS % 100)
}

/// Returns the source and the number of an event of a journey. They identify the event independently of its id. Events
/// from CSV have them as text.
pub(crate) fn name_of(event: &Value) -> (u32, usize) {
    let number = |name: &str| {
        let value = &event["properties"][name];
        value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{event} was never sent"))
    };
    (number("source") as u32, number("number") as usize)
}
