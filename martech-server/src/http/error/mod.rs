//! API errors: a status and `{"code", "message", "requestId"}`, with more fields where they apply.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

pub(crate) mod catalogue;
mod conversions;

use martech_core::event::EventType;

use crate::{identity::ProjectId, observability::RequestId, projects::Rejection};

/// An error response.
///
/// Handlers return it. The outermost layer renders it, because only that layer has the request id.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    // Boxed to keep `Result` small.
    told: Box<Told>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    /// The invalid field or parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The index of the invalid event, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// The exceeded limit, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    /// The project and the key of the request, if known. Only for the log.
    #[serde(skip)]
    project: Option<ProjectId>,
    #[serde(skip)]
    key: Option<String>,
    /// The type of the invalid event, only for the log of rejections.
    #[serde(skip)]
    event_type: Option<EventType>,
    /// The cause, only for the log.
    #[serde(skip)]
    cause: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
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
            event_type: None,
            cause: None,
        };
        Self { status, told: Box::new(told) }
    }

    /// Returns the error code.
    pub(crate) fn code(&self) -> &str {
        &self.told.code
    }

    /// Returns the error as the rejection of a body.
    pub(crate) fn rejection(&self) -> Rejection {
        let Told { code, message, field, index, event_type, .. } = &*self.told;
        Rejection {
            code: code.clone(),
            message: message.clone(),
            field: field.clone(),
            index: *index,
            event_type: event_type.clone(),
            count: 1,
        }
    }

    /// Returns the JSON of the response.
    pub(crate) fn body(&self, request_id: &RequestId) -> serde_json::Value {
        let mut told = self.told.clone();
        told.request_id = Some(request_id.clone());
        serde_json::to_value(told).unwrap_or_default()
    }

    /// Adds the cause, which goes to the log only.
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
    pub(crate) fn event_type(mut self, event_type: Option<EventType>) -> Self {
        self.told.event_type = event_type;
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

    /// Adds further members to the JSON object, such as the counts of a batch.
    pub(crate) fn with<T: Serialize>(self, more: T) -> Response {
        let more = serde_json::to_string(&more).ok();
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Pending { error: self, more });
        response
    }
}

/// An error that the outermost layer will render.
#[derive(Debug, Clone)]
struct Pending {
    error: ApiError,
    /// A JSON object as text.
    more: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.with(())
    }
}

/// The data of an error for the log. The name of a field is the only text in it that a client may have chosen.
#[derive(Debug, Default)]
pub(crate) struct ErrorDetails {
    pub(crate) code: Option<Cow<'static, str>>,
    pub(crate) field: Option<String>,
    pub(crate) project: Option<ProjectId>,
    pub(crate) key: Option<String>,
    pub(crate) cause: Option<String>,
}

/// Returns the data for the log of the error in a response, if there is one.
pub(crate) fn details(response: &Response) -> ErrorDetails {
    let Some(Pending { error, .. }) = response.extensions().get::<Pending>() else { return ErrorDetails::default() };
    let Told { code, field, project, key, cause, .. } = &*error.told;
    ErrorDetails {
        code: Some(code.clone()),
        field: field.clone(),
        project: project.clone(),
        key: key.clone(),
        cause: cause.clone(),
    }
}

/// Adds the project and the key of the request to the error in a response, if there is one.
pub(crate) fn attribute(response: &mut Response, project: Option<&ProjectId>, key: Option<&str>) {
    if let Some(Pending { error, .. }) = response.extensions_mut().get_mut::<Pending>() {
        error.told.project = project.cloned();
        error.told.key = key.map(str::to_owned);
    }
}

/// Renders the error in a response, if there is one. Returns other responses unchanged.
pub(crate) fn render(mut response: Response, request_id: &RequestId) -> Response {
    let Some(Pending { error, more }) = response.extensions_mut().remove::<Pending>() else { return response };
    let (status, mut told) = (error.status, *error.told);
    told.request_id = Some(request_id.clone());
    let retry_after = told.retry_after;
    let mut rendered = (status, [(header::CONTENT_TYPE, "application/json")], body(&told, more)).into_response();
    let headers = rendered.headers_mut();
    // Keep the headers of the router, such as `Allow`.
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

/// Returns the JSON text of an error with its further members. They are joined as text, because they may be large.
fn body(told: &Told, more: Option<String>) -> String {
    let Ok(mut text) = serde_json::to_string(told) else { return String::new() };
    if let Some(more) = more.as_deref().and_then(|more| more.strip_prefix('{')).filter(|more| *more != "}") {
        text.pop();
        text.push(',');
        text.push_str(more);
    }
    text
}

/// Rounds up to whole seconds, at least one, so that clients do not retry too early. For `Retry-After`.
pub(crate) fn whole_seconds(delay: Duration) -> u64 {
    let started = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(started).max(1)
}

pub(crate) async fn not_found(uri: Uri) -> ApiError {
    catalogue::nothing_at(uri.path())
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    catalogue::method_not_allowed(uri.path(), &method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_rounds_up_to_at_least_one() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(300)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}
