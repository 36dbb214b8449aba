//! What is kept of people: users, sessions, invitations.

use std::{collections::BTreeMap, fmt, str::FromStr};

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    projects::{DEFAULT_PROJECT, ProjectId},
    records::Entity,
};

/// What somebody may do with a project. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Analyst,
    /// Invites, and looks after keys and the store.
    Admin,
    /// Says who the admins are.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Analyst => "analyst",
            Self::Admin => "admin",
            Self::Owner => "owner",
        })
    }
}

/// A person. Found by the address, which never changes; listed by the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// A PHC string, which says how it was made.
    pub(crate) password_hash: String,
    /// By project.
    pub(crate) roles: BTreeMap<ProjectId, Role>,
}

impl User {
    /// What they may do with a project; `None`: nothing. The owners of the default project own the server.
    pub(crate) fn role(&self, project: &ProjectId) -> Option<Role> {
        if self.owns_the_server() { Some(Role::Owner) } else { self.roles.get(project).copied() }
    }

    /// Who they are and what they have become, for people.
    pub(crate) fn told_as(&self, role: Role) -> String {
        format!("{}: {role}", self.email)
    }

    pub(crate) fn owns_the_server(&self) -> bool {
        self.roles.get(DEFAULT_PROJECT) == Some(&Role::Owner)
    }
}

impl Entity for User {
    const TABLE: &'static str = "users";

    fn key(&self) -> &str {
        self.email.as_str()
    }

    fn owner(&self) -> &str {
        &self.id
    }
}

/// Somebody who has signed in, on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) id: String,
    /// What the token hashes to. Nobody can make the token of it.
    pub(crate) token_hash: String,
    pub(crate) user_id: String,
    pub(crate) email: Email,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Whether it outlives the browser, and slides.
    pub(crate) remembered: bool,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl Entity for Session {
    const TABLE: &'static str = "sessions";

    fn key(&self) -> &str {
        &self.token_hash
    }

    fn owner(&self) -> &str {
        &self.user_id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// A place from which somebody has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownPlace {
    /// What the address of mail and that of the network hash to, with a key.
    pub(crate) place: String,
    pub(crate) user_id: String,
    pub(crate) expires_at: Timestamp,
}

impl Entity for KnownPlace {
    const TABLE: &'static str = "places";

    fn key(&self) -> &str {
        &self.place
    }

    fn owner(&self) -> &str {
        &self.user_id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Who has its token may sign up, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invitation {
    pub(crate) token_hash: String,
    pub(crate) project: ProjectId,
    pub(crate) role: Role,
    /// Only they; anybody where nobody is named.
    pub(crate) email: Option<Email>,
    /// The id of a user; `None` of the server's own, which makes the first account and no other.
    pub(crate) invited_by: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl Entity for Invitation {
    const TABLE: &'static str = "invitations";

    fn key(&self) -> &str {
        &self.token_hash
    }

    fn owner(&self) -> &str {
        self.project.as_str()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// What things are named by people.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What is wrong with another text.
pub(crate) const NAME_EXPECTED: &str = "has 1 to 128 characters, and no control characters";

/// What a program may do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyKind {
    /// Send events, and nothing else.
    Write,
    /// Read what an analyst reads.
    Read,
}

/// A secret that is a program's. One key may have two for a while, when it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) secret_hash: String,
    /// Its end, so that people can tell their keys apart.
    pub(crate) hint: String,
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    /// The pages that may use it; all where none is named.
    pub(crate) origins: Vec<String>,
    pub(crate) project: ProjectId,
    /// The id of a user; `None` of who has the admin token.
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Timestamp,
    /// Within the hour.
    pub(crate) last_used_at: Option<Timestamp>,
    /// When it has been replaced.
    pub(crate) expires_at: Option<Timestamp>,
}

impl ApiKey {
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

impl Entity for ApiKey {
    const TABLE: &'static str = "keys";

    fn key(&self) -> &str {
        &self.secret_hash
    }

    fn owner(&self) -> &str {
        self.project.as_str()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// A word that all servers on the same records agree on: whoever comes first has chosen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agreement {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Agreement {
    /// What signs cookies, in base64url.
    pub(crate) const COOKIE_KEY: &'static str = "cookieKey";
}

impl Entity for Agreement {
    const TABLE: &'static str = "agreements";

    fn key(&self) -> &str {
        &self.name
    }

    fn owner(&self) -> &str {
        ""
    }
}

/// An address of mail, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(format = "email", example = "ann@shop.example")]
pub(crate) struct Email(String);

/// It cannot be an address of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it {}", InvalidEmail::EXPECTED)]
pub(crate) struct InvalidEmail;

impl InvalidEmail {
    pub(super) const EXPECTED: &str = "is an address such as name@example.com, of at most 254 characters";
}

impl Email {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Such addresses as shops' people have: no quotes, no comments, no addresses of machines.
impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"_'+-.&/=?^{|}~!#$%*`".contains(&byte);
        let is_label = |label: &str| {
            let edges = [label.bytes().next(), label.bytes().next_back()];
            (1..=63).contains(&label.len())
                && edges.iter().all(|edge| edge.is_some_and(|byte| byte.is_ascii_alphanumeric()))
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_sound = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.bytes().all(is_local)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && domain.contains('.')
            && domain.split('.').all(is_label)
            && domain
                .rsplit('.')
                .next()
                .is_some_and(|last| last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit()));
        if is_sound { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidEmail) }
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for (text, kept) in [
            ("Ann@Shop.example", "ann@shop.example"),
            ("a.b+c_d-e'f@x-1.co.uk", "a.b+c_d-e'f@x-1.co.uk"),
            ("u@xn--bcher-kva.example", "u@xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<Email>().map(String::from), Ok(kept.to_owned()));
        }
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(63));
        assert!(long.parse::<Email>().is_ok());
        for text in [
            "",
            "@",
            "a@",
            "@b.example",
            "ab.example",
            "a@b",
            "a@b.c",
            "a@.example",
            "a@b..example",
            "a@-b.example",
            "a@b-.example",
            "a b@c.example",
            "a@b.example ",
            ".a@b.example",
            "a.@b.example",
            "a..b@c.example",
            "a@b@c.example",
            "\"a\"@b.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "é@b.example",
            "a@b.example\n",
            "<a@b.example>",
            "a@b_c.example",
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
        assert!(format!("{}@b.example", "a".repeat(65)).parse::<Email>().is_err());
        assert!(format!("a@{}example", "b.".repeat(130)).parse::<Email>().is_err());
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Analyst < Role::Admin && Role::Admin < Role::Owner);
        assert_eq!(Role::Admin.to_string(), "admin");
    }
}
