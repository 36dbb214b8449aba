//! Accounts of a running server.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Keys, UserError};
use crate::{
    commands::http_client::TrustArgs,
    http::auth::AdminToken,
    identity::{KeyFate, Member, ProjectId, Role},
};

pub(super) struct Remote {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    members: Vec<Member>,
    next_cursor: Option<String>,
}

/// The outcome for keys.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settled {
    revoked_keys: Vec<Lost>,
    transferred_keys: Vec<Lost>,
}

#[derive(Deserialize)]
struct Lost {
    name: String,
}

impl Remote {
    /// Prepares requests to the server at a URL. Without a token, reads the token in its data folder.
    pub(super) fn new(url: &str, trust: &TrustArgs, token: Option<&AdminToken>, dir: &Path) -> Result<Self, UserError> {
        let path = dir.join("admin-token");
        let token = match token {
            Some(token) => token.reveal().to_owned(),
            None => fs::read_to_string(&path).map_err(|error| UserError::Folder(path, error))?,
        };
        let agent = trust.agent()?.timeout_global(Some(Duration::from_secs(30))).build().into();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent, url, authorization: format!("Bearer {}", token.trim()) })
    }

    pub(super) fn add(
        &self,
        project: &ProjectId,
        email: &str,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Member, UserError> {
        let body = json!({ "email": email, "name": name, "role": role, "password": password });
        self.read(&self.ask("POST", &format!("/admin/members?project={project}"), Some(&body))?)
    }

    pub(super) fn list(&self, project: &ProjectId) -> Result<Vec<Member>, UserError> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/admin/members?limit=1000&project={project}{cursor}");
            let page: Members = self.read(&self.ask("GET", &path, None)?)?;
            all.extend(page.members);
            let Some(next) = page.next_cursor else { return Ok(all) };
            cursor = format!("&cursor={next}");
        }
    }

    pub(super) fn reset_password(&self, id: &str, password: &str) -> Result<(), UserError> {
        let body = json!({ "newPassword": password });
        self.ask("POST", &format!("/admin/members/{id}/password"), Some(&body)).map(drop)
    }

    pub(super) fn set_role(&self, project: &ProjectId, id: &str, role: Role, keys: KeyFate) -> Result<Keys, UserError> {
        let path = format!("/admin/members/{id}?project={project}{}", parameter(keys));
        self.keys(&self.ask("PATCH", &path, Some(&json!({ "role": role })))?)
    }

    pub(super) fn remove(&self, project: &ProjectId, id: &str, keys: KeyFate) -> Result<Keys, UserError> {
        let path = format!("/admin/members/{id}?project={project}{}", parameter(keys));
        self.keys(&self.ask("DELETE", &path, None)?)
    }

    fn keys(&self, answer: &[u8]) -> Result<Keys, UserError> {
        let settled: Settled = if answer.is_empty() { Settled::default() } else { self.read(answer)? };
        let names = |keys: Vec<Lost>| keys.into_iter().map(|key| key.name).collect();
        Ok(Keys { revoked: names(settled.revoked_keys), transferred: names(settled.transferred_keys) })
    }

    /// Sends a request. Returns the body of a successful response.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Vec<u8>, UserError> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default());
        let unreachable = |reason: &dyn std::fmt::Display| UserError::Unreachable {
            url: self.url.clone(),
            reason: reason.to_string(),
        };
        let mut answer =
            self.agent.run(request.map_err(|error| unreachable(&error))?).map_err(|error| unreachable(&error))?;
        let content =
            answer.body_mut().with_config().limit(16 << 20).read_to_vec().map_err(|error| unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(content);
        }
        let told: Option<Value> = serde_json::from_slice(&content).ok();
        let words = told.as_ref().and_then(|told| told["message"].as_str());
        Err(UserError::Refused(words.map_or_else(|| answer.status().to_string(), str::to_owned)))
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, content: &[u8]) -> Result<T, UserError> {
        serde_json::from_slice(content).map_err(|error| UserError::Unreachable {
            url: self.url.clone(),
            reason: format!("unexpected response: {error}"),
        })
    }
}

fn parameter(keys: KeyFate) -> &'static str {
    match keys {
        KeyFate::End => "",
        KeyFate::Transfer => "&keys=keep",
    }
}
