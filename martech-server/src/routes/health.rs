//! Liveness, readiness and health figures.

mod figures;
mod obstacles;

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::obstacles::is_stalled;
use self::{
    figures::{BodiesHealth, DiskHealth, Health, ProjectHealth, status_of},
    obstacles::readiness_obstacle,
};
use crate::{
    http::{
        auth::Caller,
        error::{
            ApiError,
            catalogue::{self, Obstacle},
        },
        openapi::{
            Refusals,
            faults::{Draining, Full, SpoolFull, Stalled, Stopped, StoreFailing, StoreUnavailable},
        },
    },
    identity::{ProjectId, Role},
    routes::ApiState,
};

#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub(super) struct ProbeStatus {
    status: &'static str,
}

/// Check liveness.
///
/// Returns 200 while the process runs. The check does not access the store.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "Health",
    operation_id = "isAlive",
    responses((status = 200, description = "The process runs.", body = ProbeStatus)),
)]
pub(super) async fn live() -> Json<ProbeStatus> {
    Json(ProbeStatus { status: "alive" })
}

/// Check readiness.
///
/// Returns 200 if at least one project accepts events. With a spool, a project accepts events while MongoDB is
/// unavailable, until the spool is full.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Health",
    operation_id = "isReady",
    responses((status = 200, description = "The server accepts events.", body = ProbeStatus), Refusals<(Draining, Stopped, StoreFailing, StoreUnavailable, Full, Stalled, SpoolFull)>),
)]
pub(super) async fn ready(State(state): State<ApiState>) -> Result<Json<ProbeStatus>, ApiError> {
    let mut first = None;
    // One project that accepts events is enough: a full queue of one shop must not make the others unreachable.
    for project in state.projects.all() {
        match readiness_obstacle(&state, &project).await {
            None => return Ok(Json(ProbeStatus { status: "ready" })),
            Some(obstacle) => first = first.or(Some(obstacle)),
        }
    }
    Err(catalogue::not_ready(first.unwrap_or(Obstacle::Draining)))
}

/// Retrieve health figures.
///
/// Returns the status to every caller. Figures are included for the projects that the caller may read.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Health",
    operation_id = "getHealth",
    security((), ("bearer" = []), ("basic" = []), ("cookie" = [])),
    responses((status = 200, description = "The server accepts events.", body = Health), (status = 503, description = "The server does not accept events; `status` gives the reason.", body = Health)),
)]
pub(super) async fn health(State(state): State<ApiState>, caller: Result<Caller, ApiError>) -> Response {
    let caller = match caller {
        Err(error) if error.status == StatusCode::TOO_MANY_REQUESTS => return error.into_response(),
        // The account store may be unavailable, and the response must still report that.
        caller => caller.unwrap_or(Caller::Anonymous),
    };
    let (mut default, mut worst) = ProjectHealth::look(&state, state.projects.default()).await;
    let mut projects = BTreeMap::new();
    for project in state.projects.others() {
        let (shop, obstacle) = ProjectHealth::look(&state, &project).await;
        worst = worst.or(obstacle);
        if caller.may(Role::Analyst, project.id()).is_ok() {
            projects.insert(project.id().clone(), shop);
        }
    }
    default.checks.bodies = Some(BodiesHealth { bytes: state.bodies.held(), capacity_bytes: state.bodies.capacity() });
    default.checks.disk = Some(DiskHealth::look(&state.disk_space));
    let mut health = Health { status: status_of(worst), projects, ..Health::default() };
    if caller.may(Role::Analyst, &ProjectId::default()).is_ok() {
        health.version = Some(env!("CARGO_PKG_VERSION"));
        health.uptime_seconds = Some(state.lifecycle.uptime().as_secs());
        (health.checks, health.sink, health.stored_sink) =
            (Some(default.checks), Some(default.sink), default.stored_sink);
    }
    let status = if worst.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health)).into_response()
}
