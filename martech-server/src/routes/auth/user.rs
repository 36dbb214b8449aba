//! What people change of themselves.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    session::Done,
    wire::{Body, Signed, UserShape, signed_in},
};
use crate::{
    App,
    accounts::{Action, Origin},
    auth::Site,
    error::ApiError,
};

#[derive(Deserialize)]
pub(super) struct Update {
    #[serde(default)]
    name: Option<String>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    image: Option<Option<String>>,
    #[serde(default)]
    email: Option<serde_json::Value>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `POST /api/auth/update-user`
pub(super) async fn update(
    State(app): State<App>,
    Signed(member): Signed,
    Body(Update { name, image, email }): Body<Update>,
) -> Result<Json<Done>, ApiError> {
    if email.is_some() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated"));
    }
    if name.is_none() && image.is_none() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", "No fields to update"));
    }
    let image = image.as_ref().map(Option::as_deref);
    app.access().accounts.update_user(member.handle.user, name.as_deref(), image, Timestamp::now()).await?;
    Ok(Done::DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangePassword {
    current_password: String,
    new_password: String,
    #[serde(default)]
    revoke_other_sessions: bool,
}

#[derive(Serialize)]
struct Changed<'a> {
    token: Option<&'a str>,
    user: UserShape<'a>,
}

/// `POST /api/auth/change-password`
pub(super) async fn change_password(
    State(app): State<App>,
    Signed(member): Signed,
    site: Site,
    origin: Origin,
    Body(ChangePassword { current_password, new_password, revoke_other_sessions }): Body<ChangePassword>,
) -> Result<Response, ApiError> {
    let begun = app.access().accounts.change_password(
        &member.handle,
        &current_password,
        &new_password,
        revoke_other_sessions,
        &origin,
        Timestamp::now(),
    );
    let begun = begun.await?;
    let user_id = Some(member.handle.user.id.as_str());
    app.access().accounts.note(Action::PasswordChanged, None, user_id, user_id, &origin, Timestamp::now()).await;
    match begun {
        Some(begun) => {
            let changed = Changed { token: Some(&begun.token), user: UserShape::of(&begun.user) };
            signed_in(&app, &site, &begun, changed).await
        }
        None => Ok(Json(Changed { token: None, user: UserShape::of(&member.handle.user) }).into_response()),
    }
}
