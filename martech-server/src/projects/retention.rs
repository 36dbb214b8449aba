//! Retention: removes events that are older than their project keeps them.

use std::{num::NonZero, time::Duration};

use jiff::{Span, tz::TimeZone};
use martech_core::{event::Timestamp, query::start_of_day};

use super::{Project, Projects};
use crate::projects::backend::BackendError;

/// Interval between two runs.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

impl Project {
    /// Removes the events of UTC days that ended by the start of the retention period, and returns their number.
    /// Returns `None` if the project has no retention.
    pub(crate) async fn apply_retention(&self, now: Timestamp) -> Result<Option<u64>, BackendError> {
        let settings = self.settings();
        let Some(days) = settings.retention_days else { return Ok(None) };
        // The horizon is before the start of the calendar, so no event is old enough.
        let Some(before) = horizon(now, days, &settings.time_zone) else { return Ok(Some(0)) };
        let removed = self.backend().remove_before(before).await?;
        if removed > 0 {
            tracing::info!(project = %self.id(), events = removed, %before, "removed events that are older than the retention");
        }
        Ok(Some(removed))
    }
}

/// Returns the start of the local day that lies `days` days before today, or `None` if it is outside the calendar.
fn horizon(now: Timestamp, days: NonZero<u32>, tz: &TimeZone) -> Option<Timestamp> {
    let today = tz.to_datetime(jiff::Timestamp::from(now)).date();
    start_of_day(today.checked_sub(Span::new().try_days(days.get()).ok()?).ok()?, tz)
}

impl Projects {
    /// Applies the retention of all open projects.
    pub(super) async fn apply_retention(&self) {
        for project in self.all() {
            if let Err(error) = project.apply_retention(Timestamp::now()).await {
                tracing::warn!(project = %project.id(), %error, "cannot remove events that are older than the retention");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizon_uses_project_time_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-03-30T22:30:00Z".parse().unwrap();
        let before = |days| horizon(now, NonZero::new(days).unwrap(), &berlin).unwrap().to_string();
        // In Berlin, `now` is on the 31st. The clocks changed on the 29th.
        assert_eq!(before(1), "2026-03-29T22:00:00.000Z");
        assert_eq!(before(3), "2026-03-27T23:00:00.000Z");
        assert_eq!(horizon(now, NonZero::new(u32::MAX).unwrap(), &berlin), None);
    }
}
