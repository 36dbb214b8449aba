//! A running server as the store that an import writes to.

use std::{sync::Arc, time::Duration};

use martech_core::{Appended, Rejection, Store, StoreError, event::Event};
use serde::Deserialize;

use super::error::ImportError;
use crate::projects::ProjectId;

/// Sends batches with `POST /events?ack=durable`, as NDJSON with zstd.
#[derive(Debug, Clone)]
pub(crate) struct HttpStore {
    agent: ureq::Agent,
    url: Arc<str>,
    authorization: Option<Arc<str>>,
}

impl HttpStore {
    pub(crate) fn new(url: &str, token: Option<&str>, project: Option<&ProjectId>) -> Result<Self, ImportError> {
        if !url.starts_with("http://") {
            let message = format!("--url {url}: an import speaks plain HTTP, so it begins with http://");
            return Err(ImportError::Options(message));
        }
        let project = project.map(|project| format!("&project={project}")).unwrap_or_default();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(60)))
            .user_agent(concat!("martech-import/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self {
            agent,
            url: format!("{}/events?ack=durable{project}", url.trim_end_matches('/')).into(),
            authorization: token.map(|token| format!("Bearer {token}").into()),
        })
    }

    /// Blocks until the server has answered.
    fn post(&self, body: &[u8], events: usize) -> Result<Appended, StoreError> {
        let mut request = self
            .agent
            .post(&*self.url)
            .header("content-type", "application/x-ndjson")
            .header("content-encoding", "zstd");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", &**authorization);
        }
        let mut response = request.send(body).map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                StoreError::fatal(format!("{} is no address of a server", self.url)).with_source(error)
            }
            error => StoreError::retry(format!("{} does not answer", self.url)).with_source(error),
        })?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_vec()
            .map_err(|error| StoreError::retry("the server's answer broke off").with_source(error))?;
        understand(status, retry_after.map(Duration::from_secs), &answer, events)
    }
}

impl Store<Event> for HttpStore {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let body = encode(batch).map_err(|error| StoreError::fatal("an event has no JSON").with_source(error))?;
        let (store, events) = (self.clone(), batch.len());
        tokio::task::spawn_blocking(move || store.post(&body, events))
            .await
            .unwrap_or_else(|error| Err(StoreError::fatal("sending failed").with_source(error)))
    }
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

#[derive(Debug, Deserialize)]
struct Answer {
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    #[serde(default)]
    results: Vec<Row>,
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

#[derive(Deserialize)]
struct Failure {
    message: String,
}

/// What an answer says about a batch of so many events.
fn understand(status: u16, retry_after: Option<Duration>, body: &[u8], events: usize) -> Result<Appended, StoreError> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    if let (200 | 202 | 400, Some(answer)) = (status, answer) {
        return answer.into_appended(events);
    }
    let said = serde_json::from_slice(body).ok().map(|failure: Failure| failure.message);
    let message = format!("the server answers {status}: {}", said.as_deref().unwrap_or("(without a reason)"));
    Err(match status {
        429 | 503 => StoreError::retry_after(retry_after.unwrap_or(Duration::from_secs(1)), message),
        // A part of the batch may be taken where the whole is not.
        400 | 413 => StoreError::refused(message),
        408 | 500..=599 => StoreError::retry(message),
        _ => StoreError::fatal(message),
    })
}

impl Answer {
    fn into_appended(self, events: usize) -> Result<Appended, StoreError> {
        let broken = || StoreError::fatal("the server's answer does not fit what was sent");
        let mut appended = Appended { stored: self.accepted, ..Appended::default() };
        for row in self.results {
            match row.status.as_str() {
                "duplicate" => appended.duplicates.push(row.index),
                "rejected" => {
                    let (code, message) = (row.code.unwrap_or_default(), row.message.unwrap_or_default());
                    appended.rejected.push(Rejection::unfit(row.index, format!("{code}: {message}")));
                }
                _ => {}
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
    fn an_answer_tells_of_each_event() {
        let body = br#"{"accepted":1,"duplicates":1,"rejected":1,"results":[
            {"index":2,"eventId":"x","status":"rejected","code":"unknown_type","message":"no"},
            {"index":0,"eventId":"y","status":"duplicate"}]}"#;
        let appended = understand(202, None, body, 3).unwrap();
        assert_eq!((appended.stored, appended.duplicates), (1, vec![0]));
        assert_eq!(appended.rejected, [Rejection::unfit(2, "unknown_type: no")]);
        assert_eq!(understand(202, None, body, 4).unwrap_err().advice(), Advice::Fatal);
    }

    #[test]
    fn a_failure_says_what_to_do() {
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
    fn only_plain_http_is_spoken() {
        assert!(HttpStore::new("https://shop.example", None, None).is_err());
        assert!(HttpStore::new("http://127.0.0.1:3000/", None, None).unwrap().url.ends_with("3000/events?ack=durable"));
    }
}
