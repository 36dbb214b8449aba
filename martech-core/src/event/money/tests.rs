use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, MoneyError> {
    text.parse::<Money>().map(|money| money.to_string())
}

#[test]
fn parses_decimal_and_exponent_notations() {
    for (text, shown) in [
        ("0", "0.00"),
        ("12.5", "12.50"),
        ("-12.5", "-12.50"),
        ("+7", "7.00"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("0.123", "0.123"),
        ("0.000001", "0.000001"),
        ("2500315.63", "2500315.63"),
        ("1e3", "1000.00"),
        ("1.5E-2", "0.015"),
        ("1E+2", "100.00"),
        ("0e999999999999999999999", "0.00"),
        ("-0", "0.00"),
        ("1e-999999999999999999999", "0.00"),
        ("000000000000000000000000000000000000000000000012.50", "12.50"),
        ("999999999999.999999", "999999999999.999999"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
    }
}

#[test]
fn rounds_half_to_even_beyond_millionths() {
    for (text, shown) in [
        ("29.990000000000002", "29.99"),
        ("0.0000005", "0.00"),
        ("0.0000015", "0.000002"),
        ("0.0000025", "0.000002"),
        ("0.00000250000000000000000000000000000000000000000001", "0.000003"),
        ("-0.0000015", "-0.000002"),
        ("5e-7", "0.00"),
        ("999999999999.9999994", "999999999999.999999"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
    }
}

#[test]
fn rejects_text_that_is_not_a_number() {
    for text in [
        "", "-", ".", "e5", "1e", "1e+", "1,50", "1.2.3", " 1", "1 ", "NaN", "Infinity", "0x10", "--1", "$5", "1e5e5",
        "١",
    ] {
        assert_eq!(read(text), Err(MoneyError::Malformed), "{text:?}");
    }
}

#[test]
fn rejects_amounts_out_of_range() {
    let nines = "9".repeat(60);
    for text in [
        "1000000000000",
        "-1000000000000",
        "1e12",
        "1e999",
        "1e99999999999999999999999",
        "999999999999.9999999",
        &nines,
    ] {
        assert_eq!(read(text), Err(MoneyError::OutOfRange), "{text}");
    }
}

#[test]
fn sums_exceed_the_largest_amount() {
    let mut sum: MoneySum = [Money::MAX; 100].into_iter().sum();
    sum += Money::from_micros(100);
    assert_eq!(sum.to_string(), "100000000000000.00");
    assert_eq!(serde_json::to_string(&sum).unwrap(), r#""100000000000000.00""#);
    assert_eq!((MoneySum(-5) + MoneySum(3)).to_string(), "-0.000002");
}

proptest! {
    #[test]
    fn round_trips_through_text_and_json(micros in -Money::MAX.0..=Money::MAX.0) {
        let money = Money::from_micros(micros);
        prop_assert_eq!(money.to_string().parse(), Ok(money));
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }

    #[test]
    fn never_panics(text in "[-+0-9.eE]{0,40}") {
        let _ = text.parse::<Money>();
    }
}
