//! Who asks, and whether they may.
//!
//! | credential | whose |
//! |---|---|
//! | `Authorization: Bearer ADMIN_TOKEN` | who runs the server: may do everything |
//! | `Authorization: Bearer SESSION_TOKEN` | somebody who has signed in |
//! | the cookie of a session | the same, in a browser. What changes something must then come from this site's own pages |
//! | a key, `Authorization: Bearer KEY`, `Basic` with it as the user or the password, or (to send events) `?key=KEY` | a program that sends events, or one that reads |

mod admin_token;
mod caller;
mod cookie;
mod credentials;
mod ingest;
mod peer;
mod site;
mod web_origin;

pub(crate) use self::{
    admin_token::TokenOrigin,
    caller::{Caller, Member, Need, renewed, require},
    cookie::{AUTH_TOKEN, auth_token, expired_cookies, session_cookies, with_cookies},
    ingest::{Admitted, admit, is_allowed},
    peer::Peer,
    site::Site,
};
pub use self::{
    admin_token::{AdminToken, TokenError},
    ingest::AllowedOrigins,
    peer::{Networks, TrustedProxies},
    web_origin::WebOrigin,
};
