//! Accounts and sessions, with the routes and JSON shapes of
//! [Better Auth](https://www.better-auth.com/docs/concepts/api), so that its clients work unchanged.

mod session;
mod sign;
mod user;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) use self::wire::Body;
use crate::{http::openapi, routes::ApiState};

pub(super) fn router() -> OpenApiRouter<ApiState> {
    let mut own = OpenApiRouter::new()
        .routes(routes!(session::list))
        .routes(routes!(session::revoke))
        .routes(routes!(session::revoke_all))
        .routes(routes!(session::revoke_others))
        .routes(routes!(user::update))
        .routes(routes!(user::change_password));
    openapi::needing_session(own.get_openapi_mut());
    let open = OpenApiRouter::new()
        .routes(routes!(sign::up))
        .routes(routes!(sign::in_))
        .routes(routes!(sign::out))
        .routes(routes!(session::get));
    open.merge(own)
}
