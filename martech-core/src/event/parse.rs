use super::{Batch, Currency, Event, EventError, EventTypes, Timestamp};

/// The longest JSON text of one event, in bytes.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;
/// How deep objects and arrays may be nested in one event; the event itself is the first level, `properties` the second.
pub const MAX_DEPTH: usize = 32;

/// How events are read: which types, which currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// Types that are taken.
    pub types: EventTypes,
    /// Currency of an order that names none.
    pub currency: Currency,
}

/// The known types, US dollars.
impl Default for EventRules {
    fn default() -> Self {
        Self { types: EventTypes::known(), currency: Currency::USD }
    }
}

impl EventRules {
    /// Reads one event from the text of a JSON object.
    pub fn parse(&self, _json: &str, _received_at: Timestamp) -> Result<Event, EventError> {
        unimplemented!()
    }

    /// Reads the events of a batch, each for itself, in their order; corrects their clock by `sentAt`.
    pub fn parse_batch(&self, _batch: &Batch<'_>, _received_at: Timestamp) -> Vec<Result<Event, EventError>> {
        unimplemented!()
    }
}
