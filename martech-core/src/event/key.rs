use xxhash_rust::xxh3::xxh3_64;

use super::{Event, EventId, Timestamp};

/// What tells an event from others: its id, and the UTC day on which it occurred. Stores keep at most one event of each key.
///
/// The day is part of it so that a store which is split by days need not look through all of them. A store that looks
/// through all of them anyway may tell events apart by their ids alone.
///
/// Where the key is there already, the [`Deed`] says whether that is the same event, sent again, or another one. The other one
/// is [rejected](crate::store::Rejection::id_conflict).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    /// Its id.
    pub id: EventId,
    /// [`Timestamp::day`](super::Timestamp::day) of its `occurred_at`.
    pub day: i32,
}

impl EventKey {
    /// The keys under which the event may be stored already: its own, and those of the days beside it when its time is
    /// [estimated](Event::estimated_time), since the same event sent again is then estimated anew.
    pub fn candidates(self, estimated: bool) -> impl Iterator<Item = Self> {
        let reach = i32::from(estimated);
        (self.day - reach..=self.day + reach).map(move |day| Self { id: self.id, day })
    }
}

/// Who did what, and when: what an event that is sent again has in common with itself, besides its id. An event with the
/// same id and another deed is another event.
///
/// Nothing else counts. A sender that builds an event anew for a retry may write its properties in another order, or add
/// what it knows by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed<'a> {
    /// [`Event::user_id`].
    pub user_id: &'a str,
    /// [`Event::event_type`].
    pub event_type: &'a str,
    /// [`Event::occurred_at`].
    pub occurred_at: Timestamp,
}

/// A [`Deed`] in four bytes, for stores that do not keep all of it at hand. Of 65,536 deeds of other users or types, or at
/// other times, one looks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u32);

impl Deed<'_> {
    /// Whether this is the deed of a stored event, sent again. Its time does not count where it is
    /// [estimated](Event::estimated_time), since it is then estimated anew each time.
    pub fn is_again(&self, stored: &Self, estimated: bool) -> bool {
        (self.user_id, self.event_type) == (stored.user_id, stored.event_type)
            && (estimated || self.occurred_at == stored.occurred_at)
    }

    /// The deed in four bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(xxh3_64(self.user_id.as_bytes()), self.event_type, self.occurred_at)
    }
}

impl Fingerprint {
    /// Of a user with this XXH3-64.
    pub(crate) fn new(user: u64, event_type: &str, occurred_at: Timestamp) -> Self {
        // Odd and at random, so that each bit of a number reaches the upper ones.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let who = (user.rotate_left(32) ^ xxh3_64(event_type.as_bytes())).wrapping_mul(SPREAD) >> 48;
        let when = (occurred_at.millis() as u64).wrapping_mul(SPREAD) >> 48;
        Self((who << 16 | when) as u32)
    }

    /// From what [`bits`](Self::bits) gave.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The upper half of user and type, the lower half of the time.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// [`Deed::is_again`], but for one case in 65,536.
    pub const fn is_again(self, stored: Self, estimated: bool) -> bool {
        let other = self.0 ^ stored.0;
        if estimated { other >> 16 == 0 } else { other == 0 }
    }
}

impl Event {
    /// Who did what, and when.
    pub fn deed(&self) -> Deed<'_> {
        Deed { user_id: &self.user_id, event_type: self.event_type.as_str(), occurred_at: self.occurred_at }
    }

    /// What tells it from others.
    pub fn key(&self) -> EventKey {
        EventKey { id: self.id, day: self.occurred_at.day() }
    }

    /// The keys under which it may be stored already: see [`EventKey::candidates`].
    pub fn candidates(&self) -> impl Iterator<Item = EventKey> {
        self.key().candidates(self.estimated_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEED: Deed<'_> = Deed { user_id: "u", event_type: "search", occurred_at: Timestamp::from_millis(5) };

    #[test]
    fn user_type_and_time_make_the_same_event() {
        let others = [
            (DEED, [true, true]),
            (Deed { user_id: "v", ..DEED }, [false, false]),
            (Deed { event_type: "purchase", ..DEED }, [false, false]),
            (Deed { occurred_at: Timestamp::from_millis(6), ..DEED }, [false, true]),
            (Deed { user_id: "search", event_type: "u", ..DEED }, [false, false]),
        ];
        for (other, expected) in others {
            let exact = [false, true].map(|estimated| other.is_again(&DEED, estimated));
            assert_eq!(exact, expected, "{other:?}");
            let hashed = [false, true].map(|estimated| other.fingerprint().is_again(DEED.fingerprint(), estimated));
            assert_eq!(hashed, expected, "{other:?}");
        }
    }

    /// Files keep fingerprints: they never change.
    #[test]
    fn fingerprints_stay_what_they_are() {
        let of = |user_id, event_type, millis| {
            Deed { user_id, event_type, occurred_at: Timestamp::from_millis(millis) }.fingerprint().bits()
        };
        let found = [of("u", "search", 5), of("u", "page_view", 1_795_342_500_250), of("", "", -1)];
        assert_eq!(found, [3_765_311_253, 229_422_962, 2_356_896_200]);
    }

    #[test]
    fn few_deeds_look_alike() {
        let times = (0..65_536).map(|millis| Timestamp::from_millis(1_795_342_500_000 + millis));
        let alike =
            times.filter(|time| Deed { occurred_at: *time, ..DEED }.fingerprint().is_again(DEED.fingerprint(), false));
        assert!(alike.count() < 8);
        let users: Vec<String> = (0..65_536).map(|number| format!("user-{number}")).collect();
        let alike =
            users.iter().filter(|user| Deed { user_id: user, ..DEED }.fingerprint().is_again(DEED.fingerprint(), true));
        assert!(alike.count() < 8);
    }
}
