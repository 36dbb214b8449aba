//! Settings of the store, and the settings that the connection string passes to the driver.

use std::{fmt, time::Duration};

use mongodb::{
    bson::{Document, RawDocument},
    options::{Acknowledgment, ClientOptions, WriteConcern},
};

use serde::Serialize;

use super::{
    document::{begin, boolean, end, string},
    error::MongoError,
};
use crate::setters::setters;

/// Settings of a [`MongoStore`](super::MongoStore): connection string, collection, timeouts and limits.
///
/// ```
/// use martech_core::mongodb::MongoOptions;
///
/// let options = MongoOptions::new("mongodb://db1,db2,db3/shop?replicaSet=rs0&readPreference=primaryPreferred");
/// assert_eq!(options.collection, "events");
/// let unlimited = options.collection("visits").query_timeout(None);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct MongoOptions {
    /// A [connection string](https://www.mongodb.com/docs/manual/reference/connection-string/), with every option that
    /// the driver supports. Its path names the database; the default is `martech`. Other defaults: at most 10
    /// connections to each server (`maxPoolSize`), up to 15 seconds to find a server (`serverSelectionTimeoutMS`), and
    /// writes that a majority acknowledges and journals (`w`, `journal`).
    pub uri: String,
    /// Name of the collection.
    pub collection: String,
    /// How long the server may work on a query (`maxTimeMS`). `None` means no limit.
    pub query_timeout: Option<Duration>,
    /// How long to wait for the response to any other command before the connection is closed. Responses to queries are
    /// awaited for this long beyond `query_timeout`.
    pub answer_timeout: Duration,
    /// Limits of one insert, if they are lower than the server's.
    pub limits: Limits,
}

/// Limits of one insert command.
///
/// ```
/// use martech_core::mongodb::Limits;
///
/// let limits = Limits::NONE.documents(500);
/// assert_eq!(limits.documents, 500);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limits {
    /// Maximum bytes of one document (`maxBsonObjectSize`), and of all documents of one insert.
    pub document_bytes: usize,
    /// Maximum bytes of one message (`maxMessageSizeBytes`).
    pub message_bytes: usize,
    /// Maximum number of documents in one insert (`maxWriteBatchSize`).
    pub documents: usize,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { document_bytes: usize::MAX, message_bytes: usize::MAX, documents: usize::MAX };

    /// Returns the lower of each limit.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            document_bytes: self.document_bytes.min(other.document_bytes),
            message_bytes: self.message_bytes.min(other.message_bytes),
            documents: self.documents.min(other.documents),
        }
    }
}

impl MongoOptions {
    /// Creates options for the collection `events`, with timeouts of 30 seconds for queries and for responses.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            collection: "events".to_owned(),
            query_timeout: Some(Duration::from_secs(30)),
            answer_timeout: Duration::from_secs(30),
            limits: Limits::NONE,
        }
    }
}

setters! {
    MongoOptions {
        collection: into String,
        query_timeout: into Option<Duration>,
        answer_timeout: Duration,
        limits: Limits,
    }
}

setters! {
    Limits {
        document_bytes: usize,
        message_bytes: usize,
        documents: usize,
    }
}

/// Omits the connection string, which may contain a password.
impl fmt::Debug for MongoOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoOptions")
            .field("collection", &self.collection)
            .field("query_timeout", &self.query_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

const DATABASE: &str = "martech";
const POOL: u32 = 10;
/// Longer than the driver's interval of ten seconds between checks of a lost server.
const SELECTION: Duration = Duration::from_secs(15);

/// The parsed connection string.
pub(super) struct Parsed {
    pub(super) client: ClientOptions,
    pub(super) database: String,
    pub(super) acknowledgement: Acknowledgement,
}

pub(super) async fn parse(options: &MongoOptions) -> Result<Parsed, MongoError> {
    let mut client =
        ClientOptions::parse(options.uri.as_str()).await.map_err(|error| match MongoError::from(error) {
            passing @ MongoError::Unavailable(_) => passing,
            MongoError::Options(text) => MongoError::Options(text),
            other => MongoError::Options(other.to_string()),
        })?;
    client.max_pool_size.get_or_insert(POOL);
    client.server_selection_timeout.get_or_insert(SELECTION);
    client.app_name.get_or_insert_with(|| "martech".to_owned());
    // Each write command carries the write concern itself. Commands that only read must not have one.
    let acknowledgement = Acknowledgement::new(client.write_concern.take())?;
    let database = client.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
    Ok(Parsed { client, database, acknowledgement })
}

/// The write concern: when a write counts as acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Acknowledgement {
    /// BSON document for a command's `writeConcern` field.
    pub(super) bytes: Vec<u8>,
    /// Set if acknowledged events can be lost with this write concern.
    pub(super) warning: Option<String>,
}

