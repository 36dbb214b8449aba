//! Who belongs to the shop: their roles, and how they come and go.

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AccountError, Accounts, Email, Invitation, Role, SignUpPolicy, User, model::Agreement, throttle::Standing,
};
use crate::{
    projects::ProjectId,
    records::{Records, RecordsError, Stored},
};

/// Somebody who belongs to the shop, as others see them.
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
    /// A user, seen from a project.
    pub(crate) fn of(user: User, project: &ProjectId) -> Self {
        let role = user.role(project);
        Self { id: user.id, email: user.email, name: user.name, role, created_at: user.created_at }
    }
}

/// Who changes something about others.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The id of a user; `None` of who has the admin token.
    pub(crate) id: Option<String>,
    pub(crate) role: Role,
}

impl Actor {
    /// Who has the admin token.
    pub(crate) const OPERATOR: Self = Self { id: None, role: Role::Owner };

    /// Whether they may make somebody this, or change or remove one who is. Owners all, admins analysts.
    fn check(&self, role: Role) -> Result<(), AccountError> {
        if may_make(self.role, role) { Ok(()) } else { Err(AccountError::NotAllowed(role)) }
    }
}

fn may_make(by: Role, role: Role) -> bool {
    by == Role::Owner || by > role
}

/// As what who has the admin token is written down.
pub(crate) const ADMIN_TOKEN: &str = "adminToken";
/// And who changes accounts in the store itself.
pub(crate) const SHELL: &str = "shell";

const PAGE: usize = 1000;

impl Accounts {
    /// Invites somebody as what the actor may make them.
    pub(crate) async fn invite_as(
        &self,
        actor: &Actor,
        project: &ProjectId,
        role: Role,
        email: Option<Email>,
        now: Timestamp,
    ) -> Result<(String, Invitation), AccountError> {
        actor.check(role)?;
        if self.inner.policy == SignUpPolicy::Closed {
            return Err(AccountError::SignUpClosed);
        }
        let by = actor.id.clone().unwrap_or_else(|| ADMIN_TOKEN.to_owned());
        Ok(self.invite(project.clone(), role, email, Some(by), super::invite::LIFETIME, now).await?)
    }

    /// Whether who invited somebody may still do so: whoever is removed, or has another role, takes their invitations along.
    pub(super) async fn stands_by(&self, invitation: &Invitation) -> Result<bool, AccountError> {
        let Some(by) = invitation.invited_by.as_deref().filter(|by| *by != ADMIN_TOKEN) else { return Ok(true) };
        let inviter = match self.found(by).await {
            Err(AccountError::NoSuchMember) => return Ok(false),
            found => found?,
        };
        Ok(inviter.role(&invitation.project).is_some_and(|by| may_make(by, invitation.role)))
    }

