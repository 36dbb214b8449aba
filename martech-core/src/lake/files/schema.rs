//! The columns of the event files, and how they are written.

use std::sync::{Arc, LazyLock};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    builder::{Decimal128Builder, FixedSizeBinaryBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder},
    cast::AsArray,
    types::{Decimal128Type, Int64Type, TimestampMillisecondType},
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit, extension::Uuid};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::ColumnPath,
};

use super::ids::IdRow;
use crate::{
    event::{Signature, Timestamp},
    lake::rows::row::{Row, day_of},
};

/// The positions of the columns in the schema.
pub(crate) mod column {
    pub(crate) const EVENT_ID: usize = 0;
    pub(crate) const USER_ID: usize = 1;
    pub(crate) const EVENT_TYPE: usize = 2;
    pub(crate) const OCCURRED_AT: usize = 3;
    pub(crate) const DELAY: usize = 4;
    pub(crate) const ANONYMOUS_ID: usize = 5;
    pub(crate) const SESSION_ID: usize = 6;
    pub(crate) const ORDER_VALUE: usize = 7;
    pub(crate) const CURRENCY: usize = 8;
    pub(crate) const PAGE: usize = 9;
    pub(crate) const PRODUCT: usize = 10;
    pub(crate) const SEARCH: usize = 11;
    pub(crate) const PROPERTIES: usize = 12;
}

/// Returns the positions of all columns.
pub(crate) fn all_columns() -> Vec<usize> {
    (0..EVENTS.fields().len()).collect()
}

/// The number of rows in a page of properties. A journey decompresses at least one such page for each file.
const PROPERTIES_ROWS: usize = 256;
/// The number of rows in a page of users, ids, sessions and anonymous ids.
const PAGE_ROWS: usize = 1024;

/// The schema of an event file. A file has one row group, sorted by user, time and id.
pub(crate) static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("event_id", DataType::FixedSizeBinary(16), false).with_extension_type(Uuid),
        Field::new("user_id", DataType::Utf8, false),
        Field::new("event_type", DataType::Utf8, false),
        Field::new("occurred_at", time, false),
        // From `occurred_at` to the time of receipt, in milliseconds. The difference takes a few bits; a second
        // timestamp would take as many bytes as the first.
        Field::new("delay_ms", DataType::Int64, false),
        Field::new("anonymous_id", DataType::Utf8, true),
        Field::new("session_id", DataType::Utf8, true),
        Field::new("order_value", DataType::Decimal128(18, 6), true),
        Field::new("currency", DataType::Utf8, true),
        Field::new("page", DataType::Utf8, true),
        Field::new("product", DataType::Utf8, true),
        Field::new("search_term", DataType::Utf8, true),
        Field::new("properties", DataType::Utf8, true),
    ]))
});

/// Returns the properties of the writer of event files. Pages are small and have an index of users, so that a journey
/// reads pages and not files. Ids are plain, so that the id index can read one id without decoding a page.
pub(crate) fn writing(rows: usize, level: i32) -> WriterProperties {
    let path = |column: usize| ColumnPath::from(EVENTS.field(column).name().as_str());
    let mut properties = WriterProperties::builder()
        // The version of data pages that `pages` reads.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("martech ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level).expect("a valid zstd level")))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PROPERTIES_ROWS)
        .set_max_row_group_row_count(None)
        .set_column_index_truncate_length(None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(
            [column::USER_ID, column::OCCURRED_AT, column::EVENT_ID]
                .map(|column| SortingColumn { column_idx: column as i32, descending: false, nulls_first: false })
                .to_vec(),
        ))
        .set_column_encoding(path(column::EVENT_ID), Encoding::PLAIN)
        .set_column_statistics_enabled(path(column::USER_ID), EnabledStatistics::Page)
        .set_column_bloom_filter_enabled(path(column::USER_ID), true)
        .set_column_bloom_filter_fpp(path(column::USER_ID), 0.02)
        .set_column_bloom_filter_max_ndv(path(column::USER_ID), rows.max(1) as u64);
    for column in [column::EVENT_ID, column::OCCURRED_AT, column::DELAY, column::PROPERTIES] {
        properties = properties.set_column_dictionary_enabled(path(column), false);
    }
    // Ids are looked up one by one. The other columns would not get smaller, and are faster to read without
    // compression.
    for column in [
        column::EVENT_ID,
        column::EVENT_TYPE,
        column::OCCURRED_AT,
        column::DELAY,
        column::ORDER_VALUE,
        column::CURRENCY,
    ] {
        properties = properties.set_column_compression(path(column), Compression::UNCOMPRESSED);
    }
    properties = properties.set_column_data_page_row_count_limit(path(column::PROPERTIES), PROPERTIES_ROWS);
    for column in [
        column::EVENT_TYPE,
        column::OCCURRED_AT,
        column::DELAY,
        column::ORDER_VALUE,
        column::CURRENCY,
        column::PAGE,
        column::PRODUCT,
        column::SEARCH,
    ] {
        properties = properties.set_column_data_page_row_count_limit(path(column), 4 * PAGE_ROWS);
    }
    for column in [column::OCCURRED_AT, column::DELAY] {
        properties = properties.set_column_encoding(path(column), Encoding::DELTA_BINARY_PACKED);
    }
    for column in [column::USER_ID, column::ANONYMOUS_ID, column::SESSION_ID] {
        properties = properties
            .set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), Encoding::DELTA_BYTE_ARRAY);
    }
    properties.build()
}

