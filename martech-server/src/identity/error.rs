//! Errors of the account functions. Codes and messages are those of [Better
//! Auth](https://www.better-auth.com/docs/reference/errors), where it has them.

use std::time::Duration;

use super::{
    Role,
    password::{HashError, LENGTHS},
};
use crate::{identity::ProjectId, records::RecordsError};

/// The error of an account function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("Invalid email")]
    InvalidEmail,
    #[error("Password too short: it needs at least {} characters", LENGTHS.start())]
    PasswordTooShort,
    #[error("Password too long: it has at most {} characters", LENGTHS.end())]
    PasswordTooLong,
    #[error("Password too common: it is in the list of the most used passwords")]
    PasswordTooCommon,
    /// A signed-in user gave a wrong current password.
    #[error("Invalid password")]
    InvalidPassword,
    /// The account does not exist, or has another password. Clients must not learn which.
    #[error("Invalid email or password")]
    InvalidEmailOrPassword,
    #[error("User already exists. Use another email.")]
    UserAlreadyExists,
    /// A field has an invalid value: the name of the field, and what is expected.
    #[error("{0} {1}")]
    InvalidField(&'static str, &'static str),
    /// The server has no account yet.
    #[error(
        "this server has no account yet; the first one needs the admin token, as Authorization: Bearer, or the set-up \
         link in the log of the server"
    )]
    SetUpRequired,
    #[error("sign-up needs an invitation; ask an admin of this server for a link")]
    InvitationRequired,
    /// The invitation is used, expired, for another person, or unknown.
    #[error("this invitation has expired, was used, or is for another person")]
    InvalidInvitation,
    #[error("sign-up is closed on this server")]
    SignUpClosed,
    #[error("this needs the right to grant the role {0}: owners grant every role, admins grant the role analyst")]
    NotAllowed(Role),
    #[error("this needs the role {0} in the project {1}; ask an owner of the server for it")]
    RoleNeeded(Role, ProjectId),
    #[error("there is no project {0}")]
    NoSuchProject(ProjectId),
    #[error("there is no such member")]
    NoSuchMember,
    #[error("unknown or revoked key")]
    NoSuchKey,
    #[error("this server has reached its limit of accounts without an invitation; ask for an invitation")]
    TooManyAccounts,
    #[error("the server needs an owner; make another user an owner first")]
    LastOwner,
    #[error("Too many requests. Please try again later.")]
    TooManyRequests(Duration),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Records(#[from] RecordsError),
}
