//! Caches of keys and of their origins. `POST /events` looks them up in each request.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::time::{Instant, timeout};

use super::{Accounts, keys::MAX_KEYS, later, model::ApiKey, secret};
use crate::records::RecordsError;

/// The timeout of a lookup when the cache has an older result.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a cached key is used before it is looked up again.
const BELIEVED: Duration = Duration::from_secs(5);

/// The minimum interval between updates of `last_used_at`.
const USE_INTERVAL: Duration = Duration::from_secs(3600);

impl Accounts {
    /// Clears the key cache after keys have changed or ended.
    pub(crate) fn clear_known_keys(&self) {
        self.inner.known_keys.clear();
        self.tell_access_lost();
    }

    /// Returns the key of a secret; `None` if there is none. Changes by other servers take effect within 5 s.
    pub(crate) async fn key(&self, secret: &str, now: Timestamp) -> Result<Option<ApiKey>, RecordsError> {
        self.key_of_hash(&secret::digest(secret), now).await
    }

    /// Returns the key whose secret has this hash; `None` if there is none.
    pub(crate) async fn key_of_hash(&self, hash: &str, now: Timestamp) -> Result<Option<ApiKey>, RecordsError> {
        let looked_up = self.inner.known_keys.generation();
        let found = match self.inner.known_keys.get(hash) {
            Some((key, since)) if since.elapsed() < BELIEVED => return Ok(Some(key).filter(|key| key.is_valid(now))),
            None => self.records().get::<ApiKey>(hash).await?,
            // If the store is unavailable, keep the cached key in use, so that the server continues to accept events.
            Some((stale, _)) => match timeout(LOOKUP_TIMEOUT, self.records().get::<ApiKey>(hash)).await {
                Ok(Ok(found)) => found,
                _ => {
                    self.inner.known_keys.keep(hash, &stale, looked_up);
                    return Ok(Some(stale).filter(|key| key.is_valid(now)));
                }
            },
        };
        let Some(found) = found.filter(|found| found.is_valid(now)) else {
            self.inner.known_keys.drop(hash);
            return Ok(None);
        };
        let key = found.entity.clone();
        self.inner.known_keys.keep(hash, &key, looked_up);
        let is_due = key.last_used_at.is_none_or(|used| later(used, USE_INTERVAL) <= now);
        if is_due {
            let used = ApiKey { last_used_at: Some(now), ..key.clone() };
            // On a concurrent change the update is skipped; the next use records the time.
            if let Err(error) = self.records().replace(&found, &used).await {
                tracing::debug!(%error, "cannot record the use of a key");
            }
        }
        Ok(Some(key))
    }

    /// Returns the key of a secret if the cache of origins has it. Reads no records, so that it is cheap for requests
    /// that nothing limits.
    pub(crate) fn key_with_origins(&self, secret: &str) -> Option<ApiKey> {
        let (known, _) = self.inner.key_origins.known(self.inner.known_keys.generation());
        known.keys.get(&secret::digest(secret)).cloned()
    }

    /// Returns whether any key permits pages of `origin`. Changes by other servers take effect within 5 s. If the store
    /// is unavailable, the cached origins stay in use.
    pub(crate) async fn is_origin_of_a_key(&self, origin: &str) -> bool {
        let (origins, generation) = (&self.inner.key_origins, self.inner.known_keys.generation());
        let (known, is_fresh) = origins.known(generation);
        if is_fresh {
            return known.permits(origin);
        }
        // One task reads the origins. Meanwhile the others use the cached ones, if there are any.
        let _reading = match origins.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) if origins.were_read() => return known.permits(origin),
            Err(_) => origins.reading.lock().await,
        };
        let (known, is_fresh) = origins.known(generation);
        if is_fresh {
            return known.permits(origin);
        }
        let read = match timeout(LOOKUP_TIMEOUT, self.records().all::<ApiKey>(None)).await {
            Ok(Ok(keys)) => Arc::new(Origins::of(keys)),
            _ => known,
        };
        let is_one = read.permits(origin);
        let read = KnownOrigins { origins: read, since: Instant::now(), generation };
        *origins.known.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
        is_one
    }
}

/// A cache of keys. Each ingestion request with a key looks one up.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<String, (ApiKey, Instant)>,
    /// Counts the calls of [`KnownKeys::clear`]. A lookup that began before the last call is not cached.
    generation: u64,
}

impl KnownKeys {
    /// Returns the cached key and the time of its lookup.
    fn get(&self, hash: &str) -> Option<(ApiKey, Instant)> {
        self.known().by_hash.get(hash).cloned()
    }

    fn drop(&self, hash: &str) {
        self.known().by_hash.remove(hash);
    }

    fn generation(&self) -> u64 {
        self.known().generation
    }

    fn keep(&self, hash: &str, key: &ApiKey, looked_up: u64) {
        let mut known = self.known();
        if known.generation != looked_up {
            return;
        }
        if known.by_hash.len() >= MAX_KEYS {
            known.by_hash.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        }
        known.by_hash.insert(hash.to_owned(), (key.clone(), Instant::now()));
    }

    pub(super) fn clear(&self) {
        let mut known = self.known();
        known.by_hash.clear();
        known.generation += 1;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cache of the origins of all keys.
#[derive(Default)]
pub(super) struct KeyOrigins {
    known: RwLock<Option<KnownOrigins>>,
    /// Held by the task that reads the keys.
    reading: tokio::sync::Mutex<()>,
}

/// All keys, and their origins.
#[derive(Default)]
struct Origins {
    all: HashSet<String>,
    /// By the hash of the secret.
    keys: HashMap<String, ApiKey>,
}

impl Origins {
    fn of(keys: Vec<ApiKey>) -> Self {
        let all = keys.iter().flat_map(|key| key.origins.iter().cloned()).collect();
        Self { all, keys: keys.into_iter().map(|key| (key.secret_hash.clone(), key)).collect() }
    }

    fn permits(&self, origin: &str) -> bool {
        self.all.contains(origin)
    }
}

/// The origins of all keys at the time of the last read.
struct KnownOrigins {
    origins: Arc<Origins>,
    since: Instant,
    /// The value of [`Known::generation`] before the read.
    generation: u64,
}

impl KeyOrigins {
    /// Returns the cached origins, and whether they are current.
    fn known(&self, generation: u64) -> (Arc<Origins>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or_else(Default::default, |known| {
            (known.origins.clone(), known.since.elapsed() < BELIEVED && known.generation == generation)
        })
    }

    fn were_read(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
