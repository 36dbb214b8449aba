//! Who belongs to the shop: their roles, and how they come and go.

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountError, Accounts, DEFAULT_PROJECT, Email, Invitation, Role, User, model::Agreement};
use crate::records::{Records, RecordsError, Stored};

/// Somebody who belongs to the shop, as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) role: Option<Role>,
    pub(crate) created_at: Timestamp,
}

impl From<User> for Member {
    fn from(user: User) -> Self {
        let role = user.role(DEFAULT_PROJECT);
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
        if self.role == Role::Owner || self.role > role { Ok(()) } else { Err(AccountError::NotAllowed(role)) }
    }
}

/// As what who has the admin token is written down.
pub(crate) const ADMIN_TOKEN: &str = "adminToken";

const PAGE: usize = 1000;

impl Accounts {
    /// Invites somebody as what the actor may make them.
    pub(crate) async fn invite_as(
        &self,
        actor: &Actor,
        role: Role,
        email: Option<Email>,
        now: Timestamp,
    ) -> Result<(String, Invitation), AccountError> {
        actor.check(role)?;
        let by = actor.id.clone().unwrap_or_else(|| ADMIN_TOKEN.to_owned());
        Ok(self.invite(DEFAULT_PROJECT, role, email, Some(by), super::invite::LIFETIME, now).await?)
    }

    /// Those that can still be used.
    pub(crate) async fn invitations(&self, now: Timestamp) -> Result<Vec<Invitation>, RecordsError> {
        let found: Vec<Stored<Invitation>> = self.records().list(Some(DEFAULT_PROJECT), None, PAGE).await?;
        let open = found.into_iter().map(|stored| stored.entity);
        Ok(open.filter(|invitation| invitation.expires_at > now && invitation.invited_by.is_some()).collect())
    }

    /// Takes an invitation back, by what the list says of it.
    pub(crate) async fn withdraw(&self, actor: &Actor, token_hash: &str) -> Result<bool, AccountError> {
        let Some(found) = self.records().get::<Invitation>(token_hash).await? else { return Ok(false) };
        actor.check(found.role)?;
        Ok(self.records().remove::<Invitation>(token_hash).await?)
    }

    /// Everybody, by address.
    pub(crate) async fn members(&self) -> Result<Vec<User>, RecordsError> {
        self.records().all(None).await
    }

    /// Makes somebody something else; the user afterwards.
    pub(crate) async fn set_role(
        &self,
        actor: &Actor,
        id: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        actor.check(role)?;
        loop {
            let user = self.member(actor, id).await?;
            if role < Role::Owner {
                self.another_owner(&user).await?;
            }
            let mut changed = User { updated_at: now, ..user.entity.clone() };
            changed.roles.insert(DEFAULT_PROJECT.to_owned(), role);
            if self.records().replace(&user, &changed).await? {
                return Ok(changed);
            }
        }
    }

    /// Removes somebody, who is signed out everywhere.
    pub(crate) async fn remove_member(&self, actor: &Actor, id: &str) -> Result<User, AccountError> {
        let user = self.member(actor, id).await?;
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

    /// Gives somebody another password, and signs them out everywhere.
    pub(crate) async fn reset_password(
        &self,
        actor: &Actor,
        id: &str,
        new: &str,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        super::sign_up::check_password(new)?;
        let password_hash = self.inner.hasher.hash(new).await?;
        loop {
            let user = self.member(actor, id).await?;
            let changed = User { password_hash: password_hash.clone(), updated_at: now, ..user.entity.clone() };
            if self.records().replace(&user, &changed).await? {
                self.revoke_all(&changed.id, None).await?;
                return Ok(changed);
            }
        }
    }

    /// Somebody whom the actor may change.
    async fn member(&self, actor: &Actor, id: &str) -> Result<Stored<User>, AccountError> {
        let found: Vec<Stored<User>> = self.records().list(Some(id), None, 1).await?;
        let user = found.into_iter().next().ok_or(AccountError::NoSuchMember)?;
        actor.check(user.role(DEFAULT_PROJECT).unwrap_or(Role::Analyst))?;
        Ok(user)
    }

    /// An owner besides this user, where they are one: there has to be one.
    async fn another_owner(&self, user: &User) -> Result<Option<Email>, AccountError> {
        if user.role(DEFAULT_PROJECT) != Some(Role::Owner) {
            return Ok(None);
        }
        let mut others = self.members().await?.into_iter();
        let other = others.find(|other| other.id != user.id && other.role(DEFAULT_PROJECT) == Some(Role::Owner));
        other.map(|other| Some(other.email)).ok_or(AccountError::LastOwner)
    }
}
