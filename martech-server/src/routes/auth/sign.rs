//! Signing up, in and out.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::audit::note,
    wire::{BodyOrForm, UserShape, signed_in},
};
use crate::{
    http::{
        auth::{Access, Caller, Site, expired_cookies, with_cookies},
        error::ApiError,
        openapi::{
            Refusals,
            faults::{
                Draining, InvalidEmail, InvalidEmailOrPassword, InvalidInvitation, InvalidOrigin, InvitationRequired,
                MissingOrigin, OfBodyOrForm, OfPassword, SetUpRequired, SignUpClosed, StoreUnavailable,
                TooManyAccounts, TooManySignIns, UserAlreadyExists,
            },
        },
    },
    identity::{AccountError, Action, Entitlement, NewUser, Origin, Target},
    observability::metrics::{Metrics, SignInOutcome},
    util::given,
};

// Optional fields cannot be `null`: a form has no `null`, and Better Auth does not accept it here.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignUp {
    #[schema(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    #[schema(format = "email")]
    email: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    password: String,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, pattern = "^https://[!-~]*$", max_length = 2048)]
    image: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    remember_me: Option<bool>,
    /// The token of an invitation. This field is not part of Better Auth.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    invitation: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedUp<'a> {
    token: &'a str,
    user: UserShape<'a>,
}

/// Create an account.
///
/// Creates an account and signs in. The first account needs the admin token as a bearer token, or the token of the
/// set-up link as `invitation`. Further accounts need an invitation, unless sign-up is open to everyone.
#[utoipa::path(
    post,
    path = "/sign-up/email",
    tag = "Account",
    operation_id = "signUp",
    security((), ("bearer" = [])),
    request_body(content((SignUp = "application/json"), (SignUp = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The user, and the token of the session; its cookie is set.", body = SignedUp<'static>), Refusals<(OfBodyOrForm, OfPassword, (InvalidEmail, UserAlreadyExists, SetUpRequired, InvitationRequired, InvalidInvitation, SignUpClosed, TooManyAccounts), (TooManySignIns, MissingOrigin, InvalidOrigin, StoreUnavailable, Draining))>),
)]
pub(super) async fn up(
    State(access): State<Arc<Access>>,
    caller: Caller,
    site: Site,
    origin: Origin,
    headers: HeaderMap,
    BodyOrForm(body): BodyOrForm<SignUp>,
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
    let done = access.accounts.sign_up(new, entitlement, remember, &origin, Timestamp::now()).await?;
    note(&access, None, Action::SignedUp, &caller, Target::user(&done.user), &origin).await;
    signed_in(&access, &site, &done, SignedUp { token: &done.token, user: UserShape::of(&done.user) }).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignIn {
    #[schema(format = "email")]
    email: String,
    #[schema(format = "password")]
    password: String,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    remember_me: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn<'a> {
    redirect: bool,
    token: &'a str,
    user: UserShape<'a>,
}

/// Sign in.
///
/// Returns the token of a new session and sets its cookie.
#[utoipa::path(
    post,
    path = "/sign-in/email",
    tag = "Account",
    operation_id = "signIn",
    request_body(content((SignIn = "application/json"), (SignIn = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The user, and the token of the session; its cookie is set.", body = SignedIn<'static>), Refusals<(OfBodyOrForm, OfPassword, InvalidEmail, InvalidEmailOrPassword, (TooManySignIns, MissingOrigin, InvalidOrigin, StoreUnavailable, Draining))>),
)]
pub(super) async fn in_(
    State(access): State<Arc<Access>>,
    State(metrics): State<Arc<Metrics>>,
    caller: Caller,
    site: Site,
    origin: Origin,
    headers: HeaderMap,
    BodyOrForm(SignIn { email, password, remember_me }): BodyOrForm<SignIn>,
) -> Result<Response, ApiError> {
    check_origin(&site, &headers)?;
    let remember = remember_me.unwrap_or(true);
    let answer = access.accounts.sign_in(&email, &password, remember, &origin, Timestamp::now()).await;
    metrics.sign_ins.count(outcome(&answer));
    let done = answer?;
    note(&access, None, Action::SignedIn, &caller, Target::user(&done.user), &origin).await;
    let body = SignedIn { redirect: false, token: &done.token, user: UserShape::of(&done.user) };
    signed_in(&access, &site, &done, body).await
}

fn outcome<T>(answer: &Result<T, AccountError>) -> SignInOutcome {
    match answer {
        Ok(_) => SignInOutcome::SignedIn,
        Err(AccountError::TooManyRequests(_)) => SignInOutcome::Throttled,
        Err(AccountError::Records(_) | AccountError::Hash(_)) => SignInOutcome::Error,
        Err(_) => SignInOutcome::Failed,
    }
}

/// Rejects requests from pages of other sites, even without a cookie, so that no page can sign a visitor in. Clients
/// other than browsers send none of these headers and pass.
fn check_origin(site: &Site, headers: &HeaderMap) -> Result<(), ApiError> {
    let of_a_page = [header::ORIGIN, header::REFERER, HeaderName::from_static("sec-fetch-site")];
    if of_a_page.iter().any(|name| headers.contains_key(name)) { site.check_source(headers) } else { Ok(()) }
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedOut {
    success: bool,
}

/// Sign out.
///
/// Ends the current session and removes its cookie. The request also succeeds if the caller is not signed in.
#[utoipa::path(
    post,
    path = "/sign-out",
    tag = "Account",
    operation_id = "signOut",
    security((), ("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The session has ended; its cookie is removed.", body = SignedOut), Refusals<(MissingOrigin, InvalidOrigin, StoreUnavailable, Draining)>),
)]
pub(super) async fn out(
    State(access): State<Arc<Access>>,
    caller: Caller,
    site: Site,
    origin: Origin,
) -> Result<Response, ApiError> {
    if let Caller::Member(member) = &caller {
        access.accounts.sign_out(&member.token).await?;
        note(&access, None, Action::SignedOut, &caller, Target::user(&member.handle.user), &origin).await;
    }
    Ok(with_cookies(Json(SignedOut { success: true }), expired_cookies(site.secure)))
}
