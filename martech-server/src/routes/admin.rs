//! What an operator can ask the store to do now rather than later.

use axum::{Json, extract::State};
use martech_core::lake::LakeStatus;

use crate::{App, error::ApiError, params::Params};

/// Writes what is in memory to Parquet; answers when it is there.
pub(super) async fn roll(State(app): State<App>, params: Params) -> Result<Json<LakeStatus>, ApiError> {
    params.finish()?;
    app.lake().roll().await?;
    Ok(Json(app.lake().status()))
}

/// Merges the small files of each day; answers when that is done.
pub(super) async fn compact(State(app): State<App>, params: Params) -> Result<Json<LakeStatus>, ApiError> {
    params.finish()?;
    app.lake().compact().await?;
    Ok(Json(app.lake().status()))
}
