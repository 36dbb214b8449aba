//! What an operator can ask the store to do now rather than later.

use axum::{Json, extract::State, http::StatusCode};
use martech_core::lake::{Lake, LakeStatus};

use crate::{App, error::ApiError, params::Params};

/// Writes what is in memory to Parquet; answers when it is there.
pub(super) async fn roll(State(app): State<App>, params: Params) -> Result<Json<LakeStatus>, ApiError> {
    params.finish()?;
    let lake = lake(&app)?;
    lake.roll().await?;
    Ok(Json(lake.status()))
}

/// Merges the small files of each day; answers when that is done.
pub(super) async fn compact(State(app): State<App>, params: Params) -> Result<Json<LakeStatus>, ApiError> {
    params.finish()?;
    let lake = lake(&app)?;
    lake.compact().await?;
    Ok(Json(lake.status()))
}

/// Only the embedded store has files to care for.
fn lake(app: &App) -> Result<&Lake, ApiError> {
    app.backend().lake().ok_or_else(|| {
        let message = "events are kept in MongoDB here, which has no files to roll or to compact";
        ApiError::new(StatusCode::CONFLICT, "not_the_embedded_store", message)
    })
}
