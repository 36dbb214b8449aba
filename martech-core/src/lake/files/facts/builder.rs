//! Makes a facts file from the rows of an event file.

use std::sync::Arc;

use arrow_array::{
    RecordBatch, StringArray,
    cast::AsArray,
    types::{Decimal128Type, TimestampMillisecondType},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    block::{self, BLOCK_ROWS, Coded, Columns, Run},
    file::{Head, Writer},
};
use crate::{
    analytics::{Interner, MAX_NAME_BYTES, session_key},
    lake::files::{parquet_file::Tail, schema::column},
};

/// The columns of an event file that facts are made of, ascending.
pub(super) const SOURCES: [usize; 9] = [
    column::USER_ID,
    column::EVENT_TYPE,
    column::OCCURRED_AT,
    column::SESSION_ID,
    column::ORDER_VALUE,
    column::CURRENCY,
    column::PAGE,
    column::PRODUCT,
    column::SEARCH,
];

/// Returns the key of a person.
pub(crate) fn person_key(seed: u64, user_id: &str) -> u64 {
    xxh3_64_with_seed(user_id.as_bytes(), seed)
}

/// Collects the rows of an event file, in order.
pub(crate) struct FactsBuilder {
    seed: u64,
    user_id: String,
    runs: Vec<Run>,
    columns: Columns,
    dictionaries: [Interner<Arc<str>>; Coded::ALL.len()],
}

impl FactsBuilder {
    /// Begins the facts of about `rows` rows. `seed` is that of the lake's keys.
    pub(crate) fn new(seed: u64, rows: usize) -> Self {
        let columns = Columns {
            times: Vec::with_capacity(rows),
            sessions: Vec::with_capacity(rows),
            amounts: Vec::with_capacity(rows),
            codes: std::array::from_fn(|_| Vec::with_capacity(rows)),
        };
        // A query has no more room for pages, products and search terms than this.
        let room = |coded| match coded {
            Coded::Type | Coded::Currency => usize::MAX,
            Coded::Page | Coded::Product | Coded::Search => MAX_NAME_BYTES,
        };
        let dictionaries = Coded::ALL.map(|coded| Interner::with_room(room(coded)));
        Self { seed, user_id: String::new(), runs: Vec::new(), columns, dictionaries }
    }

    /// Adds the rows of a batch with all columns.
    pub(crate) fn push(&mut self, batch: &RecordBatch) {
        self.push_columns(batch, |column| column);
    }

    /// Adds the rows of a batch with the columns of [`SOURCES`].
    pub(super) fn push_sources(&mut self, batch: &RecordBatch) {
        self.push_columns(batch, |column| SOURCES.binary_search(&column).expect("a source"));
    }

    fn push_columns(&mut self, batch: &RecordBatch, position: impl Fn(usize) -> usize) {
        let texts = |column| batch.column(position(column)).as_string::<i32>();
        self.push_runs(texts(column::USER_ID));
        let times = batch.column(position(column::OCCURRED_AT)).as_primitive::<TimestampMillisecondType>();
        self.columns.times.extend_from_slice(times.values());
        let sessions = texts(column::SESSION_ID).iter();
        self.columns.sessions.extend(sessions.map(|session| session.map_or(0, session_key)));
        let amounts = batch.column(position(column::ORDER_VALUE)).as_primitive::<Decimal128Type>();
        self.columns.amounts.extend(amounts.iter().map(|amount| amount.unwrap_or_default() as i64));
        for coded in Coded::ALL {
            let (codes, names) = (&mut self.columns.codes[coded as usize], &mut self.dictionaries[coded as usize]);
            let code = |text: Option<&str>| text.map_or(0, |text| names.intern(text).index() as u32);
            codes.extend(texts(coded.source()).iter().map(code));
        }
    }

    fn push_runs(&mut self, users: &StringArray) {
        let first = self.columns.times.len() as u32;
        for (row, user_id) in (first..).zip(users.iter().flatten()) {
            match self.runs.last_mut() {
                Some(run) if self.user_id == user_id => run.rows += 1,
                _ => {
                    user_id.clone_into(&mut self.user_id);
                    self.runs.push(Run { key: person_key(self.seed, user_id), first: row, rows: 1 });
                }
            }
        }
    }

    /// Returns the content of the facts file of the event file with this tail.
    pub(crate) fn finish(mut self, tail: Tail) -> Vec<u8> {
        self.runs.sort_unstable_by_key(|run| (run.key, run.first));
        let rows = self.columns.times.len();
        let mut writer = Writer::new(Head { rows: rows as u32, seed: self.seed, tail });
        let (mut block, mut in_block) = (Vec::new(), 0);
        for mut run in self.runs {
            while run.rows > 0 {
                let taken = run.rows.min((BLOCK_ROWS - in_block) as u32);
                block.push(Run { rows: taken, ..run });
                in_block += taken as usize;
                run = Run { first: run.first + taken, rows: run.rows - taken, ..run };
                if in_block == BLOCK_ROWS {
                    writer.block(block[0].key, |out| block::write(out, &block, &self.columns));
                    block.clear();
                    in_block = 0;
                }
            }
        }
        if let Some(first) = block.first() {
            writer.block(first.key, |out| block::write(out, &block, &self.columns));
        }
        for names in &self.dictionaries {
            writer.dictionary(names.iter().map(|(_, name)| &**name), names.overflowed());
        }
        writer.finish()
    }
}

impl Coded {
    /// Returns the column of the event file.
    fn source(self) -> usize {
        match self {
            Self::Type => column::EVENT_TYPE,
            Self::Currency => column::CURRENCY,
            Self::Page => column::PAGE,
            Self::Product => column::PRODUCT,
            Self::Search => column::SEARCH,
        }
    }
}
