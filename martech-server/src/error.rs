//! Errors as clients see them: a status and `{"code", "message", "requestId"}`, with what else is known.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use martech_core::{lake::LakeError, mongodb::MongoError, query::QueryError};
use serde::Serialize;

use crate::{backend::BackendError, projects::ProjectId, telemetry::RequestId};

/// An answer that says what went wrong and what would be right.
///
/// A handler returns it; the outermost layer writes it out, because only that layer knows the request's id.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    // Boxed, so that a `Result` is not as large as its rare case.
    told: Box<Told>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The event at fault, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// The limit that was passed, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    /// The project and the key of the request, as far as they are known.
    #[serde(skip)]
    project: Option<ProjectId>,
    #[serde(skip)]
    key: Option<String>,
    /// What broke, for the log alone.
    #[serde(skip)]
    cause: Option<String>,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        let told = Told {
            code,
            message,
            request_id: None,
            field: None,
            index: None,
            limit: None,
            retry_after: None,
            project: None,
            key: None,
            cause: None,
        };
        Self { status, told: Box::new(told) }
    }

    /// A query or path parameter that cannot be used.
    pub(crate) fn bad_parameter(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message).at(name)
    }

    /// No route leads there.
    pub(crate) fn nothing_at(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is nothing at {path}; /api-docs/ tells what there is"),
        )
    }

    /// Something broke that the client can do nothing about. The cause goes to the log, not to the client.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something broke inside the server; its log says what, under this requestId",
        )
        .because(cause)
    }

    /// With what broke, which only the log tells.
    #[must_use]
    pub(crate) fn because(mut self, cause: &dyn std::fmt::Display) -> Self {
        self.told.cause = Some(cause.to_string());
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.told.field = Some(field.into());
        self
    }

    #[must_use]
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.told.index = Some(index);
        self
    }

    #[must_use]
    pub(crate) fn limit(mut self, bytes: usize) -> Self {
        self.told.limit = Some(bytes);
        self
    }

    #[must_use]
    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.told.retry_after = Some(delay);
        self
    }

    /// Joins it with further members of the answer, such as the counts of a batch.
    pub(crate) fn with<T: Serialize>(self, more: T) -> Response {
        let more = serde_json::to_string(&more).ok();
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Pending { error: self, more });
        response
    }
}

/// An error on its way to the layer that writes it out.
#[derive(Debug, Clone)]
struct Pending {
    error: ApiError,
    /// The JSON text of an object.
    more: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.with(())
    }
}

/// What the log tells of an error: no text that a client has chosen, but for the name of a field.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    pub(crate) code: Option<Cow<'static, str>>,
    pub(crate) field: Option<String>,
    pub(crate) project: Option<ProjectId>,
    pub(crate) key: Option<String>,
    pub(crate) cause: Option<String>,
}

/// What there is to tell of the error that a response carries, if it does.
pub(crate) fn blame(response: &Response) -> Blame {
    let Some(Pending { error, .. }) = response.extensions().get::<Pending>() else { return Blame::default() };
    let Told { code, field, project, key, cause, .. } = &*error.told;
    Blame {
        code: Some(code.clone()),
        field: field.clone(),
        project: project.clone(),
        key: key.clone(),
        cause: cause.clone(),
    }
}

/// Notes down to which project and key a request belongs whose response carries an error.
pub(crate) fn attribute(response: &mut Response, project: Option<&ProjectId>, key: Option<&str>) {
    if let Some(Pending { error, .. }) = response.extensions_mut().get_mut::<Pending>() {
        error.told.project = project.cloned();
        error.told.key = key.map(str::to_owned);
    }
}

/// Writes out the error that a response carries, if it does; gives other responses back as they are.
pub(crate) fn render(mut response: Response, request_id: &RequestId) -> Response {
    let Some(Pending { error, more }) = response.extensions_mut().remove::<Pending>() else { return response };
    let (status, mut told) = (error.status, *error.told);
    told.request_id = Some(request_id.clone());
    let retry_after = told.retry_after;
    let mut rendered = (status, [(header::CONTENT_TYPE, "application/json")], body(&told, more)).into_response();
    let headers = rendered.headers_mut();
    // What the router said stays: `Allow`, above all.
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            headers.insert(name.clone(), value.clone());
        }
    }
    if let Some(delay) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(delay)));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    rendered
}

/// The JSON text of an error and of what else the answer says. The two are joined as text: the other may be large.
fn body(told: &Told, more: Option<String>) -> String {
    let Ok(mut text) = serde_json::to_string(told) else { return String::new() };
    if let Some(more) = more.as_deref().and_then(|more| more.strip_prefix('{')).filter(|more| *more != "}") {
        text.pop();
        text.push(',');
        text.push_str(more);
    }
    text
}

/// `Retry-After` counts whole seconds: rounded up, so that nobody comes back too early, and at least one.
pub(crate) fn whole_seconds(delay: Duration) -> u64 {
    let started = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(started).max(1)
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::bad_parameter(error.field, error.to_string())
    }
}

/// A lake that cannot answer a query: the client's query is fine, so this is the server's fault.
impl From<LakeError> for ApiError {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Query(error) => error.into(),
            LakeError::Closed => {
                let message = "the server is shutting down; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message).retry_after(Duration::from_secs(1))
            }
            error => Self::internal(&error),
        }
    }
}

/// What MongoDB does not answer now it may answer later; what is wrong with it the log says.
impl From<MongoError> for ApiError {
    fn from(error: MongoError) -> Self {
        let cause = error.to_string();
        let (code, message, delay) = match error {
            MongoError::Query(error) => return error.into(),
            MongoError::TimedOut(_) => {
                ("query_timeout", "MongoDB took too long; ask for a shorter time, or again later", 5)
            }
            MongoError::Damaged { .. } | MongoError::Other(_) => return Self::internal(&error),
            _ => ("store_unavailable", "MongoDB cannot be asked now; /health says more", 5),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .retry_after(Duration::from_secs(delay))
            .because(&cause)
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Lake(error) => error.into(),
            BackendError::Mongo(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

pub(crate) async fn not_found(uri: Uri) -> ApiError {
    ApiError::nothing_at(uri.path())
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}; the Allow header says what it takes", uri.path()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_rounds_up_and_is_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(300)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}
