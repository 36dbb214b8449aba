use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder},
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};

use super::{
    catalog::UsersEntry,
    events_writer::{Folders, Temporary},
    layout::Layout,
    parquet_file::Output,
};
use crate::{
    analytics::{Sessions, Symbols, UserSummary},
    event::{Currency, MoneySum, Timestamp},
    lake::{
        error::{Context, LakeError, Result},
        rows::{sorted::Sorted, to_row},
    },
};

/// The positions of the columns.
pub(crate) mod column {
    pub(crate) const USER_ID: usize = 0;
    pub(crate) const FIRST_SEEN: usize = 1;
    pub(crate) const LAST_SEEN: usize = 2;
    pub(crate) const EVENTS: usize = 3;
    pub(crate) const ORDERS: usize = 4;
    pub(crate) const REVENUE: usize = 5;
    pub(crate) const SESSIONS: usize = 6;
    pub(crate) const ALL: [usize; 7] = [USER_ID, FIRST_SEEN, LAST_SEEN, EVENTS, ORDERS, REVENUE, SESSIONS];
}

/// The number of summaries in a batch.
const BATCH_ROWS: usize = 8 * 1024;
const PAGE_ROWS: usize = 4 * 1024;

pub(crate) static USERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("first_seen", time.clone(), false),
        Field::new("last_seen", time, false),
        Field::new("events", DataType::Int64, false),
        Field::new("orders", DataType::Int64, false),
        // Sums by currency. Each entry has eight bytes of code and sixteen bytes of millionths (little-endian).
        Field::new("revenue", DataType::Binary, true),
        // The output of `Sessions::encode`, so that a session that spans several files counts once.
        Field::new("sessions", DataType::Binary, false),
    ]))
});

fn writing() -> WriterProperties {
    let path = |column: usize| ColumnPath::from(USERS.field(column).name().as_str());
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a valid zstd level")))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_column_index_truncate_length(None)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(path(column::USER_ID), EnabledStatistics::Page);
    for column in [column::FIRST_SEEN, column::LAST_SEEN, column::EVENTS, column::ORDERS] {
        properties = properties.set_column_encoding(path(column), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

/// Writes the summaries of the users of a hot table. `summed` is called now and then with the number of events summed
/// up.
pub(crate) fn write_hot(
    layout: &Layout,
    id: u64,
    sorted: &Sorted<'_>,
    folders: &mut Folders,
    summed: impl Fn(usize),
) -> Result<UsersEntry> {
    let mut writer = UsersWriter::create(layout, id)?;
    let mut symbols = Symbols::new();
    let mut rows = Vec::new();
    let mut told = 0;
    for user in sorted.users() {
        rows.clear();
        rows.extend(user.clone().map(|position| to_row(&sorted.row(position), &mut symbols)));
        if let Some(summary) = UserSummary::from_rows(&rows, &symbols) {
            writer.push(sorted.user_id(user.start), &summary)?;
        }
        if user.end - told >= BATCH_ROWS {
            told = user.end;
            summed(told);
        }
    }
    writer.finish(folders)
}

/// The writer of a users file. Users must be pushed in ascending order.
pub(crate) struct UsersWriter<'a> {
    layout: &'a Layout,
    id: u64,
    temporary: Temporary<'a>,
    output: Output,
    columns: Columns,
    rows: u64,
}

impl<'a> UsersWriter<'a> {
    pub(crate) fn create(layout: &'a Layout, id: u64) -> Result<Self> {
        let temporary = Temporary::beside(layout, &layout.users_file(id))?;
        let output = Output::create(&*layout.fs, temporary.path(), &USERS, writing())?;
        Ok(Self { layout, id, temporary, output, columns: Columns::new(), rows: 0 })
    }

    pub(crate) fn push(&mut self, user_id: &str, summary: &UserSummary) -> Result<()> {
        self.columns.push(user_id, summary);
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH_ROWS as u64) { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let batch = RecordBatch::try_new(USERS.clone(), self.columns.finish())
            .context("cannot write", self.temporary.path())?;
        self.output.write(&batch).context("cannot write", self.temporary.path())
    }

    pub(crate) fn finish(mut self, folders: &mut Folders) -> Result<UsersEntry> {
        self.write()?;
        let Self { layout, id, temporary, output, rows, .. } = self;
        let (_, tail, bytes) = output.finish().context("cannot write", temporary.path())?;
        temporary.rename(&layout.users_file(id))?;
        folders.0.insert(layout.users());
        Ok(UsersEntry { id, rows, bytes, tail })
    }
}

struct Columns {
    user_id: StringBuilder,
    first_seen: TimestampMillisecondBuilder,
    last_seen: TimestampMillisecondBuilder,
    events: Int64Builder,
    orders: Int64Builder,
    revenue: BinaryBuilder,
    sessions: BinaryBuilder,
    scratch: Vec<u8>,
}

impl Columns {
    fn new() -> Self {
        let times = || TimestampMillisecondBuilder::new().with_timezone("UTC");
        Self {
            user_id: StringBuilder::new(),
            first_seen: times(),
            last_seen: times(),
            events: Int64Builder::new(),
            orders: Int64Builder::new(),
            revenue: BinaryBuilder::new(),
            sessions: BinaryBuilder::new(),
            scratch: Vec::new(),
        }
    }

    fn push(&mut self, user_id: &str, summary: &UserSummary) {
        self.user_id.append_value(user_id);
        self.first_seen.append_value(summary.first_seen.millis());
        self.last_seen.append_value(summary.last_seen.millis());
        self.events.append_value(summary.events as i64);
        self.orders.append_value(summary.orders as i64);
        self.scratch.clear();
        encode_revenue(&summary.revenue, &mut self.scratch);
        self.revenue.append_option((!summary.revenue.is_empty()).then_some(&self.scratch));
        self.scratch.clear();
        summary.sessions.encode(&mut self.scratch);
        self.sessions.append_value(&self.scratch);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.user_id.finish()),
            Arc::new(self.first_seen.finish()),
            Arc::new(self.last_seen.finish()),
            Arc::new(self.events.finish()),
            Arc::new(self.orders.finish()),
            Arc::new(self.revenue.finish()),
            Arc::new(self.sessions.finish()),
        ]
    }
}

