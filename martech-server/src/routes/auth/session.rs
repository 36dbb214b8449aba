//! Sessions of the signed-in user.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::{Body, SessionShape, Signed, UserShape};
use crate::{
    http::{
        auth::{Access, Caller, Member, Site, expired_cookies, renewed, with_cookies},
        error::ApiError,
        openapi::{
            Refusals,
            faults::{Draining, OfBody, StoreUnavailable},
        },
    },
    identity::{Action, Origin, Target, User},
};

#[derive(Serialize, ToSchema)]
struct SessionAndUser<'a> {
    session: SessionShape<'a>,
    user: UserShape<'a>,
}

/// Retrieve the current session.
///
/// Returns the session and its user, or `null` if the caller is not signed in.
#[utoipa::path(
    get,
    path = "/get-session",
    tag = "Account",
    operation_id = "getSession",
    security((), ("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The session and its user.", body = Option<SessionAndUser<'static>>), Refusals<(StoreUnavailable, Draining)>),
)]
pub(super) async fn get(State(access): State<Arc<Access>>, caller: Caller, site: Site) -> Result<Response, ApiError> {
    let cookies = renewed(&access, &caller, &site).await?;
    let member = match &caller {
        Caller::Member(member) => member,
        Caller::Expired => return Ok(with_cookies(Json(()), expired_cookies(site.secure))),
        _ => return Ok(Json(()).into_response()),
    };
    let session = SessionShape::of(&member.handle.session, Some(&member.token));
    Ok(with_cookies(Json(SessionAndUser { session, user: UserShape::of(&member.handle.user) }), cookies))
}

/// List your sessions.
///
/// `token` identifies each session: the current session has its real token, and the others have the hash of theirs.
/// Because the list reveals no token of another session, it needs no fresh session, unlike in Better Auth.
#[utoipa::path(
    get,
    path = "/list-sessions",
    tag = "Account",
    operation_id = "listSessions",
    responses((status = 200, description = "The sessions.", body = Vec<SessionShape<'static>>)),
)]
pub(super) async fn list(State(access): State<Arc<Access>>, Signed(member): Signed) -> Result<Response, ApiError> {
    let Member { token, handle, .. } = &member;
    let sessions = access.accounts.sessions(&handle.user, Timestamp::now()).await?;
    let shapes = sessions.iter().map(|session| {
        let is_own = session.id == handle.session.id;
        SessionShape::of(session, is_own.then_some(token.as_str()))
    });
    Ok(Json(shapes.collect::<Vec<_>>()).into_response())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct RevokeSession {
    token: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    status: bool,
}

impl Done {
    pub(super) const DONE: Json<Self> = Json(Self { status: true });
}

/// Revoke a session.
///
/// Ends one of your sessions. `token` is the value from the list of sessions.
#[utoipa::path(
    post,
    path = "/revoke-session",
    tag = "Account",
    operation_id = "revokeSession",
    request_body = RevokeSession,
    responses((status = 200, description = "The session has ended.", body = Done), Refusals<OfBody>),
)]
pub(super) async fn revoke(
    State(access): State<Arc<Access>>,
    Signed(member): Signed,
    site: Site,
    origin: Origin,
    Body(RevokeSession { token }): Body<RevokeSession>,
) -> Result<Response, ApiError> {
    let user = &member.handle.user;
    if access.accounts.revoke(user, &token).await? {
        revoked(&access, user, &origin).await;
    }
    let is_own = token == member.token;
    Ok(with_cookies(Done::DONE, if is_own { expired_cookies(site.secure) } else { Vec::new() }))
}

/// Revoke all sessions.
///
/// Ends all your sessions, including the current one.
#[utoipa::path(
    post,
    path = "/revoke-sessions",
    tag = "Account",
    operation_id = "revokeSessions",
    responses((status = 200, description = "The sessions have ended.", body = Done)),
)]
pub(super) async fn revoke_all(
    State(access): State<Arc<Access>>,
    Signed(member): Signed,
    site: Site,
    origin: Origin,
) -> Result<Response, ApiError> {
    access.accounts.revoke_all(&member.handle.user.id, None).await?;
    revoked(&access, &member.handle.user, &origin).await;
    Ok(with_cookies(Done::DONE, expired_cookies(site.secure)))
}

/// Revoke other sessions.
///
/// Ends all your sessions except the current one.
#[utoipa::path(
    post,
    path = "/revoke-other-sessions",
    tag = "Account",
    operation_id = "revokeOtherSessions",
    responses((status = 200, description = "The sessions have ended.", body = Done)),
)]
pub(super) async fn revoke_others(
    State(access): State<Arc<Access>>,
    Signed(member): Signed,
    origin: Origin,
) -> Result<Json<Done>, ApiError> {
    let Member { handle, .. } = &member;
    access.accounts.revoke_all(&handle.user.id, Some(&handle.session)).await?;
    revoked(&access, &handle.user, &origin).await;
    Ok(Done::DONE)
}

async fn revoked(access: &Access, user: &User, origin: &Origin) {
    let (accounts, now) = (&access.accounts, Timestamp::now());
    accounts.note(Action::SessionRevoked, None, Some(&user.id), Target::user(user), origin, now).await;
}
