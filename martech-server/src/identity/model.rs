//! The stored entities: users, sessions, invitations, keys.

use std::{collections::BTreeMap, fmt};

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    identity::{DEFAULT_PROJECT, Email, ProjectId},
    records::Entity,
};

/// The role of a user in a project. Each role includes the permissions of the roles before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads reports.
    Analyst,
    /// Invites analysts, and manages keys and the store.
    Admin,
    /// Grants every role.
    Owner,
}

impl Role {
    /// Each value with its name.
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("analyst", Self::Analyst), ("admin", Self::Admin), ("owner", Self::Owner)];
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

/// A user. The key is the email address, which never changes. Lists are by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// A PHC string, which includes the algorithm, its parameters and the salt.
    pub(crate) password_hash: String,
    /// Roles by project.
    pub(crate) roles: BTreeMap<ProjectId, Role>,
}

impl User {
    /// Returns the role of the user in a project, if any. Owners of the default project own the server, and so every
    /// project.
    pub(crate) fn role(&self, project: &ProjectId) -> Option<Role> {
        if self.owns_the_server() { Some(Role::Owner) } else { self.roles.get(project).copied() }
    }

    /// Returns the email address and a role, for the audit log.
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

/// A session of a user on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) id: String,
    /// The SHA-256 of the token, which cannot be reversed.
    pub(crate) token_hash: String,
    pub(crate) user_id: String,
    pub(crate) email: Email,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Whether the session slides and outlives the browser.
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

/// A network from which a user has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownNetwork {
    /// A keyed hash of the email address and the network.
    #[serde(rename = "place")]
    pub(crate) network_hash: String,
    pub(crate) user_id: String,
    pub(crate) expires_at: Timestamp,
}

impl Entity for KnownNetwork {
    const TABLE: &'static str = "places";

    fn key(&self) -> &str {
        &self.network_hash
    }

    fn owner(&self) -> &str {
        &self.user_id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// An invitation to a project. Its token permits one sign-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invitation {
    pub(crate) token_hash: String,
    pub(crate) project: ProjectId,
    pub(crate) role: Role,
    /// The only person who can use it; `None` for any person with the link.
    pub(crate) email: Option<Email>,
    /// The id of a user, or `adminToken`; `None` for a set-up link, which creates only the first account.
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

/// Returns whether a text can be a name: 1 to 128 characters, without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The error message for other texts, after the name of the field.
pub(crate) const NAME_EXPECTED: &str = "has 1 to 128 characters, and no control characters";

/// The permissions of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyKind {
    /// Sends events, and does nothing else.
    Write,
    /// Reads what an analyst may read.
    Read,
}

/// One secret of an API key. After a rotation a key has two secrets with the same id for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) secret_hash: String,
    /// The last four characters of the secret, so that people can tell keys apart.
    pub(crate) hint: String,
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    /// The web origins that may use the key; empty for all.
    pub(crate) origins: Vec<String>,
    pub(crate) project: ProjectId,
    /// The id of a user; `None` for the holder of the admin token.
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Timestamp,
    /// The last use, with a precision of one hour.
    pub(crate) last_used_at: Option<Timestamp>,
    /// When a replaced secret ends; `None` for the current secret.
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

/// A value that all servers with the same records share. The first server to need it stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agreement {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Agreement {
    /// The name of the key that signs cookies, in base64url.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Analyst < Role::Admin && Role::Admin < Role::Owner);
        assert_eq!(Role::Admin.to_string(), "admin");
    }
}
