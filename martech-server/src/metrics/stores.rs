//! What the stores and the ways to them tell. Where there are several, counts are sums; ages and how full something is are
//! those of the worst.

use std::time::Duration;

use martech_core::{
    journal::JournalStats,
    lake::{LakeStatus, WorkStats},
    mongodb::{MongoCommand, MongoStats},
    sink::{FlushOutcome, FlushReason, SinkStats},
};

use super::{
    families::Families,
    figures::{SinkFigures, SpoolFigures, StoreFigures},
};
use crate::routes::is_stalled;

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

/// Of the stores that have such a part; no metrics where none has.
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
        "Memory of the events that wait to be stored.",
        sum(sinks, |sink| sink.stats.pending_bytes),
    );
    families.gauge(
        "martech_buffer_fill_ratio",
        "How full the fullest queue is, by events or bytes; at 1 senders are asked to wait.",
        most(sinks, fill),
    );
    families.gauge("martech_buffer_waiting", "Senders that wait for room.", sum(sinks, |sink| sink.stats.waiting));
    families.counter(
        "martech_buffer_refused_total",
        "Bodies of events that found no room.",
        sum(sinks, |sink| sink.stats.refused),
    );
    families.counter(
        "martech_buffer_retries_total",
        "Batches that were sent to the store again because it said so.",
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
        "Batches that were brought to the store, by why they went and how it ended.",
        ["reason", "outcome"],
        flushes,
    );
}

fn waiting(sinks: &[&SinkFigures], families: &mut Families) {
    // Who waits for a store behind a spool is told when it takes too long.
    let fronts: Vec<&SinkFigures> = sinks.iter().copied().filter(|sink| !sink.is_for_stored).collect();
    families.gauge(
        "martech_oldest_pending_event_age_seconds",
        "How long the oldest event has waited to be stored; 0 when none waits.",
        most(&fronts, |sink| sink.stats.oldest.as_secs_f64()),
    );
    families.gauge(
        "martech_stalled",
        "1 while events wait and the store has taken none for 30 seconds.",
        any(&fronts, |sink| is_stalled(&sink.stats)),
    );
}

/// Whether every event that was accepted is somewhere.
fn conservation(stores: &[StoreFigures], sinks: &[&SinkFigures], families: &mut Families) {
    let inner = stores.iter().filter_map(|store| store.spool.as_ref()).map(|spool| &spool.sink);
    let all = sinks.iter().map(|sink| &sink.stats).chain(inner);
    families.gauge(
        "martech_unaccounted_events",
        "Accepted events less those stored, duplicate, rejected, dead-lettered, given back and waiting: 0, or there is a defect.",
        all.map(unaccounted).sum::<u64>() as f64,
    );
    let outcome = |name: &'static str, figure: fn(&SinkStats) -> u64| ([name], sum(sinks, |sink| figure(&sink.stats)));
    families.counters(
        "martech_buffer_events_total",
        "Events that went into the queue, and those that left it, by what became of them.",
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
        "1 while a store takes nothing, or cannot write files or forward; /health says why.",
        any(&stores.iter().collect::<Vec<_>>(), is_failing),
    );
}

fn journal(journals: &[&JournalStats], families: &mut Families) {
    families.gauge("martech_journal_bytes", "What the journal takes of the disk.", sum(journals, |stats| stats.bytes));
    families.gauge(
        "martech_journal_capacity_bytes",
        "What it may take; beyond it senders are asked to wait.",
        sum(journals, |stats| stats.capacity_bytes),
    );
    families.gauge(
        "martech_journal_fill_ratio",
        "How full the fullest journal is.",
        most(journals, |stats| ratio(stats.bytes, stats.capacity_bytes)),
    );
    families.counter("martech_journal_fsyncs_total", "Calls of fsync.", sum(journals, |stats| stats.fsyncs));
    families.counter(
        "martech_journal_fsync_seconds_total",
        "Time that those took.",
        seconds(journals, |stats| stats.fsync_time),
    );
    families.gauge(
        "martech_journal_lag_frames",
        "Batches that wait for the disk.",
        sum(journals, |stats| stats.queued_frames),
    );
    families.gauge("martech_journal_lag_bytes", "Their bytes.", sum(journals, |stats| stats.queued_bytes));
}

