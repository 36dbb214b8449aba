//! Events for checks: random with fixed seeds, and edge cases that have broken stores before.

use std::collections::HashSet;

use fastrand::Rng;
use uuid::Uuid;

use super::Identity;
use crate::event::{Event, EventBuilder, EventId, EventKey, EventRules, EventType, EventTypes, Facts, Timestamp};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// Time of receipt of all events: 2026-06-01T00:00:00Z.
const RECEIVED: i64 = 1_780_272_000_000;

/// Upper half of the ids of numbered events.
const NUMBERED: u64 = 0x6d61_7274_6563_6800;

/// Returns the event with this number.
pub(super) fn numbered(number: u64) -> Event {
    let builder = Event::builder(format!("user-{}", number % 7), EventType::PAGE_VIEW)
        .id(EventId(Uuid::from_u64_pair(NUMBERED, number)))
        .occurred_at(Timestamp::from_millis(RECEIVED - 20 * DAY + number as i64 * 1000))
        .property("page", format!("/{number}"));
    built(builder, &EventRules::default())
}

/// Returns the number of an event.
pub(super) fn number(event: &Event) -> u64 {
    event.id.0.as_u64_pair().1
}

/// Strips the fields that a store need not return in a journey.
pub(super) fn shown(event: Event) -> Event {
    Event { facts: Facts::default(), estimated_time: false, ..event }
}

/// Days around clock changes and starts of months, and the instants of such changes.
const DAYS: [&str; 4] =
    ["2026-02-28T00:00:00Z", "2026-03-08T00:00:00Z", "2026-03-29T00:00:00Z", "2026-04-05T00:00:00Z"];
const MOMENTS: [&str; 8] = [
    // Midnight in New York, Berlin, Kolkata.
    "2026-03-08T05:00:00Z",
    "2026-03-09T04:00:00Z",
    "2026-03-28T23:00:00Z",
    "2026-03-29T22:00:00Z",
    "2026-02-28T18:30:00Z",
    // Clock changes in New York, Berlin, Lord Howe.
    "2026-03-08T07:00:00Z",
    "2026-03-29T01:00:00Z",
    "2026-04-04T15:00:00Z",
];

/// Instants at which a UTC day, a local day or a new UTC offset begins.
pub(super) fn turning_points() -> Vec<i64> {
    DAYS.iter().chain(&MOMENTS).map(|text| millis(text)).collect()
}

pub(super) fn millis(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time in this module is well formed").millis()
}

/// User ids that sort next to each other, share prefixes or are long, and plain ones.
pub(super) fn user_ids() -> Vec<String> {
    let near =
        ["a", "A", "a b", "aa", "ab", "a\u{301}", "á", "b", "user-1", "user-10", "user-2", "Null", "0", "%", "'"];
    let alike = ["0123456789abcdef", "0123456789abcdef0", "0123456789abcdefg", "0123456789abcde"];
    let wide = ["Ünal", "日本語", "日本", "😀", "\u{d7ff}z", "\u{e000}", "\u{10ffff}", "o'brien \"x\" \\ / %2F"];
    let long = ["x".repeat(128), "x".repeat(127) + "y", "x".repeat(127), "😀".repeat(128)];
    let plain = (0..24).map(|number| format!("shopper-{number}"));
    let texts = near.into_iter().chain(alike).chain(wide).map(str::to_owned);
    texts.chain(long).chain(plain).collect()
}

/// An event type outside [`EventType::KNOWN`].
pub(super) const CUSTOM: &str = "wish.list:add-2";

/// Generates a shop's events: short visits, many of them at turning points. All events are distinct under the given
/// identity.
pub(super) fn shop(seed: u64, count: usize, identity: Identity) -> Vec<Event> {
    let mut shop = Shop {
        random: Rng::with_seed(seed),
        rules: EventRules { types: EventTypes::any(), ..EventRules::default() },
        users: user_ids(),
        turning_points: turning_points(),
        keys: HashSet::new(),
        identity,
    };
    let mut events = Vec::new();
    while events.len() < count {
        shop.visit(&mut events);
    }
    events.truncate(count);
    shop.random.shuffle(&mut events);
    events
}