/// Returns the summary in a row of a batch with all columns.
pub(crate) fn summary_at(batch: &RecordBatch, row: usize, path: &Path) -> Result<UserSummary> {
    let time = |column: usize| {
        Timestamp::from_millis(batch.column(column).as_primitive::<TimestampMillisecondType>().value(row))
    };
    let count = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row) as u64;
    let damaged = |message: String| LakeError::Damaged { path: path.to_owned(), message };
    let sessions = Sessions::decode(batch.column(column::SESSIONS).as_binary::<i32>().value(row));
    let revenue = batch.column(column::REVENUE).as_binary::<i32>();
    Ok(UserSummary {
        first_seen: time(column::FIRST_SEEN),
        last_seen: time(column::LAST_SEEN),
        events: count(column::EVENTS),
        orders: count(column::ORDERS),
        revenue: if revenue.is_null(row) { Vec::new() } else { decode_revenue(revenue.value(row)).collect() },
        sessions: sessions.map_err(|error| damaged(error.to_string()))?,
    })
}

fn encode_revenue(revenue: &[(Currency, MoneySum)], bytes: &mut Vec<u8>) {
    for (currency, sum) in revenue {
        bytes.extend_from_slice(&padded(*currency));
        bytes.extend_from_slice(&sum.micros().to_le_bytes());
    }
}

/// Returns the revenue in one currency, in millionths.
pub(crate) fn revenue_in(currency: Currency, bytes: &[u8]) -> i128 {
    let code = padded(currency);
    let sums = bytes.chunks_exact(24).filter(|entry| entry[..8] == code);
    sums.filter_map(|entry| Some(i128::from_le_bytes(entry[8..].try_into().ok()?))).sum()
}

fn padded(currency: Currency) -> [u8; 8] {
    let code = currency.as_str().as_bytes();
    std::array::from_fn(|index| code.get(index).copied().unwrap_or(0))
}

/// Decodes the revenue by currency.
fn decode_revenue(bytes: &[u8]) -> impl Iterator<Item = (Currency, MoneySum)> {
    bytes.chunks_exact(24).filter_map(|entry| {
        let currency = str::from_utf8(&entry[..8]).ok()?.trim_end_matches('\0').parse().ok()?;
        Some((currency, MoneySum(i128::from_le_bytes(entry[8..].try_into().ok()?))))
    })
}
