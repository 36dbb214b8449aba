//! The rival crates, each with its best settings for this workload.

use std::{path::Path, time::Instant};

use okaywal::{Configuration, LogVoid, WriteAheadLog};
use raft_engine::{Config, Engine, LogBatch, ReadableSize};

use super::{Contestant, PAYLOAD, threads};

/// Larger than the default of 1 MiB, so that segments change as rarely as in the journal.
const SEGMENT: u64 = 16 << 20;

pub(super) struct Logs {
    okaywal: WriteAheadLog,
    raft_engine: Engine,
}

impl Logs {
    pub(super) fn open(dir: &Path) -> Self {
        let okaywal = Configuration::default_for(dir.join("okaywal"))
            .preallocate_bytes(SEGMENT as u32)
            // A segment is recycled when it is nearly full, because its entries never have to be read.
            .checkpoint_after_bytes(SEGMENT - (1 << 20))
            .buffer_bytes(1 << 20);
        let raft_engine = Config {
            dir: dir.join("raft-engine").to_str().expect("the path is UTF-8").to_owned(),
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize(SEGMENT),
            // Files are prefilled, so that no sync has to store a new length.
            enable_log_recycle: true,
            prefill_for_recycle: true,
            prefill_limit: Some(ReadableSize::mb(512)),
            purge_threshold: ReadableSize::mb(256),
            ..Config::default()
        };
        Self {
            okaywal: okaywal.open(LogVoid).expect("okaywal opens"),
            raft_engine: Engine::open(raft_engine).expect("raft-engine opens"),
        }
    }

    pub(super) fn contestants(&self) -> [Contestant<'_>; 2] {
        [
            ("okaywal", Box::new(|callers, end| self.okaywal(callers, end))),
            ("raft-engine", Box::new(|callers, end| self.raft_engine(callers, end))),
        ]
    }

    fn okaywal(&self, callers: usize, end: Instant) -> u64 {
        threads(callers, end, || {
            || {
                let mut entry = self.okaywal.begin_entry().expect("an entry can begin");
                entry.write_chunk(&PAYLOAD).expect("the disk accepts frames");
                entry.commit().expect("the disk syncs");
            }
        })
    }

    fn raft_engine(&self, callers: usize, end: Instant) -> u64 {
        let frames = threads(callers, end, || {
            || {
                let mut batch = LogBatch::default();
                // A single key keeps the in-memory index from growing.
                batch.put(1, b"k".to_vec(), PAYLOAD.to_vec()).expect("the key is valid");
                self.raft_engine.write(&mut batch, true).expect("the disk syncs");
            }
        });
        // Files without live entries can be recycled.
        self.raft_engine.purge_expired_files().expect("files can be freed");
        frames
    }
}
