//! The audit log of the server.

use std::sync::Arc;

use axum::{Json, extract::State};
use martech_core::event::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        auth::{Access, Caller},
        error::ApiError,
        openapi::{Refusals, faults::InvalidParameter},
        params::Params,
    },
    identity::{Action, Entry, Origin, ProjectId, Target},
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditLog {
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List audit log entries.
///
/// Returns sign-ins, and changes to accounts, members, invitations, keys and projects, newest first.
#[utoipa::path(
    get,
    path = "/admin/audit",
    tag = "Server",
    operation_id = "listAudit",
    params(
        ("limit" = Option<u32>, Query, description = "The maximum number of entries; 100 by default.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, pattern = "^[0-9A-Fa-f]{48}$", description = "The `nextCursor` of the previous page.")
    ),
    responses((status = 200, description = "A page of entries.", body = AuditLog), Refusals<InvalidParameter>),
)]
pub(super) async fn list(State(access): State<Arc<Access>>, mut params: Params) -> Result<Json<AuditLog>, ApiError> {
    let limit = params.limit()?;
    let cursor =
        params.one("cursor", |text| match text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len() == 48 {
            true => Ok(text.to_owned()),
            false => Err("must be the nextCursor of a page of this list"),
        })?;
    params.finish()?;
    let mut entries = access.accounts.audit(cursor.as_deref(), limit + 1).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| more).map(|entry| entry.id.clone());
    Ok(Json(AuditLog { entries, next_cursor }))
}

/// Adds an entry to the audit log. `project` is `None` for actions that concern the whole server.
pub(super) async fn note(
    access: &Access,
    project: Option<&ProjectId>,
    action: Action,
    caller: &Caller,
    target: Target<'_>,
    origin: &Origin,
) {
    access.accounts.note(action, project, caller.name(), target, origin, Timestamp::now()).await;
}
