//! The description of the HTTP API, in [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0).
//!
//! - Each handler carries the description of its route, and routers are built from these handlers (`routes!`).
//! - A layer that guards many routes adds its parameters and errors to their descriptions ([`guard`]).
//! - All errors are defined in one list ([`faults`]). Routes name the errors that they return.
//! - The examples are in `examples.json`. The tests validate them against the schemas.

mod examples;
pub(crate) mod faults;
mod guard;

use utoipa::openapi::{
    ComponentsBuilder, Info, OpenApi, OpenApiBuilder, PathItem,
    path::Operation,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

pub(crate) use self::{
    faults::Refusals,
    guard::{counted, needing, needing_session},
};

#[cfg(test)]
pub(crate) use self::faults::all as all_errors;

/// The groups of routes, with their descriptions.
const TAGS: [(&str, &str); 9] = [
    ("Events", "Send events, and watch them arrive."),
    ("Imports", "Import events from files."),
    ("Figures", "Query journeys, users and figures."),
    ("Health", "Check the server."),
    ("Account", "Sign up, sign in and manage your account, as with Better Auth."),
    ("Members", "Manage the members of a project."),
    ("Keys", "Manage the keys of programs."),
    ("Projects", "Manage the projects of the server."),
    ("Server", "Manage the store, and read the audit log and the rejections."),
];

const ABOUT: &str = "Event ingestion and analytics for online shops.

Send events to `POST /events`. If public ingest is off, this needs a write key. All other routes need a session, a read \
key or the admin token. To get a session, call `POST /api/auth/sign-in/email`; then send its cookie, or its token as a \
bearer token.

An error has `code`, `message` and `requestId`. Some errors also have `field`, `index` (of the event) and `limit`. \
Programs should use `code`. If a retry can succeed, `Retry-After` says when. An unknown path gets 404 `not_found`. A \
method that a path does not support gets 405 `method_not_allowed`, with `Allow`.

Every response has an `X-Request-Id`: that of the request, or a new one. Where requests are counted, `RateLimit-Policy` \
and `RateLimit` give the limit and what remains of it.";

/// Returns the description without routes.
pub(crate) fn base() -> OpenApi {
    let mut info = Info::new("martech", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let tag = |(name, about): (&str, &str)| TagBuilder::new().name(name).description(Some(about)).build();
    OpenApiBuilder::new().info(info).tags(Some(TAGS.map(tag))).build()
}

/// Adds the parts that all routes share. Call this after all routes are added.
pub(crate) fn finish(mut api: OpenApi) -> OpenApi {
    let mut components = api.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    for (name, scheme) in schemes() {
        components.security_schemes.insert(name.to_owned(), scheme.into());
    }
    components.schemas.extend(faults::schemas());
    components.examples.extend(faults::examples());
    api.components = Some(components);
    for (_, operation) in operations(&mut api) {
        faults::add(operation, &faults::everywhere());
    }
    examples::add(&mut api);
    api
}

/// Returns the authentication schemes by name.
fn schemes() -> [(&'static str, SecurityScheme); 4] {
    let http = |scheme, about| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(about)).build());
    let value = |name, about| ApiKeyValue::with_description(name, about);
    [
        ("bearer", http(HttpAuthScheme::Bearer, "The token of a session, a key, or the admin token.")),
        ("basic", http(HttpAuthScheme::Basic, "A key as the user name, without a password.")),
        (
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(value(
                "better-auth.session_token",
                "The session cookie, which sign-in sets. Over TLS, its name begins with `__Secure-`.",
            ))),
        ),
        (
            "key",
            SecurityScheme::ApiKey(ApiKey::Query(value("key", "A write key, for senders that cannot set headers."))),
        ),
    ]
}

/// Returns every operation, and whether its method is safe (`GET`).
fn operations(api: &mut OpenApi) -> impl Iterator<Item = (bool, &mut Operation)> {
    api.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        [(true, get), (false, put), (false, post), (false, delete), (false, patch)]
            .into_iter()
            .filter_map(|(is_safe, operation)| Some((is_safe, operation.as_mut()?)))
    })
}
