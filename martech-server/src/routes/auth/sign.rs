//! Signing up, in and out.

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
    App,
    accounts::{Action, Entitlement, NewUser, Origin, Target},
    auth::{Caller, Site, expired_cookies, with_cookies},
    body::given,
    error::ApiError,
    metrics::SignInOutcome,
    openapi::{
        Refusals,
        faults::{
            Draining, InvalidEmail, InvalidEmailOrPassword, InvalidInvitation, InvalidOrigin, InvitationRequired,
            MissingOrigin, OfBodyOrForm, OfPassword, SetUpRequired, SignUpClosed, StoreUnavailable, TooManyAccounts,
            TooManySignIns, UserAlreadyExists,
        },
    },
};

// Of what may be left out nothing is `null`: a form has none, and Better Auth takes none here.
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
    /// The token of an invitation. Not one of Better Auth's.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    invitation: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedUp<'a> {
    token: &'a str,
    user: UserShape<'a>,
}

/// Makes an account, and signs in.
///
/// The first account needs the admin token as bearer, or the token of the set-up link as `invitation`. Others need an invitation, unless the server is open to all.
#[utoipa::path(
    post,
    path = "/sign-up/email",
    tag = "Account",
    operation_id = "signUp",
    security((), ("bearer" = [])),
    request_body(content((SignUp = "application/json"), (SignUp = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The account; a cookie is set.", body = SignedUp<'static>), Refusals<(OfBodyOrForm, OfPassword, (InvalidEmail, UserAlreadyExists, SetUpRequired, InvitationRequired, InvalidInvitation, SignUpClosed, TooManyAccounts), (TooManySignIns, MissingOrigin, InvalidOrigin, StoreUnavailable, Draining))>),
)]
pub(super) async fn up(
    State(app): State<App>,
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
    let done = app.access().accounts.sign_up(new, entitlement, remember, &origin, Timestamp::now()).await?;
    note(&app, None, Action::SignedUp, &caller, Target::user(&done.user), &origin).await;
    signed_in(&app, &site, &done, SignedUp { token: &done.token, user: UserShape::of(&done.user) }).await
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
#[schema(as = SignedIn)]
pub(super) struct Welcome<'a> {
    redirect: bool,
    token: &'a str,
    user: UserShape<'a>,
}

/// Signs in.
#[utoipa::path(
    post,
    path = "/sign-in/email",
    tag = "Account",
    operation_id = "signIn",
    request_body(content((SignIn = "application/json"), (SignIn = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The token of the session; a cookie is set.", body = Welcome<'static>), Refusals<(OfBodyOrForm, OfPassword, InvalidEmail, InvalidEmailOrPassword, (TooManySignIns, MissingOrigin, InvalidOrigin, StoreUnavailable, Draining))>),
)]
pub(super) async fn in_(
    State(app): State<App>,
    caller: Caller,
    site: Site,
    origin: Origin,
    headers: HeaderMap,
    BodyOrForm(SignIn { email, password, remember_me }): BodyOrForm<SignIn>,
) -> Result<Response, ApiError> {
    check_origin(&site, &headers)?;
    let remember = remember_me.unwrap_or(true);
    let answer = app.access().accounts.sign_in(&email, &password, remember, &origin, Timestamp::now()).await;
    app.metrics().sign_ins.count(SignInOutcome::of(&answer));
    let done = answer?;
    note(&app, None, Action::SignedIn, &caller, Target::user(&done.user), &origin).await;
    let welcome = Welcome { redirect: false, token: &done.token, user: UserShape::of(&done.user) };
    signed_in(&app, &site, &done, welcome).await
}

/// A page of somebody else signs nobody in, even where there is no cookie yet. Programs say nothing of pages.
fn check_origin(site: &Site, headers: &HeaderMap) -> Result<(), ApiError> {
    let of_a_page = [header::ORIGIN, header::REFERER, HeaderName::from_static("sec-fetch-site")];
    if of_a_page.iter().any(|name| headers.contains_key(name)) { site.check_source(headers) } else { Ok(()) }
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedOut {
    success: bool,
}

/// Signs out.
///
/// Who is not signed in is signed out.
#[utoipa::path(
    post,
    path = "/sign-out",
    tag = "Account",
    operation_id = "signOut",
    security((), ("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Done; the cookie is taken away.", body = SignedOut), Refusals<(MissingOrigin, InvalidOrigin, StoreUnavailable, Draining)>),
)]
pub(super) async fn out(
    State(app): State<App>,
    caller: Caller,
    site: Site,
    origin: Origin,
) -> Result<Response, ApiError> {
    if let Caller::Member(member) = &caller {
        app.access().accounts.sign_out(&member.token).await?;
        note(&app, None, Action::SignedOut, &caller, Target::user(&member.handle.user), &origin).await;
    }
    Ok(with_cookies(Json(SignedOut { success: true }), expired_cookies(site.secure)))
}
