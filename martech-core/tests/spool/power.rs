//! Power loss at any change of the disk. Acknowledged events arrive, and no event arrives that was not sent.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;
use martech_core::{
    Store,
    testing::{Crash, SimFs},
};

use crate::{store::Behavior, *};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_arrive_after_power_loss() {
    for seed in 0..60 {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let (mut disk, store) = (SimFs::new(), TestStore::new());
    let (mut sent, mut acknowledged) = (0, BTreeSet::new());
    for _ in 0..random.usize(1..5) {
        store.be(if random.bool() { Behavior::Away } else { Behavior::Well });
        let crash = match random.u8(..3) {
            0 => Crash::Killed,
            1 => Crash::LoseUnsynced,
            _ => Crash::KeepSome { seed: random.u64(..) },
        };
        disk.lose_power_after(random.u64(5..200), crash);
        let small = options(&disk).capacity_bytes(8_000);
        // The power may be lost while the spool is opened.
        if let Ok(spool) = try_open(small, &store).await {
            while disk.after_power_loss().is_none() {
                let batch: Vec<u64> = (sent..sent + random.u64(1..6)).collect();
                sent += batch.len() as u64;
                match spool.append(&batch).await {
                    Ok(_) => acknowledged.extend(batch),
                    Err(_) => store.be(Behavior::Well),
                }
                if random.u8(..10) == 0 {
                    spool.close(Duration::from_millis(5)).await;
                    break;
                }
            }
            spool.close(Duration::ZERO).await;
        }
        disk = disk.after_power_loss().unwrap_or_else(|| disk.crash(Crash::LoseUnsynced));
    }
    store.be(Behavior::Well);
    let spool = open(&disk, &store).await;
    spool.forwarded().await;
    let arrived: BTreeSet<u64> = store.stored().into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&arrived).collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?} were acknowledged and are lost");
    assert!(arrived.iter().all(|number| *number < sent), "seed {seed}: something was invented");
    assert_eq!(spool.status().behind_events, 0);
}
