//! What was done about accounts and keys, by whom, and from where.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Accounts, Origin, User, later};
use crate::{
    projects::{DEFAULT_PROJECT, ProjectId},
    records::{Entity, Records, RecordsError, Stored},
};

/// How long it is remembered.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    SignedUp,
    SignedIn,
    SignInFailed,
    SignedOut,
    PasswordChanged,
    SessionRevoked,
    Invited,
    InvitationWithdrawn,
    MemberAdded,
    RoleChanged,
    PasswordReset,
    MemberRemoved,
    KeyMade,
    KeyRotated,
    KeyRevoked,
    KeyHandedOn,
    TokenRefused,
    ProjectMade,
    ProjectChanged,
    ProjectRemoved,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Later ones come first.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) action: Action,
    /// In which project, where it was not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectId>,
    /// The id of a user, `adminToken`, `shell`, or nobody who is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// To whom or to what: the id of a user, a key or an invitation, or an address that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// What tells who or what that is, or was: an address, a role, a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address: Option<String>,
}

/// To whom or to what something was done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    id: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// To what the project says.
    pub(crate) const PROJECT: Self = Self { id: None, detail: None };

    pub(crate) fn of(id: &'a str) -> Self {
        Self { id: Some(id), detail: None }
    }

    pub(crate) fn user(user: &'a User) -> Self {
        Self { id: Some(&user.id), detail: Some(user.email.as_str()) }
    }

    /// The same, and more to tell.
    pub(crate) fn with(self, detail: &'a str) -> Self {
        Self { detail: Some(detail), ..self }
    }
}

impl Entity for Entry {
    const TABLE: &'static str = "audit";

    fn key(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> &str {
        DEFAULT_PROJECT
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(later(self.at, KEPT))
    }
}

/// As long as an address may be.
fn short(text: &str) -> String {
    text.chars().take(254).collect()
}

/// Smaller than all that were made before: by the time, then by a count of this server, then by chance.
fn id(now: Timestamp) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = u32::MAX - COUNT.fetch_add(1, Ordering::Relaxed);
    let chance = &Uuid::new_v4().simple().to_string()[..24];
    format!("{:016x}{count:08x}{chance}", i64::MAX.abs_diff(now.millis()))
}

impl Accounts {
    /// Writes down that somebody could not sign in.
    pub(crate) async fn note_failure(&self, email: &str, origin: &Origin, now: Timestamp) {
        if self.inner.throttle.is_noted() {
            self.note(Action::SignInFailed, None, None, Target::of(email), origin, now).await;
        }
    }

    /// Counts a token or a key that opens nothing, and writes it down; how long its address must wait, where it has shown too
    /// many.
    pub(crate) async fn refuse_token(
        &self,
        what: &str,
        path: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let counted = self.inner.throttle.wrong_bearer(address);
        if counted.is_ok() && self.inner.throttle.is_token_noted() {
            let origin = Origin { address: Some(address), user_agent: None };
            let told = format!("a {what} at {path}");
            self.note(Action::TokenRefused, None, None, Target::PROJECT.with(&told), &origin, now).await;
        }
        counted
    }

    /// Whether the admin token is looked at that comes from an address; if not, how long until it is.
    pub(crate) fn may_show_token(&self, address: IpAddr) -> Result<(), Duration> {
        self.inner.throttle.may_show_token(address)
    }

    /// The admin token came from there.
    pub(crate) fn token_shown(&self, address: IpAddr) {
        self.inner.throttle.token_shown(address);
    }

    /// Writes down what was done, in a project or to the server. Where that fails it is done all the same, and the log has it.
    pub(crate) async fn note(
        &self,
        action: Action,
        project: Option<&ProjectId>,
        actor: Option<&str>,
        target: Target<'_>,
        origin: &Origin,
        now: Timestamp,
    ) {
        let entry = Entry {
            id: id(now),
            at: now,
            action,
            project: project.filter(|project| !project.is_default()).cloned(),
            actor: actor.map(str::to_owned),
            target: target.id.map(short),
            detail: target.detail.map(short),
            ip_address: origin.ip_address(),
        };
        if let Err(error) = self.records().append(&entry).await {
            tracing::warn!(%error, ?entry, "what was done could not be written down");
        }
    }

    /// What was done, newest first, behind an entry.
    pub(crate) async fn audit(&self, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, RecordsError> {
        let found: Vec<Stored<Entry>> = self.records().list(Some(DEFAULT_PROJECT), after, limit).await?;
        Ok(found.into_iter().map(|stored| stored.entity).collect())
    }
}
