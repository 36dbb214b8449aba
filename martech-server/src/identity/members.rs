//! The members of a project: roles, removal and password resets.

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AccountError, Accounts, Actor, Email, Invitation, Role, Session, User,
    actor::{Permissions, check_project},
    keys::{KeyFate, Settled, settle},
    model::{ApiKey, KnownNetwork},
    throttle::Standing,
};
use crate::{
    identity::ProjectId,
    records::{RecordsError, Transaction, transact},
};

/// A member of a project, as other members see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) role: Option<Role>,
    pub(crate) created_at: Timestamp,
}

impl Member {
    /// Describes a user with their role in `project`.
    pub(crate) fn of(user: User, project: &ProjectId) -> Self {
        let role = user.role(project);
        Self { id: user.id, email: user.email, name: user.name, role, created_at: user.created_at }
    }
}

/// The maximum number of users that one transaction changes.
const AT_ONCE: usize = 1000;

impl Accounts {
    /// Returns the members of a project, in the order of account creation. The default project stands for the server:
    /// every user is a member.
    pub(crate) async fn members(&self, project: &ProjectId) -> Result<Vec<Member>, RecordsError> {
        let belongs = |user: &User| project.is_default() || user.role(project).is_some();
        let mut users = self.records().all::<User>(None).await?;
        users.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
        Ok(users.into_iter().filter(belongs).map(|user| Member::of(user, project)).collect())
    }

    /// Checks that a project exists.
    pub(crate) async fn check_project(&self, project: &ProjectId) -> Result<(), AccountError> {
        transact!(self.records(), AccountError, |transaction| { check_project(transaction, project).await })
    }

    /// Sets the role of a user in a project; `None` removes it. `id` is the user's id or email address. A user without
    /// a role in the project gets one.
    ///
    /// Returns the changed user, and the keys that ended or were transferred.
    pub(crate) async fn set_role(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        role: Option<Role>,
        keys: KeyFate,
        now: Timestamp,
    ) -> Result<(User, Settled), AccountError> {
        let done = transact!(self.records(), AccountError, |transaction| {
            let permissions = actor.permissions(transaction).await?;
            permissions.check(role.unwrap_or(Role::Analyst), project)?;
            check_project(transaction, project).await?;
            let user = member(transaction, &permissions, project, id).await?;
            let had = user.role(project);
            if role.is_none() && had.is_none() {
                return Err(AccountError::NoSuchMember);
            }
            permissions.check(had.unwrap_or(Role::Analyst), project)?;
            let mut changed = User { updated_at: now, ..user.clone() };
            match role {
                Some(role) => changed.roles.insert(project.clone(), role),
                None => changed.roles.remove(project),
            };
            check_owners(transaction, &user, Some(&changed)).await?;
            let settled = settle(transaction, &user, Some(&changed), actor, keys).await?;
            transaction.put(&changed);
            Ok((changed, settled))
        })?;
        self.clear_known_keys();
        Ok(done)
    }

    /// Removes a user from a project. Removal from the default project, which stands for the server, deletes the
    /// account.
    pub(crate) async fn remove_member(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        keys: KeyFate,
        now: Timestamp,
    ) -> Result<(User, Settled), AccountError> {
        match project.is_default() {
            true => self.remove_user(actor, id, keys).await,
            false => self.set_role(actor, project, id, None, keys, now).await,
        }
    }

    /// Deletes an account with its sessions and known networks.
    async fn remove_user(&self, actor: &Actor, id: &str, keys: KeyFate) -> Result<(User, Settled), AccountError> {
        let done = transact!(self.records(), AccountError, |transaction| {
            let user = found(transaction, id).await?.ok_or(AccountError::NoSuchMember)?;
            actor.permissions(transaction).await?.check_account(&user)?;
            check_owners(transaction, &user, None).await?;
            let settled = settle(transaction, &user, None, actor, keys).await?;
            end_sessions(transaction, &user.id, None).await?;
            for network in transaction.all::<KnownNetwork>(Some(&user.id)).await? {
                transaction.remove::<KnownNetwork>(&network.network_hash);
            }
            transaction.remove::<User>(user.email.as_str());
            Ok((user, settled))
        })?;
        self.clear_known_keys();
        Ok(done)
    }

