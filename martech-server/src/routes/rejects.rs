//! The last rejections of a project.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        error::ApiError,
        openapi::{Refusals, faults::InvalidParameter},
        params::Params,
    },
    projects::{Project, RejectEntry},
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rejects {
    rejects: Vec<RejectEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List the last rejections.
///
/// Returns the events and bodies that the server rejected or refused, with the reason and the sender, newest first. The
/// list is in the memory of this server and has at most 1,000 entries. Rejections of one kind within ten minutes are one
/// entry: they have the code, the field, the key, the origin and the event type in common.
#[utoipa::path(
    get,
    path = "/admin/rejects",
    tag = "Server",
    operation_id = "listRejects",
    params(
        ("limit" = Option<u32>, Query, description = "The maximum number of entries; 100 by default.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, pattern = "^[0-9A-Fa-f]{16}$", description = "The `nextCursor` of the previous page.")
    ),
    responses((status = 200, description = "A page of rejections.", body = Rejects), Refusals<InvalidParameter>),
)]
pub(super) async fn list(project: Project, mut params: Params) -> Result<Json<Rejects>, ApiError> {
    let limit = params.limit()?;
    let cursor =
        params.one("cursor", |text| match text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => u64::from_str_radix(text, 16).map_err(|_| NO_CURSOR),
            false => Err(NO_CURSOR),
        })?;
    params.finish()?;
    let mut entries = project.rejects().list(cursor, limit + 1);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| more).map(|(number, _)| format!("{number:016x}"));
    Ok(Json(Rejects { rejects: entries.into_iter().map(|(_, entry)| entry).collect(), next_cursor }))
}

const NO_CURSOR: &str = "must be the nextCursor of a page of this list";
