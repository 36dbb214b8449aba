//! The caller of a request, by its credential.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;

use super::{
    Access, Site,
    cookie::{self, with_cookies},
    credentials::Credential,
};
use crate::{
    http::{
        error::{self, ApiError, catalogue},
        params::Params,
        rate_limits,
    },
    identity::{ADMIN_TOKEN, AccountError, Actor, ApiKey, KeyKind, ProjectId, Role, SessionHandle},
    projects::{Project, Projects},
};

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Has presented the admin token.
    Operator,
    /// Has a session.
    Member(Box<Member>),
    /// A program with a valid key.
    Key(Box<ApiKey>),
    /// A program whose key is unknown or has ended.
    InvalidKey,
    /// Has a session cookie with a valid signature, but the session has ended.
    Expired,
    /// Has presented a token that is unknown or has ended.
    InvalidToken,
    /// Has presented no credential.
    Anonymous,
}

/// A signed-in user, with the token they presented.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) token: String,
    pub(crate) handle: SessionHandle,
    /// Whether the token came in a cookie.
    pub(crate) by_cookie: bool,
}

impl Caller {
    async fn of(parts: &Parts, access: &Access, site: &Site) -> Result<Self, ApiError> {
        let (tokens, by_cookie) = match Credential::of(&parts.headers) {
            Some(Credential::Key(secret)) => {
                let found = access.accounts.key(&secret, Timestamp::now()).await?;
                let Some(key) = found else { return refused(access, parts, "key").await.map(|()| Self::InvalidKey) };
                return Ok(Self::Key(Box::new(key)));
            }
            Some(Credential::Bearer(token)) if access.admin_token.matches(token) => {
                return may_show_token(access, parts).map(|()| Self::Operator);
            }
            Some(Credential::Bearer(token)) => {
                let key = access.accounts.cookie_key().await?;
                (vec![cookie::unsigned(token, key).unwrap_or_else(|| token.to_owned())], false)
            }
            None if cookie::has_session(&parts.headers, site.secure) => {
                site.check(&parts.method, &parts.headers)?;
                let key = access.accounts.cookie_key().await?;
                (cookie::session_tokens(&parts.headers, key, site.secure), true)
            }
            None => return Ok(Self::Anonymous),
        };
        let was_ours = !tokens.is_empty();
        for token in tokens {
            if let Some(handle) = access.accounts.session(&token, Timestamp::now()).await? {
                return Ok(Self::Member(Box::new(Member { token, handle, by_cookie })));
            }
        }
        match by_cookie {
            true if was_ours => Ok(Self::Expired),
            true => Ok(Self::Anonymous),
            false => refused(access, parts, "token").await.map(|()| Self::InvalidToken),
        }
    }

    /// Returns the key that the caller presented.
    fn key(&self) -> Option<&ApiKey> {
        if let Self::Key(key) = self { Some(key) } else { None }
    }

    /// Returns the caller's name in the audit log.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Operator => Some(ADMIN_TOKEN),
            Self::Member(member) => Some(&member.handle.user.id),
            Self::Key(key) => Some(&key.id),
            Self::InvalidKey | Self::Expired | Self::InvalidToken | Self::Anonymous => None,
        }
    }

    /// Returns the caller as the author of an administrative change.
    pub(crate) fn actor(&self) -> Option<Actor> {
        match self {
            Self::Operator => Some(Actor::Operator),
            Self::Member(member) => Some(Actor::User(member.handle.user.id.clone())),
            Self::Key(_) | Self::InvalidKey | Self::Expired | Self::InvalidToken | Self::Anonymous => None,
        }
    }

    /// Returns the project of a request: the requested one, otherwise that of the key, otherwise the default project.
    pub(crate) fn project(&self, asked: Option<ProjectId>) -> ProjectId {
        match (self, asked) {
            (_, Some(asked)) => asked,
            (Self::Key(key), None) => key.project.clone(),
            _ => ProjectId::default(),
        }
    }

    /// Checks again, later in a long response, that the caller has the permissions of `role` in a project. The key or
    /// the session may have ended, or the role may have changed. Extends no session.
    pub(crate) async fn may_still(&self, access: &Access, role: Role, project: &ProjectId) -> Result<(), ApiError> {
        let (accounts, now) = (&access.accounts, Timestamp::now());
        let caller = match self {
            Self::Member(member) => {
                let found = accounts.session_of_hash(&member.handle.session.token_hash, now).await?;
                found.map_or(Self::Expired, |(session, user)| {
                    let handle = SessionHandle { session: session.entity, user, slid: false };
                    Self::Member(Box::new(Member { handle, ..Member::clone(member) }))
                })
            }
            Self::Key(key) => {
                let found = accounts.key_of_hash(&key.secret_hash, now).await?;
                found.map_or(Self::InvalidKey, |key| Self::Key(Box::new(key)))
            }
            other => other.clone(),
        };
        caller.may(role, project)
    }

    /// Checks that the caller has the permissions of `role` in a project.
    pub(crate) fn may(&self, role: Role, project: &ProjectId) -> Result<(), ApiError> {
        match self {
            Self::Operator => Ok(()),
            Self::Member(member) if member.handle.user.role(project) >= Some(role) => Ok(()),
            Self::Key(key) if key.project != *project => Err(catalogue::key_of_other_project(&key.project)),
            Self::Key(key) if key.kind == KeyKind::Read && role == Role::Analyst => Ok(()),
            Self::Key(_) => Err(catalogue::wrong_kind_of_key()),
            Self::Member(_) => Err(AccountError::RoleNeeded(role, project.clone()).into()),
            Self::InvalidKey => Err(catalogue::invalid_key()),
            Self::Expired | Self::InvalidToken => Err(catalogue::invalid_token()),
            Self::Anonymous => Err(catalogue::unauthorized()),
        }
    }
}

