//! The routes, one file per group.

use axum::{
    Router, middleware,
    routing::{delete, get, patch, post},
};

use crate::{App, Role, error, telemetry};

mod admin;
mod audit;
mod auth;
mod events;
mod health;
mod keys;
mod members;
mod pages;
pub(crate) use health::is_stalled;

pub(crate) mod stats;
pub(crate) mod users;

/// All routes of a server.
pub(crate) fn router(app: App) -> Router {
    let needs = |role| middleware::from_fn_with_state((app.clone(), role), crate::auth::require);
    let reading = Router::new()
        .route("/users", get(users::list))
        .route("/users/{userId}/journey", get(users::journey))
        .route("/stats", get(stats::stats))
        .route_layer(needs(Role::Analyst));
    let administration = Router::new()
        .route("/admin/roll", post(admin::roll))
        .route("/admin/compact", post(admin::compact))
        .route("/admin/members", get(members::list).post(members::add))
        .route("/admin/members/{id}", patch(members::change).delete(members::remove))
        .route("/admin/members/{id}/password", post(members::reset_password))
        .route("/admin/invitations", get(members::invitations).post(members::invite))
        .route("/admin/invitations/{id}", delete(members::withdraw))
        .route("/admin/audit", get(audit::list))
        .route("/admin/keys", get(keys::list).post(keys::make))
        .route("/admin/keys/{id}", delete(keys::revoke))
        .route("/admin/keys/{id}/rotate", post(keys::rotate))
        .route_layer(needs(Role::Admin));
    Router::new()
        .merge(events::router(&app))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .nest("/api/auth", auth::router())
        .merge(pages::router())
        .merge(reading)
        .merge(administration)
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.metrics().http.clone(), telemetry::observe))
        .with_state(app)
}
