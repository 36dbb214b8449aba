//! Sign-up: creates accounts for people who are entitled to one.

use std::collections::BTreeMap;

use martech_core::event::Timestamp;
use uuid::Uuid;

use super::{
    AccountError, Accounts, Email, Invitation, Origin, Role, SignUpPolicy, User, actor::check_project,
    email::InvalidEmail, password, secret::digest, session::SignedIn, throttle::Standing,
};
use crate::{
    identity::{DEFAULT_PROJECT, ProjectId},
    records::{RecordsError, Transaction, transact},
};

/// The number of accounts up to which an open server accepts sign-ups without an invitation.
pub(super) const MOST_BY_THEMSELVES: usize = 1000;

/// The entitlement of a sign-up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entitlement<'a> {
    /// The admin token.
    AdminToken,
    /// The token of an invitation.
    Invitation(&'a str),
    Nothing,
}

/// The data of a new account.
#[derive(Debug, Clone)]
pub(crate) struct NewUser<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    pub(crate) image: Option<&'a str>,
}

impl NewUser<'_> {
    /// Validates the fields, and returns the email address.
    fn check(&self) -> Result<Email, AccountError> {
        let email = self.email.parse().map_err(|_| AccountError::InvalidField("email", InvalidEmail::EXPECTED))?;
        password::check(self.password)?;
        check_profile(self.name, self.image)?;
        Ok(email)
    }
}

/// The result of [`Accounts::admit`]: the role that the sign-up grants in a project, and the invitation it uses.
struct Admission {
    project: ProjectId,
    role: Role,
    invitation: Option<Invitation>,
}

