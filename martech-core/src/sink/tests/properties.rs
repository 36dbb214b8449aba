//! Properties of one batch with a fully scripted store: the exact appends, and their times.

use std::{collections::BTreeSet, ops::Range};

use proptest::{collection::vec, prelude::*};

use super::*;

fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// Adds the appends of a bisection that isolates the poison events, in order.
fn bisected(part: Range<u32>, poison: &BTreeSet<u32>, appends: &mut Vec<Vec<u32>>) {
    appends.push(part.clone().collect());
    if part.len() > 1 && poison.range(part.clone()).next().is_some() {
        let middle = part.start + part.len() as u32 / 2;
        bisected(part.start..middle, poison, appends);
        bisected(middle..part.end, poison, appends);
    }
}

/// Tokio timers have a resolution of one millisecond.
const TICK: Duration = Duration::from_millis(1);

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bisection_isolates_poison_events_with_expected_appends(
        len in 1u32..300,
        poison in proptest::collection::btree_set(0u32..300, 0..6),
    ) {
        let poison: BTreeSet<u32> = poison.into_iter().filter(|event| *event < len).collect();
        let (letters, store) = (Letters::default(), ScriptedStore::default());
        store.stage(|stage| stage.poisonous = poison.iter().copied().collect());
        let outcome = paused(async {
            let sink = EventSink::builder().dead_letters(letters.handler()).build(store.clone()).unwrap();
            sink.try_push_batch((0..len).collect()).unwrap().await
        });

        let refused: Vec<u32> = outcome.exceptions().iter().map(|(index, _)| *index as u32).collect();
        prop_assert!(refused.iter().eq(&poison));
        prop_assert_eq!(letters.events(), refused);
        let others: Vec<u32> = (0..len).filter(|event| !poison.contains(event)).collect();
        prop_assert_eq!(store.stored(), others);
        let mut appends = Vec::new();
        bisected(0..len, &poison, &mut appends);
        prop_assert_eq!(store.batches(), appends);
    }

    #[test]
    fn retries_follow_policy(
        waits in vec(proptest::option::of(0u64..8_000), 0..30),
        deadline in prop_oneof![(0u64..20_000).prop_map(Duration::from_millis), Just(Duration::MAX)],
        seed: u64,
    ) {
        let policy = RetryPolicy {
            initial: Duration::from_millis(50),
            max: Duration::from_secs(2),
            deadline,
            max_retry_after: Duration::from_secs(5),
        };
        let asked: Vec<Option<Duration>> = waits.iter().map(|wait| wait.map(Duration::from_millis)).collect();
        let store = ScriptedStore::scripted(asked.iter().map(|asked| asked.map_or(Reaction::Retry, Reaction::RetryAfter)));
        let letters = Letters::default();
        let (outcome, given_up, stats) = paused(async {
            let sink = small().seed(seed).retry(policy.clone()).dead_letters(letters.handler()).build(store.clone());
            let sink = sink.unwrap();
            let outcome = sink.try_push_batch((0..4).collect()).unwrap().await;
            (outcome, Instant::now(), sink.stats())
        });

        let times = store.stage(|stage| stage.times.clone());
        let least = |nth: usize| asked[nth].unwrap_or_default().min(policy.max_retry_after);
        let most = |nth: usize| least(nth).max(policy.initial.saturating_mul(1 << nth.min(20)).min(policy.max));
        for (nth, pair) in times.windows(2).enumerate() {
            let delay = pair[1] - pair[0];
            prop_assert!((least(nth)..=most(nth) + TICK).contains(&delay), "retry {} after {:?}", nth, delay);
        }
        let failing = *times.last().unwrap() - times[0];
        prop_assert!(failing <= deadline.saturating_add(TICK));
        prop_assert_eq!(stats.retries as usize, times.len() - 1);
        if outcome.stored() == 4 {
            prop_assert_eq!(times.len(), asked.len() + 1);
            prop_assert!(letters.events().is_empty());
        } else {
            // Given up at once, and only if the next delay could have passed the deadline.
            prop_assert_eq!(given_up, *times.last().unwrap());
            prop_assert!(failing + most(times.len() - 1) > deadline);
            prop_assert_eq!(letters.events(), [0, 1, 2, 3]);
            prop_assert!(letters.reasons().iter().all(|reason| matches!(reason, DeadLetterReason::RetriesExhausted(_))));
        }
    }
}
