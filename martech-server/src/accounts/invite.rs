//! Invitations.

use std::time::Duration;

use martech_core::event::Timestamp;

use super::{Accounts, Email, Invitation, Role, later, secret};
use crate::{
    projects::ProjectId,
    records::{Records, RecordsError},
};

/// How long an invitation can be used.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the link of a first start can be used; the next start makes another.
const SET_UP_LIFETIME: Duration = Duration::from_secs(24 * 3600);

impl Accounts {
    /// Invites somebody, or whoever has the link; gives the token, which is not kept.
    pub(super) async fn invite(
        &self,
        project: ProjectId,
        role: Role,
        email: Option<Email>,
        invited_by: Option<String>,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<(String, Invitation), RecordsError> {
        let token = secret::random();
        let invitation = Invitation {
            token_hash: secret::digest(&token),
            project,
            role,
            email,
            invited_by,
            created_at: now,
            expires_at: later(now, lifetime),
        };
        self.records().insert(&invitation).await?;
        Ok((token, invitation))
    }

    /// The token of the set-up link; `None` where there is an owner already.
    pub(crate) async fn set_up_token(&self, now: Timestamp) -> Result<Option<String>, RecordsError> {
        if self.has_owner().await? {
            return Ok(None);
        }
        let token = self.invite(ProjectId::default(), Role::Owner, None, None, SET_UP_LIFETIME, now);
        Ok(Some(token.await?.0))
    }
}
