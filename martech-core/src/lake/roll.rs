//! A roll: the hot table becomes files, some days of it at a time ([`waiting`](super::waiting) says why).

use super::{
    error::{Context, LakeError, Result, guarded},
    files::Version,
    ids::MAX_ROWS,
    inner::Inner,
    layout::Layout,
    pace::Step,
    publish::Change,
    schema::BatchBuilder,
    sorted::Sorted,
    users,
    waiting::Part,
    writing::EventsWriter,
};

/// Rows that are turned into columns at once.
const BATCH_ROWS: usize = 8 * 1024;

/// What is rolled is merged soon: speed counts more than size.
const ZSTD_LEVEL: i32 = 1;

/// Writes everything that was in memory when the call began.
pub(super) fn roll_everything(inner: &Inner) -> Result<()> {
    roll_what_is_left(inner)?;
    roll(inner, Fresh::Roll)?;
    roll_what_is_left(inner)
}

/// Writes the active table if that is due, and what is left of before.
pub(super) fn roll_what_is_due(inner: &Inner) -> Result<()> {
    roll(inner, inner.fresh())?;
    roll_what_is_left(inner)
}

/// Writes what a failed roll, and rolls without room for all days, have left by now.
fn roll_what_is_left(inner: &Inner) -> Result<()> {
    let before = inner.rolled();
    let is_left = || {
        let state = inner.state();
        let left = state.frozen.is_some() || state.waiting.after().is_some_and(|after| after < before);
        if left && state.closed { Err(LakeError::Closed) } else { Ok(left) }
    };
    while is_left()? {
        roll(inner, inner.fresh())?;
    }
    Ok(())
}

/// What becomes of the active table in a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    Roll,
    /// It gathers more; only what waits is rolled.
    Wait,
}

/// Writes some days of the frozen table and of what waits. The active table is frozen first where it is to be rolled and there is no
/// frozen one.
fn roll(inner: &Inner, fresh: Fresh) -> Result<()> {
    let Some((frozen, waiting)) = inner.state().begin_roll(fresh) else { return Ok(()) };
    let piece = inner.rolls.begin();
    let sequence = frozen.as_ref().map(|hot| hot.sequence);
    let mut change = Change { sequence, ..Change::default() };
    let written = guarded(|| {
        let part = Part::choose(frozen.as_deref(), &waiting, inner.options.roll_days.max(1), inner.rolled());
        change.waiting = Some(part.left.entries());
        write(inner, &part.sorted(), &mut change)?;
        Ok(part.left)
    });
    let rolled = match written {
        Ok(left) => {
            let after = left.after();
            // Not under the lock of the state: what nobody reads any more may be large.
            let mut before = None;
            let shown =
                inner.publish(change, |version| before = Some(inner.state().thaw(version, sequence.is_some(), left)));
            shown.map(|()| after)
        }
        Err(error) => {
            inner.discard(&change.add_events, &change.add_users);
            Err(error)
        }
    };
    inner.state().roll_error = rolled.as_ref().err().map(ToString::to_string);
    inner.progress.notify_all();
    let after = rolled?;
    piece.done();
    Ok(inner.journal.trim(after.unwrap_or_else(|| inner.rolled()))?)
}

fn write(inner: &Inner, sorted: &Sorted<'_>, change: &mut Change) -> Result<()> {
    let layout = &inner.shared.layout;
    let step = |step| {
        inner.state().rolls_on(step);
        // Who waits for room may now have it earlier than they thought.
        inner.progress.notify_all();
    };
    step(Step::Sorted);
    let part = |rows: usize| rows as f64 / sorted.len() as f64;
    let version = inner.state().version.clone();
    write_events(layout, &version, sorted, || inner.take_file_id(), change, |rows| step(Step::Written(part(rows))))?;
    let summed = |rows| step(Step::Summed(part(rows)));
    change.add_users.push(users::write_hot(layout, inner.take_file_id(), sorted, &mut change.folders, summed)?);
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
