//! New accounts, and who may have one.

use std::collections::BTreeMap;

use martech_core::event::Timestamp;
use uuid::Uuid;

use super::{
    AccountError, Accounts, Email, Invitation, Origin, Role, SignUpPolicy, User,
    model::{Agreement, InvalidEmail},
    password::LENGTHS,
    secret::digest,
    session::SignedIn,
    throttle::Standing,
};
use crate::{
    projects::ProjectId,
    records::{Records, RecordsError, Stored},
};

/// Where everybody may sign up, so many do; others need an invitation.
pub(super) const MOST_BY_THEMSELVES: usize = 1000;

/// What entitles somebody to sign up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entitlement<'a> {
    /// They have the admin token.
    AdminToken,
    /// They have the token of an invitation.
    Invitation(&'a str),
    Nothing,
}

/// Somebody who wants an account.
#[derive(Debug, Clone)]
pub(crate) struct NewUser<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    pub(crate) image: Option<&'a str>,
}

impl NewUser<'_> {
    /// Whether somebody can have such an account; their address.
    fn check(&self) -> Result<Email, AccountError> {
        let email = self.email.parse().map_err(|_| AccountError::InvalidField("email", InvalidEmail::EXPECTED))?;
        check_password(self.password)?;
        check_profile(self.name, self.image)?;
        Ok(email)
    }
}

/// What becomes of an invitation, or of being first, when an account is made.
enum Claim {
    First,
    Invited(Box<Invitation>),
    Free,
}

