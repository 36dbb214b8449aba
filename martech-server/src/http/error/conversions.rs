//! The responses for the errors of the parts of the server.

use std::time::Duration;

use axum::http::StatusCode;
use martech_core::{lake::LakeError, mongodb::MongoError, query::QueryError};

use super::ApiError;
use crate::{
    identity::{AccountError, HashError},
    projects::{IngestRefusal, Unavailable, backend::BackendError},
    records::RecordsError,
};

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::bad_parameter(error.field, error.to_string())
    }
}

/// A failure of the lake is the server's fault, except an invalid query.
impl From<LakeError> for ApiError {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Query(error) => error.into(),
            LakeError::Closed => {
                let message = "the server is shutting down; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message).retry_after(Duration::from_secs(1))
            }
            error => Self::internal(&error),
        }
    }
}

/// An unavailable MongoDB may answer a retry. The log contains the cause.
impl From<MongoError> for ApiError {
    fn from(error: MongoError) -> Self {
        let cause = error.to_string();
        let (code, message, delay) = match error {
            MongoError::Query(error) => return error.into(),
            MongoError::TimedOut(_) => {
                ("query_timeout", "MongoDB took too long; ask for a shorter time, or again later", 5)
            }
            MongoError::Damaged { .. } | MongoError::Other(_) => return Self::internal(&error),
            _ => ("store_unavailable", "MongoDB cannot be asked now; /health says more", 5),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .retry_after(Duration::from_secs(delay))
            .because(&cause)
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Lake(error) => error.into(),
            BackendError::Mongo(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<IngestRefusal> for ApiError {
    fn from(refusal: IngestRefusal) -> Self {
        use IngestRefusal as R;
        let status = match refusal {
            R::TooManyDays { .. } | R::QuotaExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
            R::Busy | R::DiskSpaceLow | R::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let (code, message) = match refusal {
            R::Busy => (
                "server_busy",
                "more bodies wait to be parsed than may wait; send the events again after Retry-After".into(),
            ),
            R::DiskSpaceLow => (
                "disk_space_low",
                "the disk is nearly full: only events with a secret key are taken until there is room; send it again \
                 later"
                    .into(),
            ),
            R::Unavailable(Unavailable { is_final: true }) => {
                ("store_unavailable", "the store takes nothing any more; someone must look after the server".into())
            }
            R::Unavailable(_) => (
                "store_unavailable",
                "the store takes no events now; send them again after Retry-After; /health says more".into(),
            ),
            R::TooManyDays { most } => (
                "too_many_days",
                format!(
                    "the store is still sorting earlier events of many days; send events of more than {most} days at \
                     once again after Retry-After"
                )
                .into(),
            ),
            R::QuotaExceeded { quota, left, events, .. } => (
                "quota_exceeded",
                format!(
                    "this project has a quota of {quota} events a day, of which {left} are left until midnight UTC; \
                     these are {events}"
                )
                .into(),
            ),
        };
        let message: std::borrow::Cow<'static, str> = message;
        Self::new(status, code, message).retry_after(refusal.retry_after())
    }
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
