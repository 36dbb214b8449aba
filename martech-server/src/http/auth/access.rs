//! The parts of the server that authentication uses, and the extractors for them.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};

use super::{AdminToken, AllowedOrigins, Site, WebOrigin};
use crate::{
    http::{peer::TrustedProxies, rate_limits::Rates},
    identity::{Accounts, Origin},
};

/// Access to the server: tokens, accounts, origins and rate limits.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) admin_token: AdminToken,
    pub(crate) accounts: Accounts,
    pub(crate) public_url: Option<WebOrigin>,
    pub(crate) proxies: Arc<TrustedProxies>,
    /// True if clients may send events without a key.
    pub(crate) public_ingest: bool,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) rates: Arc<Rates>,
}

impl<S: Send + Sync> FromRequestParts<S> for Site
where
    Arc<Access>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let access = Arc::<Access>::from_ref(state);
        Ok(Self::of(parts, access.public_url.as_ref(), &access.proxies))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin
where
    Arc<Access>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let access = Arc::<Access>::from_ref(state);
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self { address: Some(access.proxies.client_of_head(parts)), user_agent: agent.map(str::to_owned) })
    }
}
