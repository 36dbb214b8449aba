//! Halves of surrogate pairs in the properties of events that were taken before they were replaced on the way in.
//!
//! Strict JSON readers refuse them, and one such event breaks a query over all files. Whatever is written anew is mended: a
//! roll (of what an older journal holds), a merge, a repair.

use std::{borrow::Cow, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StringArray, cast::AsArray};

use super::schema::column;
use crate::event::json;

/// How many events of a batch have to be mended.
pub(super) fn count(batch: &RecordBatch) -> usize {
    properties(batch).iter().flatten().filter(|text| is_broken(text)).count()
}

/// A batch with `\ufffd` in the place of halves.
pub(super) fn mended(batch: &RecordBatch) -> Cow<'_, RecordBatch> {
    let properties = properties(batch);
    if !properties.iter().flatten().any(is_broken) {
        return Cow::Borrowed(batch);
    }
    let whole: StringArray = properties.iter().map(|text| text.map(json::mended)).collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[column::PROPERTIES] = Arc::new(whole);
    Cow::Owned(
        RecordBatch::try_new(batch.schema(), columns).expect("a column is replaced by one of its kind and length"),
    )
}

fn properties(batch: &RecordBatch) -> &StringArray {
    batch.column(column::PROPERTIES).as_string()
}

fn is_broken(json: &str) -> bool {
    matches!(json::mended(json), Cow::Owned(_))
}
