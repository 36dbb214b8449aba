//! Keys, for programs: one kind sends events, the other reads.
//!
//! A key is told once; what is kept is its hash. It begins with what it is, `mt_write_` or `mt_read_`, so that one that has
//! leaked is known for what it is, by people and by programs that look for such things.
//!
//! A key has one secret, or two for a day after it was given another. It ends with the role of whoever gave it its secret, for
//! they know it; or it is handed on, where somebody says so.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    AccountError, Accounts, Actor, Role, User,
    actor::check_project,
    later,
    model::{ApiKey, KeyKind, NAME_EXPECTED, is_name},
    secret,
};
use crate::{
    projects::ProjectId,
    records::{Records, RecordsError, Transaction, transact},
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
pub(super) const MAX_KEYS: usize = 1000;
/// Who may make keys.
const MAKERS: Role = Role::Admin;

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
        let (secret, key) = fresh(new, project, actor.id(), now);
        transact!(self.records(), AccountError, |transaction| {
            actor.powers(transaction).await?.need(MAKERS, project)?;
            check_project(transaction, project).await?;
            let there = transaction.all::<ApiKey>(Some(project.as_str())).await?;
            if there.iter().filter(|key| key.expires_at.is_none()).count() >= MAX_KEYS {
                return Err(AccountError::InvalidField("keys", "are a thousand at most; revoke some first"));
            }
            transaction.put(&key);
            Ok(())
        })?;
        self.inner.known_keys.forget();
        tracing::info!(key = %key.id, kind = ?key.kind, "a key was made");
        Ok((secret, key))
    }

    /// The secrets of a project that can be used. Those of one key have the same id.
    pub(crate) async fn keys(&self, project: &ProjectId, now: Timestamp) -> Result<Vec<ApiKey>, RecordsError> {
        let mut keys = self.records().all::<ApiKey>(Some(project.as_str())).await?;
        keys.retain(|key| key.is_valid(now));
        Ok(keys)
    }

    /// Gives a key another secret. The one that it had can be used for another day; one that it had before that ends.
    pub(crate) async fn rotate_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<(String, ApiKey), AccountError> {
        let (secret, key) = transact!(self.records(), AccountError, |transaction| {
            actor.powers(transaction).await?.need(MAKERS, project)?;
            let secrets = secrets(transaction, project, id).await?;
            let current = secrets.iter().find(|key| key.expires_at.is_none()).ok_or(AccountError::NoSuchKey)?;
            let new = NewKey { name: current.name.clone(), kind: current.kind, origins: current.origins.clone() };
            let (secret, key) = fresh(new, project, actor.id(), now);
            let key = ApiKey { id: current.id.clone(), ..key };
            for older in secrets.iter().filter(|key| key.expires_at.is_some()) {
                transaction.remove::<ApiKey>(&older.secret_hash);
            }
            transaction.put(&ApiKey { expires_at: Some(later(now, GRACE)), ..current.clone() });
            transaction.put(&key);
            Ok((secret, key))
        })?;
        self.inner.known_keys.forget();
        tracing::info!(key = %key.id, "a key was given another secret");
        Ok((secret, key))
    }

    /// Ends a key with all of its secrets, at once; the key.
    pub(crate) async fn revoke_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<ApiKey, AccountError> {
        let revoked = transact!(self.records(), AccountError, |transaction| {
            actor.powers(transaction).await?.need(MAKERS, project)?;
            let mut secrets = secrets(transaction, project, id).await?;
            secrets.iter().for_each(|key| transaction.remove::<ApiKey>(&key.secret_hash));
            secrets.retain(|key| key.is_valid(now));
            secrets.pop().ok_or(AccountError::NoSuchKey)
        })?;
        self.inner.known_keys.forget();
        tracing::info!(key = id, "a key was revoked");
        Ok(revoked)
    }

    /// Looks all keys up again: some were ended.
    pub(crate) fn forget_known_keys(&self) {
        self.inner.known_keys.forget();
    }

    /// The key of a secret; `None` where there is none any more. What another server has changed is seen within seconds.
    pub(crate) async fn key(&self, secret: &str, now: Timestamp) -> Result<Option<ApiKey>, RecordsError> {
        let hash = secret::digest(secret);
        let looked_up = self.inner.known_keys.age();
        let found = match self.inner.known_keys.get(&hash) {
            Some((key, since)) if since.elapsed() < BELIEVED => return Ok(Some(key).filter(|key| key.is_valid(now))),
            None => self.records().get::<ApiKey>(&hash).await?,
            // Where the records are away, what they said last is believed a while longer: events go on to be taken.
            Some((stale, _)) => match timeout(PATIENCE, self.records().get::<ApiKey>(&hash)).await {
                Ok(Ok(found)) => found,
                _ => {
                    self.inner.known_keys.keep(&hash, &stale, looked_up);
                    return Ok(Some(stale).filter(|key| key.is_valid(now)));
                }
            },
        };
        let Some(found) = found.filter(|found| found.is_valid(now)) else {
            self.inner.known_keys.drop(&hash);
            return Ok(None);
        };
        let key = found.entity.clone();
        self.inner.known_keys.keep(&hash, &key, looked_up);
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

impl Accounts {
    /// Whether a key is for pages of an origin. What another server has changed is seen within seconds; where the records are
    /// away, what they said last is believed.
    pub(crate) async fn is_origin_of_a_key(&self, origin: &str) -> bool {
        let (origins, age) = (&self.inner.key_origins, self.inner.known_keys.age());
        let (known, is_fresh) = origins.known(age);
        if is_fresh {
            return known.contains(origin);
        }
        // One reads them. Others go by what was known before, if anything was.
        let _reading = match origins.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) if origins.were_read() => return known.contains(origin),
            Err(_) => origins.reading.lock().await,
        };
        let (known, is_fresh) = origins.known(age);
        if is_fresh {
            return known.contains(origin);
        }
        let read = match timeout(PATIENCE, self.records().all::<ApiKey>(None)).await {
            Ok(Ok(keys)) => Arc::new(keys.into_iter().flat_map(|key| key.origins).collect()),
            _ => known,
        };
        let is_one = read.contains(origin);
        let read = KnownOrigins { origins: read, since: Instant::now(), age };
        *origins.known.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
        is_one
    }
}

