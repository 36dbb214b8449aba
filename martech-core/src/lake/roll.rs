//! A roll: writes the hot table to files, some days at a time ([`waiting`](super::waiting) explains why).

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

/// The number of rows converted to columns at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// Files of a roll are merged soon, so speed counts more than size.
const ZSTD_LEVEL: i32 = 1;

/// Writes all rows that were in memory when the call began.
pub(super) fn roll_everything(inner: &Inner) -> Result<()> {
    roll_what_is_left(inner)?;
    roll(inner, Fresh::Roll)?;
    roll_what_is_left(inner)
}

/// Writes the active table if that is due, and rows that earlier rolls left.
pub(super) fn roll_what_is_due(inner: &Inner) -> Result<()> {
    roll(inner, inner.fresh())?;
    roll_what_is_left(inner)
}

/// Writes rows that a failed roll left, or rolls without room for all days.
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

/// The treatment of the active table in a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    Roll,
    /// The active table gathers more rows. Only a frozen table and waiting days are rolled.
    Wait,
}

/// Writes some days of the frozen table and of the waiting rows. With [`Fresh::Roll`], the active table is frozen
/// first, unless a table is frozen already.
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
            // The replaced state is dropped outside the lock of the state, because it may be large.
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
        // A batch that waits for room may now get it earlier than expected.
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

/// Writes one or more files for the rows of each day. `version` holds the live files. `wrote` is called now and then
/// with the number of rows written so far.
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
        // The folder of a day that has files is already durable. The check saves work if a roll writes thousands of
        // days.
        if version.day(day).is_empty() {
            let dir = layout.events_day(day);
            layout.fs.create_dir_all(&dir).context("cannot create the folder", dir)?;
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
