//! The routes, one file per group.

use axum::{
    Router, middleware,
    routing::{delete, get, patch, post},
};

use crate::{
    App, Role,
    auth::Need,
    error,
    limits::{self, Traffic},
    telemetry,
};

mod admin;
mod audit;
mod auth;
mod events;
mod headers;
mod health;
mod host;
mod keys;
mod members;
mod pages;
mod projects;
pub(crate) mod stats;
pub(crate) mod users;

pub(crate) use health::is_stalled;

/// All routes of a server.
pub(crate) fn router(app: App) -> Router {
    let needs = |need| middleware::from_fn_with_state((app.clone(), need), crate::auth::require);
    // Before anybody is asked who they are.
    let counted = || middleware::from_fn_with_state((app.clone(), Traffic::Reads), limits::limit);
    let reading = Router::new()
        .route("/users", get(users::list))
        .route("/users/{userId}/journey", get(users::journey))
        .route("/stats", get(stats::stats))
        .route_layer(needs(Need::InProject(Role::Analyst)))
        .route_layer(counted());
    let administration = Router::new()
        .route("/admin/roll", post(admin::roll))
        .route("/admin/compact", post(admin::compact))
        .route("/admin/forget", post(admin::forget))
        .route("/admin/members", get(members::list).post(members::add))
        .route("/admin/members/{id}", patch(members::change).delete(members::remove))
        .route("/admin/invitations", get(members::invitations).post(members::invite))
        .route("/admin/invitations/{id}", delete(members::withdraw))
        .route("/admin/keys", get(keys::list).post(keys::make))
        .route("/admin/keys/{id}", delete(keys::revoke))
        .route("/admin/keys/{id}/rotate", post(keys::rotate))
        .route_layer(needs(Need::InProject(Role::Admin)))
        .route_layer(counted());
    let of_server = Router::new()
        .route("/admin/members/{id}/password", post(members::reset_password))
        .route("/admin/audit", get(audit::list))
        .route_layer(needs(Need::InServer(Role::Admin)))
        .route_layer(counted());
    let owned = Router::new()
        .route("/admin/projects", post(projects::make))
        .route("/admin/projects/{id}", delete(projects::remove))
        .route_layer(needs(Need::InServer(Role::Owner)))
        .route_layer(counted());
    let shops = Router::new()
        .route("/admin/projects", get(projects::list))
        .route("/admin/projects/{id}", patch(projects::change))
        .route_layer(needs(Need::Nothing))
        .route_layer(counted());
    Router::new()
        .merge(events::router(&app).layer(middleware::from_fn(headers::share)))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .nest("/api/auth", auth::router().route_layer(counted()))
        .merge(pages::router())
        .merge(reading)
        .merge(administration)
        .merge(of_server)
        .merge(owned)
        .merge(shops)
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn(host::check))
        .layer(middleware::from_fn_with_state(app.metrics().http.clone(), telemetry::observe))
        .layer(middleware::from_fn(headers::add))
        .with_state(app)
}
