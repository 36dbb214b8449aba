//! Accounts that nobody else has open, or that all share.

use std::{fs, path::Path};

use martech_core::{
    event::Timestamp,
    mongodb::{MongoOptions, MongoStore},
};

use super::UserError;
use crate::{
    Role,
    accounts::{Accounts, Actor, Hasher, Member, NewUser, Settings},
    backend::BackendError,
    config::PasswordArgs,
    projects::ProjectId,
    records::AnyRecords,
};

pub(super) struct Local(Accounts);

impl Local {
    pub(super) fn in_folder(dir: &Path, args: &PasswordArgs) -> Result<Self, UserError> {
        fs::create_dir_all(dir).map_err(|error| UserError::Folder(dir.to_owned(), error))?;
        Self::new(AnyRecords::open(dir)?, args)
    }

    pub(super) async fn beside(options: MongoOptions, args: &PasswordArgs) -> Result<Self, UserError> {
        let store = MongoStore::new(options).await.map_err(BackendError::from)?;
        Self::new(AnyRecords::beside(&store), args)
    }

    fn new(records: AnyRecords, args: &PasswordArgs) -> Result<Self, UserError> {
        let hasher = Hasher::new(args.cost()).map_err(crate::accounts::AccountError::from)?;
        Ok(Self(Accounts::new(records, hasher, Settings::default())))
    }

    pub(super) async fn add(
        &self,
        project: &ProjectId,
        email: &str,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Member, UserError> {
        let new = NewUser { name, email, password, image: None };
        Ok(Member::of(self.0.add_member(new, project, Some(role), Timestamp::now()).await?, project))
    }

    pub(super) async fn list(&self, project: &ProjectId) -> Result<Vec<Member>, UserError> {
        Ok(self.0.members(project).await?)
    }

    pub(super) async fn reset_password(&self, id: &str, password: &str) -> Result<(), UserError> {
        self.0.reset_password(&Actor::OPERATOR, id, password, Timestamp::now()).await?;
        Ok(())
    }

    pub(super) async fn set_role(&self, project: &ProjectId, id: &str, role: Role) -> Result<(), UserError> {
        self.0.set_role(&Actor::OPERATOR, project, id, Some(role), Timestamp::now()).await?;
        Ok(())
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), UserError> {
        self.0.remove_user(&Actor::OPERATOR, id).await?;
        Ok(())
    }
}
