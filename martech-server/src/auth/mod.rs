//! Who asks, and whether they may.
//!
//! | credential | whose |
//! |---|---|
//! | `Authorization: Bearer ADMIN_TOKEN` | who runs the server: may do everything |
//! | `Authorization: Bearer SESSION_TOKEN` | somebody who has signed in |
//! | the cookie of a session | the same, in a browser. What changes something must then come from this site's own pages |

mod admin_token;
mod caller;
mod cookie;
mod peer;
mod site;

pub(crate) use self::admin_token::TokenOrigin;
pub use self::admin_token::{AdminToken, TokenError};
pub(crate) use self::{
    caller::{Caller, Member, renewed, require},
    cookie::{expired_cookies, session_cookies},
    peer::Peer,
    site::Site,
};
pub use self::{peer::TrustedProxies, site::PublicUrl};
