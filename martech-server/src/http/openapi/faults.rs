//! The errors of the API in its description. The examples are real responses, made from [`catalogue`] and the errors
//! of the parts of the server.

use std::{collections::BTreeMap, marker::PhantomData, num::NonZero, time::Duration};

use axum::http::StatusCode;
use martech_core::event::{Batch, EventRules, Sender, Timestamp};
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

use crate::{
    http::error::{
        ApiError,
        catalogue::{self, Obstacle},
    },
    identity::{AccountError, HashError, ProjectId, Role},
    import::ImportError,
    observability::RequestId,
    projects::{IngestRefusal, ProjectError},
    uploads::UploadError,
};

/// An error that a route may return: a name for the description, and an example of the response.
#[derive(Debug)]
pub(crate) struct Fault {
    name: &'static str,
    error: fn() -> ApiError,
    /// Further members of the response.
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
        let error = (self.error)();
        let mut value = error.body(&RequestId::example());
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), (self.more)()) {
            value.extend(more);
        }
        ExampleBuilder::new().summary(error.code()).value(Some(value)).build()
    }
}

/// Adds errors to the responses of an operation.
pub(crate) fn add(operation: &mut Operation, faults: &[&Fault]) {
    for fault in faults {
        let error = (fault.error)();
        let response = operation.responses.responses.entry(error.status.as_str().to_owned());
        let RefOr::T(response) = response.or_insert_with(|| empty(error.status).into()) else { continue };
        let Some(RefOr::T(content)) = response.content.get_mut("application/json") else { continue };
        let known = content
            .examples
            .insert(fault.name.to_owned(), RefOr::Ref(Ref::new(format!("#/components/examples/{}", fault.name))));
        let code = format!("`{}`", error.code());
        if known.is_none() && !response.description.contains(&code) {
            let separator = if response.description.is_empty() { "" } else { ", " };
            response.description.push_str(&format!("{separator}{code}"));
        }
    }
}

/// Returns the response for a status, without errors. Responses that ask for a retry have `Retry-After`.
fn empty(status: StatusCode) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(SHAPE))).build();
    let response = ResponseBuilder::new().content("application/json", content);
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let header =
        HeaderBuilder::new().schema(Some(seconds)).description(Some("The number of seconds after which to retry."));
    response.header("Retry-After", header.build()).build()
}

macro_rules! faults {
    ($($name:ident: $error:expr $(, ($($more:tt)+))?;)+) => {
        $(
            pub(crate) struct $name;

            impl Faults for $name {
                fn list() -> Vec<&'static Fault> {
                    static FAULT: Fault =
                        Fault { name: stringify!($name), error: || ApiError::from($error), more: || json!({ $($($more)+)? }) };
                    vec![&FAULT]
                }
            }
        )+

        const ALL: &[fn() -> Vec<&'static Fault>] = &[$($name::list),+];
    };
}

const HOUR: Duration = Duration::from_secs(3600);

/// Returns the error of an event that is sent without a key.
fn event(json: &str) -> ApiError {
    let rules = EventRules::default().public_days(NonZero::new(30));
    let received_at = Timestamp::from_millis(1_795_342_500_250);
    let batch = Batch::from_json(json.as_bytes());
    let error = match &batch {
        Ok(batch) => rules.parse_batch(batch, received_at, Sender::Anonymous).find_map(Result::err),
        Err(error) => return ApiError::from(error.clone()),
    };
    ApiError::from(error.expect("the event breaks a rule")).index(0)
}

fn project() -> ProjectId {
    ProjectId::default()
}

