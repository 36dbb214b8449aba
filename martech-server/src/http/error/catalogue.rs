//! Every error of the API: its status, code, message, field and retry delay.
//!
//! The errors of accounts, projects and events have their messages where they arise. [`super::conversions`] gives them
//! a status and a code. The API description and the tables of the documentation are made from the same functions.

use std::{borrow::Cow, fmt::Display, time::Duration};

use axum::http::{Method, StatusCode};

use super::ApiError;
use crate::{identity::ProjectId, uploads::MAX_BYTES};

const SECOND: Duration = Duration::from_secs(1);

/// A message: a constant, or made for the request.
pub(crate) trait Message: Into<Cow<'static, str>> {}
impl<T: Into<Cow<'static, str>>> Message for T {}

fn bad_request(code: &'static str, message: impl Message) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

fn unauthorized_as(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

fn forbidden(message: impl Message) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

fn unavailable(code: &'static str, message: impl Message, delay: Duration) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(delay)
}

fn too_many(code: &'static str, message: impl Message, delay: Duration) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, message).retry_after(delay)
}

// Any request.

pub(crate) fn invalid_host() -> ApiError {
    bad_request("invalid_host", "a request must have one Host header, with a host name and an optional port").at("Host")
}

pub(crate) fn invalid_transfer_encoding() -> ApiError {
    let message = "Transfer-Encoding must be chunked, once; use Content-Encoding for compression";
    bad_request("invalid_transfer_encoding", message).at("Transfer-Encoding")
}

pub(crate) const URI_TOO_LONG: &str = "uri_too_long";

pub(crate) fn uri_too_long(limit: usize) -> ApiError {
    let message = format!("the URI is longer than {limit} bytes; shorten it");
    ApiError::new(StatusCode::URI_TOO_LONG, URI_TOO_LONG, message).limit(limit)
}

pub(crate) const TOO_MANY_CONNECTIONS: &str = "too_many_connections";

pub(crate) fn too_many_connections(limit: u32) -> ApiError {
    let message = format!("this address has {limit} open connections, which is the limit; reuse them");
    too_many(TOO_MANY_CONNECTIONS, message, SECOND)
}

/// No route has the path.
pub(crate) fn nothing_at(path: &str) -> ApiError {
    not_found(format!("there is nothing at {path}; see /api-docs/"))
}

pub(crate) fn not_found(message: impl Message) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

pub(crate) fn method_not_allowed(path: &str, method: &Method) -> ApiError {
    let message = format!("{path} does not support {method}; see the Allow header");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// A failure that the client cannot fix. The cause goes to the log only.
pub(crate) fn internal(cause: &dyn Display) -> ApiError {
    let message = "internal error; the log of the server has the cause under this requestId";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).because(cause)
}

// Authentication, permissions and rate limits.

pub(crate) fn unauthorized() -> ApiError {
    let message = "sign in (POST /api/auth/sign-in/email), or send Authorization: Bearer with a session token, a read \
                   key or the admin token";
    unauthorized_as("unauthorized", message)
}

pub(crate) fn invalid_token() -> ApiError {
    let message = "this token is unknown, or its session has ended; sign in again, or send a valid token or read key";
    unauthorized_as("unauthorized", message)
}

/// The code and message of Better Auth.
pub(crate) fn not_signed_in() -> ApiError {
    unauthorized_as("UNAUTHORIZED", "Unauthorized")
}

/// The caller has a key, and the change needs a person.
pub(crate) fn actor_required() -> ApiError {
    unauthorized_as("unauthorized", "this change needs a signed-in user or the admin token")
}

pub(crate) fn write_key_required() -> ApiError {
    let message = "this server requires a write key for events; send it as Authorization: Bearer KEY or as ?key=KEY";
    unauthorized_as("unauthorized", message)
}

pub(crate) fn invalid_key() -> ApiError {
    unauthorized_as("invalid_key", "unknown or revoked key")
}

pub(crate) fn malformed_key() -> ApiError {
    let message = "send the key as Authorization: Bearer KEY, or as the user name of Basic authentication";
    unauthorized_as("invalid_key", message).at("authorization")
}

pub(crate) fn wrong_kind_of_key() -> ApiError {
    forbidden("this key does not permit the request: read keys only read, and write keys only send events")
}

pub(crate) fn key_of_other_project(project: &ProjectId) -> ApiError {
    forbidden(format!("this key belongs to the project {project}"))
}

pub(crate) fn admin_token_required() -> ApiError {
    forbidden("this needs the admin token; use POST /admin/invitations to invite a user")
}

pub(crate) fn origin_not_allowed_by_key(origin: &str) -> ApiError {
    let message = format!("this key does not permit pages of {origin}");
    ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
}

pub(crate) fn origin_not_allowed(origin: &str) -> ApiError {
    let message = format!(
        "pages of {origin} may not send events; add the origin to MARTECH_ALLOWED_ORIGINS, or to the origins of a key"
    );
    ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
}

pub(crate) fn missing_origin() -> ApiError {
    let message = "Missing or null Origin: a request with a cookie must name its page in Origin or Referer";
    ApiError::new(StatusCode::FORBIDDEN, "MISSING_OR_NULL_ORIGIN", message)
}

pub(crate) fn invalid_origin() -> ApiError {
    let message = "Invalid origin: only pages of this site may use its cookies";
    ApiError::new(StatusCode::FORBIDDEN, "INVALID_ORIGIN", message)
}

/// `by` is what the limit counts: `address`, `site` or `key`.
pub(crate) fn rate_limited(by: &str, rate: impl Display, wait: Duration) -> ApiError {
    let message = format!("this {by} has reached its limit of {rate} requests; retry after the time in Retry-After");
    too_many("rate_limited", message, wait)
}

pub(crate) fn bytes_limited(rate: impl Display, wait: Duration) -> ApiError {
    let message = format!(
        "this address has reached its limit of {rate} of events after decompression; retry after the time in Retry-After"
    );
    too_many("rate_limited", message, wait)
}

pub(crate) fn too_many_tokens(wait: Duration) -> ApiError {
    too_many("rate_limited", "too many invalid tokens from this address; retry after the time in Retry-After", wait)
}

// Queries.

pub(crate) fn invalid_parameter(name: &str, message: impl Message) -> ApiError {
    bad_request("invalid_parameter", message).at(name)
}

pub(crate) fn too_many_queries() -> ApiError {
    unavailable("too_many_queries", "too many concurrent queries; retry after 2 s", 2 * SECOND)
}

pub(crate) fn query_timeout() -> ApiError {
    unavailable("query_timeout", "the query took too long; use a shorter range, or retry later", 5 * SECOND)
}

pub(crate) fn too_many_streams() -> ApiError {
    let message = "the project or the server has too many open streams of events; close one, or retry later";
    unavailable("too_many_streams", message, 10 * SECOND)
}

// The store and the server.

pub(crate) fn draining(delay: Duration) -> ApiError {
    unavailable("draining", "the server is shutting down; retry in a moment", delay)
}

pub(crate) fn mongodb_unavailable() -> ApiError {
    unavailable("store_unavailable", "MongoDB is unavailable; see /health", 5 * SECOND)
}

pub(crate) fn accounts_unavailable() -> ApiError {
    let message = "MongoDB, which stores the accounts, is unavailable; see /health";
    unavailable("store_unavailable", message, 5 * SECOND)
}

pub(crate) fn accounts_busy() -> ApiError {
    unavailable("store_unavailable", "too many concurrent changes of accounts; retry in a moment", SECOND)
}

pub(crate) fn project_not_filled() -> ApiError {
    let message = "the store did not accept the events of the new project in time, so it was not created; retry later";
    unavailable("store_unavailable", message, 5 * SECOND)
}

/// The reason for which a project, or the whole server, accepts no events.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Obstacle {
    Draining,
    Stopped,
    StoreFailing,
    StoreUnavailable,
    Full,
    Stalled,
    SpoolFull,
}

impl Obstacle {
    /// Returns the error code of `/readyz`, which is the status of `/health`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::StoreFailing => "store_failing",
            Self::StoreUnavailable => "store_unavailable",
            Self::Full => "full",
            Self::Stalled => "stalled",
            Self::SpoolFull => "spool_full",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Draining => "the server is shutting down",
            Self::Stopped => "the store has failed and accepts nothing more; restart the server",
            Self::StoreFailing => "the store reports an error; see /health",
            Self::StoreUnavailable => "MongoDB is unavailable; see /health",
            Self::Full => "the queue of events is full",
            Self::Stalled => "events are waiting, and the store has accepted none for 30 seconds",
            Self::SpoolFull => "the spool is full, because MongoDB is too far behind",
        }
    }
}

