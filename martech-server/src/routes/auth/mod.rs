//! Accounts and sessions, in the routes and shapes of [Better Auth](https://www.better-auth.com/docs/concepts/api), so that
//! its clients can be used as they are.

mod session;
mod sign;
mod user;
mod wire;

use axum::{
    Router,
    routing::{get, post},
};

pub(super) use self::wire::Body;
use crate::App;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/sign-up/email", post(sign::up))
        .route("/sign-in/email", post(sign::in_))
        .route("/sign-out", post(sign::out))
        .route("/get-session", get(session::get))
        .route("/list-sessions", get(session::list))
        .route("/revoke-session", post(session::revoke))
        .route("/revoke-sessions", post(session::revoke_all))
        .route("/revoke-other-sessions", post(session::revoke_others))
        .route("/update-user", post(user::update))
        .route("/change-password", post(user::change_password))
}
