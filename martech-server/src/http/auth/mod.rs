//! Authentication and authorization of requests.
//!
//! | credential | caller |
//! |---|---|
//! | `Authorization: Bearer ADMIN_TOKEN` | the operator, who may do everything |
//! | `Authorization: Bearer SESSION_TOKEN` | a signed-in user |
//! | the session cookie | the same, in a browser. Unsafe methods need an `Origin` of this site |
//! | `Authorization: Bearer KEY`, `Basic` with the key as user or password, or `?key=KEY` to send events | a program |
//!
//! A write key sends events. A read key reads.

mod access;
mod admin_token;
mod caller;
mod cookie;
mod credentials;
mod ingest;
mod site;
mod web_origin;

pub(crate) use self::{
    access::Access,
    admin_token::TokenOrigin,
    caller::{Caller, Member, Need, renewed, require},
    cookie::{AUTH_TOKEN, auth_token, expired_cookies, session_cookies, with_cookies},
    ingest::{Admitted, NotAdmitted, admit, is_allowed},
    site::Site,
};
pub use self::{
    admin_token::{AdminToken, TokenError},
    ingest::AllowedOrigins,
    web_origin::WebOrigin,
};
