//! Decimal numbers, and their conversion from and to JSON text, doubles and Decimal128.
//!
//! Decimal128 uses the binary integer decimal encoding of IEEE 754-2008: a sign bit, an exponent of 14 bits with a bias
//! of 6176, and a coefficient below 10^34.

use std::io::Write;

/// `±coefficient * 10^exponent`. The coefficient has no trailing zeros, so equal numbers compare equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) coefficient: u128,
    pub(crate) exponent: i64,
}

/// Writes a finite double as JSON: the shortest text that parses to the same double.
pub(super) fn write_double(value: f64, out: impl Write) -> serde_json::Result<()> {
    serde_json::to_writer(out, &value)
}

/// Exclusive upper bound of Decimal128 coefficients.
const LIMIT: u128 = 10_u128.pow(34);
const MIN_EXPONENT: i64 = -6176;
const MAX_EXPONENT: i64 = 6111;

impl Decimal {
    /// Creates a number from a coefficient that may have trailing zeros.
    pub(crate) fn new(negative: bool, mut coefficient: u128, mut exponent: i64) -> Self {
        if coefficient == 0 {
            exponent = 0;
        }
        while coefficient != 0 && coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        Self { negative, coefficient, exponent }
    }

    /// Parses a JSON number. Returns `None` if the coefficient overflows (more than 38 significant digits).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-');
        let (negative, unsigned) = (unsigned.is_some(), unsigned.unwrap_or(text));
        let (number, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let (mut coefficient, mut zeros) = (0_u128, 0_u32);
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' if coefficient == 0 => {}
                b'0' => zeros += 1,
                digit => {
                    let shifted = coefficient.checked_mul(10_u128.checked_pow(zeros + 1)?)?;
                    coefficient = shifted.checked_add(u128::from(digit - b'0'))?;
                    zeros = 0;
                }
            }
        }
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        let edge = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent = exponent.parse::<i64>().unwrap_or(edge).clamp(i64::MIN / 2, i64::MAX / 2);
        let exponent = exponent - fraction.len() as i64 + i64::from(zeros);
        Some(Self { negative, coefficient, exponent: if coefficient == 0 { 0 } else { exponent } })
    }

    /// Converts a double to the number that its shortest decimal text denotes. Returns `None` if it is not finite.
    ///
    /// If two texts are equally short and equally near, the one that [JSON](write_double) uses is chosen.
    pub(crate) fn of_double(value: f64) -> Option<Self> {
        // The longest text is of the form -1.2345678901234567e-308.
        let mut text = [0_u8; 40];
        let mut rest = &mut text[..];
        write_double(value, &mut rest).ok().filter(|()| value.is_finite())?;
        let length = 40 - rest.len();
        Self::parse(std::str::from_utf8(&text[..length]).ok()?)
    }

    /// Returns the double whose shortest decimal text is this number, if there is one.
    pub(crate) fn to_double(self, text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        // Fifteen significant digits always survive the conversion to a double.
        let is_short = self.coefficient < 10_u128.pow(15) && (-250..250).contains(&self.exponent);
        (is_short || Self::of_double(value) == Some(self)).then_some(value)
    }

    /// Encodes this number as Decimal128, if it fits.
    pub(crate) fn to_bits(self) -> Option<u128> {
        let Self { negative, mut coefficient, mut exponent } = self;
        while exponent > MAX_EXPONENT && coefficient < LIMIT / 10 {
            coefficient *= 10;
            exponent -= 1;
        }
        let fits = coefficient < LIMIT && (MIN_EXPONENT..=MAX_EXPONENT).contains(&exponent);
        fits.then(|| u128::from(negative) << 127 | ((exponent - MIN_EXPONENT) as u128) << 113 | coefficient)
    }

    /// Decodes a Decimal128. Returns `None` for infinities and NaN.
    pub(crate) fn of_bits(bits: u128) -> Option<Self> {
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0b1_1111 {
            // Infinity and NaN.
            0b1_1110 | 0b1_1111 => None,
            // The second encoding form can only hold coefficients above the limit, which count as zero.
            form if form >> 3 == 0b11 => Some(Self::new(negative, 0, 0)),
            _ => {
                let coefficient = bits & ((1 << 113) - 1);
                let exponent = ((bits >> 113) & 0x3fff) as i64 + MIN_EXPONENT;
                Some(Self::new(negative, if coefficient < LIMIT { coefficient } else { 0 }, exponent))
            }
        }
    }

    /// Creates a number from millionths.
    pub(crate) fn of_micros(micros: i128) -> Self {
        Self::new(micros < 0, micros.unsigned_abs(), -6)
    }

    /// Converts to millionths. Returns `None` if the result is not a whole number or overflows.
    pub(crate) fn to_micros(self) -> Option<i128> {
        self.coefficient_at(-6)
    }

    /// Returns this number as a multiple of `10^exponent`. Returns `None` if the result is not a whole number or
    /// overflows.
    pub(crate) fn coefficient_at(self, exponent: i64) -> Option<i128> {
        let scale = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        let whole = i128::try_from(self.coefficient.checked_mul(10_u128.checked_pow(scale)?)?).ok()?;
        Some(if self.negative { -whole } else { whole })
    }

    /// Encodes an amount of money as Decimal128. The exponent is never positive, so ten units are `10`, not `1E+1`.
    pub(crate) fn money_bits(self) -> Option<u128> {
        let Self { negative, mut coefficient, mut exponent } = self;
        while exponent > 0 {
            coefficient = coefficient.checked_mul(10)?;
            exponent -= 1;
        }
        let fits = coefficient < LIMIT && exponent >= MIN_EXPONENT;
        fits.then(|| u128::from(negative) << 127 | ((exponent - MIN_EXPONENT) as u128) << 113 | coefficient)
    }

    /// Writes this number as JSON.
    pub(crate) fn write_json(self, out: &mut Vec<u8>) {
        let sign = if self.negative { "-" } else { "" };
        let written = match self.exponent {
            0 => write!(out, "{sign}{}", self.coefficient),
            exponent => write!(out, "{sign}{}e{exponent}", self.coefficient),
        };
        written.expect("writing to a vector cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_have_one_representation() {
        for text in ["1200", "1.2e3", "12e2", "1200.000", "0.0012E+6", "12000000e-4"] {
            assert_eq!(decimal(text), Decimal { negative: false, coefficient: 12, exponent: 2 }, "{text}");
        }
        assert_eq!(decimal("0e99999999999999999999"), Decimal::new(false, 0, 0));
        assert_eq!(decimal("-0.0"), Decimal { negative: true, coefficient: 0, exponent: 0 });
        let long = format!("1{}", "0".repeat(500));
        assert_eq!(decimal(&long), Decimal { negative: false, coefficient: 1, exponent: 500 });
        assert_eq!(decimal(&format!("0.{}7", "0".repeat(60))).exponent, -61);
        assert_eq!(Decimal::parse(&"7".repeat(40)), None);
        assert!(decimal("1e99999999999999999999").exponent > 1 << 60);
    }

    #[test]
    fn doubles_convert_by_their_shortest_text() {
        let double = |text: &str| decimal(text).to_double(text);
        assert_eq!(double("12.5"), Some(12.5));
        assert_eq!(double("0.1"), Some(0.1));
        assert_eq!(double("5e-324"), Some(5e-324));
        assert_eq!(double("1.7976931348623157e308"), Some(f64::MAX));
        assert_eq!(double("4.9e-324"), None);
        assert_eq!(double("9223372036854775808"), None);
        assert_eq!(double("0.1000000000000000055511151231257827"), None);
        assert_eq!(double("1e999"), None);
        assert_eq!(Decimal::of_double(f64::NAN), None);
    }

    /// Bits from the BSON specification of Decimal128.
    #[test]
    fn bits_match_the_decimal128_specification() {
        let bits = |text| decimal(text).to_bits();
        assert_eq!(bits("1"), Some(0x3040_0000_0000_0000_0000_0000_0000_0001));
        assert_eq!(bits("-1"), Some(0xb040_0000_0000_0000_0000_0000_0000_0001));
        assert_eq!(bits("0.1"), Some(0x303e_0000_0000_0000_0000_0000_0000_0001));
        assert_eq!(bits("0.1234567890123456789012345678901234"), Some(0x2ffc_3cde_6fff_9732_de82_5cd0_7e96_aff2));
        assert_eq!(bits("9.999999999999999999999999999999999e6144"), Some(0x5fff_ed09_bead_87c0_378d_8e63_ffff_ffff));
        assert_eq!(bits("1e-6176"), Some(1));
        assert_eq!(bits("1e6144"), Some(0x5ffe_314d_c644_8d93_38c1_5b0a_0000_0000));
        assert_eq!((bits("1e-6177"), bits("1e6145"), bits("12345678901234567890123456789012345")), (None, None, None));
        for special in [0x7800_u128, 0xf800, 0x7c00] {
            assert_eq!(Decimal::of_bits(special << 112), None);
        }
        assert_eq!(Decimal::of_bits(0x6c10 << 112), Some(Decimal::new(false, 0, 0)));
    }

    #[test]
    fn money_has_no_trailing_zeros() {
        for (micros, exponent, coefficient) in
            [(12_500_000, -1, 125_u128), (10_000_000, 0, 10), (1, -6, 1), (0, 0, 0), (1_230_000, -2, 123)]
        {
            let bits = Decimal::of_micros(micros).money_bits().unwrap();
            assert_eq!(bits & ((1 << 113) - 1), coefficient, "{micros}");
            assert_eq!(((bits >> 113) & 0x3fff) as i64 + MIN_EXPONENT, exponent, "{micros}");
        }
    }

    proptest! {
        #[test]
        fn money_roundtrips(micros in -999_999_999_999_999_999_i128..=999_999_999_999_999_999) {
            let bits = Decimal::of_micros(micros).money_bits().unwrap();
            prop_assert_eq!(Decimal::of_bits(bits).unwrap().to_micros(), Some(micros));
        }

        #[test]
        fn numbers_in_range_roundtrip(negative: bool, coefficient in 0..LIMIT, exponent in -6176_i64..=6111) {
            let number = Decimal::new(negative, coefficient, exponent);
            prop_assert_eq!(Decimal::of_bits(number.to_bits().unwrap()), Some(number));
            let mut text = Vec::new();
            number.write_json(&mut text);
            prop_assert_eq!(Decimal::parse(std::str::from_utf8(&text).unwrap()), Some(number));
        }

        #[test]
        fn every_double_roundtrips_through_its_text(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = serde_json::to_string(&value).unwrap();
            let decimal = Decimal::parse(&text).unwrap();
            prop_assert_eq!(decimal.to_double(&text).map(f64::to_bits), Some(bits));
            prop_assert_eq!(Decimal::of_double(value), Some(decimal));
        }

        #[test]
        fn fifteen_digits_survive_conversion_to_double(digits in 0_u64..1_000_000_000_000_000, exponent in -250_i64..235) {
            let text = format!("{digits}e{exponent}");
            let value: f64 = text.parse().unwrap();
            prop_assert_eq!(Decimal::of_double(value), Decimal::parse(&text));
        }
    }
}
