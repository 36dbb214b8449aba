//! What is done now and then.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// Does something every so often, for as long as there is somebody to whom it matters.
pub(crate) async fn every<T, F: Future<Output = ()>>(period: Duration, owner: Weak<T>, work: impl Fn(Arc<T>) -> F) {
    loop {
        tokio::time::sleep(period).await;
        let Some(owner) = owner.upgrade() else { return };
        work(owner).await;
    }
}
