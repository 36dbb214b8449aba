//! Batches that went to the store, counted: why they went, and how it ended.

/// Why a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlushReason {
    /// It held `max_batch` events.
    Full,
    /// Its oldest event had waited `flush_interval`; where that is zero, a flush slot was free.
    Due,
    /// The sink was full and did not wait for it to grow.
    Pressed,
    /// Somebody called `flush`.
    Asked,
    /// The sink was closed, or stopped for good.
    Closing,
}

/// How the flush of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlushOutcome {
    /// The store said of every event what became of it.
    Answered,
    /// Some or all of its events were given up, or given back.
    Failed,
}

impl FlushReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Full, Self::Due, Self::Pressed, Self::Asked, Self::Closing];

    /// The name, for figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Due => "due",
            Self::Pressed => "pressed",
            Self::Asked => "asked",
            Self::Closing => "closing",
        }
    }
}

impl FlushOutcome {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Answered, Self::Failed];

    /// The name, for figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }
}

/// How many batches ended, by why they went and how it ended. A batch counts once, however often it was appended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushCounts([[u64; FlushOutcome::ALL.len()]; FlushReason::ALL.len()]);

impl FlushCounts {
    /// Of this reason and outcome.
    pub fn get(&self, reason: FlushReason, outcome: FlushOutcome) -> u64 {
        self.0[reason as usize][outcome as usize]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    pub(super) fn count(&mut self, reason: FlushReason, outcome: FlushOutcome) {
        self.0[reason as usize][outcome as usize] += 1;
    }
}
