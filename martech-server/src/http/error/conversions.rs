//! The responses for the errors of the parts of the server.

use std::{io::ErrorKind, time::Duration};

use axum::http::StatusCode;
use martech_core::{
    event::{ErrorCode, EventError, MAX_EVENT_BYTES},
    lake::LakeError,
    mongodb::MongoError,
    query::QueryError,
    sink::Refusal,
};

use super::{ApiError, catalogue};
use crate::{
    identity::{AccountError, HashError},
    projects::{IngestRefusal, ProjectError, Unavailable, WatchError, backend::BackendError},
    records::RecordsError,
    uploads::UploadError,
};

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        catalogue::invalid_parameter(error.field, error.to_string())
    }
}

/// A failure of the lake is the server's fault, except an invalid query.
impl From<LakeError> for ApiError {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Query(error) => error.into(),
            LakeError::Closed => catalogue::draining(Duration::from_secs(1)),
            error => catalogue::internal(&error),
        }
    }
}

/// An unavailable MongoDB may answer a retry. The log contains the cause.
impl From<MongoError> for ApiError {
    fn from(error: MongoError) -> Self {
        let cause = error.to_string();
        let response = match error {
            MongoError::Query(error) => return error.into(),
            MongoError::Damaged { .. } | MongoError::Other(_) => return catalogue::internal(&error),
            MongoError::TimedOut(_) => catalogue::query_timeout(),
            _ => catalogue::mongodb_unavailable(),
        };
        response.because(&cause)
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Lake(error) => error.into(),
            BackendError::Mongo(error) => error.into(),
            error => catalogue::internal(&error),
        }
    }
}

impl From<IngestRefusal> for ApiError {
    fn from(refusal: IngestRefusal) -> Self {
        use IngestRefusal as R;
        let (status, code) = match refusal {
            R::QuotaExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
            R::Busy => (StatusCode::SERVICE_UNAVAILABLE, "server_busy"),
            R::DiskSpaceLow => (StatusCode::SERVICE_UNAVAILABLE, "disk_space_low"),
            R::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        };
        Self::new(status, code, refusal.to_string()).retry_after(refusal.retry_after())
    }
}

impl From<WatchError> for ApiError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::TooMany => catalogue::too_many_streams(),
            WatchError::Closed => catalogue::draining(Duration::from_secs(1)),
        }
    }
}

/// A sink refuses events that the server has checked only if its queue is full, or if it accepts no more.
impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Full { retry_after } => catalogue::queue_full(*retry_after),
            Refusal::Closed => catalogue::draining(Duration::from_secs(5)),
            Refusal::TooLarge { .. } => catalogue::internal(&refusal),
            _ => IngestRefusal::Unavailable(Unavailable { is_final: true }).into(),
        }
    }
}

