//! The audit log: changes of accounts, keys and projects, with their author and address.

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
    identity::{DEFAULT_PROJECT, ProjectId},
    records::{Entity, RecordsError, Stored},
};

/// The retention of audit entries: 400 days.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The kind of an audit entry.
// The aliases are the names in entries that earlier versions have stored.
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
    #[serde(alias = "keyMade")]
    KeyCreated,
    KeyUpdated,
    KeyRotated,
    KeyRevoked,
    #[serde(alias = "keyHandedOn")]
    KeyTransferred,
    TokenRefused,
    #[serde(alias = "projectMade")]
    ProjectCreated,
    #[serde(alias = "projectChanged")]
    ProjectUpdated,
    ProjectRemoved,
    Imported,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// The id of the entry. Ids of newer entries sort before those of older ones.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) action: Action,
    /// The project, unless it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectId>,
    /// The author: the id of a user, `adminToken` or `shell`; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// The object of the action: the id of a user, a key or an invitation, the email address of a failed sign-in, or
    /// the name of an imported file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// A description of the target at that time: an email address, a role, a name, or the counts of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address: Option<String>,
}

/// The target of an action, with a description.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    id: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The target is the project of the entry.
    pub(crate) const PROJECT: Self = Self { id: None, detail: None };

    pub(crate) fn of(id: &'a str) -> Self {
        Self { id: Some(id), detail: None }
    }

    pub(crate) fn user(user: &'a User) -> Self {
        Self { id: Some(&user.id), detail: Some(user.email.as_str()) }
    }

    /// Adds a description.
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

/// Truncates a text to 254 characters, the maximum length of an email address.
fn short(text: &str) -> String {
    text.chars().take(254).collect()
}

/// Returns an id that sorts before all earlier ones: by time, then by a counter of this process, then by a random part.
fn id(now: Timestamp) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = u32::MAX - COUNT.fetch_add(1, Ordering::Relaxed);
    let chance = &Uuid::new_v4().simple().to_string()[..24];
    format!("{:016x}{count:08x}{chance}", i64::MAX.abs_diff(now.millis()))
}

impl Accounts {
    /// Records a failed sign-in, within a rate limit.
    pub(crate) async fn note_failure(&self, email: &str, origin: &Origin, now: Timestamp) {
        if self.inner.throttle.is_noted() {
            self.note(Action::SignInFailed, None, None, Target::of(email), origin, now).await;
        }
    }

    /// Counts an unknown token or key of `address`, and records it within a rate limit.
    ///
    /// # Errors
    ///
    /// Returns the time to wait if the address has presented too many.
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

    /// Returns whether the server checks an admin token from `address`.
    ///
    /// # Errors
    ///
    /// Returns the time until it does.
    pub(crate) fn may_show_token(&self, address: IpAddr) -> Result<(), Duration> {
        self.inner.throttle.may_show_token(address)
    }

    /// Records that the valid admin token came from `address`.
    pub(crate) fn token_shown(&self, address: IpAddr) {
        self.inner.throttle.token_shown(address);
    }

    /// Writes an entry about a project or about the server. A failure to write goes to the log and does not undo the
    /// action.
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
            tracing::warn!(%error, ?entry, "cannot write to the audit log");
        }
    }

    /// Returns up to `limit` entries, newest first, that come after the entry with the id `after`.
    pub(crate) async fn audit(&self, after: Option<&str>, limit: usize) -> Result<Vec<Entry>, RecordsError> {
        let found: Vec<Stored<Entry>> = self.records().list(Some(DEFAULT_PROJECT), after, limit).await?;
        Ok(found.into_iter().map(|stored| stored.entity).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn reads_actions_that_earlier_versions_stored() {
        for (stored, action) in [
            ("keyMade", Action::KeyCreated),
            ("keyHandedOn", Action::KeyTransferred),
            ("projectMade", Action::ProjectCreated),
            ("projectChanged", Action::ProjectUpdated),
        ] {
            assert_eq!(from_value::<Action>(json!(stored)).unwrap(), action);
        }
    }
}
