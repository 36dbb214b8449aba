//! The errors of the API, each defined once with its name, status, code and an example response.

use std::{collections::BTreeMap, marker::PhantomData};

use serde_json::{Value, json};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::{Example, ExampleBuilder},
        path::Operation,
        schema::{ObjectBuilder, Schema, Type},
    },
};

/// An error that a route may return.
#[derive(Debug)]
pub(crate) struct Fault {
    name: &'static str,
    status: u16,
    code: &'static str,
    message: &'static str,
    more: fn() -> Value,
}

/// A set of errors: one error, or a tuple of sets.
pub(crate) trait Faults {
    fn list() -> Vec<&'static Fault>;
}

/// The error responses of a route: `Refusals<(NotFound, OfBody)>`.
pub(crate) struct Refusals<F>(PhantomData<F>);

impl<F: Faults> IntoResponses for Refusals<F> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut operation = Operation::new();
        add(&mut operation, &F::list());
        operation.responses.responses
    }
}

/// The body of every error response.
#[derive(ToSchema)]
#[schema(as = Error)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used: errors are written out in crate::http::error")]
struct Shape {
    /// The error code, for programs.
    code: String,
    /// The error message, for people: what is wrong and how to correct it.
    message: String,
    /// The id of the request, which the log of the server also contains.
    request_id: String,
    /// The field, parameter or header that caused the error.
    #[schema(required = false, nullable = false)]
    field: Option<String>,
    /// The index of the event that caused the error, from 0.
    #[schema(required = false, nullable = false)]
    index: Option<u64>,
    /// The limit that was exceeded, in bytes.
    #[schema(required = false, nullable = false)]
    limit: Option<u64>,
}

const SHAPE: &str = "Error";

pub(super) fn schemas() -> [(String, RefOr<Schema>); 1] {
    [(SHAPE.to_owned(), Shape::schema())]
}

pub(super) fn examples() -> impl Iterator<Item = (String, RefOr<Example>)> {
    ALL.iter().flat_map(|list| list()).map(|fault| (fault.name.to_owned(), fault.example().into()))
}

impl Fault {
    fn example(&self) -> Example {
        let mut value = json!({
            "code": self.code, "message": self.message, "requestId": "0193a5b8c7d97e0f8a1b2c3d4e5f6071"
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), (self.more)()) {
            value.extend(more);
        }
        ExampleBuilder::new().summary(self.code).value(Some(value)).build()
    }

    /// Returns whether responses with this error have `Retry-After`.
    fn is_temporary(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

/// Adds errors to the responses of an operation.
pub(crate) fn add(operation: &mut Operation, faults: &[&Fault]) {
    for fault in faults {
        let response = operation.responses.responses.entry(fault.status.to_string());
        let RefOr::T(response) = response.or_insert_with(|| empty(fault).into()) else { continue };
        let Some(RefOr::T(content)) = response.content.get_mut("application/json") else { continue };
        let known = content
            .examples
            .insert(fault.name.to_owned(), RefOr::Ref(Ref::new(format!("#/components/examples/{}", fault.name))));
        let code = format!("`{}`", fault.code);
        if known.is_none() && !response.description.contains(&code) {
            let separator = if response.description.is_empty() { "" } else { ", " };
            response.description.push_str(&format!("{separator}{code}"));
        }
    }
}

fn empty(fault: &Fault) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(SHAPE))).build();
    let response = ResponseBuilder::new().content("application/json", content);
    if !fault.is_temporary() {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("After how many seconds to try again."));
    response.header("Retry-After", header.build()).build()
}

macro_rules! faults {
    ($($name:ident: $status:literal, $code:literal, $message:literal, $more:tt;)+) => {
        $(
            pub(crate) struct $name;

            impl Faults for $name {
                fn list() -> Vec<&'static Fault> {
                    static FAULT: Fault = Fault {
                        name: stringify!($name),
                        status: $status,
                        code: $code,
                        message: $message,
                        more: || json!($more),
                    };
                    vec![&FAULT]
                }
            }
        )+

        const ALL: &[fn() -> Vec<&'static Fault>] = &[$($name::list),+];
    };
}

