//! Errors of the MongoDB store, and what the caller can do about each.

use std::time::Duration;

use mongodb::error::{CommandError, ErrorKind, RETRYABLE_WRITE_ERROR, SYSTEM_OVERLOADED_ERROR, WriteFailure};

use super::document::NotAnEvent;
use crate::{query::QueryError, store::StoreError};

/// Why a [`MongoStore`](super::MongoStore) operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MongoError {
    /// The query is invalid.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The connection string is invalid.
    #[error("connection string: {0}")]
    Options(String),
    /// No server is available: none is reachable, none is the primary, or the server is shutting down. This is
    /// transient.
    #[error("MongoDB is not available: {0}")]
    Unavailable(String),
    /// The server did not answer in time.
    #[error("MongoDB timed out: {0}")]
    TimedOut(String),
    /// Authentication failed, or the user lacks a privilege.
    #[error("MongoDB denied access: {0}")]
    Unauthorized(String),
    /// The server does not speak the MongoDB protocol, is too old, or lacks a required feature.
    #[error("unsupported MongoDB server: {0}")]
    WrongServer(String),
    /// An existing index would reject events.
    #[error("unusable index of the collection: {0}")]
    WrongIndex(String),
    /// The message exceeds the server's size limit.
    #[error("MongoDB rejected a message as too large: {0}")]
    TooLarge(String),
    /// A document in the collection is not an event.
    #[error("document {id} is not an event: {why}")]
    Damaged {
        /// The document's `_id`.
        id: String,
        /// Description of the problem.
        why: String,
    },
    /// Any other error from the server or the driver.
    #[error("MongoDB: {0}")]
    Other(String),
}

/// Retry delay for errors that an operator has to fix.
const MENDING: Duration = Duration::from_secs(30);

impl MongoError {
    /// Whether an immediate retry on another connection or server may succeed.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the server refused the request because it lacks a command or an option.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Other(_) | Self::WrongServer(_))
    }
}

impl From<NotAnEvent> for MongoError {
    fn from(NotAnEvent { id, why }: NotAnEvent) -> Self {
        Self::Damaged { id, why }
    }
}

/// Conversion for appends. No error is fatal, because any server problem can be fixed while this process runs.
impl From<MongoError> for StoreError {
    fn from(error: MongoError) -> Self {
        let text = error.to_string();
        match error {
            MongoError::Unavailable(_) | MongoError::TimedOut(_) => Self::retry(text),
            MongoError::TooLarge(_) => Self::refused(text),
            MongoError::Other(_) => Self::retry_after(Duration::from_secs(5), text),
            _ => Self::retry_after(MENDING, text),
        }
    }
}

impl From<mongodb::error::Error> for MongoError {
    fn from(error: mongodb::error::Error) -> Self {
        let passes = error.contains_label(RETRYABLE_WRITE_ERROR) || error.contains_label(SYSTEM_OVERLOADED_ERROR);
        let text = plain(&error.kind.to_string());
        match *error.kind {
            ErrorKind::Command(error) => of_command(&error, passes),
            ErrorKind::Write(WriteFailure::WriteConcernError(error)) => of_code(error.code, error.message, passes),
            ErrorKind::Authentication { .. } => Self::Unauthorized(text),
            ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Self::TimedOut(text),
            ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. } => of_selection(text),
            ErrorKind::Io(_) | ErrorKind::DnsResolve { .. } => Self::Unavailable(text),
            ErrorKind::IncompatibleServer { .. } | ErrorKind::SessionsNotSupported => Self::WrongServer(text),
            ErrorKind::InvalidResponse { .. } => Self::WrongServer(text),
            ErrorKind::InvalidArgument { .. } | ErrorKind::InvalidTlsConfig { .. } => Self::Options(text),
            _ if passes => Self::Unavailable(text),
            _ => Self::Other(text),
        }
    }
}

/// Strips the driver's debugging details (labels, raw responses) from its error text.
fn plain(text: &str) -> String {
    const LIMIT: usize = 600;
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((kept, dropped)) = rest.split_once(", labels: {") {
        plain.push_str(kept);
        rest = dropped.find(", { Address: ").map_or("", |next| &dropped[next..]);
    }
    plain.push_str(rest);
    match plain.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

/// Classifies a server selection error. The driver reports the cause only as text.
fn of_selection(text: String) -> MongoError {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["SCRAM failure", "uthentication fail"]) {
        MongoError::Unauthorized(text)
    } else if says(&["wire version", "invalid reply", "Invalid reply", "opcode", "malformed", "Malformed"]) {
        MongoError::WrongServer(text)
    } else {
        MongoError::Unavailable(text)
    }
}

fn of_command(error: &CommandError, passes: bool) -> MongoError {
    of_code(error.code, format!("{} (code {} {})", error.message, error.code, error.code_name), passes)
}

