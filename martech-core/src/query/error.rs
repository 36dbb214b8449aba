/// A question that cannot be answered as it was asked: which field is to blame, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct QueryError {
    /// Name of the field, as the query string has it: `from`, `interval`, `cursor`, ...
    pub field: &'static str,
    /// For people.
    pub message: String,
}

impl QueryError {
    /// An error of a field.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}
