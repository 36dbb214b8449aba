//! Periodic tasks.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// Calls `work` once every `period`, until the owner is dropped.
pub(crate) async fn every<T, F: Future<Output = ()>>(period: Duration, owner: Weak<T>, work: impl Fn(Arc<T>) -> F) {
    loop {
        tokio::time::sleep(period).await;
        let Some(owner) = owner.upgrade() else { return };
        work(owner).await;
    }
}
