//! A roll: writes the hot table to files, some days at a time ([`deferred`](crate::lake::engine::deferred) explains
//! why).

use crate::lake::{
    engine::{Engine, deferred::RollPart, state::ActiveTable, throttle::Step},
    error::{LakeError, Result, guarded},
    files::{events_writer::write_sorted, set::Change, users_file},
    rows::sorted::Sorted,
};

/// Writes all rows that were in memory when the call began.
pub(crate) fn roll_everything(engine: &Engine) -> Result<()> {
    roll_what_is_left(engine)?;
    roll(engine, ActiveTable::Freeze)?;
    roll_what_is_left(engine)
}

/// Writes the active table if that is due, and rows that earlier rolls left.
pub(crate) fn roll_what_is_due(engine: &Engine) -> Result<()> {
    roll(engine, engine.active_table())?;
    roll_what_is_left(engine)
}

/// Writes rows that a failed roll left, or rolls without room for all days.
fn roll_what_is_left(engine: &Engine) -> Result<()> {
    let before = engine.files.rolled();
    let is_left = || {
        let state = engine.state();
        let left = state.frozen.is_some() || state.deferred.after().is_some_and(|after| after < before);
        if left && state.closed { Err(LakeError::Closed) } else { Ok(left) }
    };
    while is_left()? {
        roll(engine, engine.active_table())?;
    }
    Ok(())
}

/// Writes some days of the frozen table and of the deferred rows. With [`ActiveTable::Freeze`], the active table is
/// frozen first, unless a table is frozen already.
fn roll(engine: &Engine, fresh: ActiveTable) -> Result<()> {
    let Some((frozen, waiting)) = engine.state().begin_roll(fresh) else { return Ok(()) };
    let piece = engine.rolls.begin();
    let sequence = frozen.as_ref().map(|hot| hot.sequence);
    let mut change = Change { sequence, ..Change::default() };
    let written = guarded(|| {
        let part =
            RollPart::choose(frozen.as_deref(), &waiting, engine.options.roll_days.max(1), engine.files.rolled());
        change.waiting = Some(part.left.entries());
        write(engine, &part.sorted(), &mut change)?;
        Ok(part.left)
    });
    let rolled = match written {
        Ok(left) => {
            let after = left.after();
            // The replaced state is dropped outside the lock of the state, because it may be large.
            let mut before = None;
            let shown = engine.files.publish(change, |version| {
                before = Some(engine.state().finish_roll(version, sequence.is_some(), left))
            });
            shown.map(|()| after)
        }
        Err(error) => {
            engine.files.discard(&change.add_events, &change.add_users);
            Err(error)
        }
    };
    engine.state().roll_error = rolled.as_ref().err().map(ToString::to_string);
    engine.progress.notify_all();
    let after = rolled?;
    piece.done();
    Ok(engine.journal.trim(after.unwrap_or_else(|| engine.files.rolled()))?)
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
    let version = engine.state().version.clone();
    let Change { add_events, add_users, folders, .. } = change;
    let wrote = |rows| step(Step::Written(part(rows)));
    write_sorted(layout, &version, sorted, || files.take_file_id(), add_events, folders, wrote)?;
    let summed = |rows| step(Step::Summed(part(rows)));
    add_users.push(users_file::write_hot(layout, files.take_file_id(), sorted, folders, summed)?);
    Ok(())
}
