//! API keys for programs: write keys send events, read keys read reports.
//!
//! The secret of a key is returned once, when it is created. Only its hash is stored. Secrets begin with `mt_write_` or
//! `mt_read_`, so that people and secret scanners recognize a leaked key.
//!
//! A key has one secret. For a day after a rotation it has two. A key ends when the user who created or last rotated it
//! loses the role to do so, because that user knows the secret. Alternatively, the key is transferred to another user.

use std::time::Duration;

use martech_core::event::Timestamp;
use uuid::Uuid;

use super::{
    AccountError, Accounts, Actor, Role, User,
    actor::check_project,
    later,
    model::{ApiKey, KeyKind, NAME_EXPECTED, is_name},
    secret,
};
use crate::{
    identity::ProjectId,
    records::{RecordsError, Transaction, transact},
};

/// The settings of a new key.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    /// The web origins that may use the key; empty for all.
    pub(crate) origins: Vec<String>,
}

/// A change of a key. Absent settings keep their value.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyChange {
    pub(crate) name: Option<String>,
    pub(crate) origins: Option<Vec<String>>,
}

/// How long the previous secret stays valid after a rotation.
const GRACE: Duration = Duration::from_secs(24 * 3600);
const MAX_ORIGINS: usize = 100;
const ORIGINS_NEEDED: &str = "must keep at least one entry; create another key instead";
/// The maximum number of keys of a project, and the capacity of the key cache.
pub(super) const MAX_KEYS: usize = 1000;
/// The role that creates, changes, rotates and revokes keys.
const MAKERS: Role = Role::Admin;

impl KeyKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Write => "mt_write_",
            Self::Read => "mt_read_",
        }
    }
}

/// Returns whether a text has the prefix of a key.
pub(crate) fn is_key(text: &str) -> bool {
    [KeyKind::Write, KeyKind::Read].iter().any(|kind| text.starts_with(kind.prefix()))
}

