//! Parses numbers and amounts of money in the notation of a file.

use std::borrow::Cow;

use martech_core::event::{Currency, Money};

use super::terms::{Flag, Terms};

/// The notation of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notation {
    /// Decimal separator.
    pub(crate) decimal: char,
    /// Thousands separator. A blank matches any whitespace character.
    pub(crate) thousands: Option<char>,
}

impl Default for Notation {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}

/// A parsed amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amount {
    /// A decimal number with a point.
    pub(crate) number: String,
    /// The currency sign or code beside the number.
    pub(crate) unit: Option<Unit>,
}

/// A currency sign or code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) text: String,
    /// The ISO 4217 codes that the text may mean; at least one.
    pub(crate) codes: Vec<Currency>,
}

/// Currency signs and their candidates. A sign comes before the shorter signs that are part of it.
const SIGNS: [(&str, &[&str]); 36] = [
    ("US$", &["USD"]),
    ("CA$", &["CAD"]),
    ("AU$", &["AUD"]),
    ("NZ$", &["NZD"]),
    ("HK$", &["HKD"]),
    ("NT$", &["TWD"]),
    ("MX$", &["MXN"]),
    ("C$", &["CAD"]),
    ("A$", &["AUD"]),
    ("S$", &["SGD"]),
    ("R$", &["BRL"]),
    (
        "$",
        &[
            "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "CLP", "COP", "ARS", "UYU", "DOP", "JMD", "TTD",
            "BSD",
        ],
    ),
    ("€", &["EUR"]),
    ("£", &["GBP", "GIP", "FKP", "SHP", "EGP"]),
    ("¥", &["JPY", "CNY"]),
    ("￥", &["JPY", "CNY"]),
    ("円", &["JPY"]),
    ("元", &["CNY"]),
    ("₹", &["INR"]),
    ("₩", &["KRW", "KPW"]),
    ("₽", &["RUB"]),
    ("₺", &["TRY"]),
    ("₴", &["UAH"]),
    ("₪", &["ILS"]),
    ("₫", &["VND"]),
    ("฿", &["THB"]),
    ("₱", &["PHP"]),
    ("₦", &["NGN"]),
    ("₸", &["KZT"]),
    ("zł", &["PLN"]),
    ("Kč", &["CZK"]),
    ("Ft", &["HUF"]),
    ("kr.", &["DKK", "SEK", "NOK", "ISK"]),
    ("kr", &["SEK", "NOK", "DKK", "ISK"]),
    ("Fr.", &["CHF"]),
    ("lei", &["RON", "MDL"]),
];

impl Notation {
    /// Returns a notation, or `None` if both separators are the same.
    pub(crate) fn new(decimal: char, thousands: Option<char>) -> Option<Self> {
        (thousands != Some(decimal)).then_some(Self { decimal, thousands })
    }

