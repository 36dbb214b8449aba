use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Currency;

/// An exact amount of money, in millionths of the currency's unit. As a column: `DECIMAL(18, 6)`.
///
/// The text form is a decimal number with at least two decimals and no further trailing zeros: `12.50`, `0.123`. Binary
/// formats hold the millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// An error returned for text that is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// The text is not a decimal number.
    #[error("not a decimal number such as 12.50")]
    Malformed,
    /// The amount is a trillion or more, or minus a trillion or less.
    #[error("an amount must be above -1,000,000,000,000 and below 1,000,000,000,000")]
    OutOfRange,
}

const MICROS: u128 = 1_000_000;

impl Money {
    /// The amount of zero.
    pub const ZERO: Self = Self(0);
    /// The greatest amount: a millionth less than a trillion, the maximum of `DECIMAL(18, 6)`.
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// Creates an amount from millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the amount in millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// Parses a decimal number as people or JSON write it: `12.5`, `-.50`, `+7`, `1.5E-2`. Parsing is exact; digits beyond
/// the millionths are rounded half to even.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let micros = Decimal::read(unsigned).ok_or(MoneyError::Malformed)?.micros();
        let micros = micros.filter(|micros| *micros <= Self::MAX.0).ok_or(MoneyError::OutOfRange)?;
        Ok(Self(if text.starts_with('-') { -micros } else { micros }))
    }
}

/// `digits * 10^exponent`, and whether nonzero digits were dropped.
#[derive(Default)]
struct Decimal {
    digits: u128,
    exponent: i64,
    more: bool,
}

impl Decimal {
    /// Digits after this many cannot change an amount, except that a nonzero one affects rounding.
    const ENOUGH: u128 = 10_u128.pow(30);

    fn read(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, read_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut decimal = Self { exponent, ..Self::default() };
        whole.bytes().try_for_each(|byte| decimal.push(byte, 0))?;
        fraction.bytes().try_for_each(|byte| decimal.push(byte, -1))?;
        Some(decimal)
    }

    /// Appends a digit. `step` is added to the exponent if the digit is kept.
    fn push(&mut self, byte: u8, step: i64) -> Option<()> {
        let digit = char::from(byte).to_digit(10)?;
        if self.digits < Self::ENOUGH {
            self.digits = self.digits * 10 + u128::from(digit);
            self.exponent = self.exponent.saturating_add(step);
        } else {
            self.more |= digit != 0;
            self.exponent = self.exponent.saturating_add(step + 1);
        }
        Some(())
    }

    /// Returns the number in millionths, if an `i64` holds it.
    fn micros(&self) -> Option<i64> {
        let scale = self.exponent.saturating_add(6);
        let power = u32::try_from(scale.unsigned_abs()).ok().and_then(|scale| 10_u128.checked_pow(scale));
        let micros = match power {
            _ if self.digits == 0 => 0,
            Some(power) if scale >= 0 => self.digits.checked_mul(power)?,
            None if scale >= 0 => return None,
            Some(power) => {
                let (quotient, rest) = (self.digits / power, self.digits % power);
                let up = match rest.cmp(&(power / 2)) {
                    Ordering::Less => false,
                    Ordering::Equal => self.more || quotient % 2 == 1,
                    Ordering::Greater => true,
                };
                quotient + u128::from(up)
            }
            // The power exceeds a `u128`, so all digits, fewer than 32, lie beyond the millionths.
            None => 0,
        };
        i64::try_from(micros).ok()
    }
}

/// Parses the number after an `e`. A number that exceeds an `i64` saturates.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
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

/// A sum of [`Money`], in millionths. An `i128` is wide enough for more amounts than can exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MoneySum(pub i128);

impl MoneySum {
    /// Returns the sum in millionths.
    pub const fn micros(self) -> i128 {
        self.0
    }

    /// Returns the sum as text with the decimals of the currency, and more if the sum needs them: `1234` in `JPY`,
    /// `12.50` in `USD`, `0.123` in either.
    pub fn in_currency(self, currency: Currency) -> impl fmt::Display {
        fmt::from_fn(move |f| self.write(f, currency.minor_digits()))
    }

    fn write(self, f: &mut fmt::Formatter<'_>, least_decimals: usize) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (units, micros) = (self.0.unsigned_abs() / MICROS, self.0.unsigned_abs() % MICROS);
        let (mut decimals, mut fraction) = (6, micros);
        while decimals > least_decimals && fraction % 10 == 0 {
            fraction /= 10;
            decimals -= 1;
        }
        write!(f, "{sign}{units}")?;
        if decimals == 0 { Ok(()) } else { write!(f, ".{fraction:0decimals$}") }
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
        self.write(f, 2)
    }
}

/// Serializes as a decimal string.
impl Serialize for MoneySum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
