use std::{
    borrow::Cow,
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An exact amount of money in millionths of the currency's unit; as a column: `DECIMAL(18, 6)`.
///
/// As text, a decimal number with at least two decimals and no idle zeros behind them: `12.50`, `0.123`.
/// In binary formats, the millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// A text that is no amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("not a decimal number, such as 12.50")]
    Malformed,
    /// A trillion or more.
    #[error("an amount must be below 1,000,000,000,000 and above its negative")]
    OutOfRange,
}

const MICROS: u128 = 1_000_000;

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The greatest amount: a millionth less than a trillion, the most that `DECIMAL(18, 6)` holds.
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// From millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        Err(MoneyError::Malformed)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MoneySum::from(*self).fmt(f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// A sum of [`Money`], in millionths: wide enough for more amounts than there can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MoneySum(pub i128);

impl MoneySum {
    /// In millionths.
    pub const fn micros(self) -> i128 {
        self.0
    }
}

impl From<Money> for MoneySum {
    fn from(money: Money) -> Self {
        Self(money.0.into())
    }
}

impl Add<Money> for MoneySum {
    type Output = Self;

    fn add(self, money: Money) -> Self {
        Self(self.0 + i128::from(money.0))
    }
}

impl Add for MoneySum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign<Money> for MoneySum {
    fn add_assign(&mut self, money: Money) {
        *self = *self + money;
    }
}

impl AddAssign for MoneySum {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum<Money> for MoneySum {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for MoneySum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (units, micros) = (self.0.unsigned_abs() / MICROS, self.0.unsigned_abs() % MICROS);
        let (mut decimals, mut fraction) = (6, micros);
        while decimals > 2 && fraction % 10 == 0 {
            fraction /= 10;
            decimals -= 1;
        }
        write!(f, "{sign}{units}.{fraction:0decimals$}")
    }
}

/// As a decimal string.
impl Serialize for MoneySum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
