//! The store behind a spool, observed: each append updates its availability.

use std::sync::Arc;

use super::shared::Shared;
use crate::store::{Appended, Store, StoreError};

/// The store as seen by the inner sink.
pub(super) struct Observed<S> {
    pub(super) store: Arc<S>,
    pub(super) shared: Arc<Shared>,
}

impl<E: Sync, S: Store<E>> Store<E> for Observed<S> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        let answer = self.store.append(batch).await;
        self.shared.availability.record(&answer);
        self.shared.pulse();
        answer
    }
}
