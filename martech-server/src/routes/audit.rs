//! What was done about accounts and keys.

use axum::{Json, extract::State};
use martech_core::event::Timestamp;
use serde::Serialize;

use crate::{
    App,
    accounts::{Action, Entry, Origin},
    auth::Caller,
    error::ApiError,
    params::Params,
    projects::ProjectId,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entries {
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// `GET /admin/audit?limit=&cursor=`: newest first.
pub(super) async fn list(State(app): State<App>, mut params: Params) -> Result<Json<Entries>, ApiError> {
    let limit = params.limit()?;
    let cursor =
        params.one("cursor", |text| match text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len() == 48 {
            true => Ok(text.to_owned()),
            false => Err("is none of those that a page names as its nextCursor"),
        })?;
    params.finish()?;
    let mut entries = app.access().accounts.audit(cursor.as_deref(), limit + 1).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| more).map(|entry| entry.id.clone());
    Ok(Json(Entries { entries, next_cursor }))
}

/// Writes down what somebody has done, in a project or to the server.
pub(super) async fn note(
    app: &App,
    project: Option<&ProjectId>,
    action: Action,
    caller: &Caller,
    target: Option<&str>,
    origin: &Origin,
) {
    app.access().accounts.note(action, project, caller.name(), target, origin, Timestamp::now()).await;
}