    /// Returns `text` as a JSON number. Returns `None` if `text` is not a number in this notation, or if JSON readers
    /// may not read it exactly. `007` and `1e5` are refused, as are whole numbers beyond 2^53, which are mostly ids.
    pub(crate) fn json<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let number = match *self {
            Self { decimal: '.', thousands: None } => Cow::Borrowed(text),
            _ => {
                let (sign, unsigned) = match text.strip_prefix('-') {
                    Some(unsigned) => ("-", unsigned),
                    None => ("", text),
                };
                Cow::Owned(format!("{sign}{}", self.number(unsigned)?))
            }
        };
        is_exact_json(&number).then_some(number)
    }

    /// Parses an amount of money. The number may have a sign before or after it, parentheses for a negative amount, a
    /// dash in place of the decimals (`19,-`), a currency, and a leading apostrophe, with which spreadsheets mark text.
    ///
    /// # Errors
    ///
    /// Returns a message that names the options that would read the amount, in these terms.
    pub(crate) fn amount(&self, text: &str, terms: Terms) -> Result<Amount, String> {
        let text = text.trim();
        if let Some(number) = self.number(text) {
            return Ok(Amount { number, unit: None });
        }
        // `Money` also reads other forms, such as an exponent.
        if *self == Self::default() && text.parse::<Money>().is_ok() {
            return Ok(Amount { number: text.to_owned(), unit: None });
        }
        let bare = Bare::of(text);
        let number = bare.as_ref().and_then(|bare| Some((bare, self.number(bare.digits)?)));
        match number {
            Some((bare, digits)) => {
                let sign = if bare.is_negative { "-" } else { "" };
                Ok(Amount { number: format!("{sign}{digits}"), unit: bare.unit.clone() })
            }
            None => Err(format!("not a decimal number such as 12{}50{}", self.decimal, hint(bare.as_ref(), terms))),
        }
    }

    /// Returns the digits of an unsigned number, with a point before the decimals.
    fn number(&self, text: &str) -> Option<String> {
        let (whole, fraction) = match text.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let separates = |c: char| match self.thousands {
            Some(' ') => c.is_whitespace(),
            thousands => Some(c) == thousands,
        };
        let groups: Vec<&str> = whole.split(separates).collect();
        let sound = match groups.as_slice() {
            [whole] => {
                are_digits(whole) && (!whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty()))
            }
            // The Indian system has groups of two digits before the last group.
            [first, middle @ .., last] => {
                (1..=3).contains(&first.len())
                    && last.len() == 3
                    && middle.iter().all(|group| (2..=3).contains(&group.len()))
                    && groups.iter().all(|group| are_digits(group))
            }
            [] => false,
        };
        if !sound || !fraction.is_none_or(are_digits) {
            return None;
        }
        let mut number = groups.concat();
        if number.is_empty() {
            number.push('0');
        }
        if let Some(fraction) = fraction.filter(|fraction| !fraction.is_empty()) {
            number.push('.');
            number.push_str(fraction);
        }
        Some(number)
    }

    /// Returns the options of this notation.
    fn options(&self, terms: Terms) -> String {
        let quoted = |c: char| if c.is_ascii_punctuation() && c != '\'' { c.to_string() } else { format!("\"{c}\"") };
        let decimal = (self.decimal != '.').then(|| format!("{} {}", terms.name(Flag::Decimal), quoted(self.decimal)));
        let thousands =
            self.thousands.map(|thousands| format!("{} {}", terms.name(Flag::Thousands), quoted(thousands)));
        [decimal, thousands].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Names the options that would read the amount.
fn hint(bare: Option<&Bare<'_>>, terms: Terms) -> String {
    let usual = [
        ('.', None),
        (',', None),
        ('.', Some(',')),
        (',', Some('.')),
        ('.', Some('\'')),
        ('.', Some('’')),
        (',', Some(' ')),
        ('.', Some(' ')),
    ];
    let Some(Bare { digits, .. }) = bare else { return String::new() };
    let is_there = |c: char| digits.contains(|other: char| other == c || c == ' ' && other.is_whitespace());
    let reads = |notation: &Notation| notation.thousands.is_none_or(is_there) && notation.number(digits).is_some();
    let notations = usual.map(|(decimal, thousands)| Notation { decimal, thousands });
    let fitting = notations.iter().filter(|notation| reads(notation));
    let options: Vec<String> = fitting.map(|notation| notation.options(terms)).take(2).collect();
    match options.as_slice() {
        [] => String::new(),
        [options, ..] if options.is_empty() => {
            format!("; valid without {} and {}", terms.name(Flag::Decimal), terms.name(Flag::Thousands))
        }
        [options] => format!("; use {options}"),
        [first, second, ..] => format!("; ambiguous: use {first} or {second}"),
    }
}

/// The digits of an amount, and the signs around them.
struct Bare<'a> {
    digits: &'a str,
    is_negative: bool,
    unit: Option<Unit>,
}

impl<'a> Bare<'a> {
    /// Strips the signs around the digits. Returns `None` if the amount has two signs or two currencies.
    fn of(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('\'').unwrap_or(text).trim();
        let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let (mut sign, mut unit) = (inner.map(|_| true), None);
        let mut rest = inner.unwrap_or(text).trim();
        loop {
            let before = rest;
            if let Some((found, left)) = sign_before(rest).or_else(|| sign_behind(rest)) {
                if sign.replace(found).is_some() {
                    return None;
                }
                rest = left.trim();
            }
            if let Some((found, left)) = unit_before(rest).or_else(|| unit_behind(rest)) {
                if unit.replace(found).is_some() {
                    return None;
                }
                rest = left.trim();
            }
            if rest == before {
                return Some(Self { digits: without_dash(rest), is_negative: sign == Some(true), unit });
            }
        }
    }
}

