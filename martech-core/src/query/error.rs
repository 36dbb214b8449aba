/// An error returned for a query that cannot be answered. The message says which field is at fault and what would be
/// valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
#[non_exhaustive]
pub struct QueryError {
    /// Name of the field in the query string: `from`, `interval`, `cursor`, ...
    pub field: &'static str,
    /// The message, for people.
    pub message: String,
}

impl QueryError {
    /// Creates an error about a field.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}
