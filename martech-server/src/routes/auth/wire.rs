//! Request and response bodies in the shapes of Better Auth.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    response::{AppendHeaders, Response},
};
use martech_core::event::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{
    http::{
        auth::{AUTH_TOKEN, Access, Caller, Member, Site, auth_token, session_cookies, with_cookies},
        bodies::{Holder, essence},
        error::{ApiError, catalogue},
    },
    identity::{ProjectId, Role, Session, SignedIn, User},
    routes::ApiState,
};

/// A user account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserShape<'a> {
    name: &'a str,
    email: &'a str,
    /// Always `false`: the server sends no email.
    email_verified: bool,
    image: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: &'a str,
    /// The role in the default project. Not part of Better Auth.
    role: Option<Role>,
    /// The roles by project. Not part of Better Auth.
    roles: &'a BTreeMap<ProjectId, Role>,
}

impl<'a> UserShape<'a> {
    pub(super) fn of(user: &'a User) -> Self {
        Self {
            name: &user.name,
            email: user.email.as_str(),
            email_verified: false,
            image: user.image.as_deref(),
            created_at: user.created_at,
            updated_at: user.updated_at,
            id: &user.id,
            role: user.role(&ProjectId::default()),
            roles: &user.roles,
        }
    }
}

/// A session. Only the client of a session knows its token: for other sessions, `token` is the hash of the token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionShape<'a> {
    expires_at: Timestamp,
    token: &'a str,
    created_at: Timestamp,
    updated_at: Timestamp,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
    user_id: &'a str,
    id: &'a str,
}

impl<'a> SessionShape<'a> {
    pub(super) fn of(session: &'a Session, own_token: Option<&'a str>) -> Self {
        Self {
            expires_at: session.expires_at,
            token: own_token.unwrap_or(&session.token_hash),
            created_at: session.created_at,
            updated_at: session.updated_at,
            ip_address: session.ip_address.as_deref(),
            user_agent: session.user_agent.as_deref(),
            user_id: &session.user_id,
            id: &session.id,
        }
    }
}

/// Returns the response to a new session: the body `answer`, the session cookie and the bearer token header.
pub(super) async fn signed_in(
    access: &Access,
    site: &Site,
    signed_in: &SignedIn,
    answer: impl Serialize,
) -> Result<Response, ApiError> {
    let key = access.accounts.cookie_key().await?;
    let SignedIn { token, session, .. } = signed_in;
    let cookies = session_cookies(token, session, key, site.secure);
    let bearer = auth_token(token, key).map(|token| [(AUTH_TOKEN, token)]);
    Ok(with_cookies((bearer.map(AppendHeaders), Json(answer)), cookies))
}

/// Extracts a small JSON object from the request body.
pub(in crate::routes) struct Body<T>(pub(in crate::routes) T);

/// Extracts a small JSON object, or the fields of a form, as pages without scripts send them.
pub(super) struct BodyOrForm<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<ApiState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let format = |headers: &HeaderMap| match Format::of(headers) {
            Some(Format::Json) => Ok(Format::Json),
            _ => Err(catalogue::json_expected()),
        };
        read(request, state, format).await.map(Self)
    }
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<ApiState> for BodyOrForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let format = |headers: &HeaderMap| Format::of(headers).ok_or_else(catalogue::json_or_form_expected);
        read(request, state, format).await.map(Self)
    }
}

/// The format of a request body.
enum Format {
    Json,
    Form,
}

impl Format {
    /// Returns the format that `Content-Type` names. `text/plain` is not supported, because browsers send `text/plain`
    /// beacons cross-origin without a preflight.
    fn of(headers: &HeaderMap) -> Option<Self> {
        match essence(headers).ok()?.as_str() {
            "application/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            _ => None,
        }
    }
}

async fn read<T: DeserializeOwned + Send + 'static>(
    request: Request,
    state: &ApiState,
    format: impl FnOnce(&HeaderMap) -> Result<Format, ApiError>,
) -> Result<T, ApiError> {
    let (parts, body) = request.into_parts();
    let bodies = &state.small_bodies;
    let holder = Holder::at(state.access.proxies.client_of_head(&parts));
    let received = bodies.read(holder, &parts.headers, body, format).await?;
    let parse = |format, bytes: &[u8]| match format {
        Format::Json => object(bytes),
        Format::Form => serde_urlencoded::from_bytes(bytes).map_err(|error| catalogue::invalid_body(&error)),
    };
    let (parsed, _charge) = bodies.parse(received, parse).await?;
    parsed
}

/// Parses a JSON object. Serde alone would also accept an array with the fields in order, so other values are rejected
/// first.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        serde_json::from_slice::<serde_json::Map<_, _>>(bytes).map_err(invalid)?;
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let error = invalid(error.into_inner());
        // The path of the body as a whole is a point.
        if field == "." { error } else { error.at(field) }
    })?;
    json.end().map_err(invalid)?;
    Ok(value)
}

fn invalid(error: serde_json::Error) -> ApiError {
    if error.is_data() { catalogue::invalid_body(&error) } else { catalogue::unparsable_body(&error) }
}

/// Extracts the signed-in user. The admin token does not count as one.
pub(super) struct Signed(pub(super) Member);

impl FromRequestParts<ApiState> for Signed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::Member(member) => Ok(Self(*member)),
            _ => Err(catalogue::not_signed_in()),
        }
    }
}