    /// Sets a new password for a user and ends all their sessions.
    pub(crate) async fn reset_password(
        &self,
        actor: &Actor,
        id: &str,
        new: &str,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        super::password::check(new)?;
        let password_hash = self.inner.hasher.hash(new, Standing::Known).await?;
        let changed = transact!(self.records(), AccountError, |transaction| {
            let user = found(transaction, id).await?.ok_or(AccountError::NoSuchMember)?;
            actor.permissions(transaction).await?.check_account(&user)?;
            let changed = User { password_hash: password_hash.clone(), updated_at: now, ..user };
            end_sessions(transaction, &changed.id, None).await?;
            transaction.put(&changed);
            Ok(changed)
        })?;
        self.tell_access_lost();
        Ok(changed)
    }
}

/// Returns a user by id or email address.
pub(super) async fn found(transaction: &Transaction, id: &str) -> Result<Option<User>, RecordsError> {
    match id.parse::<Email>() {
        Ok(email) => transaction.get(email.as_str()).await,
        Err(_) => Ok(transaction.some(Some(id), 1).await?.pop()),
    }
}

/// Returns the user whose role in a project changes. An actor who is no admin of the server finds only members of the
/// project, so that they do not learn who else has an account. Invitations also work for people with an account.
async fn member(
    transaction: &Transaction,
    permissions: &Permissions,
    project: &ProjectId,
    id: &str,
) -> Result<User, AccountError> {
    let sees_all = permissions.role(&ProjectId::default()) >= Some(Role::Admin);
    let user = found(transaction, id).await?.filter(|user| sees_all || user.role(project).is_some());
    user.ok_or(AccountError::NoSuchMember)
}

/// Checks that the server still has an owner after a change of a user.
async fn check_owners(transaction: &Transaction, user: &User, after: Option<&User>) -> Result<(), AccountError> {
    if !user.owns_the_server() || after.is_some_and(User::owns_the_server) {
        return Ok(());
    }
    let others = transaction.all::<User>(None).await?;
    let is_left = others.iter().any(|other| other.id != user.id && other.owns_the_server());
    if is_left { Ok(()) } else { Err(AccountError::LastOwner) }
}

/// Ends the sessions of a user, except the one with the id `but`.
pub(super) async fn end_sessions(
    transaction: &mut Transaction,
    user_id: &str,
    but: Option<&str>,
) -> Result<(), RecordsError> {
    for session in transaction.all::<Session>(Some(user_id)).await? {
        if but != Some(session.id.as_str()) {
            transaction.remove::<Session>(&session.token_hash);
        }
    }
    Ok(())
}

/// Deletes the keys, invitations and roles of a project that is removed or created anew.
///
/// Returns `false` if users are left for another transaction; then it has deleted only roles.
pub(crate) async fn remove_project_access(
    transaction: &mut Transaction,
    project: &ProjectId,
) -> Result<bool, RecordsError> {
    let mut with_roles = transaction.all::<User>(None).await?;
    with_roles.retain(|user| user.roles.contains_key(project));
    for user in with_roles.iter_mut().take(AT_ONCE) {
        user.roles.remove(project);
        transaction.put(user);
    }
    if with_roles.len() > AT_ONCE {
        return Ok(false);
    }
    for key in transaction.all::<ApiKey>(Some(project.as_str())).await? {
        transaction.remove::<ApiKey>(&key.secret_hash);
    }
    for invitation in transaction.all::<Invitation>(Some(project.as_str())).await? {
        transaction.remove::<Invitation>(&invitation.token_hash);
    }
    Ok(true)
}
