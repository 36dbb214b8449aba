use super::row::Row;
use crate::varint;

/// The longest gap within a session, in milliseconds. Events without a session id that are further apart belong to
/// different sessions.
pub const SESSION_GAP_MILLIS: i64 = 30 * 60 * 1000;

/// The sessions of one user, in a form that can be merged with those of other events of the same user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// [`session_key`](super::session_key)s, ascending.
    ids: Vec<u64>,
    /// First and last moment of each run of events without a session id, ascending. Runs are further apart than the
    /// gap.
    runs: Vec<(i64, i64)>,
}

/// An error returned for bytes that are not encoded sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encoded sessions of a user are damaged")]
pub struct SessionsDecodeError;

impl Sessions {
    /// Collects the sessions of one user's events, which must be in time order.
    pub fn from_rows(rows: &[Row]) -> Self {
        let mut ids: Vec<u64> = rows.iter().map(|row| row.session).filter(|session| *session != 0).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut runs = Vec::new();
        for row in rows.iter().filter(|row| row.session == 0) {
            extend(&mut runs, (row.occurred_at, row.occurred_at));
        }
        Self { ids, runs }
    }

    /// Adds the sessions of other events of the same user. The result equals the sessions of all events together.
    ///
    /// Ids are united. Runs that overlap, or are no further apart than the gap, become one: neighbors within a run are
    /// no further apart than the gap, and additional events only bring neighbors closer.
    pub fn merge(&mut self, other: &Self) {
        self.ids.extend_from_slice(&other.ids);
        self.ids.sort_unstable();
        self.ids.dedup();
        let mut runs = std::mem::take(&mut self.runs);
        runs.extend_from_slice(&other.runs);
        runs.sort_unstable();
        self.runs.reserve(runs.len());
        runs.into_iter().for_each(|run| extend(&mut self.runs, run));
    }

    /// Returns the number of sessions: distinct ids plus runs.
    pub fn count(&self) -> u64 {
        (self.ids.len() + self.runs.len()) as u64
    }

    /// Appends a compact encoding: the number of ids (varint), the ids (8 bytes each, little-endian), then for each run
    /// the distance of its start from the end of the previous run (from 0 for the first) and its length, as zigzag
    /// varints of milliseconds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::write(out, self.ids.len() as u64);
        self.ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
        let mut end = 0i64;
        for run in &self.runs {
            varint::write_signed(out, run.0.wrapping_sub(end));
            varint::write_signed(out, run.1.wrapping_sub(run.0));
            end = run.1;
        }
    }

    /// Decodes the output of [`encode`](Self::encode).
    ///
    /// # Errors
    /// Fails if the bytes are not such output.
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionsDecodeError> {
        Self::read(bytes).filter(Self::is_well_formed).ok_or(SessionsDecodeError)
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let count = usize::try_from(varint::read(&mut bytes)?).ok()?;
        let (ids, mut bytes) = bytes.split_at_checked(count.checked_mul(8)?)?;
        let (ids, _) = ids.as_chunks::<8>();
        let ids = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
        let mut runs = Vec::new();
        let mut end = 0i64;
        while !bytes.is_empty() {
            let start = end.wrapping_add(varint::read_signed(&mut bytes)?);
            end = start.wrapping_add(varint::read_signed(&mut bytes)?);
            runs.push((start, end));
        }
        Some(Self { ids, runs })
    }

    fn is_well_formed(&self) -> bool {
        self.ids.is_sorted_by(|a, b| a < b)
            && self.runs.iter().all(|(start, end)| start <= end)
            && self.runs.is_sorted_by(|a, b| gap(a.1, b.0) > SESSION_GAP_MILLIS)
    }
}

/// Adds a run that does not start before the last one: extends the last run or appends a new one.
fn extend(runs: &mut Vec<(i64, i64)>, run: (i64, i64)) {
    match runs.last_mut() {
        Some(last) if gap(last.1, run.0) <= SESSION_GAP_MILLIS => last.1 = last.1.max(run.1),
        _ => runs.push(run),
    }
}

/// Returns the time from one moment to a later one.
fn gap(from: i64, to: i64) -> i64 {
    to.saturating_sub(from)
}