faults! {
    // Any request.
    InvalidTransferEncoding: 400, "invalid_transfer_encoding", "chunked is the only transfer coding that is taken, once; what is packed says so in Content-Encoding", { "field": "Transfer-Encoding" };
    InvalidHost: 400, "invalid_host", "a request has one Host header, with the name of the server and perhaps a port", { "field": "Host" };
    UriTooLong: 414, "uri_too_long", "the URI is too long; send less in it", {};
    TooManyConnections: 429, "too_many_connections", "this address has 1024 connections, which is the limit; use them for more requests", {};
    Internal: 500, "internal", "something broke inside the server; its log says what, under this requestId", {};

    // Authentication, permissions and rate limits.
    Unauthorized: 401, "unauthorized", "this needs somebody who has signed in (POST /api/auth/sign-in/email), or the header Authorization: Bearer with a session's token, a read key or the admin token", {};
    NotSignedIn: 401, "UNAUTHORIZED", "Unauthorized", {};
    InvalidKey: 401, "invalid_key", "there is no such key, or not any more", {};
    Forbidden: 403, "forbidden", "this needs the role admin in the project default; ask an admin for it", {};
    OriginNotAllowed: 403, "origin_not_allowed", "this key is not for pages of https://elsewhere.example", {};
    MissingOrigin: 403, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin: a request with a cookie has to say which page it comes from", {};
    InvalidOrigin: 403, "INVALID_ORIGIN", "Invalid origin: only pages of this site may use its cookies", {};
    RateLimited: 429, "rate_limited", "this address has sent as many requests as it may (600/60s at most); send it again after Retry-After", {};

    // Queries and parameters.
    InvalidParameter: 400, "invalid_parameter", "limit: must be a whole number from 1 to 1000", { "field": "limit" };
    NoSuchProject: 404, "no_such_project", "there is no project shop-berlin", {};
    NotFound: 404, "not_found", "there is no such member", {};
    TooManyQueries: 503, "too_many_queries", "more questions are being answered than may be at once; ask again in a while", {};
    QueryTimeout: 503, "query_timeout", "this takes too long; ask for a shorter time, or again later", {};
    StoreUnavailable: 503, "store_unavailable", "MongoDB cannot be asked now; /health says more", {};
    Draining: 503, "draining", "the server is shutting down; try again in a moment", {};

    // Request bodies.
    IncompleteBody: 400, "incomplete_body", "the body ended early or was framed wrongly", {};
    MalformedEncoding: 400, "malformed_encoding", "the body is not what Content-Encoding says, or it is cut off: invalid gzip header", { "field": "Content-Encoding" };
    BodyTimeout: 408, "body_timeout", "the body did not arrive in time; send it again", {};
    BodyTooSlow: 408, "body_too_slow", "the body came at less than 1024 bytes a second; send less at once", {};
    BodyDisplaced: 408, "body_displaced", "the memory for bodies is short, and this body came more slowly than the others; send less at once", {};
    BodyTooLarge: 413, "body_too_large", "the body is larger than 16777216 bytes; send less at once", { "limit": 16_777_216 };
    UnsupportedMediaType: 415, "unsupported_media_type", "this Content-Type is not taken; send application/json or application/x-ndjson, in UTF-8", { "field": "Content-Type" };
    UnsupportedEncoding: 415, "unsupported_encoding", "this Content-Encoding is not taken; send gzip, zstd or identity, one of them", { "field": "Content-Encoding" };
    Overloaded: 429, "overloaded", "the bodies that are being received take all the memory that they may; send it again in a while", {};
    NotJsonOrForm: 415, "UNSUPPORTED_MEDIA_TYPE", "this takes a JSON object, of Content-Type: application/json, or a form (application/x-www-form-urlencoded)", {};
    NotJson: 415, "UNSUPPORTED_MEDIA_TYPE", "this takes a JSON object, of Content-Type: application/json", {};
    BadRequest: 400, "BAD_REQUEST", "the body cannot be used: expected `,` or `}` at line 1 column 17", {};
    ValidationError: 400, "VALIDATION_ERROR", "the body cannot be used: missing field `email` at line 1 column 20", {};

    // Events.
    MalformedJson: 400, "malformed_json", "the JSON is broken at byte 11: a value is missing", { "index": 0 };
    InvalidUtf8: 400, "invalid_utf8", "the body is not valid UTF-8: invalid byte at offset 7", {};
    EmptyBatch: 400, "empty_batch", "the list of events is empty", {};
    TooDeep: 400, "too_deep", "objects and arrays are nested deeper than 32 levels", { "index": 0 };
    DuplicateKey: 400, "duplicate_key", "the key userId occurs more than once; send it once", { "index": 0, "field": "userId" };
    UnknownField: 400, "unknown_field", "unknown field \"user\"; the fields of an event are eventId, userId, type, occurredAt, anonymousId, sessionId, properties", { "index": 0, "field": "user" };
    MissingField: 400, "missing_field", "an event needs a type, such as page_view", { "index": 0, "field": "type" };
    WrongType: 400, "wrong_type", "userId must be a string, not a number", { "index": 0, "field": "userId" };
    NotAnId: 400, "not_an_id", "userId is \"undefined\", which JavaScript produces from a missing value; leave it out if it is not known", { "index": 0, "field": "userId" };
    EmptyValue: 400, "empty_value", "userId must not be empty; leave it out if it is not known", { "index": 0, "field": "userId" };
    TooLong: 400, "too_long", "userId has at most 128 characters", { "index": 0, "field": "userId" };
    InvalidCharacter: 400, "invalid_character", "userId must not contain control characters", { "index": 0, "field": "userId" };
    UnknownType: 400, "unknown_type", "event type wishlist_add is not accepted; known types are session_start, page_view, search, purchase, add_to_cart, remove_from_cart, button_click, form_submit, video_play, video_pause; to allow more, list them in MARTECH_EVENT_TYPES, or in the eventTypes of the project (or * for any)", { "index": 0, "field": "type" };
    InvalidTime: 400, "invalid_time", "occurredAt is not an RFC 3339 time with an offset, such as 2026-11-22T10:15:00.250Z", { "index": 0, "field": "occurredAt" };
    OccurredAtTooEarly: 400, "occurred_at_too_early", "occurredAt lies before 1970", { "index": 0, "field": "occurredAt" };
    OccurredAtTooOld: 400, "occurred_at_too_old", "occurredAt is 2026-01-05T10:00:00.000Z and must be at most 30 days before 2026-11-22T10:15:00.250Z, when the event was received; older events need a secret key", { "index": 0, "field": "occurredAt" };
    OccurredAtInFuture: 400, "occurred_at_in_future", "occurredAt lies more than a day in the future", { "index": 0, "field": "occurredAt" };
    InvalidAmount: 400, "invalid_amount", "properties.total is \"12,50\": not a decimal number", { "index": 0, "field": "properties.total" };
    InvalidCurrency: 400, "invalid_currency", "properties.currency is \"€\": not a currency code; expected 3 to 8 ASCII letters or digits, such as USD", { "index": 0, "field": "properties.currency" };
    IdConflict: 400, "id_conflict", "another event already has the id 8daa2fe7-3ba4-5b1f-9d04-9a1a4f7cae5c: its user, type or occurredAt differs; give each event its own id, and resend an event unchanged", { "index": 0 };
    RejectedByStore: 400, "rejected_by_store", "properties.a has a NUL in its name, which MongoDB cannot store", { "index": 0 };
    NoValidEvents: 400, "no_valid_events", "none of the 2 events can be taken; results say why", { "accepted": 0, "duplicates": 0, "rejected": 2, "results": [
        { "index": 0, "status": "rejected", "code": "missing_field", "field": "type", "message": "an event needs a type, such as page_view" },
        { "index": 1, "status": "rejected", "code": "wrong_type", "field": "userId", "message": "userId must be a string, not a number" }
    ] };
    EventTooLarge: 413, "event_too_large", "an event has at most 32768 bytes of JSON; this one has 40211", { "index": 0, "limit": 32_768 };
    TooManyEvents: 413, "too_many_events", "a body has at most 100000 events; send the rest in another request", {};
    ServerBusy: 503, "server_busy", "more bodies wait to be parsed than may wait; send the events again after Retry-After", {};
    TooManyDays: 429, "too_many_days", "the store is still sorting earlier events of many days; send events of more than 32 days at once again after Retry-After", {};
    QuotaExceeded: 429, "quota_exceeded", "this project has a quota of 100000 events a day, of which 40 are left until midnight UTC; these are 100", {};
    DiskSpaceLow: 503, "disk_space_low", "the disk is nearly full: only events with a secret key are taken until there is room; send it again later", {};
    QueueFull: 429, "queue_full", "more events are waiting to be stored than may wait; send them again after Retry-After", {};
    NotStored: 503, "store_unavailable", "1 of 2 events could not be stored; send those again, or the whole body: events that carry an eventId are never stored twice", { "accepted": 1, "duplicates": 0, "rejected": 0, "failed": 1, "results": [
        { "index": 1, "eventId": "018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f", "status": "failed", "code": "not_stored", "message": "the store could not take it in time" }
    ] };

    // Accounts.
    InvalidEmail: 400, "INVALID_EMAIL", "Invalid email", {};
    PasswordTooShort: 400, "PASSWORD_TOO_SHORT", "Password too short: it needs at least 8 characters", {};
    PasswordTooLong: 400, "PASSWORD_TOO_LONG", "Password too long: it has at most 128 characters", {};
    PasswordTooCommon: 400, "PASSWORD_COMPROMISED", "Password too common: it is one of the first that are guessed", {};
    InvalidPassword: 400, "INVALID_PASSWORD", "Invalid password", {};
    EmailCanNotBeUpdated: 400, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated", {};
    InvalidEmailOrPassword: 401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password", {};
    SetUpRequired: 403, "SET_UP_REQUIRED", "this server has no account yet: the first one needs the admin token, as Authorization: Bearer, or the set-up link that the server told when it started", {};
    InvitationRequired: 403, "INVITATION_REQUIRED", "an account needs an invitation: ask an admin of this server for a link", {};
    InvalidInvitation: 403, "INVALID_INVITATION", "this invitation cannot be used: it is over, or it was for somebody else", {};
    SignUpClosed: 403, "SIGN_UP_CLOSED", "nobody can sign up here", {};
    TooManyAccounts: 403, "TOO_MANY_ACCOUNTS", "this server has as many accounts as it lets people make themselves; ask for an invitation", {};
    LastOwner: 409, "last_owner", "there has to be an owner: make somebody else one first", {};
    UserAlreadyExists: 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.", {};
    TooManySignIns: 429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later.", {};
    Busy: 503, "busy", "too many people are signing in at once", {};

    // Projects and the store.
    ProjectExists: 409, "project_exists", "there is a project shop-berlin already", {};
    DefaultProject: 409, "default_project", "the project `default` cannot be removed", {};
    TooManyProjects: 409, "too_many_projects", "there are 100 projects, which is as many as a server takes", {};
    NoRetention: 409, "no_retention", "this project keeps its events for ever; give it retentionDays first", {};
    NotTheEmbeddedStore: 409, "not_the_embedded_store", "events are kept in MongoDB here, which has no files to roll or to compact", {};

    // Readiness.
    Stopped: 503, "stopped", "the store takes nothing any more; the server must be started anew", {};
    StoreFailing: 503, "store_failing", "the store reports an error; /health shows it", {};
    Full: 503, "full", "the queue is full", {};
    Stalled: 503, "stalled", "events wait, and the store has taken none for half a minute", {};
    SpoolFull: 503, "spool_full", "MongoDB is behind by as much as the spool holds", {};
}

