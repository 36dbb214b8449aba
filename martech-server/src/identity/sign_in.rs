//! Sign-in, and changes that users make to their own accounts.

use martech_core::event::Timestamp;

use super::{
    AccountError, Accounts, Email, Origin, User, found,
    members::end_sessions,
    password,
    session::{SessionHandle, SignedIn},
    sign_up::check_profile,
    throttle::Standing,
};
use crate::records::transact;

/// How often a sign-in retries because the stored hash has changed since the verification.
const CHANGES: usize = 3;

impl Accounts {
    /// Signs a user in with email address and password.
    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
        remember: bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<SignedIn, AccountError> {
        let email: Email = email.parse().map_err(|_| AccountError::InvalidEmail)?;
        password::check_length(password)?;
        let network_hash = self.network_hash(&email, origin).await?;
        let standing = self.standing(&email, origin, network_hash.as_deref(), now).await?;
        let mut user = self.verified(&email, password, origin, standing, now).await?;
        for _ in 0..CHANGES {
            let renewed = self.renewed_hash(&user, password).await;
            let begun = transact!(self.records(), AccountError, |transaction| {
                // A password change ends all sessions. After it, no session may start with the old password.
                let current = transaction.get::<User>(email.as_str()).await?;
                let current = current.filter(|current| current.password_hash == user.password_hash);
                let Some(mut current) = current else { return Ok(None) };
                if let Some(renewed) = &renewed {
                    current.password_hash.clone_from(renewed);
                    transaction.put(&current);
                }
                let from = (origin, network_hash.as_deref());
                Ok(Some(self.start_session(transaction, &current, remember, from, now).await?))
            });
            if let Some(signed_in) = begun? {
                return Ok(signed_in);
            }
            // Another sign-in may have rehashed the same password.
            user = self.verified(&email, password, origin, Standing::Known, now).await?;
        }
        Err(AccountError::InvalidEmailOrPassword)
    }

    /// Counts an attempt to sign in, and returns its rank in the queue for verification.
    ///
    /// # Errors
    ///
    /// Returns [`AccountError::TooManyRequests`] with the time to wait if the address has made too many attempts.
    pub(super) async fn standing(
        &self,
        email: &Email,
        origin: &Origin,
        network_hash: Option<&str>,
        now: Timestamp,
    ) -> Result<Standing, AccountError> {
        self.inner.throttle.attempt(email, origin.address).map_err(AccountError::TooManyRequests)?;
        let is_known = self.is_known(network_hash, now).await?;
        Ok(if is_known { Standing::Known } else { self.inner.throttle.stranger(email, origin.address) })
    }

    /// Verifies a password and returns its user.
    pub(super) async fn verified(
        &self,
        email: &Email,
        password: &str,
        origin: &Origin,
        standing: Standing,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        let user = self.user(email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let is_right = self.is_right(email, password, hash, origin, standing, now).await?;
        user.filter(|_| is_right).map(|user| user.entity).ok_or(AccountError::InvalidEmailOrPassword)
    }

    /// Compares a password with a hash, if there is one. Records the outcome for later attempts.
    async fn is_right(
        &self,
        email: &Email,
        password: &str,
        hash: Option<&str>,
        origin: &Origin,
        standing: Standing,
        now: Timestamp,
    ) -> Result<bool, AccountError> {
        let looked = self.inner.hasher.verify(password, hash, standing).await;
        self.inner.throttle.tried(origin.address, looked);
        let is_right = looked?;
        if !is_right {
            self.note_failure(email.as_str(), origin, now).await;
        }
        Ok(is_right)
    }

    /// Rehashes the password if its hash has outdated parameters, because the plain password is known only now.
    async fn renewed_hash(&self, user: &User, password: &str) -> Option<String> {
        if !self.inner.hasher.is_outdated(&user.password_hash) {
            return None;
        }
        self.inner.hasher.hash(password, Standing::Known).await.ok()
    }

    /// Replaces a user's password after verifying the current one. With `revoke`, all sessions end and a new one
    /// starts.
    pub(crate) async fn change_password(
        &self,
        SessionHandle { user, session, .. }: &SessionHandle,
        current: &str,
        new: &str,
        revoke: bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, AccountError> {
        password::check(new)?;
        password::check_length(current)?;
        self.inner.throttle.attempt(&user.email, origin.address).map_err(AccountError::TooManyRequests)?;
        let hash = Some(user.password_hash.as_str());
        if !self.is_right(&user.email, current, hash, origin, Standing::Known, now).await? {
            return Err(AccountError::InvalidPassword);
        }
        let network_hash = self.network_hash(&user.email, origin).await?;
        let password_hash = self.inner.hasher.hash(new, Standing::Known).await?;
        let begun = transact!(self.records(), AccountError, |transaction| {
            // The password may have changed since the verification.
            let known = transaction.get::<User>(user.email.as_str()).await?;
            let known = known.filter(|known| known.password_hash == user.password_hash);
            let known = known.ok_or(AccountError::InvalidPassword)?;
            let changed = User { password_hash: password_hash.clone(), updated_at: now, ..known };
            transaction.put(&changed);
            if !revoke {
                return Ok(None);
            }
            end_sessions(transaction, &changed.id, None).await?;
            let from = (origin, network_hash.as_deref());
            Ok(Some(self.start_session(transaction, &changed, session.remembered, from, now).await?))
        })?;
        self.tell_access_lost();
        tracing::info!(user = %user.id, "a password was changed");
        Ok(begun)
    }

    /// Changes the name, if given, and the image, if given. `Some(None)` removes the image.
    pub(crate) async fn update_user(
        &self,
        id: &str,
        name: Option<&str>,
        image: Option<Option<&str>>,
        now: Timestamp,
    ) -> Result<User, AccountError> {
        check_profile(name.unwrap_or_default(), image.flatten())?;
        transact!(self.records(), AccountError, |transaction| {
            // Look up by id, because the email address may belong to another account by now.
            let user = found(transaction, id).await?.ok_or(AccountError::NoSuchMember)?;
            let mut changed = User { updated_at: now, ..user };
            name.into_iter().for_each(|name| name.clone_into(&mut changed.name));
            image.into_iter().for_each(|image| changed.image = image.map(str::to_owned));
            transaction.put(&changed);
            Ok(changed)
        })
    }
}