const MINUS: [char; 3] = ['-', '\u{2212}', '\u{2013}'];
const DASHES: [char; 4] = ['-', '\u{2212}', '\u{2013}', '\u{2014}'];

/// Returns whether the leading sign is a minus, and the rest of the text.
fn sign_before(text: &str) -> Option<(bool, &str)> {
    text.strip_prefix(MINUS).map(|rest| (true, rest)).or_else(|| Some((false, text.strip_prefix('+')?)))
}

fn sign_behind(text: &str) -> Option<(bool, &str)> {
    let minus = text.strip_suffix(MINUS).filter(|_| without_dash(text).len() == text.len());
    minus.map(|rest| (true, rest)).or_else(|| Some((false, text.strip_suffix('+')?)))
}

/// Strips a dash in place of the decimals: `19,-` becomes `19,`, and `5.--` becomes `5.`.
fn without_dash(text: &str) -> &str {
    let rest = text.trim_end_matches(DASHES);
    if rest.ends_with(['.', ',']) { rest } else { text }
}

fn unit_before(text: &str) -> Option<(Unit, &str)> {
    let sign = SIGNS.iter().find_map(|(sign, codes)| Some((unit(sign, codes), text.strip_prefix(sign)?)));
    sign.or_else(|| code(text.get(..3)?, text.get(3..)?))
}

fn unit_behind(text: &str) -> Option<(Unit, &str)> {
    let sign = SIGNS.iter().find_map(|(sign, codes)| Some((unit(sign, codes), text.strip_suffix(sign)?)));
    sign.or_else(|| {
        let at = text.len().checked_sub(3)?;
        code(text.get(at..)?, text.get(..at)?)
    })
}

fn unit(sign: &str, codes: &[&str]) -> Unit {
    Unit { text: sign.to_owned(), codes: codes.iter().filter_map(|code| code.parse().ok()).collect() }
}

fn code<'a>(code: &str, rest: &'a str) -> Option<(Unit, &'a str)> {
    // The check of the first character rejects most texts before the lookup.
    let listed =
        if code.starts_with(|c: char| c.is_ascii_alphabetic()) { Currency::iso_4217(code).ok()? } else { return None };
    Some((Unit { text: code.to_owned(), codes: vec![listed] }, rest))
}

