use super::row::Row;

/// Events without a session id that lie further apart than this belong to different sessions.
pub const SESSION_GAP_MILLIS: i64 = 30 * 60 * 1000;

/// The sessions of one user, in a form that can be joined with those of other events of that user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// [`session_key`](super::session_key)s, ascending.
    ids: Vec<u64>,
    /// First and last moment of each run of events without a session id, ascending, more than the gap apart.
    runs: Vec<(i64, i64)>,
}

/// Bytes that are no sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of a user's sessions are damaged")]
pub struct SessionsDecodeError;

impl Sessions {
    /// The sessions of one user's events, which are in time order.
    pub fn from_rows(_rows: &[Row]) -> Self {
        unimplemented!()
    }

    /// Adds the sessions of other events of the same user: the result is what all events together would have given.
    pub fn merge(&mut self, _other: &Self) {
        unimplemented!()
    }

    /// How many: distinct ids plus runs.
    pub fn count(&self) -> u64 {
        (self.ids.len() + self.runs.len()) as u64
    }

    /// Appends a compact form.
    pub fn encode(&self, _out: &mut Vec<u8>) {
        unimplemented!()
    }

    /// Reads what [`encode`](Self::encode) made.
    pub fn decode(_bytes: &[u8]) -> Result<Self, SessionsDecodeError> {
        unimplemented!()
    }
}
