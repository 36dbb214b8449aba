//! Events that are older than a shop wants to keep.

use std::{num::NonZero, time::Duration};

use jiff::{Span, tz::TimeZone};
use martech_core::{event::Timestamp, query::start_of_day};

use super::{Project, Projects};
use crate::backend::BackendError;

/// How often they are looked for.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

impl Project {
    /// Removes the events of days that were over as many days ago as the project keeps them; how many. `None` where it
    /// keeps them for ever.
    pub(crate) async fn forget(&self, now: Timestamp) -> Result<Option<u64>, BackendError> {
        let settings = self.settings();
        let Some(days) = settings.retention_days else { return Ok(None) };
        // Before the calendar begins there is nothing to forget.
        let Some(before) = horizon(now, days, &settings.time_zone) else { return Ok(Some(0)) };
        let forgotten = self.backend().forget(before).await?;
        if forgotten > 0 {
            tracing::info!(project = %self.id(), events = forgotten, %before, "events were kept long enough, and are removed");
        }
        Ok(Some(forgotten))
    }
}

/// The first moment of the day that is so many days before today.
fn horizon(now: Timestamp, days: NonZero<u32>, tz: &TimeZone) -> Option<Timestamp> {
    let today = tz.to_datetime(jiff::Timestamp::from(now)).date();
    start_of_day(today.checked_sub(Span::new().try_days(days.get()).ok()?).ok()?, tz)
}

impl Projects {
    /// Has each forget what it has kept long enough.
    pub(super) async fn forget(&self) {
        for project in self.all() {
            if let Err(error) = project.forget(Timestamp::now()).await {
                tracing::warn!(project = %project.id(), %error, "events that are too old stay for now");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_shop() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-03-30T22:30:00Z".parse().unwrap();
        let before = |days| horizon(now, NonZero::new(days).unwrap(), &berlin).unwrap().to_string();
        // It is the 31st in Berlin; clocks changed on the 29th.
        assert_eq!(before(1), "2026-03-29T22:00:00.000Z");
        assert_eq!(before(3), "2026-03-27T23:00:00.000Z");
        assert_eq!(horizon(now, NonZero::new(u32::MAX).unwrap(), &berlin), None);
    }
}