/// The origins of all keys.
#[derive(Default)]
pub(super) struct KeyOrigins {
    known: RwLock<Option<KnownOrigins>>,
    /// Held by the one who reads them.
    reading: tokio::sync::Mutex<()>,
}

/// The origins of all keys, as they were read.
struct KnownOrigins {
    origins: Arc<HashSet<String>>,
    since: Instant,
    /// The age of [`KnownKeys`] then.
    age: u64,
}

impl KeyOrigins {
    /// What was read the last time, and whether that is good enough.
    fn known(&self, age: u64) -> (Arc<HashSet<String>>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or_else(Default::default, |known| {
            (known.origins.clone(), known.since.elapsed() < BELIEVED && known.age == age)
        })
    }

    fn were_read(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_some()
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

/// The secrets of a key.
async fn secrets(transaction: &Transaction, project: &ProjectId, id: &str) -> Result<Vec<ApiKey>, RecordsError> {
    let mut keys = transaction.all::<ApiKey>(Some(project.as_str())).await?;
    keys.retain(|key| key.id == id);
    Ok(keys)
}

/// What becomes of the keys of somebody who may make none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFate {
    /// They end.
    End,
    /// They become those of who decides it.
    HandOn,
}

/// The keys of somebody who may make none any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) ended: Vec<ApiKey>,
    pub(crate) handed_on: Vec<ApiKey>,
}

/// Ends the keys of a user who loses the role that making them takes, or hands them on.
pub(super) async fn settle(
    transaction: &mut Transaction,
    user: &User,
    after: Option<&User>,
    heir: &Actor,
    fate: KeyFate,
) -> Result<Settled, RecordsError> {
    let keys = transaction.all::<ApiKey>(None).await?;
    let may_keep = |key: &ApiKey| after.and_then(|user| user.role(&key.project)) >= Some(MAKERS);
    let lost = keys.iter().filter(|key| key.created_by.as_ref() == Some(&user.id) && !may_keep(key));
    let mut settled = Settled::default();
    for key in lost {
        match fate {
            KeyFate::HandOn => {
                let handed_on = ApiKey { created_by: heir.id(), ..key.clone() };
                transaction.put(&handed_on);
                settled.handed_on.push(handed_on);
            }
            KeyFate::End => {
                // A secret that another has replaced ends alone, the one that counts with the key.
                let is_replaced = key.expires_at.is_some();
                let of_key = keys.iter().filter(|other| other.id == key.id && !is_replaced);
                of_key.chain([key]).for_each(|key| transaction.remove::<ApiKey>(&key.secret_hash));
                settled.ended.push(key.clone());
            }
        }
    }
    // Each is told once, by the secret that counts.
    for keys in [&mut settled.ended, &mut settled.handed_on] {
        keys.sort_by(|left, right| (&left.id, left.expires_at).cmp(&(&right.id, right.expires_at)));
        keys.dedup_by(|later, key| later.id == key.id);
    }
    Ok(settled)
}

/// Keys that were looked up a moment ago: there is one with every event.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<String, (ApiKey, Instant)>,
    /// How often all were forgotten. What was looked up before that is not kept after it.
    age: u64,
}

/// How long a lookup of a key may take that was known a moment ago.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a key is believed before it is looked up again.
pub(super) const BELIEVED: Duration = Duration::from_secs(5);

impl KnownKeys {
    /// What was known of a key the last time, and when that was.
    fn get(&self, hash: &str) -> Option<(ApiKey, Instant)> {
        self.known().by_hash.get(hash).cloned()
    }

    fn drop(&self, hash: &str) {
        self.known().by_hash.remove(hash);
    }

    fn age(&self) -> u64 {
        self.known().age
    }

    fn keep(&self, hash: &str, key: &ApiKey, looked_up: u64) {
        let mut known = self.known();
        if known.age != looked_up {
            return;
        }
        if known.by_hash.len() >= MAX_KEYS {
            known.by_hash.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        }
        known.by_hash.insert(hash.to_owned(), (key.clone(), Instant::now()));
    }

    pub(super) fn forget(&self) {
        let mut known = self.known();
        known.by_hash.clear();
        known.age += 1;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