struct Shop {
    random: Rng,
    rules: EventRules,
    users: Vec<String>,
    turning_points: Vec<i64>,
    keys: HashSet<EventKey>,
    identity: Identity,
}

impl Shop {
    /// Generates a user's visit. Gaps between events are close to the session timeout.
    fn visit(&mut self, events: &mut Vec<Event>) {
        let random = &mut self.random;
        // The minimum of two draws gives a few users most of the events.
        let user = random.usize(..self.users.len()).min(random.usize(..self.users.len()));
        let point = self.turning_points[random.usize(..self.turning_points.len())];
        let mut time = match random.u8(..4) {
            0 => point + random.i64(-1..=1),
            1 => point - random.i64(0..90) * MINUTE,
            _ => point + random.i64(0..DAY),
        };
        let session = (random.u8(..3) == 0).then(|| format!("s{}", random.u8(..4)));
        for _ in 0..random.usize(1..8) {
            let event = self.event(user, time, session.as_deref());
            // The same id on another day is another event.
            let twin = Event { occurred_at: Timestamp::from_millis(time + DAY), ..event.clone() };
            let has_twin = self.random.u8(..40) == 0 && self.identity == Identity::IdAndDay;
            let twins = if has_twin { vec![event, twin] } else { vec![event] };
            events.extend(twins.into_iter().filter(|event| self.keys.insert(event.key())));
            time += match self.random.u8(..8) {
                0 | 1 => 0,
                2 => 30 * MINUTE,
                3 => 30 * MINUTE + 1,
                _ => self.random.i64(0..10 * MINUTE),
            };
        }
    }

    fn event(&mut self, user: usize, time: i64, session: Option<&str>) -> Event {
        let random = &mut self.random;
        let custom = EventType::parse(CUSTOM).expect("the name of a type");
        let event_type = match random.u8(..10) {
            0..4 => EventType::PAGE_VIEW,
            4 | 5 => EventType::PURCHASE,
            6 => EventType::SEARCH,
            7 => custom,
            _ => EventType::KNOWN[random.usize(..EventType::KNOWN.len())].clone(),
        };
        let user_id = self.users[user].clone();
        let mut builder = match random.u8(..8) {
            0 => EventBuilder::anonymous(user_id, event_type),
            1 => EventBuilder::new(user_id, event_type).anonymous_id(format!("device-{}", random.u8(..9))),
            _ => EventBuilder::new(user_id, event_type),
        };
        let id = Uuid::from_u128(random.u128(1..));
        builder = builder.id(EventId(id)).occurred_at(Timestamp::from_millis(time));
        builder = builder.received_at(Timestamp::from_millis(RECEIVED + random.i64(0..1000)));
        if let Some(session) = session.filter(|_| random.u8(..6) > 0) {
            builder = builder.session_id(session);
        }
        if random.u8(..3) > 0 {
            let values = ["12.50", "0.000001", "-3.25", "0", "199", "999999999999.999999", "7.0000005"];
            builder = builder.property("total", values[random.usize(..values.len())]);
            if let Some(currency) = [None, Some("EUR"), Some("jpy"), Some("BTC2")][random.usize(..4)] {
                builder = builder.property("currency", currency);
            }
        }
        if random.bool() {
            // More pages than the top list holds, some with equal counts.
            builder = builder.property("page", format!("/p{}", random.u8(..14)));
        }
        if random.u8(..3) == 0 {
            builder = builder.property("sku", ["cup", "pot", "Tasse", "カップ", "7", "cup "][random.usize(..6)]);
        }
        if random.bool() {
            builder = builder.property("q", ["tea", "Tea", "té", "green tea"][random.usize(..4)]);
        }
        if random.u8(..10) == 0 {
            builder = builder.property("note", "line\nbreak \u{0} \u{1f600} \"quoted\" ".repeat(random.usize(1..40)));
        }
        built(builder, &self.rules)
    }
}

fn built(builder: EventBuilder, rules: &EventRules) -> Event {
    builder.build(rules).expect("an event that the rules allow")
}
