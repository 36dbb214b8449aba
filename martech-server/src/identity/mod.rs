//! Accounts: users, sessions, sign-up, sign-in, members and API keys.
//!
//! - The token of a session is returned once, at sign-in. Only its hash is stored. The same token works as a cookie and
//!   as a bearer token.
//! - Sessions slide: each visit extends a remembered session, up to [`SessionTimes::most`] after the sign-in.
//! - The first account becomes the owner. Its sign-up needs the admin token or the set-up link, an invitation that ends
//!   with the first account.
//! - Each rule runs in a transaction of the records, so the facts it depends on cannot change before its writes are
//!   committed.
//! - The timing and the text of a response tell an attacker nothing about accounts. Repeated attempts are limited by
//!   [`throttle`].
//!
//! Functions take the current time as an argument, so that tests need not wait.

mod actor;
mod audit;
mod email;
mod error;
mod invite;
mod key_cache;
mod keys;
mod members;
mod model;
mod password;
mod priority_semaphore;
mod project_id;
mod project_record;
mod project_removal;
#[cfg(test)]
mod races;
pub(crate) mod secret;
mod session;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;
mod throttle;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use martech_core::event::Timestamp;
use tokio::sync::watch;

pub(crate) use self::model::Role;
pub(crate) use self::{
    actor::{ADMIN_TOKEN, Actor, SHELL},
    audit::{Action, Entry, Target},
    email::Email,
    error::AccountError,
    keys::{KeyChange, KeyFate, NewKey, Settled, is_key},
    members::{Member, remove_project_access},
    model::{ApiKey, Invitation, KeyKind, NAME_EXPECTED, Session, User, is_name},
    password::{Cost, HashError, Hasher},
    project_id::{DEFAULT_PROJECT, ProjectId, project_folders},
    project_record::{InvalidField, ProjectChange, ProjectRecord, Whole, currency, event_types},
    project_removal::ProjectRemoval,
    session::{SessionHandle, SignedIn},
    sign_up::{Entitlement, NewUser},
};
use self::{
    key_cache::{KeyOrigins, KnownKeys},
    members::found,
    model::{Agreement, KnownNetwork},
    secret::CookieKey,
    throttle::Throttle,
};
use crate::{
    records::{Records, RecordsError, Stored, transact},
    util::every,
};

/// The policy for sign-up once the server has an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignUpPolicy {
    /// People with an invitation.
    #[default]
    Invitation,
    /// Everyone; people without an invitation become analysts.
    Open,
    /// No sign-up; the operator adds accounts with `martech-server user add`.
    Closed,
}

impl SignUpPolicy {
    /// Each value with its name.
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("invitation", Self::Invitation), ("open", Self::Open), ("closed", Self::Closed)];
}

/// The lifetimes of sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionTimes {
    /// The time without a visit after which a session ends.
    pub(crate) idle: Duration,
    /// The time after the sign-in at which a session ends.
    pub(crate) most: Duration,
}

/// Settings of the accounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountSettings {
    pub(crate) policy: SignUpPolicy,
    pub(crate) times: SessionTimes,
    /// The burst of sign-in attempts from one address.
    pub(crate) attempts: u32,
}

/// The defaults of `martech-server`. The commands that work in the store itself use them.
impl Default for AccountSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { policy: SignUpPolicy::default(), times: SessionTimes { idle: 7 * day, most: 90 * day }, attempts: 30 }
    }
}

/// The interval between removals of expired records.
const SWEEPING: Duration = Duration::from_secs(600);
/// The maximum lifetime of a session without "remember me".
const UNREMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The client of a request: its address and user agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl Origin {
    /// Returns the address as text, with an IPv4-mapped IPv6 address as IPv4.
    fn ip_address(&self) -> Option<String> {
        self.address.map(|address| address.to_canonical().to_string())
    }
}

/// The accounts of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    hasher: Hasher,
    throttle: Throttle,
    policy: SignUpPolicy,
    times: SessionTimes,
    /// Set by the first successful read of the records.
    cookie_key: tokio::sync::OnceCell<CookieKey>,
    known_keys: KnownKeys,
    key_origins: KeyOrigins,
    /// Notified when somebody may have lost access.
    access_lost: watch::Sender<()>,
}

impl Accounts {
    pub(crate) fn new(records: Records, hasher: Hasher, settings: AccountSettings) -> Self {
        let AccountSettings { policy, times, attempts } = settings;
        let (throttle, cookie_key) = (Throttle::new(attempts), tokio::sync::OnceCell::new());
        Self {
            inner: Arc::new(Inner {
                records,
                hasher,
                throttle,
                policy,
                times,
                cookie_key,
                known_keys: KnownKeys::default(),
                key_origins: KeyOrigins::default(),
                access_lost: watch::Sender::new(()),
            }),
        }
    }

    /// Returns the key that signs cookies. All servers with the same records use the same key.
    pub(crate) async fn cookie_key(&self) -> Result<&CookieKey, RecordsError> {
        let agreed = || async { self.agree(Agreement::COOKIE_KEY, secret::random()).await };
        self.inner.cookie_key.get_or_try_init(|| async { Ok(CookieKey::new(&agreed().await?)) }).await
    }

    /// Returns the stored value of an agreement. Stores `value` if there is none yet.
    async fn agree(&self, name: &str, value: String) -> Result<String, RecordsError> {
        if let Some(agreed) = self.records().get::<Agreement>(name).await? {
            return Ok(agreed.entity.value);
        }
        transact!(self.records(), RecordsError, |transaction| {
            if let Some(agreed) = transaction.get::<Agreement>(name).await? {
                return Ok(agreed.value);
            }
            transaction.put(&Agreement { name: name.to_owned(), value: value.clone() });
            Ok(value.clone())
        })
    }

    /// Returns a user by email address.
    pub(crate) async fn user(&self, email: &Email) -> Result<Option<Stored<User>>, RecordsError> {
        self.records().get(email.as_str()).await
    }

    /// Returns a receiver that is notified when a session or a key has ended, or a role has changed, on this server.
    pub(crate) fn access_losses(&self) -> watch::Receiver<()> {
        self.inner.access_lost.subscribe()
    }

    fn tell_access_lost(&self) {
        self.inner.access_lost.send_replace(());
    }

    /// Removes expired records, and returns how many.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<u64, RecordsError> {
        let records = self.records();
        records.settle().await?;
        Ok(records.sweep::<Session>(now).await?
            + records.sweep::<KnownNetwork>(now).await?
            + records.sweep::<Invitation>(now).await?
            + records.sweep::<ApiKey>(now).await?
            + records.sweep::<ProjectRemoval>(now).await?
            + records.sweep::<Entry>(now).await?)
    }

    /// Starts a task that removes expired records periodically. The task ends after the last clone is dropped.
    pub(crate) fn keep_swept(&self) {
        tokio::spawn(every(SWEEPING, Arc::downgrade(&self.inner), async |inner| {
            if let Err(error) = (Self { inner }).sweep(Timestamp::now()).await {
                tracing::warn!(%error, "cannot remove expired sessions; retrying later");
            }
        }));
    }

    /// Closes the records. Later calls fail with [`RecordsError::Closed`].
    pub(crate) async fn close(&self) {
        self.records().close().await;
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("records", &self.inner.records).finish_non_exhaustive()
    }
}

/// Returns `time + by`, saturating.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