/// An event, or a body as a whole, breaks a rule.
impl From<EventError> for ApiError {
    fn from(error: EventError) -> Self {
        let status = match error.code {
            ErrorCode::TooManyEvents | ErrorCode::EventTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let response = Self::new(status, error.code.as_str(), error.message).event_type(error.event_type);
        let response = if let Some(field) = error.field { response.at(field) } else { response };
        if error.code == ErrorCode::EventTooLarge { response.limit(MAX_EVENT_BYTES) } else { response }
    }
}

impl From<ProjectError> for ApiError {
    fn from(error: ProjectError) -> Self {
        use ProjectError as E;
        let error = match error {
            E::Account(error) => return error.into(),
            E::Records(error) => return error.into(),
            E::Store(BackendError::Mongo(error)) => return catalogue::mongodb_unavailable().because(&error),
            error => error,
        };
        let (status, code) = match &error {
            E::Unknown(_) => (StatusCode::NOT_FOUND, "no_such_project"),
            E::Exists(_) => (StatusCode::CONFLICT, "project_exists"),
            E::Removing(_) => (StatusCode::CONFLICT, "project_removing"),
            E::HasEvents(_) => (StatusCode::CONFLICT, "project_has_events"),
            E::Default => (StatusCode::CONFLICT, "default_project"),
            E::TooMany => (StatusCode::CONFLICT, "too_many_projects"),
            E::Invalid(invalid) => return catalogue::validation_error(error.to_string()).at(invalid.0),
            E::NotStored(_) | E::NotStoredInTime => return catalogue::project_not_filled().because(&error),
            E::Account(_) | E::Records(_) | E::Store(_) | E::Sink(_) | E::Folder(_) | E::Event(_) => {
                return catalogue::internal(&error);
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        use UploadError as E;
        let (status, code) = match &error {
            E::Unknown => (StatusCode::NOT_FOUND, "not_found"),
            E::NoProject(_) => (StatusCode::NOT_FOUND, "no_such_project"),
            E::TooMany | E::TooManyOnServer => (StatusCode::CONFLICT, "too_many_imports"),
            E::Running => (StatusCode::CONFLICT, "import_running"),
            E::Busy => (StatusCode::SERVICE_UNAVAILABLE, "imports_busy"),
            E::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable_file"),
            E::Options(_) => return catalogue::validation_error(error.to_string()),
            E::TooLarge => return catalogue::file_too_large(),
            E::Stopping => return catalogue::draining(Duration::from_secs(5)),
            E::NoRoom => return catalogue::no_room_for_upload(),
            E::Folder(cause) if cause.kind() == ErrorKind::StorageFull => return catalogue::no_room_for_upload(),
            E::Folder(_) => return catalogue::internal(&error),
        };
        let response = Self::new(status, code, error.to_string());
        if matches!(error, E::Busy) { response.retry_after(Duration::from_secs(10)) } else { response }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        use AccountError as E;
        let (status, code) = match &error {
            E::InvalidEmail => (StatusCode::BAD_REQUEST, "INVALID_EMAIL"),
            E::PasswordTooShort => (StatusCode::BAD_REQUEST, "PASSWORD_TOO_SHORT"),
            E::PasswordTooLong => (StatusCode::BAD_REQUEST, "PASSWORD_TOO_LONG"),
            E::PasswordTooCommon => (StatusCode::BAD_REQUEST, "PASSWORD_COMPROMISED"),
            E::InvalidPassword => (StatusCode::BAD_REQUEST, "INVALID_PASSWORD"),
            E::InvalidEmailOrPassword => (StatusCode::UNAUTHORIZED, "INVALID_EMAIL_OR_PASSWORD"),
            E::SetUpRequired => (StatusCode::FORBIDDEN, "SET_UP_REQUIRED"),
            E::InvitationRequired => (StatusCode::FORBIDDEN, "INVITATION_REQUIRED"),
            E::InvalidInvitation => (StatusCode::FORBIDDEN, "INVALID_INVITATION"),
            E::SignUpClosed => (StatusCode::FORBIDDEN, "SIGN_UP_CLOSED"),
            E::TooManyAccounts => (StatusCode::FORBIDDEN, "TOO_MANY_ACCOUNTS"),
            E::NotAllowed(_) | E::RoleNeeded(..) => (StatusCode::FORBIDDEN, "forbidden"),
            E::NoSuchProject(_) => (StatusCode::NOT_FOUND, "no_such_project"),
            E::NoSuchMember | E::NoSuchKey => (StatusCode::NOT_FOUND, "not_found"),
            E::LastOwner => (StatusCode::CONFLICT, "last_owner"),
            E::UserAlreadyExists => (StatusCode::UNPROCESSABLE_ENTITY, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"),
            E::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS"),
            E::Hash(HashError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            E::InvalidField(field, _) => return catalogue::validation_error(error.to_string()).at(*field),
            E::Hash(HashError::Failed(_)) => return catalogue::internal(&error),
            E::Records(error) => return error.into(),
        };
        let response = Self::new(status, code, error.to_string());
        match error {
            E::TooManyRequests(wait) => response.retry_after(wait),
            E::Hash(HashError::Busy) => response.retry_after(Duration::from_secs(1)),
            _ => response,
        }
    }
}

impl From<&RecordsError> for ApiError {
    fn from(error: &RecordsError) -> Self {
        match error {
            RecordsError::Mongo(error) => catalogue::accounts_unavailable().because(error),
            RecordsError::Closed => catalogue::draining(Duration::from_secs(1)),
            RecordsError::Busy => catalogue::accounts_busy(),
            error => catalogue::internal(error),
        }
    }
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        (&error).into()
    }
}
