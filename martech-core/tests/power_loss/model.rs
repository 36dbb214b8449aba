//! Model of a run: the events sent, the events that must be present, and checks against the lake.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use martech_core::{
    Event,
    event::{Currency, EventId, EventRules, EventType, Money, Timestamp},
    lake::{Lake, LakeError},
    query::{JourneyQuery, Order, Reader, StatsQuery, TimeRange, UserRow, UserSort, UsersQuery},
};
use uuid::Uuid;

const START: i64 = 1_760_000_000_000;
const DAY: i64 = 86_400_000;

/// A shop that sends numbered events.
#[derive(Debug)]
pub(crate) struct Shop {
    seed: u64,
    users: u64,
    days: i64,
    numbers: HashMap<EventId, u64>,
    /// All events sent, by number.
    sent: BTreeMap<u64, Event>,
    /// Events that were acknowledged or returned by a query.
    must: BTreeSet<u64>,
    /// Sets of events whose removal failed. After the next start, each set is either present or gone as a whole.
    doubtful: Vec<BTreeSet<u64>>,
    /// Events that were removed by retention and not sent again.
    gone: BTreeSet<u64>,
}

impl Shop {
    pub(crate) fn new(random: &mut fastrand::Rng) -> Self {
        let (seed, users) = (random.u64(..), random.u64(1..7));
        // Few days, or more than a roll writes.
        let days = if random.bool() { random.i64(1..4) } else { random.i64(8..60) };
        Self {
            seed,
            users,
            days,
            numbers: HashMap::new(),
            sent: BTreeMap::new(),
            must: BTreeSet::new(),
            doubtful: Vec::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Draws the start of one of its days, or the end of the last one.
    pub(crate) fn moment(&self, random: &mut fastrand::Rng) -> Timestamp {
        Timestamp::from_millis(START + random.i64(0..=self.days) * DAY)
    }

    /// Returns the events of the days that ended by `moment`.
    fn before(&self, moment: Timestamp) -> BTreeSet<u64> {
        let day = |time: Timestamp| time.millis().div_euclid(DAY);
        self.sent.iter().filter(|(_, event)| day(event.occurred_at) < day(moment)).map(|(number, _)| *number).collect()
    }

    /// Records the result of a removal: the number of removed events, or `None` if it failed.
    pub(crate) fn forgot(&mut self, moment: Timestamp, forgotten: Option<u64>) {
        let old = self.before(moment);
        let known: BTreeSet<u64> = old.intersection(&self.must).copied().collect();
        match forgotten {
            Some(count) => {
                assert!((known.len() as u64..=old.len() as u64).contains(&count), "{count} forgotten, of {old:?}");
                self.must.retain(|number| !old.contains(number));
                // Events with unknown outcome may still appear.
                self.gone.extend(known);
            }
            None => self.doubtful.push(known),
        }
    }

    /// Returns the events with these numbers and records that they are sent, perhaps again.
    pub(crate) fn send(&mut self, batch: &[u64]) -> Vec<Event> {
        self.gone.retain(|number| !batch.contains(number));
        batch.iter().map(|number| self.event(*number)).collect()
    }

    /// Resolves failed removals after a restart.
    pub(crate) fn reopened(&mut self, seen: &Seen) {
        for doubtful in self.doubtful.drain(..) {
            if doubtful.is_disjoint(&seen.events) {
                self.must.retain(|number| !doubtful.contains(number));
            }
        }
    }

    /// Returns the event with this number, the same on every call.
    pub(crate) fn event(&mut self, number: u64) -> Event {
        let (seed, users, days) = (self.seed, self.users, self.days);
        let event = self.sent.entry(number).or_insert_with(|| event(seed, number, users, days));
        self.numbers.insert(event.id, number);
        event.clone()
    }

    /// Returns a different event with the same id, on the same day.
    pub(crate) fn forged(&mut self, number: u64) -> Event {
        let event = self.event(number);
        let occurred_at = Timestamp::from_millis(event.occurred_at.millis() ^ 1);
        Event { user_id: format!("not {}", event.user_id), occurred_at, ..event }
    }

    /// Returns the events that must be present whatever a failed removal did.
    pub(crate) fn certain(&self) -> Vec<u64> {
        let is_doubtful = |number: &u64| self.doubtful.iter().any(|doubtful| doubtful.contains(number));
        self.must.iter().copied().filter(|number| !is_doubtful(number)).collect()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Returns the events that were sent and whose outcome is unknown.
    pub(crate) fn unknown(&self) -> Vec<u64> {
        self.sent.keys().copied().filter(|number| !self.must.contains(number)).collect()
    }

    pub(crate) fn holds(&self, number: u64) -> bool {
        self.must.contains(&number)
    }

    pub(crate) fn acknowledged(&mut self, number: u64) {
        self.must.insert(number);
    }

    /// Reads all events, and checks that each was sent, is stored once and is unchanged.
    pub(crate) async fn look(&self, lake: &Lake) -> Result<Seen, LakeError> {
        let mut query = UsersQuery::default().sort(UserSort::UserId).limit(3).order(Order::Ascending);
        let mut seen = Seen::default();
        loop {
            let page = lake.users(query.clone()).await?;
            for user in page.users {
                self.journey(lake, &user.user_id, &mut seen).await?;
                seen.users.push(user);
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(seen);
            }
        }
    }

    async fn journey(&self, lake: &Lake, user: &str, seen: &mut Seen) -> Result<(), LakeError> {
        let mut query = JourneyQuery::new(user).limit(7);
        loop {
            let page = lake.journey(query.clone()).await?;
            for event in page.events {
                let number = self.numbers.get(&event.id).unwrap_or_else(|| panic!("invented: {event:?}"));
                let sent = &self.sent[number];
                // Journeys do not return facts, which are derived from the properties.
                assert_eq!(
                    Event { facts: sent.facts.clone(), ..event },
                    *sent,
                    "event {number} differs from the one sent"
                );
                assert!(seen.events.insert(*number), "event {number} is stored twice");
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Asserts that no required event is missing, and requires all seen events from now on.
    pub(crate) fn settle(&mut self, seen: &Seen) {
        let lost: Vec<_> = self.must.difference(&seen.events).collect();
        assert!(lost.is_empty(), "events that were acknowledged or returned before are missing: {lost:?}");
        let back: Vec<_> = self.gone.intersection(&seen.events).collect();
        assert!(back.is_empty(), "removed events came back: {back:?}");
        self.must.extend(&seen.events);
    }

    /// Returns how many required events are missing.
    pub(crate) fn missing(&self, seen: &Seen) -> u64 {
        self.must.difference(&seen.events).count() as u64
    }

    /// Checks users, statistics and the event count against the stored events.
    pub(crate) async fn figures(&self, lake: &Lake, seen: &Seen) -> Result<(), LakeError> {
        let events: Vec<_> = seen.events.iter().map(|number| &self.sent[number]).collect();
        let mut users = BTreeMap::<&str, Vec<&Event>>::new();
        for event in &events {
            users.entry(&event.user_id).or_default().push(event);
        }
        for (row, (user_id, events)) in seen.users.iter().zip(&users) {
            let times = || events.iter().map(|event| event.occurred_at);
            let mut expected = row.clone();
            expected.user_id = (*user_id).to_owned();
            expected.first_seen = times().min().unwrap();
            expected.last_seen = times().max().unwrap();
            expected.events = events.len() as u64;
            expected.orders = orders(events);
            assert_eq!((row, revenue_of(&row.revenue)), (&expected, revenue(events)));
        }
        assert_eq!(seen.users.len(), users.len(), "users without events");
        assert_eq!(lake.status().events, events.len() as u64, "the count of events");

        let (from, to) = (START - DAY, START + (self.days + 1) * DAY);
        let range = TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };
        let totals = lake.stats(StatsQuery::new(range)).await?.totals;
        assert_eq!(
            (totals.events, totals.users, totals.orders, revenue_of(&totals.revenue)),
            (events.len() as u64, users.len() as u64, orders(&events), revenue(&events)),
            "the figures of the shop"
        );
        Ok(())
    }

    /// Asserts that the rows are exactly the events that were sent, each once.
    pub(crate) fn assert_all(&self, numbers: impl IntoIterator<Item = (EventId, String, Option<String>)>, what: &str) {
        let mut there = BTreeSet::new();
        for (id, user, properties) in numbers {
            let number = self.numbers.get(&id).unwrap_or_else(|| panic!("{what}: invented"));
            let sent = &self.sent[number];
            assert_eq!((&sent.user_id, &sent.properties), (&user, &properties), "{what}: event {number}");
            assert!(there.insert(*number), "{what}: event {number} is stored twice");
        }
        assert!(there.iter().eq(self.sent.keys()), "{what}: {} of {} are there", there.len(), self.sent.len());
    }
}

/// Contents of a lake, as returned by queries.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: BTreeSet<u64>,
    users: Vec<UserRow>,
}

fn event(seed: u64, number: u64, users: u64, days: i64) -> Event {
    let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let kind = [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::SEARCH][random.usize(..3)].clone();
    let time = START + random.i64(0..days * DAY);
    let mut event = Event::builder(format!("user-{}", random.u64(..users)), kind)
        .id(EventId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &[seed, number].map(u64::to_le_bytes).concat())))
        .occurred_at(Timestamp::from_millis(time))
        .received_at(Timestamp::from_millis(START + days * DAY + number as i64))
        .property("page", format!("/page/{}", random.u8(..5)))
        .property("total", format!("{}.{:02}", random.u16(..500), random.u8(..100)))
        .property("currency", ["EUR", "USD"][random.usize(..2)]);
    if random.bool() {
        event = event.session_id(format!("visit-{}", random.u8(..20)));
    }
    if random.u8(..4) == 0 {
        let text: String = (0..random.usize(..900)).map(|_| random.alphanumeric()).collect();
        event = event.property("note", text);
    }
    event.build(&EventRules::default()).unwrap()
}

fn orders(events: &[&Event]) -> u64 {
    events.iter().filter(|event| event.event_type == EventType::PURCHASE).count() as u64
}

fn revenue(events: &[&Event]) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for facts in events.iter().map(|event| &event.facts) {
        if let (Some(value), Some(currency)) = (facts.order_value, facts.currency) {
            *sums.entry(currency.to_string()).or_default() += i128::from(Money::micros(value));
        }
    }
    sums
}

fn revenue_of(amounts: &[martech_core::query::CurrencyAmount]) -> BTreeMap<String, i128> {
    amounts.iter().map(|amount| (Currency::to_string(&amount.currency), amount.amount.micros())).collect()
}
