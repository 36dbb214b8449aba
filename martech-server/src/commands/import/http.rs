//! A running server as the store of an import.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use martech_core::{Appended, Rejection, RejectionCode, Store, StoreError, event::Event};
use serde::{Deserialize, de::DeserializeOwned};
use ureq::typestate::WithBody;

use super::{check_project, error::CommandError};
use crate::{
    commands::http_client::TrustArgs,
    identity::{ProjectId, is_key},
    import::ImportError,
};

/// Time without an answer after which the command prints a message.
const SOON: Duration = Duration::from_secs(1);
/// Timeout of the first requests, before any file is read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends batches to `POST /events?ack=durable`, as NDJSON with zstd.
#[derive(Debug, Clone)]
pub(crate) struct HttpStore {
    agent: ureq::Agent,
    server: Arc<str>,
    url: Arc<str>,
    authorization: Option<Arc<str>>,
    /// Whether the token is a key, which the server checks with each batch.
    shows_key: bool,
    /// Whether the last request got no answer, and the message about it was printed.
    away: Arc<AtomicBool>,
}

impl HttpStore {
    pub(crate) fn new(
        url: &str,
        trust: &TrustArgs,
        token: Option<&str>,
        project: Option<&ProjectId>,
    ) -> Result<Self, CommandError> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = format!("--url {url}: must begin with http:// or https://");
            return Err(CommandError::Options(message));
        }
        let project = project.map(|project| format!("&project={project}")).unwrap_or_default();
        let agent = trust.agent().map_err(|error| CommandError::Options(error.to_string()))?;
        let server = url.trim_end_matches('/');
        Ok(Self {
            agent: agent.timeout_global(Some(Duration::from_secs(60))).build().into(),
            server: server.into(),
            url: format!("{server}/events?ack=durable{project}").into(),
            authorization: token.map(|token| format!("Bearer {token}").into()),
            shows_key: token.is_some_and(is_key),
            away: Arc::default(),
        })
    }

    /// Checks that a server answers, that the project exists, and that the token may send events to it.
    pub(crate) async fn find(&self, project: Option<&ProjectId>) -> Result<(), CommandError> {
        let (store, project) = (self.clone(), project.cloned());
        let mut found = tokio::task::spawn_blocking(move || store.check(project.as_ref()));
        let found = match tokio::time::timeout(SOON, &mut found).await {
            Ok(found) => found,
            Err(_) => {
                eprintln!("no response from {} yet; trying for 10 s", self.server);
                found.await
            }
        };
        found.unwrap_or_else(|_| Err(ImportError::Stopped.into()))
    }

    fn check(&self, project: Option<&ProjectId>) -> Result<(), CommandError> {
        let get = |path: &str| self.agent.get(format!("{}{path}", self.server));
        self.ask(get("/livez"), |request| request.call())?;
        if self.authorization.is_some() {
            let mut response = self.ask(get("/admin/projects"), |request| request.call())?;
            // A server may accept events without a token. It would treat an importer with a misspelled token like one
            // without a token, so a wrong token fails here.
            if response.status() == 401 && !self.shows_key {
                return Err(CommandError::Token { url: self.server.to_string() });
            }
            // A token without access to the list gets the error for a wrong project below.
            if let (Some(project), true) = (project, response.status().is_success())
                && let Some(Projects { projects }) = json(&mut response)
            {
                check_project(project, projects.into_iter().map(|project| project.id))?;
            }
        }
        // The server checks the token and the project before it reports that the body has no events.
        let mut response = self.ask(self.events(), |request| request.send_empty())?;
        let status = response.status().as_u16();
        match (status, json(&mut response)) {
            (401 | 403 | 404, Some(Failure { message })) => {
                Err(CommandError::Forbidden { url: self.server.to_string(), status, message })
            }
            (404 | 405, None) => Err(CommandError::NotAServer { url: self.server.to_string() }),
            _ => Ok(()),
        }
    }

    /// Sends a request of the check, with the token.
    fn ask<B>(
        &self,
        request: ureq::RequestBuilder<B>,
        send: impl FnOnce(ureq::RequestBuilder<B>) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<ureq::http::Response<ureq::Body>, CommandError> {
        let request = request.config().timeout_global(Some(READ_TIMEOUT)).build();
        send(self.authorized(request))
            .map_err(|error| CommandError::Unreachable { url: self.server.to_string(), reason: error.to_string() })
    }

    /// Returns a request for `POST /events`, without a body.
    fn events(&self) -> ureq::RequestBuilder<WithBody> {
        self.agent.post(&*self.url).header("content-type", "application/x-ndjson")
    }

    /// Adds the token, if there is one.
    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", &**authorization),
            None => request,
        }
    }

    /// Sends a batch. Blocks until the server has answered.
    fn post(&self, body: &[u8], events: usize) -> Result<Appended, StoreError> {
        let request = self.authorized(self.events()).header("content-encoding", "zstd");
        let mut response = request.send(body).map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                StoreError::fatal(format!("{} is not a valid server URL", self.url)).with_source(error)
            }
            error => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    eprintln!("no response from {}: {error}; retrying for several minutes", self.server);
                }
                StoreError::retry(format!("no response from {}", self.url)).with_source(error)
            }
        })?;
        self.away.store(false, Ordering::Relaxed);
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_vec()
            .map_err(|error| StoreError::retry("the server's response ended early").with_source(error))?;
        understand(status, retry_after.map(Duration::from_secs), &answer, events)
    }
}

