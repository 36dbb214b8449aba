//! Metrics of the stores, and of the queues and spools in front of them. With several stores, counts are sums, and ages
//! and fill ratios are those of the worst store.

use std::time::Duration;

use martech_core::{
    journal::JournalStats,
    lake::{LakeStatus, WorkStats},
    mongodb::{MongoCommand, MongoStats},
    sink::{FlushOutcome, FlushReason, SinkStats},
};

use super::figures::{SinkFigures, SpoolFigures, StoreFigures};
use crate::{observability::metrics::Families, routes::is_stalled};

pub(super) fn tell(stores: &[StoreFigures], families: &mut Families) {
    let sinks: Vec<&SinkFigures> = stores.iter().flat_map(|store| &store.sinks).collect();
    buffer(&sinks, families);
    waiting(&sinks, families);
    conservation(stores, &sinks, families);
    failing(stores, families);
    some(stores, |store| store.journal.as_ref(), families, journal);
    some(stores, |store| store.lake.as_ref(), families, lake);
    some(stores, |store| store.spool.as_ref(), families, spool);
    some(stores, |store| store.mongo.as_ref(), families, mongo);
}

/// Adds the metrics of a part, if any store has it.
fn some<'a, T: 'a>(
    stores: &'a [StoreFigures],
    part: impl Fn(&'a StoreFigures) -> Option<&'a T>,
    families: &mut Families,
    tell: impl Fn(&[&T], &mut Families),
) {
    let parts: Vec<&T> = stores.iter().filter_map(part).collect();
    if !parts.is_empty() {
        tell(&parts, families);
    }
}

fn sum<T>(parts: &[&T], figure: impl Fn(&T) -> u64) -> f64 {
    parts.iter().map(|part| figure(part)).sum::<u64>() as f64
}

fn seconds<T>(parts: &[&T], figure: impl Fn(&T) -> Duration) -> f64 {
    parts.iter().map(|part| figure(part).as_secs_f64()).sum()
}

fn most<T>(parts: &[&T], figure: impl Fn(&T) -> f64) -> f64 {
    parts.iter().map(|part| figure(part)).fold(0.0, f64::max)
}

fn any<T>(parts: &[&T], is_so: impl Fn(&T) -> bool) -> f64 {
    f64::from(u8::from(parts.iter().any(|part| is_so(part))))
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn buffer(sinks: &[&SinkFigures], families: &mut Families) {
    let fill = |sink: &SinkFigures| {
        let (stats, bounds) = (&sink.stats, sink.bounds);
        ratio(stats.pending, bounds.events as u64).max(ratio(stats.pending_bytes, bounds.bytes as u64))
    };
    families.gauge("martech_buffer_size", "Events that wait to be stored.", sum(sinks, |sink| sink.stats.pending));
    families.gauge(
        "martech_buffer_bytes",
        "Memory of the events that wait to be stored, in bytes.",
        sum(sinks, |sink| sink.stats.pending_bytes),
    );
    families.gauge(
        "martech_buffer_fill_ratio",
        "Fill ratio of the fullest queue, by events or bytes. At 1, clients are asked to wait.",
        most(sinks, fill),
    );
    families.gauge("martech_buffer_waiting", "Clients that wait for room.", sum(sinks, |sink| sink.stats.waiting));
    families.counter(
        "martech_buffer_refused_total",
        "Bodies of events that found no room in the queue.",
        sum(sinks, |sink| sink.stats.refused),
    );
    families.counter(
        "martech_buffer_retries_total",
        "Batches that were retried at the request of the store.",
        sum(sinks, |sink| sink.stats.retries),
    );
    let flushes = FlushReason::ALL.into_iter().flat_map(|reason| {
        FlushOutcome::ALL.map(|outcome| {
            let count = sum(sinks, |sink| sink.stats.flushes.get(reason, outcome));
            ([reason.as_str(), outcome.as_str()], count)
        })
    });
    families.counters(
        "martech_buffer_flushes_total",
        "Batches that were flushed to the store, by reason and outcome.",
        ["reason", "outcome"],
        flushes,
    );
}

fn waiting(sinks: &[&SinkFigures], families: &mut Families) {
    // Senders that wait for a store behind a spool get an error when it takes too long.
    let fronts: Vec<&SinkFigures> = sinks.iter().copied().filter(|sink| !sink.is_for_stored).collect();
    families.gauge(
        "martech_oldest_pending_event_age_seconds",
        "How long the oldest event has waited to be stored, in seconds; 0 if none waits.",
        most(&fronts, |sink| sink.stats.oldest.as_secs_f64()),
    );
    families.gauge(
        "martech_stalled",
        "1 while events wait and the store has taken none for 30 seconds.",
        any(&fronts, |sink| is_stalled(&sink.stats)),
    );
}

/// Adds the metrics that show whether every accepted event is accounted for.
fn conservation(stores: &[StoreFigures], sinks: &[&SinkFigures], families: &mut Families) {
    let inner = stores.iter().filter_map(|store| store.spool.as_ref()).map(|spool| &spool.sink);
    let all = sinks.iter().map(|sink| &sink.stats).chain(inner);
    families.gauge(
        "martech_unaccounted_events",
        "Accepted events minus those stored, duplicate, rejected, dead-lettered, returned and waiting: 0, or there is a defect.",
        all.map(unaccounted).sum::<u64>() as f64,
    );
    let outcome = |name: &'static str, figure: fn(&SinkStats) -> u64| ([name], sum(sinks, |sink| figure(&sink.stats)));
    families.counters(
        "martech_buffer_events_total",
        "Events that entered the queue (accepted) and that left it, by outcome.",
        ["outcome"],
        [
            outcome("accepted", |stats| stats.accepted),
            outcome("stored", |stats| stats.stored),
            outcome("duplicate", |stats| stats.duplicates),
            outcome("rejected", |stats| stats.rejected),
            outcome("dead_lettered", |stats| stats.dead_lettered),
            outcome("returned", |stats| stats.returned),
        ],
    );
}

fn unaccounted(stats: &SinkStats) -> u64 {
    let known = stats.stored + stats.duplicates + stats.rejected + stats.dead_lettered + stats.returned + stats.pending;
    stats.accepted.abs_diff(known)
}

fn failing(stores: &[StoreFigures], families: &mut Families) {
    let is_failing = |store: &StoreFigures| {
        store.sinks.iter().any(|sink| sink.is_poisoned && !sink.is_for_stored)
            || store.journal.as_ref().is_some_and(|journal| journal.poisoned)
            || store.lake.as_ref().is_some_and(|lake| lake.error.is_some())
            || store.spool.as_ref().is_some_and(|spool| spool.status.halted)
    };
    families.gauge(
        "martech_store_failing",
        "1 while a store accepts nothing, or cannot write files or forward events; /health says why.",
        any(&stores.iter().collect::<Vec<_>>(), is_failing),
    );
}

fn journal(journals: &[&JournalStats], families: &mut Families) {
    families.gauge("martech_journal_bytes", "Size of the journal, in bytes.", sum(journals, |stats| stats.bytes));
    families.gauge(
        "martech_journal_capacity_bytes",
        "Maximum size of the journal, in bytes. Above it, clients are asked to wait.",
        sum(journals, |stats| stats.capacity_bytes),
    );
    families.gauge(
        "martech_journal_fill_ratio",
        "Fill ratio of the fullest journal.",
        most(journals, |stats| ratio(stats.bytes, stats.capacity_bytes)),
    );
    families.counter(
        "martech_journal_fsyncs_total",
        "Number of fsyncs of the journal.",
        sum(journals, |stats| stats.fsyncs),
    );
    families.counter(
        "martech_journal_fsync_seconds_total",
        "Duration of the fsyncs of the journal, in seconds.",
        seconds(journals, |stats| stats.fsync_time),
    );
    families.gauge(
        "martech_journal_lag_frames",
        "Batches that wait for the disk.",
        sum(journals, |stats| stats.queued_frames),
    );
    families.gauge(
        "martech_journal_lag_bytes",
        "Bytes of batches that wait for the disk.",
        sum(journals, |stats| stats.queued_bytes),
    );
}

fn lake(lakes: &[&LakeStatus], families: &mut Families) {
    families.gauge("martech_lake_events", "Events in the embedded store.", sum(lakes, |lake| lake.events));
    families.gauge("martech_lake_hot_events", "Events that are in no file yet.", sum(lakes, |lake| lake.hot_events));
    families.gauge("martech_lake_files", "Event files.", sum(lakes, |lake| lake.files));
    families.gauge("martech_lake_file_bytes", "Size of all files, in bytes.", sum(lakes, |lake| lake.file_bytes));
    families.gauge(
        "martech_dedupe_bytes",
        "Memory of the ids that deduplication keeps, in bytes.",
        sum(lakes, |lake| lake.dedupe_bytes),
    );
    families.gauge(
        "martech_lake_damaged_parts",
        "Damaged parts of the journal that were set aside at startup.",
        sum(lakes, |lake| lake.journal_damage),
    );
    families.gauge(
        "martech_lake_cut_bytes",
        "Bytes that were cut from the end of the journal at startup.",
        sum(lakes, |lake| lake.journal_cut_bytes),
    );
    work(lakes, "roll", "Rolls, which write the new events of a table to a file", |lake| lake.rolls, families);
    work(lakes, "compaction", "Compactions, which merge files", |lake| lake.compactions, families);
}

fn work(lakes: &[&LakeStatus], name: &str, help: &str, stats: fn(&LakeStatus) -> WorkStats, families: &mut Families) {
    families.counters(
        &format!("martech_lake_{name}s_total"),
        &format!("{help}, by outcome."),
        ["outcome"],
        [(["done"], sum(lakes, |lake| stats(lake).done)), (["failed"], sum(lakes, |lake| stats(lake).failed))],
    );
    families.counter(
        &format!("martech_lake_{name}_seconds_total"),
        "Duration of this work, in seconds.",
        seconds(lakes, |lake| stats(lake).time),
    );
}

fn spool(spools: &[&SpoolFigures], families: &mut Families) {
    families.gauge(
        "martech_spool_behind_events",
        "Events that are durable in the spool and that MongoDB does not have yet.",
        sum(spools, |spool| spool.status.behind_events),
    );
    families.gauge(
        "martech_spool_behind_bytes",
        "Size of the events that MongoDB does not have yet, in bytes.",
        sum(spools, |spool| spool.status.behind_bytes),
    );
    families.gauge(
        "martech_spool_behind_seconds",
        "How long the oldest event has waited for MongoDB, in seconds.",
        most(spools, |spool| spool.status.behind.as_secs_f64()),
    );
    families.gauge("martech_spool_bytes", "Size of the spool, in bytes.", sum(spools, |spool| spool.status.bytes));
    families.gauge(
        "martech_spool_capacity_bytes",
        "Maximum size of the spool, in bytes.",
        sum(spools, |spool| spool.status.capacity_bytes),
    );
    let forwarded = |name: &'static str, figure: fn(&SpoolFigures) -> u64| ([name], sum(spools, figure));
    families.counters(
        "martech_spool_forwarded_events_total",
        "Events that were forwarded to MongoDB, by outcome.",
        ["outcome"],
        [
            forwarded("stored", |spool| spool.status.stored),
            forwarded("duplicate", |spool| spool.status.duplicates),
            forwarded("rejected", |spool| spool.status.rejected),
        ],
    );
    families.counter(
        "martech_spool_retries_total",
        "Batches that were retried at the request of MongoDB.",
        sum(spools, |spool| spool.status.retries),
    );
    families.gauge(
        "martech_spool_damaged_parts",
        "Damaged parts of the spool; their events are missing.",
        sum(spools, |spool| spool.status.damage),
    );
    families.gauge(
        "martech_spool_disconnected",
        "1 when MongoDB did not answer the last append.",
        any(spools, |spool| spool.status.connected == Some(false)),
    );
}

fn mongo(mongos: &[&MongoStats], families: &mut Families) {
    families.gauges(
        "martech_mongodb_connections",
        "Connections to MongoDB, by state.",
        ["state"],
        [
            (["connecting"], sum(mongos, |stats| stats.connecting)),
            (["idle"], sum(mongos, |stats| stats.idle)),
            (["in_use"], sum(mongos, |stats| stats.in_use)),
        ],
    );
    families.counter(
        "martech_mongodb_checkout_failures_total",
        "How often no connection was available.",
        sum(mongos, |stats| stats.checkouts_failed),
    );
    let commands = MongoCommand::ALL.into_iter().flat_map(|command| {
        let of = |stats: &MongoStats| stats.commands(command);
        [
            ([command.as_str(), "answered"], sum(mongos, |stats| of(stats).answered)),
            ([command.as_str(), "failed"], sum(mongos, |stats| of(stats).failed)),
        ]
    });
    families.counters(
        "martech_mongodb_commands_total",
        "Commands for events, by command and outcome.",
        ["command", "outcome"],
        commands,
    );
    let times = MongoCommand::ALL
        .into_iter()
        .map(|command| ([command.as_str()], seconds(mongos, |stats| stats.commands(command).time)));
    families.counters(
        "martech_mongodb_command_seconds_total",
        "Duration of commands for events, in seconds, including the wait for a connection.",
        ["command"],
        times,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_unaccounted_events() {
        let mut stats = SinkStats::default();
        (stats.accepted, stats.stored, stats.duplicates, stats.pending) = (10, 4, 3, 3);
        assert_eq!(unaccounted(&stats), 0);
        stats.pending = 2;
        assert_eq!(unaccounted(&stats), 1);
        stats.stored = 6;
        assert_eq!(unaccounted(&stats), 1, "one too many is as wrong");
    }
}
