//! A roll: the hot table becomes files.

use super::{
    error::{Context, Result, guarded},
    files::Version,
    hot::Hot,
    ids::MAX_ROWS,
    inner::Inner,
    layout::Layout,
    pace::Step,
    publish::Change,
    schema::BatchBuilder,
    sorted::Sorted,
    users,
    writing::EventsWriter,
};

/// Rows that are turned into columns at once.
const BATCH_ROWS: usize = 8 * 1024;

/// What is rolled is merged soon: speed counts more than size.
const ZSTD_LEVEL: i32 = 1;

/// Writes everything that was in the hot table when the call began.
pub(super) fn roll_everything(inner: &Inner) -> Result<()> {
    let left_by_a_failed_roll = inner.state().frozen.is_some();
    roll(inner)?;
    if left_by_a_failed_roll { roll(inner) } else { Ok(()) }
}

/// Writes the frozen table, or freezes the active one and writes that.
pub(super) fn roll(inner: &Inner) -> Result<()> {
    let Some(hot) = inner.state().freeze() else { return Ok(()) };
    let piece = inner.rolls.begin();
    let mut change = Change { sequence: Some(hot.sequence), ..Change::default() };
    let rolled = match guarded(|| write(inner, &hot, &mut change)) {
        Ok(()) => inner.publish(change, |version| inner.state().thaw(version)),
        Err(error) => {
            inner.discard(&change.add_events, &change.add_users);
            Err(error)
        }
    };
    inner.state().roll_error = rolled.as_ref().err().map(ToString::to_string);
    inner.progress.notify_all();
    rolled?;
    piece.done();
    Ok(inner.journal.trim(hot.sequence)?)
}

fn write(inner: &Inner, hot: &Hot, change: &mut Change) -> Result<()> {
    let (layout, sorted) = (&inner.shared.layout, Sorted::by_user([hot], ""));
    let step = |step| {
        inner.state().rolls_on(step);
        // Who waits for room may now have it earlier than they thought.
        inner.progress.notify_all();
    };
    step(Step::Sorted);
    let part = |rows: usize| rows as f64 / sorted.len() as f64;
    let version = inner.state().version.clone();
    write_events(layout, &version, &sorted, || inner.take_file_id(), change, |rows| step(Step::Written(part(rows))))?;
    let summed = |rows| step(Step::Summed(part(rows)));
    change.add_users.push(users::write_hot(layout, inner.take_file_id(), &sorted, &mut change.folders, summed)?);
    Ok(())
}

/// Writes a file, or more where they are many, for the events of each day. `version` is what is live; `wrote` is told now
/// and then how many events are written.
pub(super) fn write_events(
    layout: &Layout,
    version: &Version,
    sorted: &Sorted<'_>,
    mut take_id: impl FnMut() -> u64,
    change: &mut Change,
    wrote: impl Fn(usize),
) -> Result<()> {
    let mut builder = BatchBuilder::new();
    let mut rows = 0;
    for (day, positions) in sorted.days() {
        // The folder of a day that has files is durable already; a roll may write to thousands.
        if version.day(day).is_empty() {
            let dir = layout.events_day(day);
            layout.fs.create_dir_all(&dir).context("cannot make the folder", dir)?;
        }
        for positions in positions.chunks(MAX_ROWS) {
            let mut writer = EventsWriter::create(layout, take_id(), day, positions.len(), ZSTD_LEVEL)?;
            for positions in positions.chunks(BATCH_ROWS) {
                positions.iter().for_each(|&position| builder.push(&sorted.row(position as usize)));
                let batch = builder.finish().context("cannot write", layout.events_day(day))?;
                writer.write(&batch)?;
                rows += positions.len();
                wrote(rows);
            }
            change.add_events.push(writer.finish(&mut change.folders)?);
        }
    }
    Ok(())
}
