//! Rates: a quota over a time.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use bytesize::ByteSize;

use crate::util::parse_duration;

/// A quota of requests, written `5000/10s`: 5,000 at once, and as many again over 10 s; or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// No limit.
    Off,
    /// A token bucket of `count`, refilled evenly within `seconds`.
    Of {
        /// The capacity of the bucket.
        count: NonZeroU32,
        /// The time to refill the whole bucket.
        seconds: NonZeroU32,
    },
}

/// The maximum count and the maximum time. A larger count would not limit anything.
const MOST: u32 = 10_000_000;
const LONGEST: u32 = 86_400;

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "`off`, or a count of requests (at most 10000000) and a time in whole seconds (at most a day), \
                             such as 5000/10s";
        if text == "off" {
            return Ok(Self::Off);
        }
        let (count, time) = text.split_once('/').ok_or(SHAPE)?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| SHAPE)?;
        let seconds = seconds(time).ok_or(SHAPE)?;
        if count.get() <= MOST { Ok(Self::Of { count, seconds }) } else { Err(SHAPE) }
    }
}

/// A quota of bytes, written `128MiB/10s`: 128 MiB at once, and as many again over 10 s; or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRate(pub(super) Rate);

/// The maximum number of bytes a second. Above it, the time to refill one byte approaches the clock's precision of 1
/// ns.
const MOST_BYTES_A_SECOND: u32 = 1 << 29;

impl FromStr for ByteRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "`off`, or a size (less than 4GiB, and at most 512MiB for each second) and a time in whole \
                             seconds (at most a day), such as 128MiB/10s";
        if text == "off" {
            return Ok(Self(Rate::Off));
        }
        let (size, time) = text.split_once('/').ok_or(SHAPE)?;
        let size: ByteSize = size.trim().parse().map_err(|_| SHAPE)?;
        let count = u32::try_from(size.as_u64()).ok().and_then(NonZeroU32::new).ok_or(SHAPE)?;
        let seconds = seconds(time).ok_or(SHAPE)?;
        if count.get() / seconds.get() <= MOST_BYTES_A_SECOND {
            Ok(Self(Rate::Of { count, seconds }))
        } else {
            Err(SHAPE)
        }
    }
}

/// Parses whole seconds, up to a day.
fn seconds(text: &str) -> Option<NonZeroU32> {
    let time = parse_duration(text.trim()).ok()?;
    let seconds = u32::try_from(time.as_secs()).ok().and_then(NonZeroU32::new)?;
    (time.subsec_nanos() == 0 && seconds.get() <= LONGEST).then_some(seconds)
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rate::Off => f.write_str("off"),
            Rate::Of { count, seconds } => write!(f, "{} bytes/{seconds}s", count),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Of { count, seconds } => write!(f, "{count}/{seconds}s"),
        }
    }
}

impl Rate {
    /// Returns the rate with `factor` times the count, over the same time.
    pub(super) fn times(self, factor: u32) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Of { count, seconds } => {
                Self::Of { count: count.saturating_mul(NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN)), seconds }
            }
        }
    }

    /// Returns the capacity of the bucket, and the time to refill one unit.
    pub(super) fn bucket(self) -> Option<(u32, Duration)> {
        match self {
            Self::Off => None,
            Self::Of { count, seconds } => Some((count.get(), Duration::from_secs(seconds.get().into()) / count.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_byte_rates() {
        for (text, bucket) in [
            ("off", None),
            ("128MiB/10s", Some((128 << 20, Duration::from_secs(10) / (128 << 20)))),
            ("1KiB/1m", Some((1024, Duration::from_secs(60) / 1024))),
            ("512MiB/1s", Some((512 << 20, Duration::from_nanos(1)))),
        ] {
            assert_eq!(text.parse::<ByteRate>().unwrap().0.bucket(), bucket, "{text}");
        }
        for wrong in ["", "128MiB", "0B/1s", "4GiB/1h", "1GiB/1s", "1MiB/0s", "1MiB/1500ms", "1MiB/25h", "much/1s"] {
            assert!(wrong.parse::<ByteRate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn parses_and_displays_rates() {
        for (text, shown, bucket) in [
            ("off", "off", None),
            ("5000/10s", "5000/10s", Some((5000, Duration::from_millis(2)))),
            ("600/1m", "600/60s", Some((600, Duration::from_millis(100)))),
            ("1 / 1s", "1/1s", Some((1, Duration::from_secs(1)))),
            ("10000000/1s", "10000000/1s", Some((10_000_000, Duration::from_nanos(100)))),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.to_string().as_str(), rate.bucket()), (shown, bucket));
        }
        for wrong in ["", "on", "5000", "0/1s", "5/0s", "5/500ms", "5/-1s", "-5/1s", "5/25h", "10000001/1s", "5/s", "/"]
        {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