/// Classifies a server error code. Codes that are not listed become [`MongoError::Other`] with the server's message.
fn of_code(code: i32, text: String, passes: bool) -> MongoError {
    match code {
        // MaxTimeMSExpired, ExceededTimeLimit.
        50 | 262 => MongoError::TimedOut(text),
        code if passes || is_transient(code) => MongoError::Unavailable(text),
        // Unauthorized, AuthenticationFailed, UserNotFound, ReauthenticationRequired; AtlasError.
        13 | 18 | 11 | 391 | 8000 => MongoError::Unauthorized(text),
        // CommandNotFound, CommandNotSupported, CommandNotSupportedOnView.
        59 | 115 | 166 => MongoError::WrongServer(text),
        // BSONObjectTooLarge.
        10334 => MongoError::TooLarge(text),
        _ => MongoError::Other(text),
    }
}

/// Whether a code means that the server is changing its role, shutting down, overloaded, or resolving a conflict.
fn is_transient(code: i32) -> bool {
    matches!(
        code,
        // Host unreachable, host not found, network timeouts, sockets.
        6 | 7 | 89 | 9001 | 202
            // Not primary, or primary not yet known.
            | 10107 | 13435 | 13436 | 10058 | 133 | 134
            // Shutdown, or an interruption caused by it.
            | 91 | 189 | 11600 | 11601 | 11602
            // Lost cursors.
            | 43 | 237 | 175
            // Locks, write conflicts, write concern timeouts.
            | 24 | 46 | 112 | 64
            // Chunk migrations.
            | 63 | 150 | 13388 | 249
            // Overload.
            | 462 | 365
    )
}

/// Returns the server-wide error behind one document's error code, or `None` if the document itself is at fault.
pub(super) fn of_server(code: i32, words: &str) -> Option<MongoError> {
    match of_code(code, words.to_owned(), false) {
        // OutOfDiskSpace, ExceededMemoryLimit.
        error @ MongoError::Other(_) if matches!(code, 14031 | 146) => Some(error),
        error @ (MongoError::Unavailable(_) | MongoError::TimedOut(_) | MongoError::Unauthorized(_)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Advice;

    fn advice(error: MongoError) -> Advice {
        StoreError::from(error).advice()
    }

    #[test]
    fn error_codes_map_to_retry_advice() {
        for code in [10107, 13435, 189, 91, 11600, 11602, 43, 112] {
            assert!(matches!(of_code(code, String::new(), false), MongoError::Unavailable(_)), "{code}");
            assert_eq!(advice(of_code(code, String::new(), false)), Advice::Retry, "{code}");
        }
        assert!(matches!(of_code(50, String::new(), false), MongoError::TimedOut(_)));
        assert_eq!(advice(of_code(50, String::new(), false)), Advice::Retry);
        for code in [13, 18] {
            assert!(matches!(of_code(code, String::new(), false), MongoError::Unauthorized(_)));
            assert_eq!(advice(of_code(code, String::new(), false)), Advice::RetryAfter(MENDING));
        }
        assert_eq!(advice(of_code(10334, String::new(), false)), Advice::Refused);
        assert!(matches!(of_code(59, String::new(), false), MongoError::WrongServer(_)));
        assert!(matches!(of_code(2, String::new(), false), MongoError::Other(_)));
        assert!(matches!(of_code(2, String::new(), true), MongoError::Unavailable(_)));
    }

    #[test]
    fn driver_errors_drop_labels_and_are_truncated() {
        let text = "Server selection timeout: No available servers. Topology: { Servers: [ { Address: a:1, Type: Unknown, \
                    Error: Kind: I/O error: refused, labels: {}, source: None, server response: None }, { Address: b:1, \
                    Type: Unknown, Error: Kind: no, labels: {\"x\"}, source: None } ] }";
        let expected = "Server selection timeout: No available servers. Topology: { Servers: [ { Address: a:1, Type: \
                        Unknown, Error: Kind: I/O error: refused, { Address: b:1, Type: Unknown, Error: Kind: no";
        assert_eq!(plain(text), expected);
        assert_eq!(plain(&"é".repeat(700)).chars().count(), 601);
    }

    #[test]
    fn no_error_is_fatal() {
        let text = String::new;
        for error in [
            MongoError::Options(text()),
            MongoError::Unauthorized(text()),
            MongoError::WrongServer(text()),
            MongoError::WrongIndex(text()),
            MongoError::Damaged { id: text(), why: text() },
            MongoError::Other(text()),
        ] {
            assert!(matches!(advice(error), Advice::RetryAfter(_)));
        }
    }

    #[test]
    fn query_errors_display_unchanged() {
        let error = MongoError::from(QueryError::new("to", "must be later"));
        assert_eq!(error.to_string(), "to: must be later");
    }
}
