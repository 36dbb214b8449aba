//! Shared parts of the benches: generated events of a shop, and small helpers.

#[cfg(feature = "mongodb")]
pub mod stand_in;

use std::{fs::DirEntry, os::unix::fs::MetadataExt, path::Path, time::Duration};

use martech_core::{
    Event,
    event::{EventId, EventRules, EventType, Timestamp},
};

/// Generates events in time order: interleaved visits of random users, with about 200 bytes of JSON per event.
pub struct Shop {
    random: fastrand::Rng,
    visits: Vec<Visit>,
    users: u64,
    now: i64,
    step: i64,
    /// Parsed once and then cloned, so that generating events is cheap compared with storing them.
    templates: Vec<Event>,
}

struct Visit {
    user: u64,
    id: u64,
}

/// Number of concurrent visits.
const VISITS: usize = 5_000;
/// One in this many events belongs to the regular customer.
const REGULAR_EVERY: u64 = 25_000;
/// User id of a regular customer with 200 of five million events.
pub const REGULAR: &str = "user-regular";

impl Shop {
    /// Creates a generator of `count` events of up to `users` users, spread over the `days` that end at `end`.
    pub fn new(count: u64, users: u64, days: u32, end: Timestamp) -> Self {
        let span = i64::from(days) * 86_400_000;
        let mut random = fastrand::Rng::with_seed(7);
        let visits = (0..VISITS).map(|_| Visit { user: random.u64(..users), id: random.u64(..) }).collect();
        let templates = (0..20_000).map(|_| template(&mut random)).collect();
        Self { random, visits, users, now: end.millis() - span, step: span / count as i64, templates }
    }

    /// Returns the next event.
    pub fn event(&mut self) -> Event {
        let place = self.random.usize(..VISITS);
        // A visit has about five events.
        if self.random.u8(..5) == 0 {
            self.visits[place] = Visit { user: self.random.u64(..self.users), id: self.random.u64(..) };
        }
        self.now += self.step;
        let mut event = self.templates[self.random.usize(..self.templates.len())].clone();
        event.id = EventId(uuid::Builder::from_random_bytes(self.random.u128(..).to_le_bytes()).into_uuid());
        event.user_id = if self.random.u64(..REGULAR_EVERY) == 0 {
            REGULAR.to_owned()
        } else {
            format!("user-{:08}", self.visits[place].user)
        };
        event.session_id = Some(format!("{:016x}", self.visits[place].id));
        event.occurred_at = Timestamp::from_millis(self.now);
        event.received_at = Timestamp::from_millis(self.now + self.random.i64(20..300));
        event
    }

    /// Returns the next `count` events.
    pub fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }
}

fn template(random: &mut fastrand::Rng) -> Event {
    let product = random.u32(..5_000);
    let builder = match random.u8(..100) {
        0..60 => Event::builder("user", EventType::PAGE_VIEW)
            .property("page", format!("/products/{product}"))
            .property("referrer", if random.bool() { "https://www.google.com/" } else { "/" })
            .property("width", random.u16(320..2560)),
        60..75 => Event::builder("user", EventType::SEARCH)
            .property("query", format!("term {}", random.u32(..2_000)))
            .property("results", random.u16(..200)),
        75..90 => Event::builder("user", EventType::ADD_TO_CART)
            .property("productId", format!("sku-{product}"))
            .property("quantity", random.u8(1..5)),
        _ => Event::builder("user", EventType::PURCHASE)
            .property("orderId", format!("{:08x}", random.u32(..)))
            .property("total", format!("{}.{:02}", random.u32(5..300), random.u32(..100)))
            .property("currency", "USD"),
    };
    builder.build(&EventRules::default()).expect("generated events are valid")
}

/// Returns the peak and the current resident memory of this process in MiB, from `/proc` on Linux.
pub fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (read("VmHWM:"), read("VmRSS:"))
}

/// Returns the median of some figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Returns the median of some durations, in milliseconds.
pub fn median_millis(times: Vec<Duration>) -> f64 {
    median(times.iter().map(Duration::as_secs_f64)) * 1000.0
}

/// Returns the numeric command-line argument at this position. Arguments that cargo adds are not numbers.
pub fn argument(at: usize) -> Option<u64> {
    std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).nth(at)
}

/// Returns the disk usage in bytes of all files in a directory and its subdirectories.
pub fn bytes_in(dir: &Path) -> u64 {
    let bytes = |entry: DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        // The file was removed in the meantime.
        Err(_) => 0,
    };
    std::fs::read_dir(dir).map_or(0, |entries| entries.filter_map(Result::ok).map(bytes).sum())
}