impl Accounts {
    /// Creates a key. Returns its secret, which is not stored, and its record.
    pub(crate) async fn make_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        new: NewKey,
        now: Timestamp,
    ) -> Result<(String, ApiKey), AccountError> {
        check(Some(&new.name), Some(&new.origins))?;
        let (secret, key) = fresh(new, project, actor.id(), now);
        transact!(self.records(), AccountError, |transaction| {
            actor.permissions(transaction).await?.need(MAKERS, project)?;
            check_project(transaction, project).await?;
            let there = transaction.all::<ApiKey>(Some(project.as_str())).await?;
            if there.iter().filter(|key| key.expires_at.is_none()).count() >= MAX_KEYS {
                return Err(AccountError::InvalidField("keys", "are a thousand at most; revoke some first"));
            }
            transaction.put(&key);
            Ok(())
        })?;
        self.clear_known_keys();
        tracing::info!(key = %key.id, kind = ?key.kind, "a key was created");
        Ok((secret, key))
    }

    /// Returns the valid secrets of a project's keys. Secrets of one key have the same id.
    pub(crate) async fn keys(&self, project: &ProjectId, now: Timestamp) -> Result<Vec<ApiKey>, RecordsError> {
        let mut keys = self.records().all::<ApiKey>(Some(project.as_str())).await?;
        keys.retain(|key| key.is_valid(now));
        Ok(keys)
    }

    /// Gives a key a new secret. The current secret stays valid for a day. A secret from an earlier rotation ends at
    /// once.
    ///
    /// Returns the new secret and its record.
    pub(crate) async fn rotate_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<(String, ApiKey), AccountError> {
        let (secret, key) = transact!(self.records(), AccountError, |transaction| {
            actor.permissions(transaction).await?.need(MAKERS, project)?;
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
        self.clear_known_keys();
        tracing::info!(key = %key.id, "a key was rotated");
        Ok((secret, key))
    }

    /// Changes the name or the origins of a key, for all its secrets, and returns the key.
    ///
    /// A key with origins keeps at least one: everyone can read the key of a page, so it must not become a secret one.
    pub(crate) async fn update_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        change: KeyChange,
        now: Timestamp,
    ) -> Result<ApiKey, AccountError> {
        let KeyChange { name, origins } = change;
        check(name.as_deref(), origins.as_deref())?;
        let changed = transact!(self.records(), AccountError, |transaction| {
            actor.permissions(transaction).await?.need(MAKERS, project)?;
            let mut secrets = secrets(transaction, project, id).await?;
            secrets.retain(|key| key.is_valid(now));
            for key in &mut secrets {
                if !key.origins.is_empty() && origins.as_ref().is_some_and(Vec::is_empty) {
                    return Err(AccountError::InvalidField("origins", ORIGINS_NEEDED));
                }
                key.name = name.clone().unwrap_or_else(|| key.name.clone());
                key.origins = origins.clone().unwrap_or_else(|| key.origins.clone());
                transaction.put(&*key);
            }
            secrets.into_iter().find(|key| key.expires_at.is_none()).ok_or(AccountError::NoSuchKey)
        })?;
        self.clear_known_keys();
        tracing::info!(key = id, "a key was changed");
        Ok(changed)
    }

    /// Revokes a key with all its secrets at once, and returns it.
    pub(crate) async fn revoke_key(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<ApiKey, AccountError> {
        let revoked = transact!(self.records(), AccountError, |transaction| {
            actor.permissions(transaction).await?.need(MAKERS, project)?;
            let mut secrets = secrets(transaction, project, id).await?;
            secrets.iter().for_each(|key| transaction.remove::<ApiKey>(&key.secret_hash));
            secrets.retain(|key| key.is_valid(now));
            secrets.pop().ok_or(AccountError::NoSuchKey)
        })?;
        self.clear_known_keys();
        tracing::info!(key = id, "a key was revoked");
        Ok(revoked)
    }
}

/// Checks the name and the origins of a new or changed key.
fn check(name: Option<&str>, origins: Option<&[String]>) -> Result<(), AccountError> {
    if name.is_some_and(|name| !is_name(name)) {
        return Err(AccountError::InvalidField("name", NAME_EXPECTED));
    }
    if origins.is_some_and(|origins| origins.len() > MAX_ORIGINS) {
        return Err(AccountError::InvalidField("origins", "are a hundred at most"));
    }
    Ok(())
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

/// Returns the records of a key: one for each of its secrets.
async fn secrets(transaction: &Transaction, project: &ProjectId, id: &str) -> Result<Vec<ApiKey>, RecordsError> {
    let mut keys = transaction.all::<ApiKey>(Some(project.as_str())).await?;
    keys.retain(|key| key.id == id);
    Ok(keys)
}

/// The fate of the keys of a user who may no longer create keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFate {
    /// The keys end.
    End,
    /// The keys pass to the author of the change.
    Transfer,
}

/// The keys that ended or were transferred, because their user may no longer create keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) ended: Vec<ApiKey>,
    pub(crate) transferred: Vec<ApiKey>,
}

/// Ends or transfers the keys of a user in each project where `after` lacks the role to create keys. `after` is the user
/// after the change; `None` if the account is removed.
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
            KeyFate::Transfer => {
                let transferred = ApiKey { created_by: heir.id(), ..key.clone() };
                transaction.put(&transferred);
                settled.transferred.push(transferred);
            }
            KeyFate::End => {
                // A replaced secret ends alone. The current secret ends the whole key.
                let is_replaced = key.expires_at.is_some();
                let of_key = keys.iter().filter(|other| other.id == key.id && !is_replaced);
                of_key.chain([key]).for_each(|key| transaction.remove::<ApiKey>(&key.secret_hash));
                settled.ended.push(key.clone());
            }
        }
    }
    // List each key once, by its current secret.
    for keys in [&mut settled.ended, &mut settled.transferred] {
        keys.sort_by(|left, right| (&left.id, left.expires_at).cmp(&(&right.id, right.expires_at)));
        keys.dedup_by(|later, key| later.id == key.id);
    }
    Ok(settled)
}