impl Acknowledgement {
    /// Combines the given write concern with the defaults: majority and journaled.
    fn new(given: Option<WriteConcern>) -> Result<Self, MongoError> {
        let mut concern = given.unwrap_or_default();
        let w = concern.w.take().unwrap_or(Acknowledgment::Majority);
        let journal = concern.journal.unwrap_or(true);
        if w == Acknowledgment::Nodes(0) {
            let why = "w=0 requests no acknowledgement, so stored events cannot be confirmed; leave it out or use w=1";
            return Err(MongoError::Options(why.to_owned()));
        }
        let mut weaker = Vec::new();
        match &w {
            Acknowledgment::Nodes(nodes) => {
                weaker.push(format!("w={nodes} waits for {nodes} servers, not for a majority"));
            }
            Acknowledgment::Custom(name) => {
                weaker.push(format!("w={name} depends on the configuration of the replica set"));
            }
            _ => {}
        }
        if !journal {
            weaker.push("journal=false does not wait for the disk".to_owned());
        }
        let warning = (!weaker.is_empty()).then(|| {
            format!(
                "the write concern of the connection string may be weaker than majority and journaled: {}; \
                 acknowledged events can be lost when a server fails",
                weaker.join("; ")
            )
        });
        Ok(Self { bytes: document(&w, journal, concern.w_timeout), warning })
    }

    /// Returns the write concern as a document, for commands other than inserts.
    pub(super) fn document(&self) -> Document {
        let raw = RawDocument::from_bytes(&self.bytes).and_then(Document::try_from);
        raw.expect("the bytes are a document")
    }
}

fn document(w: &Acknowledgment, journal: bool, timeout: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::new();
    let mark = begin(&mut out);
    match w {
        Acknowledgment::Nodes(nodes) => int(&mut out, "w", i64::from(*nodes)),
        Acknowledgment::Custom(name) => string(&mut out, "w", name),
        _ => string(&mut out, "w", "majority"),
    }
    boolean(&mut out, "j", journal);
    if let Some(timeout) = timeout {
        int(&mut out, "wtimeout", i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
    }
    end(&mut out, mark);
    out
}

fn int(out: &mut Vec<u8>, name: &str, value: i64) {
    super::document::name(out, super::document::INT64, name);
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    async fn parsed(uri: &str) -> Result<Parsed, MongoError> {
        parse(&MongoOptions::new(uri)).await
    }

    async fn concern(uri: &str) -> (Document, Option<String>) {
        let acknowledgement = parsed(uri).await.map(|parsed| parsed.acknowledgement).unwrap();
        let raw = RawDocument::from_bytes(&acknowledgement.bytes).unwrap();
        (Document::try_from(raw).unwrap(), acknowledgement.warning)
    }

    #[tokio::test]
    async fn connection_string_overrides_defaults() {
        let plain = parsed("mongodb://localhost").await.map_err(|error| error.to_string());
        let plain = plain.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((plain.database.as_str(), plain.client.max_pool_size), ("martech", Some(10)));
        assert_eq!(plain.client.server_selection_timeout, Some(SELECTION));
        let said = parsed("mongodb://localhost/shop?maxPoolSize=3&serverSelectionTimeoutMS=700").await;
        let said = said.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((said.database.as_str(), said.client.max_pool_size), ("shop", Some(3)));
        assert_eq!(said.client.server_selection_timeout, Some(Duration::from_millis(700)));
    }

    #[tokio::test]
    async fn weaker_write_concern_is_a_warning() {
        assert_eq!(concern("mongodb://localhost").await, (doc! { "w": "majority", "j": true }, None));
        let (timed, warning) = concern("mongodb://localhost/?w=majority&wTimeoutMS=900").await;
        assert_eq!((timed, warning), (doc! { "w": "majority", "j": true, "wtimeout": 900_i64 }, None));
        let (one, warning) = concern("mongodb://localhost/?w=1").await;
        assert_eq!(one, doc! { "w": 1_i64, "j": true });
        assert!(warning.unwrap().contains("w=1"));
        let (unjournaled, warning) = concern("mongodb://localhost/?journal=false").await;
        assert_eq!(unjournaled, doc! { "w": "majority", "j": false });
        assert!(warning.unwrap().contains("journal=false"));
    }

    #[tokio::test]
    async fn invalid_connection_string_names_the_cause() {
        for (uri, why) in [("mongodb://localhost/?w=0", "w=0"), ("postgres://localhost", "scheme"), ("mongodb://", "")]
        {
            match parsed(uri).await {
                Err(MongoError::Options(text)) => assert!(text.contains(why), "{uri}: {text}"),
                Err(other) => panic!("{uri}: {other:?}"),
                Ok(_) => panic!("{uri} is no connection string"),
            }
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        assert!(!format!("{:?}", MongoOptions::new("mongodb://u:secret@localhost")).contains("secret"));
    }
}
