//! What an operator can ask the store to do now rather than later.

use axum::{Json, http::StatusCode};
use martech_core::{
    event::Timestamp,
    lake::{Lake, LakeStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    openapi::{
        Refusals,
        faults::{NoRetention, NotTheEmbeddedStore},
    },
    projects::Project,
};

/// Writes what is in memory to Parquet.
///
/// Answers when it is there.
#[utoipa::path(
    post,
    path = "/admin/roll",
    tag = "Server",
    operation_id = "roll",
    responses((status = 200, description = "What the lake holds then.", body = LakeStatus), Refusals<NotTheEmbeddedStore>),
)]
pub(super) async fn roll(project: Project) -> Result<Json<LakeStatus>, ApiError> {
    let lake = lake(&project)?;
    lake.roll().await?;
    Ok(Json(lake.status()))
}

/// Merges the small files of each day.
///
/// Answers when that is done.
#[utoipa::path(
    post,
    path = "/admin/compact",
    tag = "Server",
    operation_id = "compact",
    responses((status = 200, description = "What the lake holds then.", body = LakeStatus), Refusals<NotTheEmbeddedStore>),
)]
pub(super) async fn compact(project: Project) -> Result<Json<LakeStatus>, ApiError> {
    let lake = lake(&project)?;
    lake.compact().await?;
    Ok(Json(lake.status()))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Forgotten {
    forgotten: u64,
}

/// Removes the events that are older than the project keeps them.
///
/// Now, not only within the hour.
#[utoipa::path(
    post,
    path = "/admin/forget",
    tag = "Server",
    operation_id = "forget",
    responses((status = 200, description = "How many were removed.", body = Forgotten), Refusals<NoRetention>),
)]
pub(super) async fn forget(project: Project) -> Result<Json<Forgotten>, ApiError> {
    match project.forget(Timestamp::now()).await? {
        Some(forgotten) => Ok(Json(Forgotten { forgotten })),
        None => {
            let message = "this project keeps its events for ever; give it retentionDays first";
            Err(ApiError::new(StatusCode::CONFLICT, "no_retention", message))
        }
    }
}

/// Only the embedded store has files to care for.
fn lake(project: &Project) -> Result<&Lake, ApiError> {
    project.backend().lake().ok_or_else(|| {
        let message = "events are kept in MongoDB here, which has no files to roll or to compact";
        ApiError::new(StatusCode::CONFLICT, "not_the_embedded_store", message)
    })
}
