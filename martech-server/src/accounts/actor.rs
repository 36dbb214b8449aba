//! Who changes something about others, and what they may do when it is decided.

use super::{AccountError, Role, User, found};
use crate::{
    projects::{ProjectId, ProjectRecord},
    records::{RecordsError, Transaction},
};

/// Who changes something about others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Has the admin token, or the shell of the server.
    Operator,
    /// A user, by their id.
    User(String),
}

/// As what who has the admin token is written down.
pub(crate) const ADMIN_TOKEN: &str = "adminToken";
/// And who changes accounts in the store itself.
pub(crate) const SHELL: &str = "shell";

/// What an actor may do now. They may have lost a role since their request came.
pub(crate) enum Powers {
    Operator,
    User(User),
    /// Their account is gone.
    Nobody,
}

impl Actor {
    /// The id of a user, as it is kept.
    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::Operator => None,
            Self::User(id) => Some(id.clone()),
        }
    }

    pub(crate) async fn powers(&self, transaction: &Transaction) -> Result<Powers, RecordsError> {
        Ok(match self {
            Self::Operator => Powers::Operator,
            Self::User(id) => found(transaction, id).await?.map_or(Powers::Nobody, Powers::User),
        })
    }
}

impl Powers {
    pub(super) fn role(&self, project: &ProjectId) -> Option<Role> {
        match self {
            Self::Operator => Some(Role::Owner),
            Self::User(user) => user.role(project),
            Self::Nobody => None,
        }
    }

    /// Whether they have a role in a project.
    pub(crate) fn need(&self, role: Role, project: &ProjectId) -> Result<(), AccountError> {
        match self.role(project) >= Some(role) {
            true => Ok(()),
            false => Err(AccountError::RoleNeeded(role, project.clone())),
        }
    }

    /// Whether they may make somebody this in a project, or change or remove one who is. Owners all, admins analysts.
    pub(super) fn check(&self, role: Role, project: &ProjectId) -> Result<(), AccountError> {
        match self.role(project) {
            Some(own) if may_make(own, role) => Ok(()),
            _ => Err(AccountError::NotAllowed(role)),
        }
    }

    /// Whether they may change somebody's account, which opens all of their projects: only who could give every role that
    /// it holds.
    pub(super) fn check_account(&self, user: &User) -> Result<(), AccountError> {
        let server = ProjectId::default();
        self.check(user.role(&server).unwrap_or(Role::Analyst), &server)?;
        user.roles.iter().try_for_each(|(project, role)| self.check(*role, project))
    }
}

pub(super) fn may_make(by: Role, role: Role) -> bool {
    by == Role::Owner || by > role
}

/// Whether a project is there; the default one always is.
pub(super) async fn check_project(transaction: &Transaction, project: &ProjectId) -> Result<(), AccountError> {
    let is_there = project.is_default() || transaction.get::<ProjectRecord>(project.as_str()).await?.is_some();
    if is_there { Ok(()) } else { Err(AccountError::NoSuchProject(project.clone())) }
}