    /// Those that can still be used.
    pub(crate) async fn invitations(
        &self,
        project: &ProjectId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, RecordsError> {
        let found: Vec<Stored<Invitation>> = self.records().list(Some(project.as_str()), None, PAGE).await?;
        let open = found.into_iter().map(|stored| stored.entity);
        Ok(open.filter(|invitation| invitation.expires_at > now && invitation.invited_by.is_some()).collect())
    }

    /// Takes an invitation back, by what the list says of it.
    pub(crate) async fn withdraw(
        &self,
        actor: &Actor,
        project: &ProjectId,
        token_hash: &str,
    ) -> Result<bool, AccountError> {
        let found = self.records().get::<Invitation>(token_hash).await?;
        let Some(found) = found.filter(|found| found.project == *project) else { return Ok(false) };
        actor.check(found.role)?;
        Ok(self.records().remove::<Invitation>(token_hash).await?)
    }

    /// Everybody, by address.
    pub(crate) async fn users(&self) -> Result<Vec<User>, RecordsError> {
        self.records().all(None).await
    }

    /// Who belongs to a project, by address. Everybody belongs to the default one, which is the server's.
    pub(crate) async fn members(&self, project: &ProjectId) -> Result<Vec<Member>, RecordsError> {
        let belongs = |user: &User| project.is_default() || user.role(project).is_some();
        Ok(self.users().await?.into_iter().filter(belongs).map(|user| Member::of(user, project)).collect())
    }

    /// Gives somebody another role in a project, or none any more; the user afterwards. They are found by their id or
    /// their address, and may have had no role in it.
    pub(crate) async fn set_role(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        actor.check(role.unwrap_or(Role::Analyst))?;
        loop {
            let user = self.found(id).await?;
            let had = user.role(project);
            if role.is_none() && had.is_none() {
                return Err(AccountError::NoSuchMember);
            }
            actor.check(had.unwrap_or(Role::Analyst))?;
            if project.is_default() && role < Some(Role::Owner) {
                self.another_owner(&user).await?;
            }
            let mut changed = User { updated_at: now, ..user.entity.clone() };
            match role {
                Some(role) => changed.roles.insert(project.clone(), role),
                None => changed.roles.remove(project),
            };
            if self.records().replace(&user, &changed).await? {
                return Ok(changed);
            }
        }
    }

    /// Removes somebody from a project; from the default one, which is the server's, with their account.
    pub(crate) async fn remove_member(
        &self,
        actor: &Actor,
        project: &ProjectId,
        id: &str,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        match project.is_default() {
            true => self.remove_user(actor, id).await,
            false => self.set_role(actor, project, id, None, now).await,
        }
    }

    /// Removes somebody's account: they are signed out everywhere.
    pub(super) async fn remove_user(&self, actor: &Actor, id: &str) -> Result<User, AccountError> {
        let user = self.changeable(actor, id).await?;
        let other = self.another_owner(&user).await?;
        if let (Some(first), Some(other)) = (self.first().await?, other)
            && first.value == user.email.as_str()
        {
            // The server stays set up.
            let heir = Agreement { value: other.to_string(), ..first.entity.clone() };
            self.records().replace(&first, &heir).await?;
        }
        self.records().remove::<User>(user.email.as_str()).await?;
        self.revoke_all(&user.id, None).await?;
        Ok(user.entity)
    }

    /// Takes back what was given in a project that is removed: keys, invitations and roles. Another of its name begins anew.
    pub(crate) async fn forget_project(&self, project: &ProjectId) -> Result<(), RecordsError> {
        self.revoke_all_keys(project).await?;
        self.records().remove_all::<Invitation>(project.as_str()).await?;
        for user in self.users().await? {
            while let Some(stored) = self.user(&user.email).await?.filter(|user| user.roles.contains_key(project)) {
                let mut without = stored.entity.clone();
                without.roles.remove(project);
                if self.records().replace(&stored, &without).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Gives somebody another password, and signs them out everywhere.
    pub(crate) async fn reset_password(
        &self,
        actor: &Actor,
        id: &str,
        new: &str,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        super::sign_up::check_password(new)?;
        let password_hash = self.inner.hasher.hash(new, Standing::Known).await?;
        loop {
            let user = self.changeable(actor, id).await?;
            let changed = User { password_hash: password_hash.clone(), updated_at: now, ..user.entity.clone() };
            if self.records().replace(&user, &changed).await? {
                self.revoke_all(&changed.id, None).await?;
                return Ok(changed);
            }
        }
    }

    /// Somebody by their id, or by their address.
    async fn found(&self, id: &str) -> Result<Stored<User>, AccountError> {
        let user = match id.parse::<Email>() {
            Ok(email) => self.user(&email).await?,
            Err(_) => self.records().list(Some(id), None, 1).await?.into_iter().next(),
        };
        user.ok_or(AccountError::NoSuchMember)
    }

    /// Somebody whose account the actor, who has a role in the server itself, may change: it opens all of their projects.
    async fn changeable(&self, actor: &Actor, id: &str) -> Result<Stored<User>, AccountError> {
        let user = self.found(id).await?;
        actor.check(user.roles.values().copied().max().unwrap_or(Role::Analyst))?;
        Ok(user)
    }

    /// An owner besides this user, where they are one: there has to be one.
    async fn another_owner(&self, user: &User) -> Result<Option<Email>, AccountError> {
        if !user.owns_the_server() {
            return Ok(None);
        }
        let mut others = self.users().await?.into_iter();
        let other = others.find(|other| other.id != user.id && other.owns_the_server());
        other.map(|other| Some(other.email)).ok_or(AccountError::LastOwner)
    }
}