faults! {
    // Any request.
    InvalidTransferEncoding: catalogue::invalid_transfer_encoding();
    InvalidHost: catalogue::invalid_host();
    UriTooLong: catalogue::uri_too_long(8192);
    TooManyConnections: catalogue::too_many_connections(1024);
    Internal: catalogue::internal(&"");

    // Authentication, permissions and rate limits.
    Unauthorized: catalogue::unauthorized();
    NotSignedIn: catalogue::not_signed_in();
    InvalidKey: catalogue::invalid_key();
    Forbidden: AccountError::RoleNeeded(Role::Admin, project());
    OriginNotAllowed: catalogue::origin_not_allowed_by_key("https://elsewhere.example");
    MissingOrigin: catalogue::missing_origin();
    InvalidOrigin: catalogue::invalid_origin();
    RateLimited: catalogue::rate_limited("address", "600/60s", Duration::from_secs(1));

    // Queries and parameters.
    InvalidParameter: catalogue::invalid_parameter("limit", "limit: must be a whole number from 1 to 1000");
    NoSuchProject: ProjectError::Unknown(project());
    NotFound: AccountError::NoSuchMember;
    TooManyQueries: catalogue::too_many_queries();
    QueryTimeout: catalogue::query_timeout();
    TooManyStreams: catalogue::too_many_streams();
    StoreUnavailable: catalogue::mongodb_unavailable();
    Draining: catalogue::draining(Duration::from_secs(1));

    // Request bodies.
    IncompleteBody: catalogue::incomplete_body();
    MalformedEncoding: catalogue::malformed_encoding(&"invalid gzip header");
    BodyTimeout: catalogue::body_timeout();
    BodyTooSlow: catalogue::body_too_slow(1024);
    BodyDisplaced: catalogue::body_displaced();
    BodyTooLarge: catalogue::body_too_large("the body", 16 << 20);
    UnsupportedMediaType: catalogue::unsupported_media_type("unsupported Content-Type");
    UnsupportedEncoding: catalogue::unsupported_encoding();
    Overloaded: catalogue::overloaded();
    NotJsonOrForm: catalogue::json_or_form_expected();
    NotJson: catalogue::json_expected();
    BadRequest: catalogue::unparsable_body(&"expected `,` or `}` at line 1 column 17");
    ValidationError: catalogue::invalid_body(&"missing field `email` at line 1 column 20");

    // Events.
    MalformedJson: event(r#"[{"userId":}]"#);
    InvalidUtf8: Batch::from_json(b"[\"\xff\"]").expect_err("the text is not UTF-8");
    EmptyBatch: event("[]");
    TooDeep: event(&format!(r#"{{"userId":"u1","type":"page_view","properties":{}{}}}"#, "{\"a\":".repeat(40), "}".repeat(40)));
    DuplicateKey: event(r#"{"userId":"u1","userId":"u2","type":"page_view"}"#);
    UnknownField: event(r#"{"user":"u1","userId":"u1","type":"page_view"}"#);
    MissingField: event(r#"{"userId":"u1"}"#);
    WrongType: event(r#"{"userId":7,"type":"page_view"}"#);
    NotAnId: event(r#"{"userId":"undefined","type":"page_view"}"#);
    EmptyValue: event(r#"{"userId":"","type":"page_view"}"#);
    TooLong: event(&format!(r#"{{"userId":"{}","type":"page_view"}}"#, "u".repeat(129)));
    InvalidCharacter: event(r#"{"userId":"u\u0007","type":"page_view"}"#);
    UnknownType: event(r#"{"userId":"u1","type":"wishlist"}"#);
    InvalidTime: event(r#"{"userId":"u1","type":"page_view","occurredAt":"yesterday"}"#);
    OccurredAtTooEarly: event(r#"{"userId":"u1","type":"page_view","occurredAt":"1969-12-31T23:59:59Z"}"#);
    OccurredAtTooOld: event(r#"{"userId":"u1","type":"page_view","occurredAt":"2026-01-05T10:00:00Z"}"#);
    OccurredAtInFuture: event(r#"{"userId":"u1","type":"page_view","occurredAt":"2027-01-05T10:00:00Z"}"#);
    InvalidAmount: event(r#"{"userId":"u1","type":"purchase","properties":{"total":"12,50"}}"#);
    InvalidCurrency: event(r#"{"userId":"u1","type":"purchase","properties":{"total":1,"currency":"€"}}"#);
    IdConflict: catalogue::rejected("id_conflict", "another event already has the id 8daa2fe7-3ba4-5b1f-9d04-9a1a4f7cae5c: its user, type or occurredAt differs; give each event its own id, and resend an event unchanged").index(0);
    RejectedByStore: catalogue::rejected("rejected_by_store", "properties.a has a NUL in its name, which MongoDB cannot store").index(0);
    NoValidEvents: catalogue::no_valid_events(2), (
        "accepted": 0, "duplicates": 0, "rejected": 2, "results": [
            { "index": 0, "status": "rejected", "code": "missing_field", "field": "type", "message": "an event needs a type, such as page_view" },
            { "index": 1, "status": "rejected", "code": "wrong_type", "field": "userId", "message": "userId must be a string, not a number" }
        ]
    );
    EventTooLarge: event(&format!(r#"{{"userId":"u1","type":"page_view","properties":{{"text":"{}"}}}}"#, "x".repeat(40_000)));
    TooManyEvents: Batch::from_json(format!("[{}0]", "0,".repeat(Batch::MAX_EVENTS)).as_bytes()).expect_err("there are too many");
    ServerBusy: IngestRefusal::Busy;
    QuotaExceeded: IngestRefusal::QuotaExceeded { quota: NonZero::new(100_000).expect("it is not zero"), left: 40, events: 100, until_tomorrow: HOUR };
    DiskSpaceLow: IngestRefusal::DiskSpaceLow;
    QueueFull: catalogue::queue_full(Duration::from_secs(1));
    NotStored: catalogue::not_stored(1, 2), (
        "accepted": 1, "duplicates": 0, "rejected": 0, "failed": 1, "results": [
            { "index": 1, "eventId": "018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f", "status": "failed", "code": "not_stored", "message": "the store did not confirm it in time" }
        ]
    );

    // Accounts.
    InvalidEmail: AccountError::InvalidEmail;
    PasswordTooShort: AccountError::PasswordTooShort;
    PasswordTooLong: AccountError::PasswordTooLong;
    PasswordTooCommon: AccountError::PasswordTooCommon;
    InvalidPassword: AccountError::InvalidPassword;
    EmailCanNotBeUpdated: catalogue::email_can_not_be_updated();
    InvalidEmailOrPassword: AccountError::InvalidEmailOrPassword;
    SetUpRequired: AccountError::SetUpRequired;
    InvitationRequired: AccountError::InvitationRequired;
    InvalidInvitation: AccountError::InvalidInvitation;
    SignUpClosed: AccountError::SignUpClosed;
    TooManyAccounts: AccountError::TooManyAccounts;
    LastOwner: AccountError::LastOwner;
    UserAlreadyExists: AccountError::UserAlreadyExists;
    TooManySignIns: AccountError::TooManyRequests(Duration::from_secs(1));
    Busy: AccountError::Hash(HashError::Busy);

    // Projects and the store.
    ProjectExists: ProjectError::Exists(project());
    ProjectRemoving: ProjectError::Removing(project());
    ProjectHasEvents: ProjectError::HasEvents(project());
    ProjectNotFilled: catalogue::project_not_filled();
    DefaultProject: ProjectError::Default;
    TooManyProjects: ProjectError::TooMany;
    NoRetention: catalogue::no_retention();
    NotTheEmbeddedStore: catalogue::not_the_embedded_store();

    // Imports.
    UnreadableFile: UploadError::Unreadable(ImportError::Options("orders.csv: the file is empty".to_owned()));
    TooManyImports: UploadError::TooMany;
    ImportRunning: UploadError::Running;
    ImportsBusy: UploadError::Busy;

    // Readiness.
    Stopped: catalogue::not_ready(Obstacle::Stopped);
    StoreFailing: catalogue::not_ready(Obstacle::StoreFailing);
    Full: catalogue::not_ready(Obstacle::Full);
    Stalled: catalogue::not_ready(Obstacle::Stalled);
    SpoolFull: catalogue::not_ready(Obstacle::SpoolFull);
}

/// Returns the status and an example of the body of each error.
#[cfg(test)]
pub(crate) fn all() -> Vec<(StatusCode, Value)> {
    let without_route =
        [catalogue::nothing_at("/event"), catalogue::method_not_allowed("/events", &axum::http::Method::PUT)];
    let of_routes = ALL.iter().flat_map(|list| list()).map(|fault| (fault.error)());
    of_routes.chain(without_route).map(|error| (error.status, error.body(&RequestId::example()))).collect()
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

/// Errors of an uploaded file.
pub(crate) type OfUpload =
    (IncompleteBody, BodyTimeout, BodyTooSlow, BodyTooLarge, UnsupportedEncoding, UnreadableFile);

/// Errors of a body with events.
pub(crate) type OfEvents = (
    (Receiving, UnsupportedMediaType, MalformedJson, InvalidUtf8, EmptyBatch, TooManyEvents, NoValidEvents),
    (UnknownField, MissingField, WrongType, EmptyValue, NotAnId, TooLong, InvalidCharacter, UnknownType),
    (InvalidTime, OccurredAtTooEarly, OccurredAtTooOld, OccurredAtInFuture, InvalidAmount, InvalidCurrency),
    (DuplicateKey, TooDeep, EventTooLarge, IdConflict, RejectedByStore, QueueFull, ServerBusy, NotStored),
    (QuotaExceeded, DiskSpaceLow),
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
