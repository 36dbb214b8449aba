use uuid::Uuid;

use super::EventId;

/// The trust level of a sender, derived from the credentials that it presented.
///
/// ```
/// use martech_core::event::Sender;
///
/// assert!(Sender::Anonymous.is_public() && Sender::Page.is_public());
/// assert!(!Sender::Trusted.is_public());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Presented no key. Anyone can send as this.
    Anonymous,
    /// Presented a page key, which everyone who opens the page can read.
    Page,
    /// Presented a secret key, or operates the store.
    Trusted,
}

impl Sender {
    /// The namespace for ids from senders without a key: the UUIDv5 of `martech:event-id:anonymous` in the URL
    /// namespace.
    pub const ANONYMOUS_IDS: Uuid = Uuid::from_u128(0xdb9ba360_e95b_57b7_a232_e6ad7e817d23);
    /// The namespace for ids from pages: the UUIDv5 of `martech:event-id:page` in the URL namespace.
    pub const PAGE_IDS: Uuid = Uuid::from_u128(0x66c960fc_71a7_5b6a_93fb_cf89d5b30316);

    /// Returns the stored id for an id that this sender supplied. Ids from public senders are mapped [into a
    /// namespace](EventId::within), so that nobody can send an event in place of one that came with a secret key.
    #[must_use]
    pub fn id(self, given: EventId) -> EventId {
        match self {
            Self::Anonymous => given.within(&Self::ANONYMOUS_IDS),
            Self::Page => given.within(&Self::PAGE_IDS),
            Self::Trusted => given,
        }
    }

    /// Returns whether anyone can send as this sender.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Anonymous | Self::Page)
    }
}
