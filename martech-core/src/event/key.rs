use xxhash_rust::xxh3::xxh3_64;

use super::{Event, EventId, Timestamp};

/// Identifies an event by its id and the UTC day on which it occurred. Stores keep at most one event per key.
///
/// The day is part of the key so that a store partitioned by day does not have to search every partition. A store that
/// searches all of them anyway may deduplicate by id alone.
///
/// If the key is already stored, the [`Signature`] tells a duplicate from a conflict: an equal signature means the same
/// event sent again, and a different signature is [rejected](crate::store::Rejection::id_conflict).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    /// The event id.
    pub id: EventId,
    /// [`Timestamp::day`](super::Timestamp::day) of `occurred_at`.
    pub day: i32,
}

impl EventKey {
    /// Returns the keys under which the event may already be stored: its own and, if its time is
    /// [estimated](Event::estimated_time), those of the two adjacent days. A repeated send of such an event estimates
    /// the time anew.
    pub fn candidates(self, estimated: bool) -> impl Iterator<Item = Self> {
        let reach = i32::from(estimated);
        (self.day - reach..=self.day + reach).map(move |day| Self { id: self.id, day })
    }
}

/// The user, type and time of an event. Apart from the id, these are what a repeated send has in common with the
/// original. An event with the same id and a different signature is a different event.
///
/// Properties are not compared. A sender that rebuilds an event for a retry may order its properties differently or add
/// new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// [`Event::user_id`].
    pub user_id: &'a str,
    /// [`Event::event_type`].
    pub event_type: &'a str,
    /// [`Event::occurred_at`].
    pub occurred_at: Timestamp,
}

/// A 4-byte hash of a [`Signature`], for stores that do not keep all of it at hand. User and type take two bytes and the
/// time two, so signatures that differ in only one of these collide with a probability of 1 in 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u32);

impl Signature<'_> {
    /// Returns whether this signature equals that of a stored event, which makes its event a repeated send. The time is
    /// ignored if it is [estimated](Event::estimated_time), because each send estimates it anew.
    pub fn is_resend(&self, stored: &Self, estimated: bool) -> bool {
        (self.user_id, self.event_type) == (stored.user_id, stored.event_type)
            && (estimated || self.occurred_at == stored.occurred_at)
    }

    /// Returns the 4-byte hash of the signature.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(xxh3_64(self.user_id.as_bytes()), self.event_type, self.occurred_at)
    }
}

impl Fingerprint {
    /// Hashes a signature. `user` is the XXH3-64 of the user id.
    pub(crate) fn new(user: u64, event_type: &str, occurred_at: Timestamp) -> Self {
        // 2^64 divided by the golden ratio. Multiplication by this odd number spreads each bit to the upper ones.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let who = (user.rotate_left(32) ^ xxh3_64(event_type.as_bytes())).wrapping_mul(SPREAD) >> 48;
        let when = (occurred_at.millis() as u64).wrapping_mul(SPREAD) >> 48;
        Self((who << 16 | when) as u32)
    }

    /// Creates a fingerprint from the result of [`bits`](Self::bits).
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the hash: user and type in the upper 16 bits, the time in the lower 16.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the same as [`Signature::is_resend`], with a false positive rate of 1 in 65,536.
    pub const fn is_resend(self, stored: Self, estimated: bool) -> bool {
        let other = self.0 ^ stored.0;
        if estimated { other >> 16 == 0 } else { other == 0 }
    }
}

impl Event {
    /// Returns the user, type and time of the event.
    pub fn signature(&self) -> Signature<'_> {
        Signature { user_id: &self.user_id, event_type: self.event_type.as_str(), occurred_at: self.occurred_at }
    }

    /// Returns the deduplication key of the event.
    pub fn key(&self) -> EventKey {
        EventKey { id: self.id, day: self.occurred_at.day() }
    }

    /// Returns the keys under which the event may already be stored; see [`EventKey::candidates`].
    pub fn candidates(&self) -> impl Iterator<Item = EventKey> {
        self.key().candidates(self.estimated_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: Signature<'_> =
        Signature { user_id: "u", event_type: "search", occurred_at: Timestamp::from_millis(5) };

    #[test]
    fn matches_signatures_by_user_type_and_time() {
        let others = [
            (SIGNATURE, [true, true]),
            (Signature { user_id: "v", ..SIGNATURE }, [false, false]),
            (Signature { event_type: "purchase", ..SIGNATURE }, [false, false]),
            (Signature { occurred_at: Timestamp::from_millis(6), ..SIGNATURE }, [false, true]),
            (Signature { user_id: "search", event_type: "u", ..SIGNATURE }, [false, false]),
        ];
        for (other, expected) in others {
            let exact = [false, true].map(|estimated| other.is_resend(&SIGNATURE, estimated));
            assert_eq!(exact, expected, "{other:?}");
            let hashed =
                [false, true].map(|estimated| other.fingerprint().is_resend(SIGNATURE.fingerprint(), estimated));
            assert_eq!(hashed, expected, "{other:?}");
        }
    }

    /// Files store fingerprints, so the values must never change.
    #[test]
    fn fingerprint_values_are_stable() {
        let of = |user_id, event_type, millis| {
            Signature { user_id, event_type, occurred_at: Timestamp::from_millis(millis) }.fingerprint().bits()
        };
        let found = [of("u", "search", 5), of("u", "page_view", 1_795_342_500_250), of("", "", -1)];
        assert_eq!(found, [3_765_311_253, 229_422_962, 2_356_896_200]);
    }

    #[test]
    fn fingerprints_rarely_collide() {
        let times = (0..65_536).map(|millis| Timestamp::from_millis(1_795_342_500_000 + millis));
        let alike = times.filter(|time| {
            Signature { occurred_at: *time, ..SIGNATURE }.fingerprint().is_resend(SIGNATURE.fingerprint(), false)
        });
        assert!(alike.count() < 8);
        let users: Vec<String> = (0..65_536).map(|number| format!("user-{number}")).collect();
        let alike = users.iter().filter(|user| {
            Signature { user_id: user, ..SIGNATURE }.fingerprint().is_resend(SIGNATURE.fingerprint(), true)
        });
        assert!(alike.count() < 8);
    }
}
