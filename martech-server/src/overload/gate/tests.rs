use super::*;

const BOUND: Duration = Duration::from_millis(40);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_queue_is_too_long_where_the_store_goes_on_and_cannot_keep_up() {
    let mut queue = SinkStats::default();
    (queue.pending, queue.oldest, queue.stalled) = (ROUND, ms(900), ms(20));
    assert_eq!(wait(&queue), Duration::ZERO, "a store that takes long for each batch");
    queue.pending += 1;
    assert_eq!(wait(&queue), ms(900));
    queue.stalled = PROGRESS;
    assert_eq!(wait(&queue), Duration::ZERO, "a disk that stalls");
    (queue.pending, queue.pending_bytes, queue.stalled) = (500, MANY_BYTES + 1, ms(20));
    assert_eq!(wait(&queue), ms(900), "large events");
}

/// What a keeper is shown of requests of a thousand events each.
struct Shop {
    keeper: Keeper,
    now: Instant,
    queue: SinkStats,
    came: u64,
    /// Those that were let through and are not in the queue yet.
    coming: usize,
    places: usize,
    refused: bool,
}

impl Shop {
    fn new() -> Self {
        Self {
            keeper: Keeper::default(),
            now: Instant::now(),
            queue: SinkStats::default(),
            came: 0,
            coming: 0,
            places: usize::MAX,
            refused: false,
        }
    }

    /// Requests come within five milliseconds; some threads parse so many, and the store takes so many events.
    fn pass(&mut self, requests: usize, parsed: usize, stored: u64, line: Duration) {
        for _ in 0..requests {
            if self.coming < self.places {
                self.coming += 1;
            } else {
                self.refused = true;
            }
        }
        let parsed = parsed.min(self.coming);
        self.coming -= parsed;
        self.came += parsed as u64;
        self.queue.accepted += 1_000 * parsed as u64;
        self.queue.pending = (self.queue.pending + 1_000 * parsed as u64).saturating_sub(stored);
        // As long as what is pending takes at this speed.
        self.queue.oldest = EVERY.mul_f64(self.queue.pending as f64 / stored.max(1) as f64);
        self.now += EVERY;
        let refused = std::mem::take(&mut self.refused);
        let seen = Seen { line, queue: self.queue, coming: self.coming, came: self.came, refused };
        self.places = self.keeper.look(self.now, BOUND, &seen);
    }

    /// How long what is on its way will wait, at so many events in five milliseconds.
    fn wait(&self, stored: u64) -> Duration {
        EVERY.mul_f64((1_000 * self.coming as u64 + self.queue.pending) as f64 / stored as f64)
    }
}

#[test]
fn ten_times_too_much_waits_no_longer_than_the_bound_and_keeps_the_store_busy() {
    let mut shop = Shop::new();
    // The store takes 200,000 events a second, and half of that now and then.
    let speed = |step: u32| if step % 200 < 50 { 500 } else { 1_000 };
    let (mut longest, mut stored) = (Duration::ZERO, 0);
    for step in 0..2_000 {
        let before = shop.queue.accepted - shop.queue.pending;
        shop.pass(10, 4, speed(step), Duration::ZERO);
        stored += shop.queue.accepted - shop.queue.pending - before;
        // What came before anybody was refused is stored by then.
        if step > 400 {
            longest = longest.max(shop.wait(speed(step)));
        }
    }
    // When the store becomes half as fast, what was let in before waits twice as long.
    assert!(longest <= 5 * BOUND / 2, "{longest:?}");
    let could: u64 = (0..2_000).map(speed).sum();
    assert!(stored > could * 9 / 10, "{stored} of {could}");
    // Back to what it can take: all are let through, at the latest a second after the last one was refused.
    for _ in 0..300 {
        shop.pass(1, 4, 2_000, Duration::ZERO);
    }
    assert_eq!((shop.places, shop.queue.pending), (usize::MAX, 0));
}

#[test]
fn bursts_that_can_be_taken_are_taken_again_after_too_much() {
    let mut shop = Shop::new();
    for _ in 0..400 {
        shop.pass(10, 4, 1_000, Duration::ZERO);
    }
    assert!(shop.places < usize::MAX);
    // A third of what can be taken, all of it within a tenth of the time.
    for step in 0..600 {
        let requests = if step % 20 < 2 { 4 } else { 0 };
        shop.pass(requests, 4, 1_000, Duration::ZERO);
    }
    assert_eq!(shop.places, usize::MAX, "and so for ever");
}

#[test]
fn a_line_for_threads_that_is_long_lets_in_no_more_than_they_parse_in_time() {
    let mut shop = Shop::new();
    for _ in 0..400 {
        // One request in five milliseconds is parsed, and eight of them are waited for within the bound.
        let line = EVERY * u32::try_from(shop.coming).unwrap_or(u32::MAX);
        shop.pass(10, 1, 5_000, line);
    }
    assert!((6..=10).contains(&shop.places), "{}", shop.places);
}

#[test]
fn however_long_a_store_stalls_nobody_is_refused() {
    let mut shop = Shop::new();
    for _ in 0..400 {
        shop.queue.stalled += EVERY;
        shop.pass(1, 4, 0, Duration::ZERO);
        assert!(!shop.refused || shop.queue.stalled < PROGRESS);
    }
    assert_eq!(shop.places, usize::MAX);
}

#[test]
fn whose_body_is_here_takes_a_place_until_their_events_are_in_the_queue() {
    let gate = Gate::default();
    let bound = ms(5);
    let check = |line: Duration| gate.check(bound, |_| line, SinkStats::default);
    assert!(check(Duration::ZERO).is_ok());
    let end = Instant::now() + Duration::from_secs(60);
    while gate.places.load(Ordering::Relaxed) == usize::MAX {
        assert!(check(ms(300)).is_ok());
        assert!(Instant::now() < end);
    }
    let places = gate.places.load(Ordering::Relaxed);
    let mut all: Vec<_> = (0..places).map(|_| gate.enter().unwrap()).collect();
    assert!(gate.enter().is_err() && check(ms(300)).is_err());
    all.clear();
    // Who was let through and sends no body keeps nobody out.
    assert!((0..10 * places).all(|_| check(ms(300)).is_ok()));
    assert!(gate.enter().is_ok());
    while gate.places.load(Ordering::Relaxed) < usize::MAX {
        assert!(check(Duration::ZERO).is_ok());
        assert!(Instant::now() < end);
    }
}