/// Returns a row of a batch with all columns.
pub(crate) fn row_at(batch: &RecordBatch, row: usize) -> Row<'_> {
    let text = |column: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row))
    };
    let occurred_at = batch.column(column::OCCURRED_AT).as_primitive::<TimestampMillisecondType>().value(row);
    let value = batch.column(column::ORDER_VALUE).as_primitive::<Decimal128Type>();
    Row {
        id: batch.column(column::EVENT_ID).as_fixed_size_binary().value(row).try_into().expect("an id has 16 bytes"),
        user_id: text(column::USER_ID).unwrap_or_default(),
        event_type: text(column::EVENT_TYPE).unwrap_or_default(),
        occurred_at,
        received_at: occurred_at + batch.column(column::DELAY).as_primitive::<Int64Type>().value(row),
        anonymous_id: text(column::ANONYMOUS_ID),
        session_id: text(column::SESSION_ID),
        properties: text(column::PROPERTIES),
        order_value: value.is_valid(row).then(|| value.value(row) as i64),
        currency: text(column::CURRENCY),
        page: text(column::PAGE),
        product: text(column::PRODUCT),
        search: text(column::SEARCH),
    }
}

/// The columns that identify the event of a row. They are the first columns, so that they have the same positions in a
/// batch of these columns alone.
pub(crate) const IDENTITY: [usize; 4] = [column::EVENT_ID, column::USER_ID, column::EVENT_TYPE, column::OCCURRED_AT];

/// Returns the rows of the id index for a batch, which must have at least the columns of [`IDENTITY`].
pub(crate) fn id_rows(batch: &RecordBatch) -> impl Iterator<Item = IdRow> {
    let ids = batch.column(column::EVENT_ID).as_fixed_size_binary();
    let users = batch.column(column::USER_ID).as_string::<i32>();
    let types = batch.column(column::EVENT_TYPE).as_string::<i32>();
    let times = batch.column(column::OCCURRED_AT).as_primitive::<TimestampMillisecondType>();
    (0..batch.num_rows()).map(move |row| {
        let occurred_at = Timestamp::from_millis(times.value(row));
        let signature = Signature { user_id: users.value(row), event_type: types.value(row), occurred_at };
        IdRow { id: ids.value(row).try_into().expect("an id has 16 bytes"), print: signature.fingerprint() }
    })
}

/// Returns the UTC day of each row of a batch with all columns.
pub(crate) fn days_in(batch: &RecordBatch) -> impl Iterator<Item = i32> {
    let times = batch.column(column::OCCURRED_AT).as_primitive::<TimestampMillisecondType>();
    times.values().iter().map(|time| day_of(*time))
}

/// Collects rows into a record batch.
pub(crate) struct BatchBuilder {
    event_id: FixedSizeBinaryBuilder,
    user_id: StringBuilder,
    event_type: StringBuilder,
    occurred_at: TimestampMillisecondBuilder,
    delay: Int64Builder,
    anonymous_id: StringBuilder,
    session_id: StringBuilder,
    order_value: Decimal128Builder,
    currency: StringBuilder,
    page: StringBuilder,
    product: StringBuilder,
    search: StringBuilder,
    properties: StringBuilder,
}

impl BatchBuilder {
    pub(crate) fn new() -> Self {
        Self {
            event_id: FixedSizeBinaryBuilder::new(16),
            user_id: StringBuilder::new(),
            event_type: StringBuilder::new(),
            occurred_at: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            delay: Int64Builder::new(),
            anonymous_id: StringBuilder::new(),
            session_id: StringBuilder::new(),
            order_value: Decimal128Builder::new().with_data_type(DataType::Decimal128(18, 6)),
            currency: StringBuilder::new(),
            page: StringBuilder::new(),
            product: StringBuilder::new(),
            search: StringBuilder::new(),
            properties: StringBuilder::new(),
        }
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) {
        self.event_id.append_value(row.id).expect("an id has 16 bytes");
        self.user_id.append_value(row.user_id);
        self.event_type.append_value(row.event_type);
        self.occurred_at.append_value(row.occurred_at);
        self.delay.append_value(row.received_at - row.occurred_at);
        self.anonymous_id.append_option(row.anonymous_id);
        self.session_id.append_option(row.session_id);
        self.order_value.append_option(row.order_value.map(i128::from));
        self.currency.append_option(row.currency);
        self.page.append_option(row.page);
        self.product.append_option(row.product);
        self.search.append_option(row.search);
        self.properties.append_option(row.properties);
    }

    /// Returns the rows since the last call.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.event_id.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.event_type.finish()),
            Arc::new(self.occurred_at.finish()),
            Arc::new(self.delay.finish()),
            Arc::new(self.anonymous_id.finish()),
            Arc::new(self.session_id.finish()),
            Arc::new(self.order_value.finish()),
            Arc::new(self.currency.finish()),
            Arc::new(self.page.finish()),
            Arc::new(self.product.finish()),
            Arc::new(self.search.finish()),
            Arc::new(self.properties.finish()),
        ];
        RecordBatch::try_new(EVENTS.clone(), columns)
    }
}
