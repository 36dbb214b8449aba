use uuid::Uuid;

use super::EventId;

/// How far a sender of events is trusted, by how they showed who they are.
///
/// ```
/// use martech_core::event::Sender;
///
/// assert!(Sender::Anonymous.is_public() && Sender::Page.is_public());
/// assert!(!Sender::Trusted.is_public());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Showed no key: anybody.
    Anonymous,
    /// Showed the key of a page, which everybody who opens that page can read.
    Page,
    /// Showed a secret key, or is the operator of the store.
    Trusted,
}

impl Sender {
    /// The namespace of the ids of senders without a key: the UUIDv5 of `martech:event-id:anonymous` in the namespace of URLs.
    pub const ANONYMOUS_IDS: Uuid = Uuid::from_u128(0xdb9ba360_e95b_57b7_a232_e6ad7e817d23);
    /// The namespace of the ids of pages: the UUIDv5 of `martech:event-id:page` in the namespace of URLs.
    pub const PAGE_IDS: Uuid = Uuid::from_u128(0x66c960fc_71a7_5b6a_93fb_cf89d5b30316);

    /// The id of an event to which this sender gave an id. What a public sender gives is put [into a
    /// namespace](EventId::within), so that nobody can send an event in the place of one that came with a secret.
    #[must_use]
    pub fn id(self, given: EventId) -> EventId {
        match self {
            Self::Anonymous => given.within(&Self::ANONYMOUS_IDS),
            Self::Page => given.within(&Self::PAGE_IDS),
            Self::Trusted => given,
        }
    }

    /// Whether anybody can send as this one.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Anonymous | Self::Page)
    }
}
