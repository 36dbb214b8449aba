//! Admission of event senders: with or without a key, and from which pages.
//!
//! A key is always checked, also on a server that needs none, so that a sender notices a wrong key. Cookies are
//! ignored: an event does not depend on a session.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use martech_core::event::{Sender, Timestamp};

use super::{
    Access, WebOrigin,
    credentials::{self, Credential},
};
use crate::{
    http::{
        error::{ApiError, catalogue},
        rate_limits::RateCheck,
    },
    identity::{ApiKey, KeyKind, ProjectId},
    projects::{Project, Projects},
};

/// The origins whose pages may send events, besides those of the site itself. Parsed from a list of origins or `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins {
    all: bool,
    named: Vec<WebOrigin>,
}

impl std::str::FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut allowed = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "*" {
                allowed.all = true;
            } else {
                allowed.named.push(part.parse().map_err(|expected| format!("`{part}` is neither `*` nor {expected}"))?);
            }
        }
        Ok(allowed)
    }
}

impl AllowedOrigins {
    fn allows(&self, origin: &str) -> bool {
        self.all || origin.parse().is_ok_and(|origin| self.named.contains(&origin))
    }

    /// Returns the CORS headers for a page that may send events; without an origin only `Vary`. Browsers send beacons
    /// with credentials, so the headers permit credentials. The server ignores them.
    pub(crate) fn headers(origin: Option<&HeaderValue>) -> Vec<(HeaderName, HeaderValue)> {
        let vary = (header::VARY, HeaderValue::from_static("Origin"));
        match origin {
            Some(origin) => vec![
                vary,
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
                (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
                (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED)),
            ],
            None => vec![vary],
        }
    }
}

/// Returns whether pages of an origin may send events, by the settings or by any key. A preflight request does not
/// contain the key. The request itself is checked against its key.
pub(crate) async fn is_allowed(access: &Access, origin: &HeaderValue) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    if access.allowed_origins.allows(text) {
        return true;
    }
    let Ok(parsed) = text.parse::<WebOrigin>() else { return false };
    access.accounts.is_origin_of_a_key(&parsed.to_string()).await
}

/// The response headers that pages of other origins may read.
const EXPOSED: &str = "ratelimit, ratelimit-policy, retry-after, x-request-id";

/// An admitted sender and its project.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) project: Project,
    pub(crate) sender: Sender,
    /// The key, if the sender presented one.
    pub(crate) key: Option<ApiKey>,
    secret: Option<Cow<'a, str>>,
}

/// A request that may not send events.
#[derive(Debug)]
pub(crate) struct NotAdmitted {
    pub(crate) error: ApiError,
    /// The key, if the sender presented a valid one.
    pub(crate) key: Option<Box<ApiKey>>,
}

impl<E: Into<ApiError>> From<E> for NotAdmitted {
    fn from(error: E) -> Self {
        Self { error: error.into(), key: None }
    }
}

impl Admitted<'_> {
    /// Checks the key again later in the request, because it may have been revoked meanwhile.
    pub(crate) async fn check_again(&self, access: &Access) -> Result<(), ApiError> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let key = access.accounts.key(secret, Timestamp::now()).await?;
        key.map(drop).ok_or_else(catalogue::invalid_key)
    }
}

/// Checks whether a request may send events. `given` is the key of the query, `asked` the project. A valid key
/// is counted.
///
/// With a key, and on a server that needs one, a missing project and another project give the same error. Without a
/// key, a missing project gives 404: the sender must learn that its events are not stored, and the names of public
/// projects are in their pages anyway.
pub(crate) async fn admit<'a>(
    access: &Access,
    projects: &Projects,
    head: &'a Parts,
    given: Option<&'a str>,
    asked: Option<ProjectId>,
    rate_check: &RateCheck,
) -> Result<Admitted<'a>, NotAdmitted> {
    let headers = &head.headers;
    let without_key = async |sender, asked: Option<ProjectId>| {
        let project = found(projects, asked.as_ref()).await?;
        Ok(Admitted { project, sender, key: None, secret: None })
    };
    let credential = Credential::of(headers);
    let secret = match (&credential, given) {
        (Some(Credential::Key(secret)), _) => secret.clone(),
        (_, Some(secret)) => Cow::Borrowed(secret),
        (Some(Credential::Bearer(token)), None) if access.admin_token.matches(token) => {
            return match super::caller::may_show_token(access, head) {
                Ok(()) => without_key(Sender::Trusted, asked).await,
                // Treat the token as a wrong one, so that the response tells nothing.
                Err(_) if access.public_ingest => without_key(Sender::Anonymous, asked).await,
                Err(limited) => Err(limited.into()),
            };
        }
        _ if credentials::holds_a_key(headers) => {
            return Err(catalogue::malformed_key().into());
        }
        _ if access.public_ingest => {
            if let Some(Credential::Bearer(_)) = credential {
                // Pages and proxies send tokens for other servers. A public server does not reject events for them.
                let _ = super::caller::refused(access, head, "token").await;
            }
            return without_key(Sender::Anonymous, asked).await;
        }
        _ => {
            if let Some(Credential::Bearer(_)) = credential {
                super::caller::refused(access, head, "token").await?;
            }
            return Err(catalogue::write_key_required().into());
        }
    };
    let key = access.accounts.key(&secret, Timestamp::now()).await?;
    let Some(key) = key else {
        super::caller::refused(access, head, "key").await?;
        return Err(catalogue::invalid_key().into());
    };
    if let Err(error) = check_key(&key, headers, asked, rate_check) {
        return Err(NotAdmitted { error, key: Some(Box::new(key)) });
    }
    let sender = if key.origins.is_empty() { Sender::Trusted } else { Sender::Page };
    let project = found(projects, Some(&key.project)).await?;
    Ok(Admitted { project, sender, key: Some(key), secret: Some(secret) })
}

/// Checks that a key permits a request with events, and counts the key.
fn check_key(
    key: &ApiKey,
    headers: &HeaderMap,
    asked: Option<ProjectId>,
    rate_check: &RateCheck,
) -> Result<(), ApiError> {
    if key.kind != KeyKind::Write {
        return Err(catalogue::wrong_kind_of_key());
    }
    if asked.is_some_and(|asked| asked != key.project) {
        return Err(catalogue::key_of_other_project(&key.project));
    }
    check_origin(key, headers)?;
    rate_check.count_key(&key.id)
}

/// Checks that a key permits the origin of a request. Requests of programs have no `Origin` header.
pub(super) fn check_origin(key: &ApiKey, headers: &HeaderMap) -> Result<(), ApiError> {
    let is_allowed =
        |origin: &str| origin.parse::<WebOrigin>().is_ok_and(|origin| key.origins.contains(&origin.to_string()));
    match headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) {
        Some(origin) if !key.origins.is_empty() && !is_allowed(origin) => {
            Err(catalogue::origin_not_allowed_by_key(origin))
        }
        _ => Ok(()),
    }
}

async fn found(projects: &Projects, project: Option<&ProjectId>) -> Result<Project, ApiError> {
    match project {
        None => Ok(projects.default().clone()),
        Some(project) => Ok(projects.find(project).await?),
    }
}
