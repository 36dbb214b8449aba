//! Signing up, in and out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::audit::note,
    wire::{Body, UserShape, signed_in},
};
use crate::{
    App,
    accounts::{AccountError, Action, Entitlement, NewUser, Origin},
    auth::{Caller, Site, expired_cookies, with_cookies},
    error::ApiError,
    metrics::SignInOutcome,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignUp {
    name: String,
    email: String,
    password: String,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    remember_me: Option<bool>,
    /// The token of an invitation. Not one of Better Auth's.
    #[serde(default)]
    invitation: Option<String>,
}

#[derive(Serialize)]
pub(super) struct SignedUp<'a> {
    token: &'a str,
    user: UserShape<'a>,
}

/// `POST /api/auth/sign-up/email`
pub(super) async fn up(
    State(app): State<App>,
    caller: Caller,
    site: Site,
    origin: Origin,
    headers: HeaderMap,
    Body(body): Body<SignUp>,
) -> Result<Response, ApiError> {
    check_origin(&site, &headers)?;
    let SignUp { name, email, password, image, remember_me, invitation } = &body;
    let entitlement = match (&caller, invitation) {
        (_, Some(token)) => Entitlement::Invitation(token),
        (Caller::Operator, None) => Entitlement::AdminToken,
        _ => Entitlement::Nothing,
    };
    let new = NewUser { name, email, password, image: image.as_deref() };
    let remember = remember_me.unwrap_or(true);
    let done = app.access().accounts.sign_up(new, entitlement, remember, &origin, Timestamp::now()).await?;
    note(&app, None, Action::SignedUp, &caller, Some(&done.user.id), &origin).await;
    signed_in(&app, &site, &done, SignedUp { token: &done.token, user: UserShape::of(&done.user) }).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignIn {
    email: String,
    password: String,
    #[serde(default)]
    remember_me: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Welcome<'a> {
    redirect: bool,
    token: &'a str,
    user: UserShape<'a>,
}

/// `POST /api/auth/sign-in/email`
pub(super) async fn in_(
    State(app): State<App>,
    caller: Caller,
    site: Site,
    origin: Origin,
    headers: HeaderMap,
    Body(SignIn { email, password, remember_me }): Body<SignIn>,
) -> Result<Response, ApiError> {
    check_origin(&site, &headers)?;
    let remember = remember_me.unwrap_or(true);
    let accounts = &app.access().accounts;
    let answer = accounts.sign_in(&email, &password, remember, &origin, Timestamp::now()).await;
    app.metrics().sign_ins.count(SignInOutcome::of(&answer));
    let done = match answer {
        Ok(done) => done,
        Err(error) => {
            if let AccountError::InvalidEmailOrPassword = error {
                accounts.note_failure(&email, &origin, Timestamp::now()).await;
            }
            return Err(error.into());
        }
    };
    note(&app, None, Action::SignedIn, &caller, Some(&done.user.id), &origin).await;
    let welcome = Welcome { redirect: false, token: &done.token, user: UserShape::of(&done.user) };
    signed_in(&app, &site, &done, welcome).await
}

/// A page of somebody else signs nobody in, even where there is no cookie yet.
fn check_origin(site: &Site, headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(header::ORIGIN) { site.check_source(headers) } else { Ok(()) }
}

#[derive(Serialize)]
pub(super) struct SignedOut {
    success: bool,
}

/// `POST /api/auth/sign-out`. Who is not signed in is signed out.
pub(super) async fn out(
    State(app): State<App>,
    caller: Caller,
    site: Site,
    origin: Origin,
) -> Result<Response, ApiError> {
    if let Caller::Member(member) = &caller {
        app.access().accounts.sign_out(&member.token).await?;
        note(&app, None, Action::SignedOut, &caller, caller.name(), &origin).await;
    }
    Ok(with_cookies(Json(SignedOut { success: true }), expired_cookies(site.secure)))
}
