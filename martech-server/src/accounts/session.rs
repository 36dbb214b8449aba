//! Who is signed in.

use martech_core::event::Timestamp;
use uuid::Uuid;

use super::{Accounts, Origin, Session, UNREMEMBERED, User, later, secret};
use crate::records::{Records, RecordsError, Stored};

/// Somebody who has just signed in, and the token that says so from now on.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) token: String,
    pub(crate) session: Session,
    pub(crate) user: User,
}

/// A session and whose it is, as a token has shown.
#[derive(Debug, Clone)]
pub(crate) struct SessionHandle {
    pub(crate) session: Session,
    pub(crate) user: Stored<User>,
    /// Whether the session was made to last longer just now, so that a cookie has to be.
    pub(crate) slid: bool,
}

/// Of one user.
const MAX_SESSIONS: usize = 100;
/// What is kept of a browser's name.
const USER_AGENT_CHARS: usize = 256;

/// Whoever comes back slides their session, but not with every request.
const SLIDES: u32 = 7;

impl Accounts {
    /// Signs somebody in who may be.
    pub(super) async fn start_session(
        &self,
        user: User,
        remember: bool,
        origin: &Origin,
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
        // A token of 256 random bits is nobody else's.
        self.records().insert(&session).await?;
        self.end_oldest(&user).await?;
        Ok(SignedIn { token, session, user })
    }

    /// Nobody is signed in in so many places; a program that signs in again and again is.
    async fn end_oldest(&self, user: &User) -> Result<(), RecordsError> {
        let mut sessions = self.records().all::<Session>(Some(&user.id)).await?;
        sessions.sort_by(|left, right| right.id.cmp(&left.id));
        for session in sessions.iter().skip(MAX_SESSIONS) {
            self.records().remove::<Session>(&session.token_hash).await?;
        }
        Ok(())
    }

    /// Whose token it is; `None` where the session is over, or never was.
    pub(crate) async fn session(&self, token: &str, now: Timestamp) -> Result<Option<SessionHandle>, RecordsError> {
        let Some(found) = self.records().get::<Session>(&secret::digest(token)).await? else { return Ok(None) };
        if found.expires_at <= now {
            self.records().remove::<Session>(&found.token_hash).await?;
            return Ok(None);
        }
        let Some(user) = self.user(&found.email).await?.filter(|user| user.id == found.user_id) else {
            return Ok(None);
        };
        let end = later(now, self.inner.times.idle).min(later(found.created_at, self.inner.times.most));
        let gained = end.millis() - found.expires_at.millis();
        let is_due = found.remembered && gained >= (self.inner.times.idle / SLIDES).as_millis() as i64;
        if is_due {
            let slid = Session { expires_at: end, updated_at: now, ..found.entity.clone() };
            // Where it was changed meanwhile, another request has done it, or it is over from the next one on.
            if self.records().replace(&found, &slid).await? {
                return Ok(Some(SessionHandle { session: slid, user, slid: true }));
            }
        }
        Ok(Some(SessionHandle { session: found.entity, user, slid: false }))
    }

    /// Those of a user, oldest first.
    pub(crate) async fn sessions(&self, user: &User, now: Timestamp) -> Result<Vec<Session>, RecordsError> {
        let mut sessions = self.records().all::<Session>(Some(&user.id)).await?;
        sessions.retain(|session| session.expires_at > now);
        sessions.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(sessions)
    }

    /// Ends the session of a token.
    pub(crate) async fn sign_out(&self, token: &str) -> Result<bool, RecordsError> {
        self.records().remove::<Session>(&secret::digest(token)).await
    }

    /// Ends a user's session by its token, or by the hash of it, which a list shows.
    pub(crate) async fn revoke(&self, user: &User, token: &str) -> Result<bool, RecordsError> {
        for key in [secret::digest(token), token.to_owned()] {
            let found = self.records().get::<Session>(&key).await?;
            if found.is_some_and(|session| session.user_id == user.id) {
                return self.records().remove::<Session>(&key).await;
            }
        }
        Ok(false)
    }

    /// Ends a user's sessions, all but one.
    pub(crate) async fn revoke_all(&self, user_id: &str, but: Option<&Session>) -> Result<(), RecordsError> {
        for session in self.records().all::<Session>(Some(user_id)).await? {
            if but.is_none_or(|kept| kept.id != session.id) {
                self.records().remove::<Session>(&session.token_hash).await?;
            }
        }
        Ok(())
    }
}
