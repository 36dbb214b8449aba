use super::{Currency, Money};

/// What the figures need of an event's properties, taken out once when it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Value of the order, for a purchase.
    pub order_value: Option<Money>,
    /// Currency of `order_value`; there exactly when that is.
    pub currency: Option<Currency>,
    /// The page that was looked at.
    pub page: Option<String>,
    /// The product that it is about.
    pub product: Option<String>,
    /// What was searched for.
    pub search: Option<String>,
}
