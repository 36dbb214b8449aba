//! A roll: writes the hot table to files, one for each window of days and one for the users.

use crate::lake::{
    engine::{Engine, state::ActiveTable, throttle::Step},
    error::{LakeError, Result, guarded},
    files::{events_writer::write_sorted, set::Change, users_file},
    rows::sorted::Sorted,
};

/// Writes all rows that were in memory when the call began.
pub(crate) fn roll_everything(engine: &Engine) -> Result<()> {
    roll_frozen(engine)?;
    roll(engine, ActiveTable::Freeze)
}

/// Writes the active table if that is due, and a table that a failed roll left.
pub(crate) fn roll_what_is_due(engine: &Engine) -> Result<()> {
    roll_frozen(engine)?;
    roll(engine, engine.active_table())
}

/// Writes a table that a failed roll left.
fn roll_frozen(engine: &Engine) -> Result<()> {
    {
        let state = engine.state();
        if state.frozen.is_some() && state.closed {
            return Err(LakeError::Closed);
        }
    }
    roll(engine, ActiveTable::Keep)
}

/// Writes the frozen table. With [`ActiveTable::Freeze`], the active table is frozen first, unless a table is frozen
/// already.
fn roll(engine: &Engine, fresh: ActiveTable) -> Result<()> {
    let Some(frozen) = engine.state().begin_roll(fresh) else { return Ok(()) };
    let piece = engine.rolls.begin();
    engine.files.begin_roll();
    let mut change = Change { sequence: Some(frozen.sequence), ..Change::default() };
    let rolled = match guarded(|| write(engine, &Sorted::all([&*frozen]), &mut change)) {
        Ok(()) => {
            // The replaced state is dropped outside the lock of the state, because it may be large.
            let mut before = None;
            engine.files.publish(change, |version| before = Some(engine.state().finish_roll(version)))
        }
        Err(error) => {
            engine.files.discard(&change.add_events, &change.add_users);
            Err(error)
        }
    };
    engine.files.end_roll();
    engine.state().roll_error = rolled.as_ref().err().map(ToString::to_string);
    engine.progress.notify_all();
    rolled?;
    piece.done();
    Ok(engine.journal.trim(engine.files.rolled())?)
}

fn write(engine: &Engine, sorted: &Sorted<'_>, change: &mut Change) -> Result<()> {
    let (files, layout) = (&engine.files, engine.files.layout());
    let step = |step| {
        engine.state().record_progress(step);
        // A batch that waits for room may now get it earlier than expected.
        engine.progress.notify_all();
    };
    step(Step::Sorted);
    let part = |rows: usize| rows as f64 / sorted.len() as f64;
    let Change { add_events, add_users, folders, .. } = change;
    let wrote = |rows| step(Step::Written(part(rows)));
    write_sorted(
        files.shared(),
        sorted,
        engine.options.roll_windows,
        || files.take_file_id(),
        add_events,
        folders,
        wrote,
    )?;
    let summed = |rows| step(Step::Summed(part(rows)));
    add_users.push(users_file::write_hot(layout, files.take_file_id(), sorted, folders, summed)?);
    Ok(())
}
