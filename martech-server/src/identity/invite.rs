//! Invitations.

use std::time::Duration;

use martech_core::event::Timestamp;

use super::{
    ADMIN_TOKEN, AccountError, Accounts, Actor, Email, Invitation, Role, SignUpPolicy,
    actor::{check_project, may_make},
    found, later, secret,
    sign_up::has_owner,
};
use crate::{
    identity::ProjectId,
    records::{RecordsError, Transaction, transact},
};

/// The lifetime of an invitation.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// The lifetime of a set-up link. Each start without an owner creates a new one.
const SET_UP_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The maximum number of open invitations of a project.
pub(super) const MAX_INVITATIONS: usize = 500;

impl Accounts {
    /// Creates an invitation to a project. With `email` only that person can use it, otherwise any person with the
    /// link.
    ///
    /// Returns the token, which is not stored. The actor must be allowed to grant `role`.
    pub(crate) async fn invite_as(
        &self,
        actor: &Actor,
        project: &ProjectId,
        role: Role,
        email: Option<Email>,
        now: Timestamp,
    ) -> Result<(String, Invitation), AccountError> {
        let by = actor.id().unwrap_or_else(|| ADMIN_TOKEN.to_owned());
        let (token, invitation) = fresh(project.clone(), role, email, Some(by), LIFETIME, now);
        transact!(self.records(), AccountError, |transaction| {
            actor.permissions(transaction).await?.check(role, project)?;
            check_project(transaction, project).await?;
            if self.inner.policy == SignUpPolicy::Closed {
                return Err(AccountError::SignUpClosed);
            }
            let open = transaction.all::<Invitation>(Some(project.as_str())).await?;
            if open.iter().filter(|other| other.is_open(now)).count() >= MAX_INVITATIONS {
                return Err(AccountError::InvalidField("invitations", "are five hundred at most; withdraw some first"));
            }
            transaction.put(&invitation);
            Ok(())
        })?;
        Ok((token, invitation))
    }

    /// Returns the open invitations of a project.
    pub(crate) async fn invitations(
        &self,
        project: &ProjectId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, RecordsError> {
        let mut open = self.records().all::<Invitation>(Some(project.as_str())).await?;
        open.retain(|invitation| invitation.is_open(now));
        Ok(open)
    }

    /// Removes an invitation, by the hash of its token. Returns whether the project had it.
    pub(crate) async fn withdraw(
        &self,
        actor: &Actor,
        project: &ProjectId,
        token_hash: &str,
    ) -> Result<bool, AccountError> {
        transact!(self.records(), AccountError, |transaction| {
            let found = transaction.get::<Invitation>(token_hash).await?;
            let Some(found) = found.filter(|found| found.project == *project) else { return Ok(false) };
            actor.permissions(transaction).await?.check(found.role, project)?;
            transaction.remove::<Invitation>(token_hash);
            Ok(true)
        })
    }

    /// Creates a set-up link and returns its token; `None` if the server has an owner.
    pub(crate) async fn set_up_token(&self, now: Timestamp) -> Result<Option<String>, RecordsError> {
        let (token, invitation) = fresh(ProjectId::default(), Role::Owner, None, None, SET_UP_LIFETIME, now);
        let is_needed = transact!(self.records(), RecordsError, |transaction| {
            let is_needed = !has_owner(transaction).await?;
            if is_needed {
                transaction.put(&invitation);
            }
            Ok(is_needed)
        });
        Ok(is_needed?.then_some(token))
    }
}

impl Invitation {
    /// Returns whether the invitation is valid and was made by a user or the operator, not for a set-up link.
    fn is_open(&self, now: Timestamp) -> bool {
        self.expires_at > now && self.invited_by.is_some()
    }

    /// Returns whether the inviter may still invite. An invitation is void when its inviter is removed or loses the
    /// necessary role.
    pub(super) async fn is_stood_by(&self, transaction: &Transaction) -> Result<bool, RecordsError> {
        let Some(by) = self.invited_by.as_deref().filter(|by| *by != ADMIN_TOKEN) else { return Ok(true) };
        let inviter = found(transaction, by).await?;
        Ok(inviter.and_then(|inviter| inviter.role(&self.project)).is_some_and(|by| may_make(by, self.role)))
    }
}

fn fresh(
    project: ProjectId,
    role: Role,
    email: Option<Email>,
    invited_by: Option<String>,
    lifetime: Duration,
    now: Timestamp,
) -> (String, Invitation) {
    let token = secret::random();
    let (token_hash, expires_at) = (secret::digest(&token), later(now, lifetime));
    (token, Invitation { token_hash, project, role, email, invited_by, created_at: now, expires_at })
}