/// Counts an unknown token or key, and records it in the audit log.
///
/// # Errors
///
/// Returns 429 if the address has presented too many and is not exempt from rate limits.
pub(super) async fn refused(access: &Access, parts: &Parts, what: &str) -> Result<(), ApiError> {
    let (accounts, address) = (&access.accounts, access.proxies.client_of_head(parts));
    let refused = accounts.refuse_token(what, parts.uri.path(), address, Timestamp::now()).await;
    refused.or_else(|wait| if access.rates.is_exempt(address) { Ok(()) } else { Err(catalogue::too_many_tokens(wait)) })
}

/// Checks that the address may present the admin token, and records that it has.
///
/// # Errors
///
/// Returns the same error as for a wrong token if the address has presented too many wrong ones.
pub(super) fn may_show_token(access: &Access, parts: &Parts) -> Result<(), ApiError> {
    let (accounts, address) = (&access.accounts, access.proxies.client_of_head(parts));
    match accounts.may_show_token(address) {
        Err(wait) if !access.rates.is_exempt(address) => Err(catalogue::too_many_tokens(wait)),
        _ => {
            accounts.token_shown(address);
            Ok(())
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Arc<Access>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let access = Arc::<Access>::from_ref(state);
        let site = Site::of(parts, access.public_url.as_ref(), &access.proxies);
        Self::of(parts, &access, &site).await
    }
}

/// Extracts the project of a request, which [`require`] has set.
impl<S: Send + Sync> FromRequestParts<S> for Project
where
    Projects: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(|| Projects::from_ref(state).default().clone()))
    }
}

/// The requirement of a route.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// A role in the project that `?project=` or the key selects. The handler finds the project in the request's
    /// extensions.
    InProject(Role),
    /// A role in the server, which is the role in the default project.
    InServer(Role),
    /// None: the handler checks the caller itself.
    Nothing,
}

/// Admits callers who meet the requirement of the route, and passes the caller on in the request's extensions.
pub(crate) async fn require(
    State((access, projects, need)): State<(Arc<Access>, Projects, Need)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let site = Site::of(&parts, access.public_url.as_ref(), &access.proxies);
    let caller = match Caller::of(&parts, &access, &site).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = admit(&projects, need, &caller, &mut parts).await {
        let mut response = error.into_response();
        error::attribute(&mut response, None, caller.key().map(|key| key.id.as_str()));
        return response;
    }
    parts.extensions.insert(caller.clone());
    let project = parts.extensions.get::<Project>().cloned();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    error::attribute(&mut response, project.as_ref().map(Project::id), caller.key().map(|key| key.id.as_str()));
    match renewed(&access, &caller, &site).await {
        Ok(cookies) => with_cookies(response, cookies),
        Err(error) => error.into_response(),
    }
}

async fn admit(projects: &Projects, need: Need, caller: &Caller, parts: &mut Parts) -> Result<(), ApiError> {
    let project = match need {
        Need::InProject(role) => {
            let project = caller.project(Params::of(&parts.uri).project()?);
            caller.may(role, &project)?;
            Some(project)
        }
        Need::InServer(role) => {
            caller.may(role, &ProjectId::default())?;
            None
        }
        Need::Nothing => None,
    };
    if let Caller::Key(key) = caller {
        super::ingest::check_origin(key, &parts.headers)?;
        rate_limits::count_key(&parts.extensions, &key.id)?;
    }
    if let Some(project) = project {
        parts.extensions.insert(projects.find(&project).await?);
    }
    Ok(())
}

/// Returns the cookies to renew if this request has extended a session from a cookie.
pub(crate) async fn renewed(
    access: &Access,
    caller: &Caller,
    site: &Site,
) -> Result<Vec<axum::http::HeaderValue>, ApiError> {
    match caller {
        Caller::Member(member) if member.by_cookie && member.handle.slid => {
            let key = access.accounts.cookie_key().await?;
            Ok(super::session_cookies(&member.token, &member.handle.session, key, site.secure))
        }
        _ => Ok(Vec::new()),
    }
}
