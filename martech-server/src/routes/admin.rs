//! Maintenance that an admin can start now instead of waiting for the schedule.

use axum::Json;
use martech_core::{
    event::Timestamp,
    lake::{Lake, LakeStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{NoRetention, NotTheEmbeddedStore},
        },
    },
    projects::Project,
};

/// Write events to Parquet.
///
/// Writes the events in memory to Parquet files. The server responds when all events that were stored before the
/// request are in files.
#[utoipa::path(
    post,
    path = "/admin/roll",
    tag = "Server",
    operation_id = "roll",
    responses((status = 200, description = "The figures of the store afterwards.", body = LakeStatus), Refusals<NotTheEmbeddedStore>),
)]
pub(super) async fn roll(project: Project) -> Result<Json<LakeStatus>, ApiError> {
    let lake = lake(&project)?;
    lake.roll().await?;
    Ok(Json(lake.status()))
}

/// Compact files.
///
/// Merges the small files of each day. The server responds when the compaction is complete.
#[utoipa::path(
    post,
    path = "/admin/compact",
    tag = "Server",
    operation_id = "compact",
    responses((status = 200, description = "The figures of the store afterwards.", body = LakeStatus), Refusals<NotTheEmbeddedStore>),
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

/// Apply the retention.
///
/// Removes events that are older than the retention of the project. The server also does this every hour.
#[utoipa::path(
    post,
    path = "/admin/forget",
    tag = "Server",
    operation_id = "forget",
    responses((status = 200, description = "The number of removed events.", body = Forgotten), Refusals<NoRetention>),
)]
pub(super) async fn forget(project: Project) -> Result<Json<Forgotten>, ApiError> {
    match project.apply_retention(Timestamp::now()).await? {
        Some(forgotten) => Ok(Json(Forgotten { forgotten })),
        None => Err(catalogue::no_retention()),
    }
}

/// Returns the embedded store of a project, or an error if its events are in MongoDB.
fn lake(project: &Project) -> Result<&Lake, ApiError> {
    project.backend().lake().ok_or_else(catalogue::not_the_embedded_store)
}
