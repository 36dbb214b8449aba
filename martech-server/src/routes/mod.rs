//! The routes of the HTTP API and of the pages, one module per group.

use axum::{Router, extract::Request, middleware, response::Response};
use futures_util::future::Either;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        auth::{self as authentication, Need},
        bodies::RequestBody,
        connections::{ReceivedBody, Respond},
        error, framing, headers,
        observe::observe,
        openapi, params, rate_limits,
    },
    identity::Role,
};

mod admin;
mod audit;
mod auth;
mod dashboard;
mod docs;
mod events;
mod health;
mod imports;
mod invitations;
mod keys;
mod members;
pub(crate) mod metrics;
mod page;
mod projects;
pub(crate) mod queries;
mod rejects;
pub(crate) mod state;
pub(crate) mod stats;
mod stream;
mod tables;
pub(crate) mod users;

pub(crate) use self::{health::is_stalled, state::ApiState};

/// The routes of a server.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    state: ApiState,
    router: TowerToHyperService<Router>,
}

impl Routes {
    pub(crate) fn new(state: ApiState) -> Self {
        Self { router: TowerToHyperService::new(router(state.clone())), state }
    }
}

impl Routes {
    /// Returns the response to a request.
    pub(crate) fn answer<B: RequestBody + 'static>(
        self,
        request: Request<B>,
    ) -> impl Future<Output = Response> + Send + 'static {
        if events::is_ingest(&request) {
            // Boxed, because a connection reserves memory for the future even while it is idle.
            return Either::Left(Box::pin(async move { events::answer(&self.state, request).await }));
        }
        let answer = self.router.call(request);
        Either::Right(async move { answer.await.unwrap_or_else(|never| match never {}) })
    }
}

impl Respond for Routes {
    fn respond(self, request: Request<ReceivedBody>) -> impl Future<Output = Response> + Send + 'static {
        self.answer(request)
    }
}

/// Returns the router with all routes of a server.
fn router(state: ApiState) -> Router {
    let (routes, api) = described(&state).split_for_parts();
    let limit = middleware::from_fn_with_state(state.limiter(), rate_limits::limit);
    let reads = |pages: Router<ApiState>| pages.route_layer(limit.clone());
    routes
        .merge(reads(docs::router(openapi::finish(api))))
        .merge(reads(dashboard::router()))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn(framing::layer))
        .layer(middleware::from_fn_with_state(state.observer.clone(), observe))
        .layer(middleware::from_fn(headers::add))
        .with_state(state)
}

/// Returns the routes of the API with their OpenAPI description.
pub(crate) fn described(state: &ApiState) -> OpenApiRouter<ApiState> {
    // Requests are counted before authentication, so that unauthenticated requests count too.
    let counted = |mut routes: OpenApiRouter<ApiState>| {
        openapi::counted(routes.get_openapi_mut());
        routes.route_layer(middleware::from_fn_with_state(state.limiter(), rate_limits::limit))
    };
    let needing = |need, mut routes: OpenApiRouter<ApiState>| {
        openapi::needing(routes.get_openapi_mut(), need);
        counted(routes.route_layer(middleware::from_fn_with_state(
            (state.access.clone(), state.projects.clone(), need),
            authentication::require,
        )))
    };
    let strict = |routes: OpenApiRouter<ApiState>| routes.route_layer(middleware::from_fn(params::no_others));
    let reading = OpenApiRouter::new()
        .routes(routes!(users::list))
        .routes(routes!(users::journey))
        .routes(routes!(stats::stats))
        .routes(routes!(stream::stream));
    let administration = OpenApiRouter::new()
        .routes(routes!(admin::roll))
        .routes(routes!(admin::compact))
        .routes(routes!(admin::forget))
        .routes(routes!(members::add))
        .routes(routes!(invitations::add))
        .routes(routes!(invitations::remove))
        .routes(routes!(keys::make))
        .routes(routes!(keys::update, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(imports::list))
        .routes(routes!(imports::get, imports::remove))
        .routes(routes!(imports::run))
        .routes(routes!(imports::rejects));
    // Handlers of lists parse their query parameters themselves, so these routes are not `strict`.
    let lists = OpenApiRouter::new()
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(invitations::list))
        .routes(routes!(keys::list))
        .routes(routes!(rejects::list))
        .routes(routes!(imports::upload));
    let of_server = strict(OpenApiRouter::new().routes(routes!(members::reset_password))).routes(routes!(audit::list));
    let owned = strict(OpenApiRouter::new().routes(routes!(projects::make)).routes(routes!(projects::make_sample)))
        .routes(routes!(projects::remove));
    let shops = strict(OpenApiRouter::new().routes(routes!(projects::change))).routes(routes!(projects::list));
    OpenApiRouter::with_openapi(openapi::base())
        .merge(events::router(state))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .merge(counted(OpenApiRouter::new().routes(routes!(health::health))))
        .nest("/api/auth", counted(auth::router()))
        .merge(needing(Need::InProject(Role::Analyst), reading))
        .merge(needing(Need::InProject(Role::Admin), strict(administration)))
        .merge(needing(Need::InProject(Role::Admin), lists))
        .merge(needing(Need::InServer(Role::Admin), of_server))
        .merge(needing(Need::InServer(Role::Owner), owned))
        .merge(needing(Need::Nothing, shops))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{
        body::Body,
        extract::Request,
        http::{Method, StatusCode},
    };
    use tower::ServiceExt;

    use super::*;
    use crate::config::ServeArgs;

    /// The pages for people, which are not part of the API description.
    const PAGES: [&str; 9] = [
        "/",
        "/api-docs",
        "/api-docs/",
        "/api-docs/openapi.json",
        "/api-docs/{file}",
        "/dashboard",
        "/dashboard/",
        "/dashboard/{*path}",
        "/sign-up",
    ];

    /// Extracts the paths of a router from its `Debug` output.
    fn paths(router: &Router) -> BTreeSet<String> {
        let shown = format!("{router:?}");
        shown
            .split('"')
            .filter(|part| part.starts_with('/') && !part.contains("__private"))
            .map(str::to_owned)
            .collect()
    }

    #[tokio::test]
    async fn every_route_is_described() {
        let dir = tempfile::tempdir().unwrap();
        let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.path().as_os_str()]);
        let state = crate::App::open(&args).await.unwrap().state();
        let described = described(&state).into_openapi().paths.paths;
        let expected: BTreeSet<String> = described.keys().cloned().chain(PAGES.map(str::to_owned)).collect();
        let router = router(state);
        assert_eq!(paths(&router), expected);
        for (path, item) in described {
            let own = [
                (Method::GET, item.get),
                (Method::POST, item.post),
                (Method::PUT, item.put),
                (Method::PATCH, item.patch),
                (Method::DELETE, item.delete),
            ];
            for (method, operation) in own {
                let path = path.replace(['{', '}'], "");
                let request = Request::builder().method(&method).uri(&path).header("host", "x").body(Body::empty());
                let status = router.clone().oneshot(request.unwrap()).await.unwrap().status();
                let is_described = operation.is_some();
                assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, is_described, "{method} {path}: {status}");
            }
        }
    }
}
