use super::{Event, EventId};

/// What tells an event from others: its id, and the UTC day on which it occurred. Stores keep at most one event of each key.
///
/// The day is part of it so that a store which is split by days need not look through all of them. A store that looks
/// through all of them anyway may tell events apart by their ids alone: it then refuses an event that has the id of
/// another one on another day, and says so.
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

impl Event {
    /// What tells it from others.
    pub fn key(&self) -> EventKey {
        EventKey { id: self.id, day: self.occurred_at.day() }
    }

    /// The keys under which it may be stored already: see [`EventKey::candidates`].
    pub fn candidates(&self) -> impl Iterator<Item = EventKey> {
        self.key().candidates(self.estimated_time)
    }
}