/// Returns the errors that any route may return. Most of them occur before routing.
pub(super) fn everywhere() -> Vec<&'static Fault> {
    <(InvalidHost, InvalidTransferEncoding, UriTooLong, TooManyConnections, Internal)>::list()
}

/// Errors of receiving a body.
type Receiving = (
    IncompleteBody,
    MalformedEncoding,
    (BodyTimeout, BodyTooSlow, BodyDisplaced),
    BodyTooLarge,
    UnsupportedEncoding,
    Overloaded,
);

/// Errors of a small JSON body.
pub(crate) type OfBody = (Receiving, NotJson, BadRequest, ValidationError);

/// Errors of a small body that is JSON or a form.
pub(crate) type OfBodyOrForm = (Receiving, NotJsonOrForm, BadRequest, ValidationError);

/// Errors of a body with events.
pub(crate) type OfEvents = (
    (Receiving, UnsupportedMediaType, MalformedJson, InvalidUtf8, EmptyBatch, TooManyEvents, NoValidEvents),
    (UnknownField, MissingField, WrongType, EmptyValue, NotAnId, TooLong, InvalidCharacter, UnknownType),
    (InvalidTime, OccurredAtTooEarly, OccurredAtTooOld, OccurredAtInFuture, InvalidAmount, InvalidCurrency),
    (DuplicateKey, TooDeep, EventTooLarge, IdConflict, RejectedByStore, QueueFull, ServerBusy, NotStored),
    (TooManyDays, QuotaExceeded, DiskSpaceLow),
);

/// Errors of a query.
pub(crate) type OfQuery = (InvalidParameter, TooManyQueries, QueryTimeout);

/// Errors of setting or checking a password.
pub(crate) type OfPassword = (PasswordTooShort, PasswordTooLong, PasswordTooCommon, Busy);

macro_rules! tuples {
    ($($part:ident)+) => {
        impl<$($part: Faults),+> Faults for ($($part,)+) {
            fn list() -> Vec<&'static Fault> {
                [$($part::list()),+].concat()
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
