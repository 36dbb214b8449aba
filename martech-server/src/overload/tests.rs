use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{
    shedder::{CALM, MOST},
    *,
};

const BOUND: Duration = Duration::from_millis(40);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Keeps a thread busy.
fn work(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Shows a shedder the same wait for so long; what it refuses in the end, and the time then.
fn show(shedder: &mut Shedder, mut now: Instant, delay: Duration, time: Duration) -> (f64, Instant) {
    let end = now + time;
    let mut refused = 0.0;
    while now < end {
        now += EVERY;
        refused = shedder.saw(now, delay);
    }
    (refused, now)
}

#[test]
fn a_bound_is_a_time_or_off() {
    assert_eq!("off".parse(), Ok(MaxIngestDelay::Off));
    assert_eq!("40ms".parse(), Ok(MaxIngestDelay::Of(BOUND)));
    for wrong in ["", "0s", "4ms", "-1s", "soon"] {
        assert!(wrong.parse::<MaxIngestDelay>().unwrap_err().contains("off"), "{wrong}");
    }
}

#[test]
fn short_waits_and_bursts_refuse_nobody() {
    let mut shedder = Shedder::new(BOUND);
    let mut now = Instant::now();
    for _ in 0..20 {
        let (refused, then) = show(&mut shedder, now, ms(40), ms(500));
        assert_eq!(refused, 0.0, "that is what may be");
        // A burst that is over before the interval is.
        let (refused, then) = show(&mut shedder, then, ms(1_000), ms(100));
        assert_eq!(refused, 0.0);
        now = then;
    }
    assert!(!shedder.is_shedding());
}

#[test]
fn a_line_that_stays_long_refuses_and_the_longer_the_more() {
    let mut shedder = Shedder::new(BOUND);
    let (refused, now) = show(&mut shedder, Instant::now(), ms(200), ms(150));
    assert_eq!(refused, MOST, "within a moment");
    let (refused, now) = show(&mut shedder, now, ms(50), ms(500));
    assert!((0.45..0.55).contains(&refused), "{refused}");
    let (refused, now) = show(&mut shedder, now, ms(41), ms(500));
    assert!((0.0..0.1).contains(&refused), "{refused}");
    // As soon as it is short, all are taken.
    let (refused, now) = show(&mut shedder, now, ms(1), ms(20));
    assert_eq!(refused, 0.0);
    assert!(shedder.is_shedding(), "without another interval, should it come back at once");
    let (refused, now) = show(&mut shedder, now, ms(60), ms(50));
    assert!(refused > 0.5, "{refused}");
    let (_, now) = show(&mut shedder, now, ms(1), CALM + EVERY);
    assert!(!shedder.is_shedding());
    assert_eq!(show(&mut shedder, now, ms(60), ms(50)).0, 0.0, "then it takes an interval again");
}

/// A server in a few lines: what comes waits, is taken or refused, and each costs its time.
#[test]
fn ten_times_too_much_waits_no_longer_than_one_and_a_half_times_the_bound() {
    let (taking, refusing) = (ms(1).as_secs_f64(), ms(1).as_secs_f64() / 40.0);
    let mut shedder = Shedder::new(BOUND);
    let start = Instant::now();
    let (mut refused, mut wait, mut longest, mut taken) = (0.0, 0.0_f64, 0.0_f64, 0.0);
    for step in 1..=2_000 {
        let came = 10.0 / taking * EVERY.as_secs_f64();
        // By the middle of this time ten times too much comes no more.
        let came = if step < 1_000 { came } else { came / 20.0 };
        wait += came * (1.0 - refused) * taking + came * refused * refusing;
        wait = (wait - EVERY.as_secs_f64()).max(0.0);
        if step < 1_000 {
            taken += came * (1.0 - refused);
        }
        // What came before anybody was refused is done by then.
        if (400..1_000).contains(&step) {
            longest = longest.max(wait);
        }
        refused = shedder.saw(start + EVERY * step, Duration::from_secs_f64(wait));
    }
    assert!(longest < 1.5 * BOUND.as_secs_f64(), "{longest}");
    let could = 1_000.0 * EVERY.as_secs_f64() / taking;
    assert!(taken > 0.5 * could, "{taken} of {could} were taken");
    assert_eq!((refused, wait, shedder.is_shedding()), (0.0, 0.0, false), "back to normal");
}

#[tokio::test]
async fn the_line_is_as_long_as_the_last_one_waited() {
    let line = Arc::<Line>::default();
    let places = Arc::new(Semaphore::new(1));
    assert_eq!(line.wait(Instant::now()), Duration::ZERO);
    let first = line.wait_for(places.clone().acquire_owned()).await.unwrap().unwrap();
    let later = Instant::now() + ms(70);
    assert_eq!(line.wait(later), Duration::ZERO, "nobody waits");
    let second = tokio::spawn({
        let (line, places) = (line.clone(), places.clone());
        async move { line.wait_for(places.acquire_owned()).await }
    });
    while line.waits().waiting == 0 {
        tokio::task::yield_now().await;
    }
    assert!(line.wait(later) >= ms(60), "whoever waits has waited since the last one had a turn");
    second.abort();
    assert!(second.await.is_err());
    assert_eq!(line.wait(later), Duration::ZERO, "who went away does not wait any more");
    drop(first);

    let late = async {
        work(ms(3));
        places.clone().acquire_owned().await
    };
    line.be_patient(ms(1));
    assert_eq!(line.wait_for(late).await.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(places.available_permits(), 1, "whoever is refused gives up the turn");
    line.be_patient(Duration::MAX);
    assert!(line.wait_for(places.clone().acquire_owned()).await.is_ok());
}

#[tokio::test]
async fn a_thread_that_is_busy_is_seen() {
    let overload = Overload::watch(MaxIngestDelay::Of(BOUND), Arc::default());
    while overload.admit().is_ok() {
        // This test's only thread.
        work(ms(60));
        tokio::task::yield_now().await;
    }
    assert!(overload.figures().0 > BOUND && overload.figures().1 > 0.0);
    let error = overload.admit();
    while overload.figures().1 > 0.0 {
        tokio::time::sleep(ms(5)).await;
    }
    assert!((0..1_000).all(|_| overload.admit().is_ok()));
    assert!(error.is_ok() || error.unwrap_err().status == StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn draws_are_even() {
    let below = (0..100_000).filter(|_| draw() < u32::MAX / 10).count();
    assert!((9_000..11_000).contains(&below), "{below}");
}
