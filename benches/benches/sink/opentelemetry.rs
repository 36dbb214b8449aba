//! OpenTelemetry's batch processor for log records, the cheapest of its signals.
//!
//! The processor drops records when its queue is full, and producers cannot wait. The queue therefore holds the whole
//! run, and its producers never wait. The processor accepts only its own record type. The record has a
//! timestamp and nothing else, and is cloned for each event, because the processor takes it by reference.

use std::{thread, time::SystemTime};

use opentelemetry::{
    InstrumentationScope,
    logs::{LogRecord, Logger, LoggerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLoggerProvider},
};
use tokio::runtime::Runtime;

use super::{Counter, Job, MAX_BATCH};

impl LogExporter for Counter {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let batch: Vec<_> = batch.iter().collect();
        self.count(&batch);
        Ok(())
    }
}

pub(super) fn batch_processor(_: &Runtime, job: Job, counter: Counter) {
    let config = BatchConfigBuilder::default().with_max_queue_size(job.events).with_max_export_batch_size(MAX_BATCH);
    let processor = BatchLogProcessor::builder(counter).with_batch_config(config.build()).build();
    let scope = InstrumentationScope::default();
    let producer = || {
        let mut record = SdkLoggerProvider::builder().build().logger("bench").create_log_record();
        record.set_timestamp(SystemTime::UNIX_EPOCH);
        for _ in 0..job.each() {
            processor.emit(&mut record, &scope);
        }
    };
    thread::scope(|scope| {
        for _ in 0..job.producers {
            scope.spawn(producer);
        }
    });
    processor.shutdown().expect("the processor shuts down");
}