fn lake(lakes: &[&LakeStatus], families: &mut Families) {
    families.gauge("martech_lake_events", "Events in the store.", sum(lakes, |lake| lake.events));
    families.gauge("martech_lake_hot_events", "Those that are in no file yet.", sum(lakes, |lake| lake.hot_events));
    families.gauge(
        "martech_lake_waiting_partitions",
        "Days of such events that no roll has had room for yet.",
        sum(lakes, |lake| lake.waiting_days),
    );
    families.gauge("martech_lake_files", "Files of events.", sum(lakes, |lake| lake.files));
    families.gauge("martech_lake_file_bytes", "Bytes of all files.", sum(lakes, |lake| lake.file_bytes));
    families.gauge(
        "martech_dedupe_bytes",
        "Memory of the ids by which events are known that came before.",
        sum(lakes, |lake| lake.dedupe_bytes),
    );
    families.gauge(
        "martech_lake_damaged_parts",
        "Damaged parts of the journal that were set aside at the start.",
        sum(lakes, |lake| lake.journal_damage),
    );
    families.gauge(
        "martech_lake_cut_bytes",
        "Bytes that were cut from the end of the journal at the start.",
        sum(lakes, |lake| lake.journal_cut_bytes),
    );
    work(lakes, "roll", "New events that were written to files, a table at a time", |lake| lake.rolls, families);
    work(lakes, "compaction", "Merges of files", |lake| lake.compactions, families);
}

fn work(lakes: &[&LakeStatus], name: &str, help: &str, stats: fn(&LakeStatus) -> WorkStats, families: &mut Families) {
    families.counters(
        &format!("martech_lake_{name}s_total"),
        &format!("{help}, by how it ended."),
        ["outcome"],
        [(["done"], sum(lakes, |lake| stats(lake).done)), (["failed"], sum(lakes, |lake| stats(lake).failed))],
    );
    families.counter(
        &format!("martech_lake_{name}_seconds_total"),
        "Time that those took.",
        seconds(lakes, |lake| stats(lake).time),
    );
}

fn spool(spools: &[&SpoolFigures], families: &mut Families) {
    families.gauge(
        "martech_spool_behind_events",
        "Events that are durable here and that MongoDB does not have yet.",
        sum(spools, |spool| spool.status.behind_events),
    );
    families.gauge(
        "martech_spool_behind_bytes",
        "What those take of the spool.",
        sum(spools, |spool| spool.status.behind_bytes),
    );
    families.gauge(
        "martech_spool_behind_seconds",
        "How long the oldest of them has been here.",
        most(spools, |spool| spool.status.behind.as_secs_f64()),
    );
    families.gauge("martech_spool_bytes", "What the spool takes of the disk.", sum(spools, |spool| spool.status.bytes));
    families.gauge(
        "martech_spool_capacity_bytes",
        "What it may take.",
        sum(spools, |spool| spool.status.capacity_bytes),
    );
    let forwarded = |name: &'static str, figure: fn(&SpoolFigures) -> u64| ([name], sum(spools, figure));
    families.counters(
        "martech_spool_forwarded_events_total",
        "Events that were brought to MongoDB, by what it said.",
        ["outcome"],
        [
            forwarded("stored", |spool| spool.status.stored),
            forwarded("duplicate", |spool| spool.status.duplicates),
            forwarded("rejected", |spool| spool.status.rejected),
        ],
    );
    families.counter(
        "martech_spool_retries_total",
        "Batches that were sent to MongoDB again because it said so.",
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
        "How often no connection could be had.",
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
        "Commands about events, by what they are and how they ended.",
        ["command", "outcome"],
        commands,
    );
    let times = MongoCommand::ALL
        .into_iter()
        .map(|command| ([command.as_str()], seconds(mongos, |stats| stats.commands(command).time)));
    families.counters(
        "martech_mongodb_command_seconds_total",
        "Time that those took, the wait for a connection included.",
        ["command"],
        times,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_nowhere_is_counted() {
        let mut stats = SinkStats::default();
        (stats.accepted, stats.stored, stats.duplicates, stats.pending) = (10, 4, 3, 3);
        assert_eq!(unaccounted(&stats), 0);
        stats.pending = 2;
        assert_eq!(unaccounted(&stats), 1);
        stats.stored = 6;
        assert_eq!(unaccounted(&stats), 1, "one too many is as wrong");
    }
}