impl Store<Event> for HttpStore {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let body = encode(batch).map_err(|error| StoreError::fatal("cannot encode the events").with_source(error))?;
        let (store, events) = (self.clone(), batch.len());
        tokio::task::spawn_blocking(move || store.post(&body, events))
            .await
            .unwrap_or_else(|error| Err(StoreError::fatal("the sending thread failed").with_source(error)))
    }
}

/// Reads a JSON response. Returns `None` if the response has another form.
fn json<T: DeserializeOwned>(response: &mut ureq::http::Response<ureq::Body>) -> Option<T> {
    serde_json::from_slice(&response.body_mut().read_to_vec().ok()?).ok()
}

fn encode(batch: &[Event]) -> std::io::Result<Vec<u8>> {
    let mut body = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
    let mut lines = std::io::BufWriter::new(&mut body);
    for event in batch {
        event.write_ndjson(&mut lines)?;
    }
    lines.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    body.finish()
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: ProjectId,
}

#[derive(Debug, Deserialize)]
struct Answer {
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    #[serde(default)]
    results: Vec<Row>,
    /// Exceptions after the first hundred.
    #[serde(default)]
    more: Vec<Rows>,
}

#[derive(Debug, Deserialize)]
struct Row {
    index: usize,
    status: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Events with the same outcome.
#[derive(Debug, Deserialize)]
struct Rows {
    status: String,
    code: String,
    /// Ascending positions and ranges of positions: `100-2047,2050`.
    indices: String,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

/// Returns the outcome that a response reports for a batch of `events` events.
fn understand(status: u16, retry_after: Option<Duration>, body: &[u8], events: usize) -> Result<Appended, StoreError> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    if let (200 | 202 | 400, Some(answer)) = (status, answer) {
        return answer.into_appended(events);
    }
    let said = serde_json::from_slice(body).ok().map(|failure: Failure| failure.message);
    let message = format!("the server responded with {status}: {}", said.as_deref().unwrap_or("(no reason given)"));
    Err(match status {
        429 | 503 => StoreError::retry_after(retry_after.unwrap_or(Duration::from_secs(1)), message),
        // The server may accept smaller parts of the batch.
        400 | 413 => StoreError::refused(message),
        408 | 500..=599 => StoreError::retry(message),
        _ => StoreError::fatal(message),
    })
}

impl Answer {
    fn into_appended(self, events: usize) -> Result<Appended, StoreError> {
        let broken = || StoreError::fatal("the server's response does not match the request");
        let mut appended = Appended { stored: self.accepted, ..Appended::default() };
        let mut note = |index, status: &str, code: &str, message: &str| match status {
            "duplicate" => appended.duplicates.push(index),
            "rejected" => {
                let code = RejectionCode::new(code.to_owned());
                appended.rejected.push(Rejection { index, code, reason: message.to_owned() });
            }
            _ => {}
        };
        for Row { index, status, code, message } in &self.results {
            note(*index, status, code.as_deref().unwrap_or_default(), message.as_deref().unwrap_or_default());
        }
        for Rows { status, code, indices } in &self.more {
            for run in indices.split(',') {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else {
                    return Err(broken());
                };
                if last >= events {
                    return Err(broken());
                }
                (first..=last)
                    .for_each(|index| note(index, status, code, "the server reports only the code for so many events"));
            }
        }
        appended.duplicates.sort_unstable();
        appended.rejected.sort_by_key(|rejection| rejection.index);
        let listed = appended.duplicates.len() == self.duplicates && appended.rejected.len() == self.rejected;
        if listed && appended.total() == events { Ok(appended) } else { Err(broken()) }
    }
}

#[cfg(test)]
mod tests {
    use martech_core::store::Advice;