pub(crate) fn not_ready(obstacle: Obstacle) -> ApiError {
    unavailable(obstacle.code(), obstacle.message(), SECOND)
}

pub(crate) fn no_retention() -> ApiError {
    let message = "this project keeps its events without limit; set retentionDays first";
    ApiError::new(StatusCode::CONFLICT, "no_retention", message)
}

pub(crate) fn not_the_embedded_store() -> ApiError {
    let message = "the events are in MongoDB, which has no files to roll or compact";
    ApiError::new(StatusCode::CONFLICT, "not_the_embedded_store", message)
}

pub(crate) fn no_room_for_upload() -> ApiError {
    let message = "the disk is almost full; free some space, or upload a smaller file";
    unavailable("disk_space_low", message, 30 * SECOND)
}

// Request bodies.

pub(crate) fn incomplete_body() -> ApiError {
    bad_request("incomplete_body", "the body ended early or has invalid framing")
}

pub(crate) fn malformed_encoding(cause: &dyn Display) -> ApiError {
    let message = format!("the body does not match its Content-Encoding, or it is incomplete: {cause}");
    bad_request("malformed_encoding", message).at("Content-Encoding")
}

pub(crate) fn body_timeout() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time; send it again")
}

pub(crate) fn body_too_slow(rate: u64) -> ApiError {
    let message = format!("the body arrived at less than {rate} bytes per second; send less at once");
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
}

