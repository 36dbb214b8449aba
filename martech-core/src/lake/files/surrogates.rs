//! Replacement of lone surrogates in stored properties.
//!
//! Older programs accepted properties with half a surrogate pair. Strict JSON readers refuse them, so one such event
//! breaks a query over all files. Every rewrite of rows replaces them: a roll (of rows from an older journal), a merge,
//! a repair.

use std::{borrow::Cow, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StringArray, cast::AsArray};

use super::schema::column;
use crate::event::json;

/// Returns the number of events of a batch with lone surrogates in their properties.
pub(crate) fn count(batch: &RecordBatch) -> usize {
    properties(batch).iter().flatten().filter(|text| is_broken(text)).count()
}

/// Returns the batch with `\ufffd` in place of lone surrogates.
pub(crate) fn replace(batch: &RecordBatch) -> Cow<'_, RecordBatch> {
    let properties = properties(batch);
    if !properties.iter().flatten().any(is_broken) {
        return Cow::Borrowed(batch);
    }
    let whole: StringArray = properties.iter().map(|text| text.map(json::replace_lone_surrogates)).collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[column::PROPERTIES] = Arc::new(whole);
    Cow::Owned(
        RecordBatch::try_new(batch.schema(), columns).expect("the new column has the type and length of the old one"),
    )
}

fn properties(batch: &RecordBatch) -> &StringArray {
    batch.column(column::PROPERTIES).as_string()
}

fn is_broken(json: &str) -> bool {
    matches!(json::replace_lone_surrogates(json), Cow::Owned(_))
}
