//! Keys: made, shown without what opens anything, given another secret, revoked.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{audit::note, auth::Body, members::actor};
use crate::{
    App,
    accounts::{AccountError, Action, ApiKey, KeyKind, NewKey, Origin},
    auth::{Caller, WebOrigin},
    error::ApiError,
    params::Named,
    projects::Project,
};

/// A key as a list shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    id: String,
    name: String,
    kind: KeyKind,
    /// The end of its secret.
    hint: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// Of one that was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for Shown {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, hint, name, kind, origins, created_by, created_at, last_used_at, expires_at, .. } = key;
        Self { id, name, kind, hint, origins, created_by, created_at, last_used_at, expires_at }
    }
}

#[derive(Serialize)]
pub(super) struct Keys {
    keys: Vec<Shown>,
}

/// `GET /admin/keys`
pub(super) async fn list(State(app): State<App>, project: Project) -> Result<Json<Keys>, ApiError> {
    let keys = app.access().accounts.keys(project.id(), Timestamp::now()).await?;
    Ok(Json(Keys { keys: keys.into_iter().map(Shown::from).collect() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    kind: KeyKind,
    #[serde(default)]
    origins: Vec<String>,
}

#[derive(Serialize)]
struct Made {
    /// Told here and nowhere else.
    key: String,
    #[serde(flatten)]
    shown: Shown,
}

/// `POST /admin/keys`
pub(super) async fn make(
    State(app): State<App>,
    project: Project,
    caller: Caller,
    origin: Origin,
    Body(Wanted { name, kind, origins }): Body<Wanted>,
) -> Result<Response, ApiError> {
    let parse = |(index, origin): (usize, String)| match origin.parse::<WebOrigin>() {
        Ok(origin) => Ok(origin.to_string()),
        Err(expected) => {
            let message = format!("`{origin}` is not {expected}");
            Err(ApiError::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message).at(format!("origins.{index}")))
        }
    };
    let origins = origins.into_iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    let new = NewKey { name, kind, origins };
    let (actor, accounts) = (actor(&caller, &project)?, &app.access().accounts);
    let (key, made) = accounts.make_key(&actor, project.id(), new, Timestamp::now()).await?;
    note(&app, Some(project.id()), Action::KeyMade, &caller, Some(&made.id), &origin).await;
    Ok((StatusCode::CREATED, Json(Made { key, shown: made.into() })).into_response())
}

/// `POST /admin/keys/{id}/rotate`
pub(super) async fn rotate(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<Response, ApiError> {
    let (actor, accounts) = (actor(&caller, &project)?, &app.access().accounts);
    let (key, made) = accounts.rotate_key(&actor, project.id(), &id, Timestamp::now()).await?;
    note(&app, Some(project.id()), Action::KeyRotated, &caller, Some(&id), &origin).await;
    Ok((StatusCode::CREATED, Json(Made { key, shown: made.into() })).into_response())
}

/// `DELETE /admin/keys/{id}`
pub(super) async fn revoke(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    if !app.access().accounts.revoke_key(project.id(), &id, Timestamp::now()).await? {
        return Err(AccountError::NoSuchKey.into());
    }
    note(&app, Some(project.id()), Action::KeyRevoked, &caller, Some(&id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}