pub(crate) fn body_displaced() -> ApiError {
    let message = "the memory for bodies is full, and this body arrived more slowly than the others; send less at once";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_displaced", message)
}

pub(crate) fn body_too_large(what: &str, limit: usize) -> ApiError {
    let message = format!("{what} is larger than {limit} bytes; send less at once");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).limit(limit)
}

pub(crate) fn file_too_large() -> ApiError {
    body_too_large("the file", usize::try_from(MAX_BYTES).unwrap_or(usize::MAX))
}

pub(crate) fn unsupported_media_type(reason: &str) -> ApiError {
    let message = format!("{reason}; send application/json or application/x-ndjson, in UTF-8");
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message).at("Content-Type")
}

pub(crate) fn unsupported_encoding() -> ApiError {
    let message = "unsupported Content-Encoding; send one of gzip, zstd and identity";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message).at("Content-Encoding")
}

pub(crate) fn overloaded() -> ApiError {
    too_many("overloaded", "the memory for bodies is full; retry in a moment", SECOND)
}

pub(crate) fn sender_overloaded(share: usize) -> ApiError {
    let message = format!(
        "bodies of this address or key use {share} bytes of memory, which is the limit for one sender; send fewer at once"
    );
    too_many("overloaded", message, SECOND)
}

/// The codes of the errors of small bodies are those of Better Auth.
pub(crate) fn json_expected() -> ApiError {
    let message = "send a JSON object with Content-Type: application/json";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
}

pub(crate) fn json_or_form_expected() -> ApiError {
    let message = "send a JSON object with Content-Type: application/json, or a form with Content-Type: \
                   application/x-www-form-urlencoded";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
}

pub(crate) fn unparsable_body(cause: &dyn Display) -> ApiError {
    bad_request("BAD_REQUEST", format!("invalid body: {cause}"))
}

pub(crate) fn invalid_body(cause: &dyn Display) -> ApiError {
    validation_error(format!("invalid body: {cause}"))
}

pub(crate) fn validation_error(message: impl Message) -> ApiError {
    bad_request("VALIDATION_ERROR", message)
}

pub(crate) fn email_can_not_be_updated() -> ApiError {
    bad_request("EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated")
}

// Events.

/// A single event that the store rejects, with its code and message.
pub(crate) fn rejected(code: impl Into<Cow<'static, str>>, message: impl Message) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

pub(crate) fn no_valid_events(count: usize) -> ApiError {
    bad_request("no_valid_events", format!("none of the {count} events is accepted; see results"))
}

pub(crate) fn not_stored(failed: usize, total: usize) -> ApiError {
    let message = format!(
        "the store has not confirmed {failed} of {total} events in time, and may still store them; send events with an \
         eventId again: they are stored once"
    );
    unavailable("store_unavailable", message, 5 * SECOND)
}

pub(crate) fn queue_full(wait: Duration) -> ApiError {
    too_many("queue_full", "the queue of events is full; retry after the time in Retry-After", wait)
}
