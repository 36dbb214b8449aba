//! Accounts in a data folder that no server uses, or in a shared MongoDB.

use std::path::Path;

use martech_core::{
    event::Timestamp,
    fs::Lock,
    mongodb::{MongoOptions, MongoStore},
};

use super::{Keys, UserError};
use crate::{
    config::PasswordArgs,
    identity::{
        AccountSettings, Accounts, Action, Actor, Hasher, KeyFate, Member, NewUser, Origin, ProjectId, Role, SHELL,
        Settled, Target, User,
    },
    projects::backend::BackendError,
    records::Records,
};

pub(super) struct Local {
    accounts: Accounts,
    /// Lock on the data folder, if the accounts are in one.
    _lock: Option<Lock>,
}

impl Local {
    pub(super) fn in_folder(dir: &Path, lock: Lock, args: &PasswordArgs) -> Result<Self, UserError> {
        Self::new(Records::open(dir)?, Some(lock), args)
    }

    pub(super) async fn beside(options: MongoOptions, args: &PasswordArgs) -> Result<Self, UserError> {
        let store = MongoStore::new(options).await.map_err(BackendError::from)?;
        Self::new(Records::beside(&store), None, args)
    }

    fn new(records: Records, lock: Option<Lock>, args: &PasswordArgs) -> Result<Self, UserError> {
        let hasher = Hasher::new(args.cost()).map_err(crate::identity::AccountError::from)?;
        let accounts = Accounts::new(records, hasher, AccountSettings::default());
        Ok(Self { accounts, _lock: lock })
    }

    pub(super) async fn add(
        &self,
        project: &ProjectId,
        email: &str,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Member, UserError> {
        self.accounts.check_project(project).await?;
        let new = NewUser { name, email, password, image: None };
        let made = self.accounts.add_member(new, project, Some(role), Timestamp::now()).await?;
        self.note(Action::MemberAdded, Some(project), Target::user(&made)).await;
        Ok(Member::of(made, project))
    }

    pub(super) async fn list(&self, project: &ProjectId) -> Result<Vec<Member>, UserError> {
        self.accounts.check_project(project).await?;
        Ok(self.accounts.members(project).await?)
    }

    pub(super) async fn reset_password(&self, id: &str, password: &str) -> Result<(), UserError> {
        let changed = self.accounts.reset_password(&Actor::Operator, id, password, Timestamp::now()).await?;
        self.note(Action::PasswordReset, None, Target::user(&changed)).await;
        Ok(())
    }

    pub(super) async fn set_role(
        &self,
        project: &ProjectId,
        id: &str,
        role: Role,
        keys: KeyFate,
    ) -> Result<Keys, UserError> {
        let changed = self.accounts.set_role(&Actor::Operator, project, id, Some(role), keys, Timestamp::now());
        let (changed, settled) = changed.await?;
        let told = changed.told_as(role);
        self.note(Action::RoleChanged, Some(project), Target::of(&changed.id).with(&told)).await;
        Ok(self.settled(settled, &changed).await)
    }

    pub(super) async fn remove(&self, project: &ProjectId, id: &str, keys: KeyFate) -> Result<Keys, UserError> {
        let removed = self.accounts.remove_member(&Actor::Operator, project, id, keys, Timestamp::now());
        let (removed, settled) = removed.await?;
        self.note(Action::MemberRemoved, Some(project), Target::user(&removed)).await;
        Ok(self.settled(settled, &removed).await)
    }

    /// Records the outcome for each key, and returns the names of the keys.
    async fn settled(&self, settled: Settled, whose: &User) -> Keys {
        let mut names = [Vec::new(), Vec::new()];
        let fates = [(settled.ended, Action::KeyRevoked), (settled.transferred, Action::KeyTransferred)];
        for (names, (keys, action)) in names.iter_mut().zip(fates) {
            for key in keys {
                let told = format!("{}, of {}", key.name, whose.email);
                self.note(action, Some(&key.project), Target::of(&key.id).with(&told)).await;
                names.push(key.name);
            }
        }
        let [revoked, transferred] = names;
        Keys { revoked, transferred }
    }

    async fn note(&self, action: Action, project: Option<&ProjectId>, target: Target<'_>) {
        self.accounts.note(action, project, Some(SHELL), target, &Origin::default(), Timestamp::now()).await;
    }
}
