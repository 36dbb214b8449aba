/// The name of what was done: `page_view`, `purchase`, ...
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(std::borrow::Cow<'static, str>);

impl EventType {
    /// A purchase: an order was placed.
    pub const PURCHASE: Self = Self(std::borrow::Cow::Borrowed("purchase"));

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which event types are taken.
#[derive(Debug, Clone)]
pub struct EventTypes {}
