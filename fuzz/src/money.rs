//! Amounts of money: parsing against a model that works on digits, and printing.

use martech_core::event::{Money, MoneyError, MoneySum};

pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let read = text.parse::<Money>();
        assert_eq!(read.map(Money::micros), model(text), "{text:?}");
        if let Ok(money) = read {
            print(MoneySum::from(money));
            assert_eq!(money.to_string().parse(), Ok(money));
        }
    }
    if let Some(bytes) = data.first_chunk() {
        print(MoneySum(i128::from_le_bytes(*bytes)));
    }
}

/// Asserts that the text is canonical and denotes the sum.
fn print(sum: MoneySum) {
    let text = sum.to_string();
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = unsigned.split_once('.').expect("there are decimals");
    assert!(whole == "0" || !whole.starts_with('0'), "{text}");
    assert!((2..=6).contains(&fraction.len()) && (fraction.len() == 2 || !fraction.ends_with('0')), "{text}");
    let digits: u128 = format!("{whole}{fraction:0<6}").parse().expect("digits");
    assert_eq!((digits, text.starts_with('-')), (sum.micros().unsigned_abs(), sum.micros() < 0), "{text}");
}

/// Converts a text to millionths by moving the decimal point through its digits.
fn model(text: &str) -> Result<i64, MoneyError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let exponent = match exponent {
        None => 0,
        Some(text) => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            if digits.is_empty() || !all_digits(digits) {
                return Err(MoneyError::Malformed);
            }
            // No text here is long enough for an exponent beyond a million to matter.
            let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
            if text.starts_with('-') { -size } else { size }
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return Err(MoneyError::Malformed);
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    // Number of significant digits before the decimal point of the millionths.
    let kept = whole.len() as i64 + exponent + 6 - (digits.len() - significant.len()) as i64;
    let micros = match kept {
        _ if significant.is_empty() => 0,
        19.. => return Err(MoneyError::OutOfRange),
        ..0 => 0,
        _ => {
            let padded = format!("{significant:0<20}");
            let (front, rest) = padded.split_at(kept as usize);
            let quotient: i64 = if front.is_empty() { 0 } else { front.parse().expect("at most 18 digits") };
            let half = format!("5{}", "0".repeat(rest.len() - 1));
            let up = rest > half.as_str() || (rest == half && quotient % 2 == 1);
            quotient + i64::from(up)
        }
    };
    if micros > 999_999_999_999_999_999 {
        return Err(MoneyError::OutOfRange);
    }
    Ok(if negative { -micros } else { micros })
}
