//! Sessions: start, lookup, expiry and revocation.

use std::time::Duration;

use martech_core::event::Timestamp;
use uuid::Uuid;

use super::{Accounts, Origin, Session, UNREMEMBERED, User, later, members::end_sessions, model::KnownNetwork, secret};
use crate::{
    records::{RecordsError, Stored, Transaction, transact},
    util::network,
};

/// A new session and its token.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) token: String,
    pub(crate) session: Session,
    pub(crate) user: User,
}

/// The session of a token, and its user.
#[derive(Debug, Clone)]
pub(crate) struct SessionHandle {
    pub(crate) session: Session,
    pub(crate) user: Stored<User>,
    /// Whether this lookup extended the session, so that the cookie must be renewed.
    pub(crate) slid: bool,
}

/// The maximum number of sessions of a user.
const MAX_SESSIONS: usize = 100;
/// The maximum number of known places of a user, and how long a place stays known after the last sign-in from it.
const MAX_NETWORKS: usize = 20;
const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// The maximum number of characters that are stored of a `User-Agent`.
const USER_AGENT_CHARS: usize = 256;

/// A session is extended only if that adds at least `idle / SLIDES`, so that most requests do not write.
const SLIDES: u32 = 7;

impl Accounts {
    /// Starts a session for an authenticated user, and remembers its network.
    pub(super) async fn start_session(
        &self,
        transaction: &mut Transaction,
        user: &User,
        remember: bool,
        (origin, network_hash): (&Origin, Option<&str>),
        now: Timestamp,
    ) -> Result<SignedIn, RecordsError> {
        let token = secret::random();
        let lifetime = if remember { self.inner.times.idle } else { UNREMEMBERED.min(self.inner.times.idle) };
        let session = Session {
            id: Uuid::now_v7().simple().to_string(),
            token_hash: secret::digest(&token),
            user_id: user.id.clone(),
            email: user.email.clone(),
            created_at: now,
            updated_at: now,
            expires_at: later(now, lifetime.min(self.inner.times.most)),
            remembered: remember,
            ip_address: origin.ip_address(),
            user_agent: origin.user_agent.as_ref().map(|agent| agent.chars().take(USER_AGENT_CHARS).collect()),
        };
        // Programs that sign in repeatedly would accumulate sessions, so the oldest ones end.
        let mut others = transaction.all::<Session>(Some(&user.id)).await?;
        others.sort_by(|left, right| right.id.cmp(&left.id));
        for oldest in others.iter().skip(MAX_SESSIONS - 1) {
            transaction.remove::<Session>(&oldest.token_hash);
        }
        transaction.put(&session);
        if let Some(network_hash) = network_hash {
            remember_network(transaction, user, network_hash, now).await?;
        }
        Ok(SignedIn { token, session, user: user.clone() })
    }

    /// Returns the keyed hash of an email address and the network of the client; `None` without an address. The network
    /// cannot be recovered from it.
    pub(super) async fn network_hash(
        &self,
        email: &super::Email,
        origin: &Origin,
    ) -> Result<Option<String>, RecordsError> {
        let Some(address) = origin.address else { return Ok(None) };
        let key = self.cookie_key().await?;
        Ok(Some(key.digest(&format!("place {email} {}", network(address)))))
    }

    /// Returns whether a user has signed in from this network before.
    pub(super) async fn is_known(&self, network_hash: Option<&str>, now: Timestamp) -> Result<bool, RecordsError> {
        let Some(network_hash) = network_hash else { return Ok(false) };
        let known = self.records().get::<KnownNetwork>(network_hash).await?;
        Ok(known.is_some_and(|known| known.expires_at > now))
    }