/// Returns whether `text` is a JSON number without an exponent whose whole part fits exactly in a double.
fn is_exact_json(text: &str) -> bool {
    const EXACT: u64 = 1 << 53;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(a, b)| (a, Some(b)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && whole.parse().is_ok_and(|whole: u64| whole <= EXACT)
        && fraction.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Notation = Notation { decimal: '.', thousands: None };
    const GERMAN: Notation = Notation { decimal: ',', thousands: Some('.') };
    const BLANKS: Notation = Notation { decimal: ',', thousands: Some(' ') };
    const ENGLISH: Notation = Notation { decimal: '.', thousands: Some(',') };

    fn amount(notation: Notation, text: &str) -> Result<(String, Option<String>), String> {
        notation
            .amount(text, Terms::Flags)
            .map(|Amount { number, unit }| (number, unit.map(|unit| unit.codes[0].to_string())))
    }

    #[test]
    fn parses_signs_currencies_and_separators_of_amounts() {
        let cases = [
            (PLAIN, "12.50", "12.50", None),
            (PLAIN, " 12.50\u{a0}", "12.50", None),
            (PLAIN, "(12.00)", "-12.00", None),
            (PLAIN, "-70", "-70", None),
            (PLAIN, "'-70", "-70", None),
            (PLAIN, "70-", "-70", None),
            (PLAIN, "+7", "+7", None),
            (PLAIN, "\u{2212}70", "-70", None),
            (PLAIN, "1.5E-2", "1.5E-2", None),
            (PLAIN, "$12", "12", Some("USD")),
            (PLAIN, "-$.5", "-0.5", Some("USD")),
            (PLAIN, "$-5.00", "-5.00", Some("USD")),
            (PLAIN, "($5.00)", "-5.00", Some("USD")),
            (PLAIN, "12.00 CHF", "12.00", Some("CHF")),
            (PLAIN, "usd 12", "12", Some("USD")),
            (PLAIN, "R$7", "7", Some("BRL")),
            (GERMAN, "€59,90", "59.90", Some("EUR")),
            (GERMAN, "1.234.567,89 €", "1234567.89", Some("EUR")),
            (GERMAN, "-1.234", "-1234", None),
            (GERMAN, "59,", "59", None),
            (GERMAN, "19,- €", "19", Some("EUR")),
            (GERMAN, "1.250,\u{2013} €", "1250", Some("EUR")),
            (GERMAN, "-5,--", "-5", None),
            (GERMAN, "5,00-", "-5.00", None),
            (GERMAN, "kr 5,-", "5", Some("SEK")),
            (PLAIN, "CHF 5.-", "5", Some("CHF")),
            (Notation { decimal: '.', thousands: Some('\'') }, "1'250.\u{2014}", "1250", None),
            (BLANKS, "1\u{202f}234,50 kr", "1234.50", Some("SEK")),
            (BLANKS, "1 234 567", "1234567", None),
            (ENGLISH, "1,234.50", "1234.50", None),
            (ENGLISH, "12,34,567.00", "1234567.00", None),
            (Notation { decimal: '.', thousands: Some('\'') }, "Fr. 1'234.50", "1234.50", Some("CHF")),
        ];
        for (notation, text, number, currency) in cases {
            assert_eq!(amount(notation, text), Ok((number.to_owned(), currency.map(str::to_owned))), "{text}");
        }
    }

    #[test]
    fn rejects_ambiguous_amounts_and_names_the_options() {
        let cases = [
            (PLAIN, "59,90", "; use --decimal ,"),
            (PLAIN, "19,- €", "; use --decimal ,"),
            (GERMAN, "5.-", "; valid without --decimal and --thousands"),
            (PLAIN, "€59,90", "; use --decimal ,"),
            (PLAIN, "1.234,50", "; use --decimal , --thousands ."),
            (PLAIN, "1,234.50", "; use --thousands ,"),
            (PLAIN, "1,234", "; ambiguous: use --decimal , or --thousands ,"),
            (PLAIN, "1 234,50", "; use --decimal , --thousands \" \""),
            (PLAIN, "1'234.50", "; use --thousands \"'\""),
            (GERMAN, "1,234.50", "; use --thousands ,"),
            (GERMAN, "59.90", "; valid without --decimal and --thousands"),
            (ENGLISH, "59,90", "; use --decimal ,"),
        ];
        for (notation, text, hint) in cases {
            let error = notation.amount(text, Terms::Flags).unwrap_err();
            assert!(error.ends_with(hint), "{text}: {error}");
        }
        for text in ["", "-", "--5", "-5-", "(-5)", "€5$", "five", "5 apples", "1.2.3", "1e", "€", "()", "5€€"]
        {
            assert!(PLAIN.amount(text, Terms::Flags).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_json_numbers_only_for_exact_plain_numbers() {
        for text in ["0", "-1", "10.50", "0.10", "9007199254740992", "-9007199254740992.5"] {
            assert_eq!(PLAIN.json(text).as_deref(), Some(text));
        }
        let texts = ["", "-", "007", "1e5", ".5", "5.", "+1", "1,5", "NaN", "--1", "1 ", "9007199254740993"];
        for text in texts.into_iter().chain(["12345678901234567890", "-9007199254740993", "99999999999999999.5"]) {
            assert_eq!(PLAIN.json(text), None, "{text}");
        }
        assert_eq!(GERMAN.json("-1.234,5").as_deref(), Some("-1234.5"));
        assert_eq!(GERMAN.json("1.5"), None, "one digit is no group of thousands");
        assert_eq!(GERMAN.json("22.11.2026"), None);
        assert_eq!(GERMAN.json("9.007.199.254.740.993"), None);
    }
}