impl Accounts {
    /// Creates an account for an entitled person, and signs them in. A person who already has an account accepts the
    /// invitation with its password.
    pub(crate) async fn sign_up(
        &self,
        new: NewUser<'_>,
        entitlement: Entitlement<'_>,
        remember: bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccountError> {
        let standing = self.inner.throttle.address(origin.address).map_err(AccountError::TooManyRequests)?;
        let email = new.check()?;
        let network_hash = self.network_hash(&email, origin).await?;
        // Check the entitlement before hashing, because hashing is slow.
        let looked = transact!(self.records(), AccountError, |transaction| {
            let admission = self.admit(transaction, entitlement, &email, now).await?;
            let there = transaction.get::<User>(email.as_str()).await?;
            Ok((admission.invitation.is_some(), there.is_some()))
        });
        let user = match looked? {
            (false, true) => return Err(AccountError::UserAlreadyExists),
            (true, true) => self.invited(&email, new.password, origin, network_hash.as_deref(), now).await?,
            (_, false) => self.fresh(new, email.clone(), standing, now).await?,
        };
        let signed_in = transact!(self.records(), AccountError, |transaction| {
            let Admission { project, role, invitation } = self.admit(transaction, entitlement, &email, now).await?;
            let mut user = match (transaction.get::<User>(email.as_str()).await?, &invitation) {
                (None, _) => user.clone(),
                (Some(there), Some(_)) if there.password_hash == user.password_hash => there,
                (Some(_), Some(_)) => return Err(AccountError::InvalidInvitation),
                (Some(_), None) => return Err(AccountError::UserAlreadyExists),
            };
            match &invitation {
                Some(used) => transaction.remove::<Invitation>(&used.token_hash),
                None if role == Role::Owner => end_set_up(transaction).await?,
                None => {}
            }
            let has = user.roles.entry(project).or_insert(role);
            *has = role.max(*has);
            transaction.put(&user);
            let from = (origin, network_hash.as_deref());
            Ok(self.start_session(transaction, &user, remember, from, now).await?)
        })?;
        let SignedIn { user, .. } = &signed_in;
        tracing::info!(user = %user.id, roles = ?user.roles, "a user signed up");
        Ok(signed_in)
    }

    /// Creates an account on behalf of the operator. The first account becomes the owner of the server; `project` and
    /// `role` apply to later ones, with the role analyst by default.
    pub(crate) async fn add_member(
        &self,
        new: NewUser<'_>,
        project: &ProjectId,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let email = new.check()?;
        if self.user(&email).await?.is_some() {
            return Err(AccountError::UserAlreadyExists);
        }
        let user = self.fresh(new, email, Standing::Known, now).await?;
        let user = transact!(self.records(), AccountError, |transaction| {
            check_project(transaction, project).await?;
            if transaction.get::<User>(user.email.as_str()).await?.is_some() {
                return Err(AccountError::UserAlreadyExists);
            }
            let roles = if has_owner(transaction).await? {
                BTreeMap::from([(project.clone(), role.unwrap_or(Role::Analyst))])
            } else {
                end_set_up(transaction).await?;
                BTreeMap::from([(ProjectId::default(), Role::Owner)])
            };
            let user = User { roles, ..user.clone() };
            transaction.put(&user);
            Ok(user)
        })?;
        tracing::info!(user = %user.id, roles = ?user.roles, "an account was created");
        Ok(user)
    }

    /// Returns a new user without roles. The user is not stored yet.
    async fn fresh(
        &self,
        new: NewUser<'_>,
        email: Email,
        standing: Standing,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        Ok(User {
            id: Uuid::now_v7().simple().to_string(),
            email,
            name: new.name.to_owned(),
            image: new.image.map(str::to_owned),
            created_at: now,
            updated_at: now,
            password_hash: self.inner.hasher.hash(new.password, standing).await?,
            roles: BTreeMap::new(),
        })
    }

    /// Returns the account of an invited person. The error does not show to a holder of the link whether the account
    /// exists.
    async fn invited(
        &self,
        email: &Email,
        password: &str,
        origin: &Origin,
        network_hash: Option<&str>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let standing = self.standing(email, origin, network_hash, now).await?;
        match self.verified(email, password, origin, standing, now).await {
            Err(AccountError::InvalidEmailOrPassword) => Err(AccountError::InvalidInvitation),
            other => other,
        }
    }

    /// Returns the role and project that a sign-up grants.
    ///
    /// # Errors
    ///
    /// Returns the reason if the person is not entitled to sign up.
    async fn admit(
        &self,
        transaction: &Transaction,
        entitlement: Entitlement<'_>,
        email: &Email,
        now: Timestamp,
    ) -> Result<Admission, AccountError> {
        let invitation = match entitlement {
            Entitlement::Invitation(token) => {
                let found = transaction.get::<Invitation>(&digest(token)).await?;
                let valid = found.filter(|found| {
                    found.expires_at > now && found.email.as_ref().is_none_or(|invited| invited == email)
                });
                Some(valid.ok_or(AccountError::InvalidInvitation)?)
            }
            _ => None,
        };
        let is_set_up = invitation.as_ref().is_some_and(|invitation| invitation.invited_by.is_none());
        if !has_owner(transaction).await? {
            return match entitlement {
                Entitlement::AdminToken | Entitlement::Invitation(_) if is_set_up || invitation.is_none() => {
                    Ok(Admission { project: ProjectId::default(), role: Role::Owner, invitation: None })
                }
                _ => Err(AccountError::SetUpRequired),
            };
        }
        match (self.inner.policy, invitation) {
            (SignUpPolicy::Closed, _) => Err(AccountError::SignUpClosed),
            (_, Some(_)) if is_set_up => Err(AccountError::InvalidInvitation),
            (_, Some(invitation)) => {
                let (project, role) = (invitation.project.clone(), invitation.role);
                let is_there = match check_project(transaction, &project).await {
                    Err(AccountError::NoSuchProject(_)) => false,
                    checked => checked.map(|()| true)?,
                };
                if !is_there || !invitation.is_stood_by(transaction).await? {
                    return Err(AccountError::InvalidInvitation);
                }
                Ok(Admission { project, role, invitation: Some(invitation) })
            }
            (SignUpPolicy::Invitation, None) if matches!(entitlement, Entitlement::Nothing) => {
                Err(AccountError::InvitationRequired)
            }
            (SignUpPolicy::Open, None)
                if matches!(entitlement, Entitlement::Nothing) && is_crowded(transaction).await? =>
            {
                Err(AccountError::TooManyAccounts)
            }
            (_, None) => Ok(Admission { project: ProjectId::default(), role: Role::Analyst, invitation: None }),
        }
    }
}

/// Returns whether the server has an owner.
pub(super) async fn has_owner(transaction: &Transaction) -> Result<bool, RecordsError> {
    Ok(transaction.all::<User>(None).await?.iter().any(User::owns_the_server))
}

/// Returns whether an open server has reached its maximum number of accounts.
async fn is_crowded(transaction: &Transaction) -> Result<bool, RecordsError> {
    Ok(transaction.some::<User>(None, MOST_BY_THEMSELVES).await?.len() >= MOST_BY_THEMSELVES)
}

/// Removes all set-up links. They end with the first account.
async fn end_set_up(transaction: &mut Transaction) -> Result<(), RecordsError> {
    let all = transaction.all::<Invitation>(Some(DEFAULT_PROJECT)).await?;
    for link in all.iter().filter(|invitation| invitation.invited_by.is_none()) {
        transaction.remove::<Invitation>(&link.token_hash);
    }
    Ok(())
}

/// Validates the name and the image, which other members see.
pub(super) fn check_profile(name: &str, image: Option<&str>) -> Result<(), AccountError> {
    if name.chars().count() > 128 || name.chars().any(char::is_control) {
        return Err(AccountError::InvalidField("name", "has at most 128 characters, and no control characters"));
    }
    let is_image =
        |url: &str| url.len() <= 2048 && url.starts_with("https://") && url.bytes().all(|byte| byte.is_ascii_graphic());
    match image {
        Some(url) if !is_image(url) => {
            Err(AccountError::InvalidField("image", "is an https URL of at most 2,048 characters"))
        }
        _ => Ok(()),
    }
}
