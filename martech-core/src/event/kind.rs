use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of an event type: `page_view`, `purchase`, ...
///
/// A name has 1 to 64 characters: an ASCII letter, followed by ASCII letters, digits, `_`, `.`, `:` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Cow<'static, str>);

/// An error returned for text that is not a valid event type name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid event type; expected 1 to 64 characters: a letter, then letters, digits and _ . : -")]
pub struct InvalidEventType(String);

impl EventType {
    /// A visit began.
    pub const SESSION_START: Self = Self(Cow::Borrowed("session_start"));
    /// A page was viewed.
    pub const PAGE_VIEW: Self = Self(Cow::Borrowed("page_view"));
    /// A search was made.
    pub const SEARCH: Self = Self(Cow::Borrowed("search"));
    /// An order was placed.
    pub const PURCHASE: Self = Self(Cow::Borrowed("purchase"));
    /// A product was added to the cart.
    pub const ADD_TO_CART: Self = Self(Cow::Borrowed("add_to_cart"));
    /// A product was removed from the cart.
    pub const REMOVE_FROM_CART: Self = Self(Cow::Borrowed("remove_from_cart"));
    /// A button was clicked.
    pub const BUTTON_CLICK: Self = Self(Cow::Borrowed("button_click"));
    /// A form was submitted.
    pub const FORM_SUBMIT: Self = Self(Cow::Borrowed("form_submit"));
    /// A video started or resumed.
    pub const VIDEO_PLAY: Self = Self(Cow::Borrowed("video_play"));
    /// A video was paused.
    pub const VIDEO_PAUSE: Self = Self(Cow::Borrowed("video_pause"));

    /// The types that are always accepted.
    pub const KNOWN: [Self; 10] = [
        Self::SESSION_START,
        Self::PAGE_VIEW,
        Self::SEARCH,
        Self::PURCHASE,
        Self::ADD_TO_CART,
        Self::REMOVE_FROM_CART,
        Self::BUTTON_CLICK,
        Self::FORM_SUBMIT,
        Self::VIDEO_PLAY,
        Self::VIDEO_PAUSE,
    ];

    /// The maximum length of a name, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Parses any well-formed name, even one that no [`EventTypes`] accepts. Known types are returned without
    /// allocating.
    pub fn parse(name: &str) -> Result<Self, InvalidEventType> {
        if let Some(known) = Self::known(name) {
            return Ok(known);
        }
        let mut bytes = name.bytes();
        let well_formed = name.len() <= Self::MAX_CHARS
            && bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        if well_formed {
            Ok(Self(Cow::Owned(name.to_owned())))
        } else {
            Err(InvalidEventType(super::error::excerpt(name)))
        }
    }

    /// Returns the known type of this name, if there is one.
    fn known(name: &str) -> Option<Self> {
        Self::KNOWN.into_iter().find(|known| known.as_str() == name)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Parses with [`EventType::parse`].
impl FromStr for EventType {
    type Err = InvalidEventType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

/// The accepted event types: the [known](EventType::KNOWN) ones, plus those added by configuration.
///
/// ```
/// use martech_core::event::EventTypes;
///
/// let types: EventTypes = "wishlist_add, review_posted".parse()?;
/// assert!(types.get("page_view").is_some());
/// assert!(types.get("review_posted").is_some());
/// assert!(types.get("review_deleted").is_none());
/// # Ok::<(), martech_core::event::InvalidEventType>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventTypes {
    more: BTreeSet<EventType>,
    any: bool,
    advice: Cow<'static, str>,
}

impl EventTypes {
    /// Creates a set of only the known types.
    pub fn known() -> Self {
        Self::default()
    }

    /// Creates a set that accepts every [well-formed name](EventType::parse).
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Adds a type.
    #[must_use]
    pub fn with(mut self, event_type: EventType) -> Self {
        self.more.insert(event_type);
        self
    }

    /// Sets the end of the error message about an unaccepted type: how to get more types accepted.
    #[must_use]
    pub fn advise(self, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    /// Returns the reason that a name is rejected, either as malformed or as unaccepted.
    pub(crate) fn refusal(&self, name: &str) -> String {
        let name = match EventType::parse(name) {
            Ok(name) => name,
            Err(error) => return error.to_string(),
        };
        let known = EventType::KNOWN.each_ref().map(EventType::as_str).join(", ");
        let between = if self.advice.is_empty() { "" } else { "; " };
        format!("event type {name} is not accepted; known types are {known}{between}{}", self.advice)
    }

    /// Returns the types accepted by name: the known and the configured ones.
    pub fn named(&self) -> impl Iterator<Item = EventType> {
        EventType::KNOWN.into_iter().chain(self.more.iter().cloned())
    }

    /// Returns whether every well-formed name is accepted.
    pub fn accepts_any(&self) -> bool {
        self.any
    }

    /// Returns the type of this name, if it is accepted.
    pub fn get(&self, name: &str) -> Option<EventType> {
        let event_type = EventType::parse(name).ok()?;
        self.takes(&event_type).then_some(event_type)
    }

    /// Returns whether events of this type are accepted.
    pub fn takes(&self, event_type: &EventType) -> bool {
        // Exactly the known types are borrowed, because `parse` returns them for their names.
        self.any || matches!(event_type.0, Cow::Borrowed(_)) || self.more.contains(event_type)
    }
}

/// Parses names separated by commas. `*` accepts every name.
impl FromStr for EventTypes {
    type Err = InvalidEventType;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut types = Self::known();
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name == "*" {
                types.any = true;
            } else {
                types.more.insert(EventType::parse(name)?);
            }
        }
        Ok(types)
    }
}