impl Accounts {
    /// Makes an account for somebody who is entitled to one, and signs them in.
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
        let (claim, project, role) = self.admit(entitlement, &email, now).await?;
        let user = self.make_account(new, email, claim, (project, role), standing, now).await?;
        self.inner.throttle.tried(&user.email, origin.address, Ok(true));
        Ok(self.start_session(user, remember, origin, now).await?)
    }

    /// Makes an account for somebody who has a role in a project, by who runs the server. The first one is the owner's.
    pub(crate) async fn add_member(
        &self,
        new: NewUser<'_>,
        project: &ProjectId,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let email = new.check()?;
        let is_first = !self.has_owner().await?;
        let (claim, role) = if is_first {
            (Claim::First, (ProjectId::default(), Role::Owner))
        } else {
            (Claim::Free, (project.clone(), role.unwrap_or(Role::Analyst)))
        };
        self.make_account(new, email, claim, role, Standing::Known, now).await
    }

    async fn make_account(
        &self,
        new: NewUser<'_>,
        email: Email,
        claim: Claim,
        role: (ProjectId, Role),
        standing: Standing,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        if self.user(&email).await?.is_some() {
            return Err(AccountError::UserAlreadyExists);
        }
        let user = User {
            id: Uuid::now_v7().simple().to_string(),
            email,
            name: new.name.to_owned(),
            image: new.image.map(str::to_owned),
            created_at: now,
            updated_at: now,
            password_hash: self.inner.hasher.hash(new.password, standing).await?,
            roles: BTreeMap::from([role]),
        };
        self.claim(&claim, &user.email).await?;
        if !self.records().insert(&user).await? {
            if let Claim::Invited(invitation) = claim {
                self.records().insert(&*invitation).await?;
            }
            return Err(AccountError::UserAlreadyExists);
        }
        tracing::info!(user = %user.id, roles = ?user.roles, "an account was made");
        Ok(user)
    }

    /// Whether somebody may sign up, and as what.
    async fn admit(
        &self,
        entitlement: Entitlement<'_>,
        email: &Email,
        now: Timestamp,
    ) -> Result<(Claim, ProjectId, Role), AccountError> {
        let invitation = match entitlement {
            Entitlement::Invitation(token) => {
                let found = self.records().get::<Invitation>(&digest(token)).await?;
                let valid = found.filter(|found| {
                    found.expires_at > now && found.email.as_ref().is_none_or(|invited| invited == email)
                });
                Some(valid.ok_or(AccountError::InvalidInvitation)?.entity)
            }
            _ => None,
        };
        if !self.has_owner().await? {
            let entitled = match (&entitlement, &invitation) {
                (Entitlement::AdminToken, _) => true,
                (_, Some(invitation)) => invitation.invited_by.is_none(),
                _ => false,
            };
            return if entitled {
                Ok((Claim::First, ProjectId::default(), Role::Owner))
            } else {
                Err(AccountError::SetUpRequired)
            };
        }
        match (self.inner.policy, invitation) {
            (SignUpPolicy::Closed, _) => Err(AccountError::SignUpClosed),
            (_, Some(invitation)) if invitation.invited_by.is_none() => Err(AccountError::InvalidInvitation),
            (_, Some(invitation)) if !self.stands_by(&invitation).await? => Err(AccountError::InvalidInvitation),
            (_, Some(invitation)) => {
                let (project, role) = (invitation.project.clone(), invitation.role);
                Ok((Claim::Invited(Box::new(invitation)), project, role))
            }
            (SignUpPolicy::Invitation, None) if matches!(entitlement, Entitlement::Nothing) => {
                Err(AccountError::InvitationRequired)
            }
            (SignUpPolicy::Open, None) if matches!(entitlement, Entitlement::Nothing) && self.is_crowded().await? => {
                Err(AccountError::TooManyAccounts)
            }
            (_, None) => Ok((Claim::Free, ProjectId::default(), Role::Analyst)),
        }
    }

    /// Whether there are so many accounts that strangers can have none any more.
    async fn is_crowded(&self) -> Result<bool, RecordsError> {
        let some: Vec<Stored<User>> = self.records().list(None, None, MOST_BY_THEMSELVES).await?;
        Ok(some.len() >= MOST_BY_THEMSELVES)
    }

    /// Takes what only one can have.
    async fn claim(&self, claim: &Claim, email: &Email) -> Result<(), AccountError> {
        match claim {
            Claim::Free => Ok(()),
            Claim::First => match self.become_first(email).await? {
                true => Ok(()),
                false => Err(AccountError::SetUpRequired),
            },
            Claim::Invited(invitation) => match self.records().remove::<Invitation>(&invitation.token_hash).await? {
                true => Ok(()),
                false => Err(AccountError::InvalidInvitation),
            },
        }
    }

    /// Whether there is an account that came first.
    pub(crate) async fn has_owner(&self) -> Result<bool, RecordsError> {
        Ok(match self.first().await? {
            None => false,
            // Whoever was first may have been interrupted before the account was made.
            Some(first) => self.records().get::<User>(&first.value).await?.is_some(),
        })
    }

    pub(super) async fn first(&self) -> Result<Option<Stored<Agreement>>, RecordsError> {
        self.records().get(Agreement::FIRST_ACCOUNT).await
    }

    pub(super) async fn become_first(&self, email: &Email) -> Result<bool, RecordsError> {
        let own = Agreement { name: Agreement::FIRST_ACCOUNT.to_owned(), value: email.to_string() };
        match self.first().await? {
            None => self.records().insert(&own).await,
            Some(first) if self.records().get::<User>(&first.value).await?.is_none() => {
                self.records().replace(&first, &own).await
            }
            Some(_) => Ok(false),
        }
    }
}

/// Whether somebody may choose a password.
pub(super) fn check_password(password: &str) -> Result<(), AccountError> {
    if password.chars().count() < *LENGTHS.start() {
        Err(AccountError::PasswordTooShort)
    } else {
        check_length(password)
    }
}

/// No longer one is hashed.
pub(super) fn check_length(password: &str) -> Result<(), AccountError> {
    if password.chars().count() > *LENGTHS.end() { Err(AccountError::PasswordTooLong) } else { Ok(()) }
}

/// What people say of themselves is shown to others.
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
