//! The routes, one file per group.

use axum::{
    Router, middleware,
    routing::{get, post},
};

use crate::{App, auth, error, telemetry};

mod admin;
mod events;
mod health;
pub(crate) mod stats;
pub(crate) mod users;

/// All routes of a server.
pub(crate) fn router(app: App) -> Router {
    let protected = Router::new()
        .route("/users", get(users::list))
        .route("/users/{userId}/journey", get(users::journey))
        .route("/stats", get(stats::stats))
        .route("/admin/roll", post(admin::roll))
        .route("/admin/compact", post(admin::compact))
        .route_layer(middleware::from_fn_with_state(app.clone(), auth::require_admin));
    Router::new()
        .route("/events", post(events::ingest))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .merge(protected)
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn(telemetry::observe))
        .with_state(app)
}
