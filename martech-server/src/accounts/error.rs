//! Errors of the account functions. Codes and messages are those of [Better
//! Auth](https://www.better-auth.com/docs/reference/errors), where it has them.

use std::time::Duration;

use axum::http::StatusCode;

use super::{
    Role,
    password::{HashError, LENGTHS},
};
use crate::{error::ApiError, projects::ProjectId, records::RecordsError};

/// The error of an account function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("Invalid email")]
    InvalidEmail,
    #[error("Password too short: it needs at least {} characters", LENGTHS.start())]
    PasswordTooShort,
    #[error("Password too long: it has at most {} characters", LENGTHS.end())]
    PasswordTooLong,
    #[error("Password too common: it is one of the first that are guessed")]
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
        "this server has no account yet: the first one needs the admin token, as Authorization: Bearer, or the set-up link \
             that the server told when it started"
    )]
    SetUpRequired,
    #[error("an account needs an invitation: ask an admin of this server for a link")]
    InvitationRequired,
    /// The invitation is used, expired, for another person, or unknown.
    #[error("this invitation cannot be used: it is over, or it was for somebody else")]
    InvalidInvitation,
    #[error("nobody can sign up here")]
    SignUpClosed,
    #[error("this is for those who may make somebody {0}: owners all, admins analysts")]
    NotAllowed(Role),
    #[error("this needs the role {0} in the project {1}; ask an admin for it")]
    RoleNeeded(Role, ProjectId),
    #[error("there is no project {0}")]
    NoSuchProject(ProjectId),
    #[error("there is no such member")]
    NoSuchMember,
    #[error("there is no such key, or not any more")]
    NoSuchKey,
    #[error("this server has as many accounts as it lets people make themselves; ask for an invitation")]
    TooManyAccounts,
    #[error("there has to be an owner: make somebody else one first")]
    LastOwner,
    #[error("Too many requests. Please try again later.")]
    TooManyRequests(Duration),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        use AccountError as E;
        let (status, code) = match &error {
            E::InvalidEmail => (StatusCode::BAD_REQUEST, "INVALID_EMAIL"),
            E::PasswordTooShort => (StatusCode::BAD_REQUEST, "PASSWORD_TOO_SHORT"),
            E::PasswordTooLong => (StatusCode::BAD_REQUEST, "PASSWORD_TOO_LONG"),
            E::InvalidPassword => (StatusCode::BAD_REQUEST, "INVALID_PASSWORD"),
            E::InvalidEmailOrPassword => (StatusCode::UNAUTHORIZED, "INVALID_EMAIL_OR_PASSWORD"),
            E::UserAlreadyExists => (StatusCode::UNPROCESSABLE_ENTITY, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"),
            E::InvalidField(..) => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
            E::SetUpRequired => (StatusCode::FORBIDDEN, "SET_UP_REQUIRED"),
            E::InvitationRequired => (StatusCode::FORBIDDEN, "INVITATION_REQUIRED"),
            E::InvalidInvitation => (StatusCode::FORBIDDEN, "INVALID_INVITATION"),
            E::PasswordTooCommon => (StatusCode::BAD_REQUEST, "PASSWORD_COMPROMISED"),
            E::NoSuchProject(_) => (StatusCode::NOT_FOUND, "no_such_project"),
            E::NotAllowed(_) | E::RoleNeeded(..) => (StatusCode::FORBIDDEN, "forbidden"),
            E::NoSuchMember | E::NoSuchKey => (StatusCode::NOT_FOUND, "not_found"),
            E::LastOwner => (StatusCode::CONFLICT, "last_owner"),
            E::TooManyAccounts => (StatusCode::FORBIDDEN, "TOO_MANY_ACCOUNTS"),
            E::SignUpClosed => (StatusCode::FORBIDDEN, "SIGN_UP_CLOSED"),
            E::TooManyRequests(delay) => {
                let delay = *delay;
                return Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", error.to_string())
                    .retry_after(delay);
            }
            E::Hash(HashError::Busy) => {
                let message = "too many people are signing in at once";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(Duration::from_secs(1));
            }
            E::Hash(HashError::Failed(_)) => return Self::internal(&error),
            E::Records(error) => return error.into(),
        };
        let field = if let AccountError::InvalidField(field, _) = &error { Some(*field) } else { None };
        let told = Self::new(status, code, error.to_string());
        field.into_iter().fold(told, Self::at)
    }
}

impl From<&RecordsError> for ApiError {
    fn from(error: &RecordsError) -> Self {
        match error {
            RecordsError::Mongo(error) => {
                let message = "MongoDB, where the accounts are, cannot be asked now; /health says more";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
                    .retry_after(Duration::from_secs(5))
                    .because(error)
            }
            RecordsError::Closed => {
                let message = "the server is shutting down; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message).retry_after(Duration::from_secs(1))
            }
            RecordsError::Busy => {
                let message = "too many changes of accounts are made at once; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
                    .retry_after(Duration::from_secs(1))
            }
            error => Self::internal(error),
        }
    }
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        (&error).into()
    }
}
