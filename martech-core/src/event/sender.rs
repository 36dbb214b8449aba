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
    /// Whether anybody can send as this one.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Anonymous | Self::Page)
    }
}
