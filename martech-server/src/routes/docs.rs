//! `/api-docs`: the OpenAPI description, and Swagger UI to read it and to try out requests. All files are in the
//! binary.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use axum::{
    Extension, Router,
    extract::Path,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::{
    http::{connections::InMemoryAnyway, error::catalogue},
    routes::ApiState,
};

const DESCRIPTION: &str = "/api-docs/openapi.json";

/// Blocks resources from other hosts. Swagger UI needs inline styles and `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    // Swagger UI has more than a megabyte and changes only with the version of the server.
    (header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
];

/// Swagger UI sends the session cookie of a signed-in user, or the key or token that the user enters.
static SWAGGER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        Config::from(DESCRIPTION)
            .deep_linking(true)
            .display_request_duration(true)
            .try_it_out_enabled(true)
            .with_credentials(true)
            .validator_url("none"),
    )
});

pub(super) fn router(api: OpenApi) -> Router<ApiState> {
    let description = api.to_json().map(Bytes::from).expect("a description is JSON");
    let json = HeaderValue::from_static("application/json");
    Router::new()
        .route(
            DESCRIPTION,
            get(move || async move {
                let cache = HeaderValue::from_static("no-cache");
                (Extension(InMemoryAnyway), [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, cache)], description)
            }),
        )
        // Swagger UI names its files relative to the page, so the path must end with a slash.
        .route("/api-docs", get(|| async { Redirect::permanent("/api-docs/") }))
        .route("/api-docs/", get(|| async { file("index.html") }))
        .route("/api-docs/{file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

/// Returns a file of Swagger UI.
fn file(name: &str) -> Response {
    match utoipa_swagger_ui::serve(name, SWAGGER.clone()) {
        Ok(Some(file)) => {
            let Ok(content_type) = HeaderValue::from_str(&file.content_type) else {
                return catalogue::internal(&file.content_type).into_response();
            };
            // Static files are not copied per request: they have more than a megabyte, and some clients read slowly.
            let headers = ([(header::CONTENT_TYPE, content_type)], HEADERS);
            match file.bytes {
                Cow::Borrowed(bytes) => {
                    (Extension(InMemoryAnyway), headers.0, headers.1, Bytes::from_static(bytes)).into_response()
                }
                Cow::Owned(bytes) => (headers.0, headers.1, bytes).into_response(),
            }
        }
        Ok(None) => catalogue::nothing_at(&format!("/api-docs/{name}")).into_response(),
        Err(error) => catalogue::internal(&error).into_response(),
    }
}
