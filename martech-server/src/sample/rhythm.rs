//! How many visits a day has, and when.

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use martech_core::event::Timestamp;

use super::{DAYS, random::Random};

/// The visits on the first day and on the last, before the day of the week counts.
const VISITS: (f64, f64) = (115.0, 160.0);

/// The share of each hour of the day, in local time: little at night, a bump at noon, a peak in the evening.
const HOURS: [u32; 24] = [8, 5, 3, 2, 2, 3, 7, 15, 27, 38, 45, 48, 52, 50, 46, 45, 47, 52, 60, 72, 85, 82, 55, 25];

/// The business of a day.
pub(super) struct Trade {
    pub(super) visits: usize,
    pub(super) is_sale: bool,
}

/// Returns the business of a date. `day` counts from the first day of the shop.
pub(super) fn trade(date: Date, today: Date, day: i32, random: &mut Random) -> Trade {
    let growth = VISITS.0 + (VISITS.1 - VISITS.0) * f64::from(day) / f64::from(DAYS);
    let of_week = match date.weekday() {
        Weekday::Monday => 1.04,
        Weekday::Tuesday | Weekday::Thursday => 1.0,
        Weekday::Wednesday => 0.97,
        Weekday::Friday => 0.91,
        Weekday::Saturday => 0.96,
        Weekday::Sunday => 1.16,
    };
    let of_sale = match sale_day(date, today) {
        Some(Weekday::Friday) => 1.7,
        Some(Weekday::Saturday) => 2.3,
        Some(_) => 2.1,
        None => 1.0,
    };
    let noise = random.between(93, 107) as f64 / 100.0;
    Trade { visits: (growth * of_week * of_sale * noise) as usize, is_sale: of_sale > 1.0 }
}

/// Returns the day of the week if the date lies in the sale: the last weekend, from Friday on, that is over for two
/// weeks.
fn sale_day(date: Date, today: Date) -> Option<Weekday> {
    let late = today.checked_sub(16.days()).ok()?;
    let saturday = late.checked_sub(late.weekday().since(Weekday::Saturday).days()).ok()?;
    let friday = saturday.checked_sub(1.day()).ok()?;
    let sunday = saturday.checked_add(1.day()).ok()?;
    (friday <= date && date <= sunday).then(|| date.weekday())
}

/// Returns a random moment of a local date, in milliseconds.
pub(super) fn moment(date: Date, tz: &TimeZone, random: &mut Random) -> Option<i64> {
    let hour = random.weighted(HOURS.into_iter()) as i8;
    let (minute, second) = (random.between(0, 59) as i8, random.between(0, 59) as i8);
    let millis = random.between(0, 999);
    let local = tz.to_timestamp(date.at(hour, minute, second, 0)).ok()?;
    Some(local.as_millisecond() + millis)
}

/// Returns the starts of the latest visits, so that the last minutes are never empty. They depend on `now` alone.
pub(super) fn latest(now: Timestamp) -> [i64; 5] {
    const MINUTE: i64 = 60_000;
    [21, 14, 8, 4, 1].map(|minutes| now.millis() - minutes * MINUTE)
}
