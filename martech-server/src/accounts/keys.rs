//! Keys, for programs: one kind sends events, the other reads.
//!
//! A key is told once; what is kept is its hash. It begins with what it is, `mt_write_` or `mt_read_`, so that one that has
//! leaked is known for what it is, by people and by programs that look for such things.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    AccountError, Accounts, Actor, later,
    model::{ApiKey, KeyKind, NAME_EXPECTED, is_name},
    secret,
};
use crate::{
    projects::ProjectId,
    records::{Records, RecordsError, Stored},
};

/// A key as its owner wants it.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    /// The pages that may use it; all where none is named.
    pub(crate) origins: Vec<String>,
}

/// How long a key that was replaced can still be used.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// When a key was last used is written down this often.
const USE_INTERVAL: Duration = Duration::from_secs(3600);
const MAX_ORIGINS: usize = 100;
/// More keys than a shop has.
const MAX_KEYS: usize = 1000;

impl KeyKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Write => "mt_write_",
            Self::Read => "mt_read_",
        }
    }
}

/// Whether a text may be a key.
pub(crate) fn is_key(text: &str) -> bool {
    [KeyKind::Write, KeyKind::Read].iter().any(|kind| text.starts_with(kind.prefix()))
}

impl Accounts {
    /// Makes a key; the secret is told here and nowhere else.
    pub(crate) async fn make_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        new: NewKey,
        now: Timestamp,
    ) -> Result<(String, ApiKey), AccountError> {
        if !is_name(&new.name) {
            return Err(AccountError::InvalidField("name", NAME_EXPECTED));
        }
        if new.origins.len() > MAX_ORIGINS {
            return Err(AccountError::InvalidField("origins", "are a hundred at most"));
        }
        if self.keys(project, now).await?.len() >= MAX_KEYS {
            return Err(AccountError::InvalidField("keys", "are a thousand at most; revoke some first"));
        }
        let (secret, key) = fresh(new, project, actor.id.clone(), now);
        self.records().insert(&key).await?;
        tracing::info!(key = %key.id, kind = ?key.kind, "a key was made");
        Ok((secret, key))
    }

    /// Those of a project that can be used, in the order in which they were made.
    pub(crate) async fn keys(&self, project: &ProjectId, now: Timestamp) -> Result<Vec<ApiKey>, RecordsError> {
        let all: Vec<Stored<ApiKey>> = self.records().list(Some(project.as_str()), None, 2 * MAX_KEYS).await?;
        let mut keys: Vec<ApiKey> =
            all.into_iter().map(|stored| stored.entity).filter(|key| key.is_valid(now)).collect();
        keys.sort_by(|left, right| (&left.id, left.created_at).cmp(&(&right.id, right.created_at)));
        Ok(keys)
    }

    /// Gives a key another secret. The old one can be used for another day.
    pub(crate) async fn rotate_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<(String, ApiKey), AccountError> {
        let all = self.keys(project, now).await?;
        let old =
            all.into_iter().rfind(|key| key.id == id && key.expires_at.is_none()).ok_or(AccountError::NoSuchKey)?;
        let new = NewKey { name: old.name.clone(), kind: old.kind, origins: old.origins.clone() };
        let (secret, key) = fresh(new, project, actor.id.clone(), now);
        let key = ApiKey { id: old.id.clone(), ..key };
        self.records().insert(&key).await?;
        // Interrupted before this, both can be used, and the list shows both.
        while let Some(stored) = self.records().get::<ApiKey>(&old.secret_hash).await? {
            let ending = ApiKey { expires_at: Some(later(now, GRACE)), ..stored.entity.clone() };
            // Its use may have been written down meanwhile.
            if self.records().replace(&stored, &ending).await? {
                break;
            }
        }
        self.inner.known_keys.forget();
        tracing::info!(key = %key.id, "a key was given another secret");
        Ok((secret, key))
    }

    /// Ends a key, and what is left of its old secrets, at once; the key, where there was one.
    pub(crate) async fn revoke_key(
        &self,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<ApiKey>, RecordsError> {
        let mut revoked = None;
        for key in self.keys(project, now).await?.into_iter().filter(|key| key.id == id) {
            if self.records().remove::<ApiKey>(&key.secret_hash).await? {
                revoked = Some(key);
            }
        }
        self.inner.known_keys.forget();
        if revoked.is_some() {
            tracing::info!(key = id, "a key was revoked");
        }
        Ok(revoked)
    }

    /// Ends all keys of a project that is removed.
    pub(super) async fn revoke_all_keys(&self, project: &ProjectId) -> Result<(), RecordsError> {
        self.records().remove_all::<ApiKey>(project.as_str()).await?;
        self.inner.known_keys.forget();
        Ok(())
    }

    /// The key of a secret; `None` where there is none any more. What another server has changed is seen within seconds.
    pub(crate) async fn key(&self, secret: &str, now: Timestamp) -> Result<Option<ApiKey>, RecordsError> {
        let hash = secret::digest(secret);
        let found = match self.inner.known_keys.get(&hash) {
            Some((key, since)) if since.elapsed() < BELIEVED => return Ok(Some(key).filter(|key| key.is_valid(now))),
            None => self.records().get::<ApiKey>(&hash).await?,
            // Where the records are away, what they said last is believed a while longer: events go on to be taken.
            Some((stale, _)) => match timeout(PATIENCE, self.records().get::<ApiKey>(&hash)).await {
                Ok(Ok(found)) => found,
                _ => {
                    self.inner.known_keys.keep(&hash, &stale);
                    return Ok(Some(stale).filter(|key| key.is_valid(now)));
                }
            },
        };
        let Some(found) = found.filter(|found| found.is_valid(now)) else {
            self.inner.known_keys.drop(&hash);
            return Ok(None);
        };
        let key = found.entity.clone();
        self.inner.known_keys.keep(&hash, &key);
        let is_due = key.last_used_at.is_none_or(|used| later(used, USE_INTERVAL) <= now);
        if is_due {
            let used = ApiKey { last_used_at: Some(now), ..key.clone() };
            // Where it was changed meanwhile, the next use is written down.
            if let Err(error) = self.records().replace(&found, &used).await {
                tracing::debug!(%error, "the use of a key could not be written down");
            }
        }
        Ok(Some(key))
    }
}

fn fresh(new: NewKey, project: &ProjectId, created_by: Option<String>, now: Timestamp) -> (String, ApiKey) {
    let NewKey { name, kind, origins } = new;
    let secret = format!("{}{}", kind.prefix(), secret::random());
    let key = ApiKey {
        id: Uuid::now_v7().simple().to_string(),
        secret_hash: secret::digest(&secret),
        hint: secret[secret.len() - 4..].to_owned(),
        name,
        kind,
        origins,
        project: project.clone(),
        created_by,
        created_at: now,
        last_used_at: None,
        expires_at: None,
    };
    (secret, key)
}

/// Keys that were looked up a moment ago: there is one with every event.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    by_hash: Mutex<HashMap<String, (ApiKey, Instant)>>,
}

/// How long a lookup of a key may take that was known a moment ago.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a key is believed before it is looked up again.
const BELIEVED: Duration = Duration::from_secs(5);

impl KnownKeys {
    /// What was known of a key the last time, and when that was.
    fn get(&self, hash: &str) -> Option<(ApiKey, Instant)> {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn drop(&self, hash: &str) {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner).remove(hash);
    }

    fn keep(&self, hash: &str, key: &ApiKey) {
        let mut known = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KEYS {
            known.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        }
        known.insert(hash.to_owned(), (key.clone(), Instant::now()));
    }

    fn forget(&self) {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