    use super::*;

    #[test]
    fn reads_the_outcome_of_each_event() {
        let body = br#"{"accepted":1,"duplicates":1,"rejected":1,"results":[
            {"index":2,"eventId":"x","status":"rejected","code":"unknown_type","message":"no"},
            {"index":0,"eventId":"y","status":"duplicate"}]}"#;
        let appended = understand(202, None, body, 3).unwrap();
        assert_eq!((appended.stored, appended.duplicates), (1, vec![0]));
        let code = RejectionCode::new("unknown_type");
        assert_eq!(appended.rejected, [Rejection { index: 2, code, reason: "no".to_owned() }]);
        assert_eq!(understand(202, None, body, 4).unwrap_err().advice(), Advice::Fatal);
    }

    #[test]
    fn reads_outcomes_from_ranges_of_positions() {
        let more = |indices: &str| {
            let body = format!(
                r#"{{"accepted":1,"duplicates":4,"rejected":2,"results":[{{"index":0,"status":"duplicate"}}],"more":[
                    {{"status":"duplicate","code":"duplicate","count":3,"indices":"{indices}"}},
                    {{"status":"rejected","code":"id_conflict","count":2,"indices":"5-6"}}]}}"#
            );
            understand(202, None, body.as_bytes(), 7)
        };
        let appended = more("1-2,4").unwrap();
        assert_eq!((appended.stored, appended.duplicates), (1, vec![0, 1, 2, 4]));
        let rejected: Vec<_> =
            appended.rejected.iter().map(|rejection| (rejection.index, rejection.code.as_str())).collect();
        assert_eq!(rejected, [(5, "id_conflict"), (6, "id_conflict")]);
        for wrong in ["1-2", "1-9999999", "a", "", "4-1"] {
            assert_eq!(more(wrong).unwrap_err().advice(), Advice::Fatal, "{wrong}");
        }
    }

    #[test]
    fn maps_status_codes_to_retry_advice() {
        let advice = |status, after| understand(status, after, b"{\"message\":\"m\"}", 1).unwrap_err().advice();
        let five = Duration::from_secs(5);
        assert_eq!(advice(429, Some(five)), Advice::RetryAfter(five));
        assert_eq!(advice(503, None), Advice::RetryAfter(Duration::from_secs(1)));
        assert_eq!(advice(500, None), Advice::Retry);
        assert_eq!(advice(413, None), Advice::Refused);
        assert_eq!(advice(401, None), Advice::Fatal);
        assert_eq!(advice(200, None), Advice::Fatal);
    }

    #[test]
    fn accepts_http_and_https_urls_only() {
        let trust = TrustArgs::default();
        let store = |url| HttpStore::new(url, &trust, None, None);
        assert!(store("ftp://shop.example").is_err());
        assert!(store("http://127.0.0.1:3000/").unwrap().url.ends_with("3000/events?ack=durable"));
        assert!(store("https://shop.example").unwrap().url.starts_with("https://shop.example/events"));
    }
}
