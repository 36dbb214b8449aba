//! Passwords that are right, and those that are not; and what people change of themselves.

use martech_core::event::Timestamp;

use super::{
    AccountError, Accounts, Origin, User,
    session::{SessionHandle, SignedIn},
    sign_up::{check_length, check_password, check_profile},
    throttle::Standing,
};
use crate::records::{Records, Stored};

impl Accounts {
    /// Signs somebody in by their password.
    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
        remember: bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccountError> {
        let email = email.parse().map_err(|_| AccountError::InvalidEmail)?;
        check_length(password)?;
        let standing = self.inner.throttle.account(&email, origin.address).map_err(AccountError::TooManyRequests)?;
        let user = self.user(&email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let looked = self.inner.hasher.verify(password, hash, standing).await;
        self.inner.throttle.tried(&email, origin.address, looked);
        let is_right = looked?;
        let Some(user) = user.filter(|_| is_right) else { return Err(AccountError::InvalidEmailOrPassword) };
        let user = self.renew_hash(user, password).await;
        let signed_in = self.start_session(user, remember, origin, now).await?;
        self.keep_if_right(signed_in, password).await
    }

    /// Whoever changes a password ends the sessions that are there. One that began meanwhile, with the password of before, was
    /// not there yet, or is seen here.
    pub(super) async fn keep_if_right(&self, signed_in: SignedIn, password: &str) -> Result<SignedIn, AccountError> {
        let is_right = match self.user(&signed_in.user.email).await? {
            Some(user) if user.password_hash == signed_in.user.password_hash => true,
            // The same may have been hashed anew by another sign-in.
            Some(user) => self.inner.hasher.verify(password, Some(&user.password_hash), Standing::Known).await?,
            None => false,
        };
        if !is_right {
            self.sign_out(&signed_in.token).await?;
            return Err(AccountError::InvalidEmailOrPassword);
        }
        Ok(signed_in)
    }

    /// A hash that was made at another cost is made anew while the password is known.
    async fn renew_hash(&self, user: Stored<User>, password: &str) -> User {
        if self.inner.hasher.is_outdated(&user.password_hash)
            && let Ok(password_hash) = self.inner.hasher.hash(password, Standing::Known).await
        {
            let renewed = User { password_hash, ..user.entity.clone() };
            match self.records().replace(&user, &renewed).await {
                Ok(true) => return renewed,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "a password could not be hashed anew; it is tried at the next sign-in")
                }
            }
        }
        user.entity
    }

    /// Replaces the password of somebody who knows it. With `revoke` all sessions end, and a new one begins.
    pub(crate) async fn change_password(
        &self,
        SessionHandle { user, session, .. }: &SessionHandle,
        current: &str,
        new: &str,
        revoke: bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, AccountError> {
        check_password(new)?;
        check_length(current)?;
        self.inner.throttle.account(&user.email, origin.address).map_err(AccountError::TooManyRequests)?;
        let looked = self.inner.hasher.verify(current, Some(&user.password_hash), Standing::Known).await;
        self.inner.throttle.tried(&user.email, origin.address, looked);
        if !looked? {
            return Err(AccountError::InvalidPassword);
        }
        let password_hash = self.inner.hasher.hash(new, Standing::Known).await?;
        let changed = User { password_hash, updated_at: now, ..user.entity.clone() };
        if !self.records().replace(user, &changed).await? {
            // Somebody else has changed it since it was verified.
            return Err(AccountError::InvalidPassword);
        }
        tracing::info!(user = %changed.id, "a password was changed");
        if !revoke {
            return Ok(None);
        }
        self.revoke_all(&changed.id, None).await?;
        let signed_in = self.start_session(changed, session.remembered, origin, now).await?;
        Ok(Some(self.keep_if_right(signed_in, new).await?))
    }

    /// Changes what somebody says of themselves: a new name, a new image or none.
    pub(crate) async fn update_user(
        &self,
        mut user: Stored<User>,
        name: Option<&str>,
        image: Option<Option<&str>>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        check_profile(name.unwrap_or_default(), image.flatten())?;
        loop {
            let mut changed = User { updated_at: now, ..user.entity.clone() };
            name.into_iter().for_each(|name| name.clone_into(&mut changed.name));
            image.into_iter().for_each(|image| changed.image = image.map(str::to_owned));
            if self.records().replace(&user, &changed).await? {
                return Ok(changed);
            }
            user = self.user(&changed.email).await?.ok_or(AccountError::InvalidPassword)?;
        }
    }
}
