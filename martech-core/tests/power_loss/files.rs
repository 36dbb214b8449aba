//! Independent reader of a lake's files: the catalog as JSON, and events with the Parquet library.

use std::path::Path;

use arrow_array::{Array, cast::AsArray};
use martech_core::{event::EventId, testing::SimFs};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uuid::Uuid;

/// Returns id, user and properties of each row in the event files that the catalog lists.
pub(crate) fn rows(disk: &SimFs, dir: &Path) -> Vec<(EventId, String, Option<String>)> {
    let Some(catalog) = disk.read(dir.join("catalog")) else { return Vec::new() };
    let line = catalog.split(|byte| *byte == b'\n').next().unwrap();
    let catalog: serde_json::Value = serde_json::from_slice(line).unwrap();
    let named: Vec<_> =
        catalog["events"].as_array().unwrap().iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    let files: Vec<_> = disk.files().into_iter().filter(|path| path.starts_with(dir.join("events"))).collect();
    assert_eq!(files.len(), named.len(), "files of events that no catalog names: {files:?}");
    let mut rows = Vec::new();
    for file in files {
        let number: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(named.contains(&number), "{}", file.display());
        let content = bytes::Bytes::from(disk.read(&file).unwrap());
        for batch in ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let column = |name: &str| batch.column_by_name(name).unwrap();
            let (ids, users) = (column("event_id").as_fixed_size_binary(), column("user_id").as_string::<i32>());
            let properties = column("properties").as_string::<i32>();
            rows.extend((0..batch.num_rows()).map(|row| {
                let properties = (!properties.is_null(row)).then(|| properties.value(row).to_owned());
                (EventId(Uuid::from_slice(ids.value(row)).unwrap()), users.value(row).to_owned(), properties)
            }));
        }
    }
    rows
}
