//! The author of a change to accounts, keys or projects, and the permissions the author has when the change is decided.

use super::{AccountError, Role, User, found};
use crate::{
    identity::{ProjectId, ProjectRecord},
    records::{RecordsError, Transaction},
};

/// The author of an administrative change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The holder of the admin token, or of a shell on the server.
    Operator,
    /// A user, by id.
    User(String),
}

/// The name of the admin token's holder in the audit log.
pub(crate) const ADMIN_TOKEN: &str = "adminToken";
/// The name in the audit log of a person who changes accounts on the command line of the server.
pub(crate) const SHELL: &str = "shell";

/// The permissions of an actor at the time of the transaction. The actor may have lost a role since the request
/// arrived.
pub(crate) enum Permissions {
    Operator,
    User(User),
    /// The account of the actor no longer exists.
    None,
}

impl Actor {
    /// Returns the user id to store as the author; `None` for the operator.
    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::Operator => None,
            Self::User(id) => Some(id.clone()),
        }
    }

    pub(crate) async fn permissions(&self, transaction: &Transaction) -> Result<Permissions, RecordsError> {
        Ok(match self {
            Self::Operator => Permissions::Operator,
            Self::User(id) => found(transaction, id).await?.map_or(Permissions::None, Permissions::User),
        })
    }
}

impl Permissions {
    pub(super) fn role(&self, project: &ProjectId) -> Option<Role> {
        match self {
            Self::Operator => Some(Role::Owner),
            Self::User(user) => user.role(project),
            Self::None => None,
        }
    }

    /// Checks that the actor has at least `role` in a project.
    pub(crate) fn need(&self, role: Role, project: &ProjectId) -> Result<(), AccountError> {
        match self.role(project) >= Some(role) {
            true => Ok(()),
            false => Err(AccountError::RoleNeeded(role, project.clone())),
        }
    }

    /// Checks that the actor may grant `role` in a project, and may change or remove a member who has it. Owners may
    /// grant every role, admins may grant the role analyst.
    pub(super) fn check(&self, role: Role, project: &ProjectId) -> Result<(), AccountError> {
        match self.role(project) {
            Some(own) if may_make(own, role) => Ok(()),
            _ => Err(AccountError::NotAllowed(role)),
        }
    }

    /// Checks that the actor may change the account of `user`. An account gives access to all of its projects, so the
    /// actor must be able to grant every role that the account has.
    pub(super) fn check_account(&self, user: &User) -> Result<(), AccountError> {
        let server = ProjectId::default();
        self.check(user.role(&server).unwrap_or(Role::Analyst), &server)?;
        user.roles.iter().try_for_each(|(project, role)| self.check(*role, project))
    }
}

pub(super) fn may_make(by: Role, role: Role) -> bool {
    by == Role::Owner || by > role
}

/// Checks that a project exists. The default project always exists.
pub(super) async fn check_project(transaction: &Transaction, project: &ProjectId) -> Result<(), AccountError> {
    let is_there = project.is_default() || transaction.get::<ProjectRecord>(project.as_str()).await?.is_some();
    if is_there { Ok(()) } else { Err(AccountError::NoSuchProject(project.clone())) }
}
