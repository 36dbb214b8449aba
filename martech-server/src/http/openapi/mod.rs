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
const TAGS: [(&str, &str); 8] = [
    ("Events", "Events in."),
    ("Figures", "Journeys, users and figures out."),
    ("Health", "How the server is."),
    ("Account", "Signing up and in, and one's own account, as Better Auth has it."),
    ("Members", "Who belongs to a project."),
    ("Keys", "Keys of programs."),
    ("Projects", "The shops of the server."),
    ("Server", "Looking after the store, and what was done."),
];

const ABOUT: &str = "Event ingestion and analytics for online shops.

Events are sent to `POST /events`, with a write key where public ingest is off. Everything else needs somebody who has signed in \
(`POST /api/auth/sign-in/email`; the cookie or the token as bearer), a read key, or the admin token.

Every error is `{code, message, requestId}` with, where it applies, the `field`, the `index` of the event and the `limit` that was \
passed. Programs go by `code`. Where it makes sense to try again, `Retry-After` says when. A path without a route is `not_found`, and a \
method that a route does not take is `method_not_allowed` (405), with `Allow`.

`X-Request-Id` is in every answer: the one that was sent, or a new one. Where requests are counted, `RateLimit-Policy` and `RateLimit` say \
what may be sent and what is left of it.";

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
        ("basic", http(HttpAuthScheme::Basic, "A key as the user, without a password.")),
        (
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(value(
                "better-auth.session_token",
                "Set by signing in; behind TLS its name begins with `__Secure-`.",
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
