//! People: who they are, who of them has signed in, who may sign up.
//!
//! - A session's token is told once, to whoever signs in; what is kept is its hash. The same token is a cookie's value and
//!   a bearer's.
//! - Sessions slide: who comes back in time stays signed in, until [`SessionTimes::most`] is over.
//! - The first account is the owner's. It needs the admin token, or the set-up link, which is an invitation and ends with it.
//! - Every rule is decided in a transaction of the records: nothing that it went by changes before it is carried out.
//! - Whoever guesses learns nothing from the time or the words of an answer, and is slowed down by [`throttle`].
//!
//! All of it is told the time, and so can be tested without waiting.

mod actor;
mod audit;
mod error;
mod invite;
mod keys;
mod members;
mod model;
mod password;
#[cfg(test)]
mod races;
pub(crate) mod secret;
mod session;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;
mod throttle;
mod turns;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use martech_core::event::Timestamp;

pub use self::model::Role;
pub(crate) use self::{
    actor::{ADMIN_TOKEN, Actor, SHELL},
    audit::{Action, Entry, Target},
    error::AccountError,
    keys::{KeyFate, NewKey, Settled, is_key},
    members::{Member, forget_project},
    model::{ApiKey, Email, Invitation, KeyKind, NAME_EXPECTED, Session, User, is_name},
    password::{Cost, Hasher},
    session::{SessionHandle, SignedIn},
    sign_up::{Entitlement, NewUser},
};
use self::{
    keys::{KeyOrigins, KnownKeys},
    members::found,
    model::{Agreement, KnownPlace},
    secret::CookieKey,
    throttle::Throttle,
};
use crate::{
    periodic::every,
    records::{AnyRecords, Records, RecordsError, Stored, transact},
};

/// Who may sign up once there is an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum SignUpPolicy {
    /// Whoever has an invitation.
    #[default]
    Invitation,
    /// Everybody; who has no invitation becomes an analyst.
    Open,
    /// Nobody; accounts are made by `martech-server user add`.
    Closed,
}

/// How long people stay signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionTimes {
    /// Who does not come back for so long is signed out.
    pub(crate) idle: Duration,
    /// Who signed in so long ago is signed out.
    pub(crate) most: Duration,
}

/// What is up to whoever runs the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) policy: SignUpPolicy,
    pub(crate) times: SessionTimes,
    /// How often one address may try to sign in at once.
    pub(crate) attempts: u32,
}

/// Those of `martech-server` without any; the shell needs no others.
impl Default for Settings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { policy: SignUpPolicy::default(), times: SessionTimes { idle: 7 * day, most: 90 * day }, attempts: 30 }
    }
}

/// How often what has expired is removed.
const SWEEPING: Duration = Duration::from_secs(600);
/// Without "remember me".
const UNREMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl Origin {
    /// The address as it is written down.
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
    records: AnyRecords,
    hasher: Hasher,
    throttle: Throttle,
    policy: SignUpPolicy,
    times: SessionTimes,
    /// Known once the records could be asked.
    cookie_key: tokio::sync::OnceCell<CookieKey>,
    known_keys: KnownKeys,
    key_origins: KeyOrigins,
}

impl Accounts {
    pub(crate) fn new(records: AnyRecords, hasher: Hasher, settings: Settings) -> Self {
        let Settings { policy, times, attempts } = settings;
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
            }),
        }
    }

    /// What cookies are signed with, on all servers of these records.
    pub(crate) async fn cookie_key(&self) -> Result<&CookieKey, RecordsError> {
        let agreed = || async { self.agree(Agreement::COOKIE_KEY, secret::random()).await };
        self.inner.cookie_key.get_or_try_init(|| async { Ok(CookieKey::new(&agreed().await?)) }).await
    }

    /// The value of an agreement: this one, where there is none yet.
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

    /// Somebody by their address.
    pub(crate) async fn user(&self, email: &Email) -> Result<Option<Stored<User>>, RecordsError> {
        self.records().get(email.as_str()).await
    }

    /// Removes what has expired.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<u64, RecordsError> {
        let records = self.records();
        records.settle().await?;
        Ok(records.sweep::<Session>(now).await?
            + records.sweep::<KnownPlace>(now).await?
            + records.sweep::<Invitation>(now).await?
            + records.sweep::<ApiKey>(now).await?
            + records.sweep::<Entry>(now).await?)
    }

    /// Removes what has expired now and then, for as long as there is somebody to whom it matters.
    pub(crate) fn keep_swept(&self) {
        tokio::spawn(every(SWEEPING, Arc::downgrade(&self.inner), async |inner| {
            if let Err(error) = (Self { inner }).sweep(Timestamp::now()).await {
                tracing::warn!(%error, "sessions that are over could not be removed; that is tried again later");
            }
        }));
    }

    /// Releases the records. Nobody can be asked about any more.
    pub(crate) async fn close(&self) {
        self.records().close().await;
    }

    fn records(&self) -> &AnyRecords {
        &self.inner.records
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("records", &self.inner.records).finish_non_exhaustive()
    }
}

/// A time that is so much later.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
