//! Changes to the signed-in user's own account.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    session::Done,
    wire::{Body, Signed, UserShape, signed_in},
};
use crate::{
    http::{
        auth::{Access, Site},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{EmailCanNotBeUpdated, InvalidPassword, OfBody, OfPassword, TooManySignIns},
        },
    },
    identity::{Action, Origin, Target},
    util::given,
};

#[derive(Deserialize, ToSchema)]
pub(super) struct UpdateUser {
    #[serde(default)]
    #[schema(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// `null` removes the picture.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^https://[!-~]*$", max_length = 2048)]
    image: Option<Option<String>>,
    /// Cannot be changed: the server rejects requests with this field.
    #[serde(default)]
    #[schema(ignore)]
    email: Option<serde_json::Value>,
}

/// Update your profile.
///
/// Changes your name or picture. Absent fields keep their value.
#[utoipa::path(
    post,
    path = "/update-user",
    tag = "Account",
    operation_id = "updateUser",
    request_body = UpdateUser,
    responses((status = 200, description = "The profile has changed.", body = Done), Refusals<(OfBody, EmailCanNotBeUpdated)>),
)]
pub(super) async fn update(
    State(access): State<Arc<Access>>,
    Signed(member): Signed,
    Body(UpdateUser { name, image, email }): Body<UpdateUser>,
) -> Result<Json<Done>, ApiError> {
    if email.is_some() {
        return Err(catalogue::email_can_not_be_updated());
    }
    if name.is_none() && image.is_none() {
        return Err(catalogue::validation_error("No fields to update"));
    }
    let image = image.as_ref().map(Option::as_deref);
    let id = &member.handle.user.id;
    access.accounts.update_user(id, name.as_deref(), image, Timestamp::now()).await?;
    Ok(Done::DONE)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangePassword {
    #[schema(format = "password")]
    current_password: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    new_password: String,
    #[serde(default)]
    revoke_other_sessions: bool,
}

#[derive(Serialize, ToSchema)]
struct ChangedPassword<'a> {
    token: Option<&'a str>,
    user: UserShape<'a>,
}

/// Change your password.
///
/// With `revokeOtherSessions`, all your sessions end, and the response contains the token of a new one.
#[utoipa::path(
    post,
    path = "/change-password",
    tag = "Account",
    operation_id = "changePassword",
    request_body = ChangePassword,
    responses((status = 200, description = "The user. If other sessions were ended, also the token of a new session and its cookie.", body = ChangedPassword<'static>), Refusals<(OfBody, OfPassword, InvalidPassword, TooManySignIns)>),
)]
pub(super) async fn change_password(
    State(access): State<Arc<Access>>,
    Signed(member): Signed,
    site: Site,
    origin: Origin,
    Body(ChangePassword { current_password, new_password, revoke_other_sessions }): Body<ChangePassword>,
) -> Result<Response, ApiError> {
    let begun = access.accounts.change_password(
        &member.handle,
        &current_password,
        &new_password,
        revoke_other_sessions,
        &origin,
        Timestamp::now(),
    );
    let begun = begun.await?;
    let (accounts, user) = (&access.accounts, &member.handle.user);
    accounts.note(Action::PasswordChanged, None, Some(&user.id), Target::user(user), &origin, Timestamp::now()).await;
    match begun {
        Some(begun) => {
            let changed = ChangedPassword { token: Some(&begun.token), user: UserShape::of(&begun.user) };
            signed_in(&access, &site, &begun, changed).await
        }
        None => Ok(Json(ChangedPassword { token: None, user: UserShape::of(&member.handle.user) }).into_response()),
    }
}
