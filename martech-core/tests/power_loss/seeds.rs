//! Selection of seeds, parallel execution, and reports of failed seeds.

use std::{
    cell::RefCell,
    env, fmt,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The seeds of a test.
pub(crate) struct Seeds(Vec<u64>);

impl Seeds {
    /// Returns the seed in `MARTECH_TEST_SEED`, or as many seeds as `MARTECH_TEST_SEEDS` says, or `usually` many.
    pub(crate) fn chosen(usually: u64) -> Self {
        let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        match number("MARTECH_TEST_SEED") {
            Some(seed) => Self(vec![seed]),
            None => Self((0..number("MARTECH_TEST_SEEDS").unwrap_or(usually)).collect()),
        }
    }

    /// Runs all seeds. Panics with the first few failures and prints how to repeat them.
    pub(crate) fn run(self, test: &str, run: fn(u64, &Log) -> u64) {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(Vec::new());
        let alone = self.0.len() == 1;
        let work = || {
            while failed.lock().unwrap().len() < 5
                && let Some(&seed) = self.0.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let log = Log::default();
                let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(seed, &log)));
                if alone || outcome.is_err() {
                    println!("seed {seed}:\n{}", log.lines().join("\n"));
                }
                if outcome.is_err() {
                    println!(
                        "again: MARTECH_TEST_SEED={seed} cargo test -p martech-core --features lake,testing \
                         --test power_loss {test} -- --nocapture"
                    );
                    failed.lock().unwrap().push(seed);
                }
            }
        };
        thread::scope(|scope| {
            // The test harness does not capture the output of these threads, so it appears at once.
            for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
            work();
        });
        let failed = failed.into_inner().unwrap();
        assert!(failed.is_empty(), "of {} seeds these failed: {failed:?}", self.0.len());
    }
}

/// The steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Log(RefCell<Vec<String>>);

impl Log {
    pub(crate) fn say(&self, line: impl fmt::Display) {
        self.0.borrow_mut().push(format!("  {line}"));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}