    /// Returns the session of a token and its user; `None` if the session has ended or never existed. Extends a
    /// remembered session when that is due.
    pub(crate) async fn session(&self, token: &str, now: Timestamp) -> Result<Option<SessionHandle>, RecordsError> {
        let Some((found, user)) = self.session_of_hash(&secret::digest(token), now).await? else { return Ok(None) };
        let end = later(now, self.inner.times.idle).min(later(found.created_at, self.inner.times.most));
        let gained = end.millis() - found.expires_at.millis();
        let is_due = found.remembered && gained >= (self.inner.times.idle / SLIDES).as_millis() as i64;
        if is_due {
            let slid = Session { expires_at: end, updated_at: now, ..found.entity.clone() };
            // If this fails, another request has extended the session, or the session has ended and the next lookup
            // finds none.
            if self.records().replace(&found, &slid).await? {
                return Ok(Some(SessionHandle { session: slid, user, slid: true }));
            }
        }
        Ok(Some(SessionHandle { session: found.entity, user, slid: false }))
    }

    /// Returns the session whose token has this hash, and its user; `None` if the session has ended or never existed.
    /// Extends nothing.
    pub(crate) async fn session_of_hash(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Stored<Session>, Stored<User>)>, RecordsError> {
        let found = self.records().get::<Session>(hash).await?.filter(|found| found.expires_at > now);
        let Some(found) = found else { return Ok(None) };
        let user = self.user(&found.email).await?.filter(|user| user.id == found.user_id);
        Ok(user.map(|user| (found, user)))
    }

    /// Returns the sessions of a user, oldest first.
    pub(crate) async fn sessions(&self, user: &User, now: Timestamp) -> Result<Vec<Session>, RecordsError> {
        let mut sessions = self.records().all::<Session>(Some(&user.id)).await?;
        sessions.retain(|session| session.expires_at > now);
        sessions.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(sessions)
    }

    /// Ends the session of a token. Returns whether it existed.
    pub(crate) async fn sign_out(&self, token: &str) -> Result<bool, RecordsError> {
        self.end_session(&[secret::digest(token)], |_| true).await
    }

    /// Ends a session of a user, by its token or by the hash of its token, which session lists contain. Returns whether
    /// it existed.
    pub(crate) async fn revoke(&self, user: &User, token: &str) -> Result<bool, RecordsError> {
        self.end_session(&[secret::digest(token), token.to_owned()], |session| session.user_id == user.id).await
    }

    /// Ends the first session among these hashes for which `is_right` holds.
    async fn end_session(&self, hashes: &[String], is_right: impl Fn(&Session) -> bool) -> Result<bool, RecordsError> {
        let has_ended = transact!(self.records(), RecordsError, |transaction| {
            for hash in hashes {
                if transaction.get::<Session>(hash).await?.is_some_and(|session| is_right(&session)) {
                    transaction.remove::<Session>(hash);
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        self.tell_access_lost();
        Ok(has_ended)
    }

    /// Ends the sessions of a user, except `but`.
    pub(crate) async fn revoke_all(&self, user_id: &str, but: Option<&Session>) -> Result<(), RecordsError> {
        let but = but.map(|session| session.id.as_str());
        transact!(self.records(), RecordsError, |transaction| { end_sessions(transaction, user_id, but).await })?;
        self.tell_access_lost();
        Ok(())
    }
}

/// Stores the network of a sign-in, so that all servers know it, also after a restart.
async fn remember_network(
    transaction: &mut Transaction,
    user: &User,
    network_hash: &str,
    now: Timestamp,
) -> Result<(), RecordsError> {
    let mut others = transaction.all::<KnownNetwork>(Some(&user.id)).await?;
    others.retain(|other| other.network_hash != network_hash);
    others.sort_by_key(|other| std::cmp::Reverse(other.expires_at));
    for oldest in others.iter().skip(MAX_NETWORKS - 1) {
        transaction.remove::<KnownNetwork>(&oldest.network_hash);
    }
    let expires_at = later(now, KNOWN_FOR);
    transaction.put(&KnownNetwork { network_hash: network_hash.to_owned(), user_id: user.id.clone(), expires_at });
    Ok(())
}
