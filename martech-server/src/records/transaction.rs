//! Transactions: rules that read and then write.

use std::{panic::resume_unwind, time::Duration};

use tokio::{
    sync::OwnedMutexGuard,
    time::{sleep, timeout},
};

use super::{Entity, Records, RecordsError, Result, record::Change};

/// The maximum number of attempts of a transaction.
const ATTEMPTS: u32 = 100;
/// The timeout for the lock on transactions of the same server.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a rule as a serializable transaction. `transact!(records, ERROR, |transaction| { ... Ok(..) })` is a `Result`
/// with that error type. If the rule returns an error, nothing is written. The rule may run more than once, so it must
/// have no side effects but its reads and writes. Other transactions wait for it, so it must be fast.
//
// A function with an async closure would be simpler, but the compiler cannot prove that its future is `Send`.
macro_rules! transact {
    ($records:expr, $error:ty, |$transaction:ident| $rule:block) => {
        match $records.begin().await {
            Err(error) => std::result::Result::<_, $error>::Err(error.into()),
            Ok(mut attempt) => loop {
                let decided: std::result::Result<_, $error> = async {
                    let $transaction = &mut attempt.transaction;
                    $rule
                }
                .await;
                match attempt.commit(decided.is_ok()).await {
                    Ok(true) => break decided,
                    Ok(false) => {}
                    Err(error) => break Err(error.into()),
                }
            },
        }
    };
}

pub(crate) use transact;

/// A transaction that retries after conflicts.
pub(crate) struct Attempt {
    /// The lock on transactions of this server.
    turn: Option<OwnedMutexGuard<()>>,
    begun: i64,
    count: u32,
    pub(crate) transaction: Transaction,
}

impl Attempt {
    /// Begins a transaction after earlier ones of this server have ended.
    pub(super) async fn begin(records: &Records) -> Result<Self> {
        let turn = timeout(LOCK_TIMEOUT, records.turns.clone().lock_owned()).await.map_err(|_| RecordsError::Busy)?;
        let begun = records.number().await?;
        Ok(Self { turn: Some(turn), begun, count: 0, transaction: Transaction::new(records.clone()) })
    }

    /// Commits the writes if the rule has succeeded. Returns `false` if the rule must run again. The commit completes
    /// even if this future is dropped, and other transactions wait until it has.
    pub(crate) async fn commit(&mut self, is_decided: bool) -> Result<bool> {
        let (records, begun) = (self.transaction.records.clone(), self.begun);
        let changes = std::mem::replace(&mut self.transaction.changes, Ok(Vec::new()));
        let changes = if is_decided { changes? } else { Vec::new() };
        let turn = self.turn.take();
        let committing = tokio::spawn(async move { (turn, records.commit(begun, changes).await) });
        let committed;
        (self.turn, committed) = committing.await.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
        if committed? {
            return Ok(true);
        }
        self.count += 1;
        if self.count == ATTEMPTS {
            return Err(RecordsError::Busy);
        }
        // Another server committed first. A random backoff avoids repeated conflicts.
        let pause = u64::from(getrandom::u32().unwrap_or(1)) % (2 << self.count.min(6));
        sleep(Duration::from_millis(pause)).await;
        self.begun = self.transaction.records.number().await?;
        Ok(false)
    }
}

/// A transaction: reads of the store, and buffered writes.
pub(crate) struct Transaction {
    records: Records,
    /// At most one change of each record; an error if one cannot be encoded.
    changes: Result<Vec<Change>>,
}

/// Reads do not show the writes of the same transaction.
impl Transaction {
    fn new(records: Records) -> Self {
        Self { records, changes: Ok(Vec::new()) }
    }

    /// Returns the entity with a key.
    pub(crate) async fn get<E: Entity>(&self, key: &str) -> Result<Option<E>> {
        Ok(self.records.get(key).await?.map(|stored| stored.entity))
    }

    /// Returns up to `limit` entities of an owner, or of all owners.
    pub(crate) async fn some<E: Entity>(&self, owner: Option<&str>, limit: usize) -> Result<Vec<E>> {
        let found = self.records.list(owner, None, limit).await?;
        Ok(found.into_iter().map(|stored| stored.entity).collect())
    }

    /// Returns all entities of an owner, or of all owners, in key order.
    pub(crate) async fn all<E: Entity>(&self, owner: Option<&str>) -> Result<Vec<E>> {
        self.records.all(owner).await
    }

    /// Inserts or replaces an entity. The last write to a key in a transaction wins.
    pub(crate) fn put<E: Entity>(&mut self, entity: &E) {
        self.add(Change::put(entity));
    }

    /// Removes the entity with a key, if there is one.
    pub(crate) fn remove<E: Entity>(&mut self, key: &str) {
        self.add(Ok(Change::remove::<E>(key)));
    }

    fn add(&mut self, change: Result<Change>) {
        match (&mut self.changes, change) {
            (Ok(changes), Ok(change)) => {
                changes.retain(|other| other.target() != change.target());
                changes.push(change);
            }
            (Ok(_), Err(error)) => self.changes = Err(error),
            (Err(_), _) => {}
        }
    }
}
