//! Texts that a spreadsheet would run as a formula, as described by
//! [OWASP](https://owasp.org/www-community/attacks/CSV_Injection).
//!
//! A spreadsheet runs a cell as a formula if it begins with one of `= + - @`. Which cells there are depends on the
//! reader: with German settings, Excel splits a file at each `;`, ignores the commas, and takes a quotation mark within
//! a cell as it is. A cell can therefore begin at the beginning of a text, and after each `;`, tab and line break in it,
//! even if the text is quoted. An apostrophe at each of these places makes the cell a text.

use std::borrow::Cow;

/// The characters after which another cell can begin. Commas are missing: a reader that splits at commas respects the
/// quotation marks.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];
/// The first characters of formulas. The last four are full-width variants, which Excel reads as the others in East Asian
/// locales.
const STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Returns a text that no spreadsheet runs as a formula. It has an apostrophe in front of each part of the text that
/// [needs one](needs_apostrophe).
///
/// Parts begin at the beginning of the text, and after each `;`, tab, carriage return and line feed. Removing one
/// apostrophe from the beginning of each part that needed it restores the text.
pub(crate) fn neutralize(text: &str) -> Cow<'_, str> {
    if !parts(text).any(needs_apostrophe) {
        return Cow::Borrowed(text);
    }
    parts(text)
        .fold(String::with_capacity(text.len() + 8), |whole, part| {
            whole + if needs_apostrophe(part) { "'" } else { "" } + part
        })
        .into()
}

/// Returns a text without the apostrophes that CSV responses put into it. Leaves apostrophes of another origin.
pub(crate) fn restore(text: &str) -> Cow<'_, str> {
    let unmarked = |part| str::strip_prefix(part, '\'').filter(|rest| needs_apostrophe(rest));
    if !text.contains('\'') || parts(text).all(|part| unmarked(part).is_none()) {
        return Cow::Borrowed(text);
    }
    parts(text).map(|part| unmarked(part).unwrap_or(part)).collect()
}

/// Returns whether a part of a text gets an apostrophe in front: if it would run as a formula, and if it begins with an
/// apostrophe, so that one can always be removed again. Spreadsheets may ignore white space, control characters and
/// quotation marks in front of a formula.
fn needs_apostrophe(part: &str) -> bool {
    let is_ignored = |char: char| char.is_whitespace() || char.is_control() || char == '"';
    part.starts_with('\'') || part.trim_start_matches(is_ignored).starts_with(STARTS)
}

/// Returns the parts of a text, each with the separator at its end.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(SEPARATORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_an_apostrophe_where_a_cell_can_begin() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("'x", "''x"),
            ("x;=1+1;", "x;'=1+1;"),
            (";=1;=2", ";'=1;'=2"),
            ("x;\"=1+1;", "x;'\"=1+1;"),
            ("x; =1", "x;' =1"),
            ("\0=1", "'\0=1"),
            ("\"=1", "'\"=1"),
            ("\t=1", "\t'=1"),
            ("a\r\n=1\n@b\t-c", "a\r\n'=1\n'@b\t'-c"),
            ("a;'b", "a;''b"),
            ("{\"a\":\";=1\"}", "{\"a\":\";'=1\"}"),
        ] {
            assert_eq!(neutralize(text), safe);
            assert_eq!(restore(safe), text);
        }
    }

    #[test]
    fn other_texts_are_unchanged() {
        for text in ["", "a=1", "u-1", "1", "a,-1", "a;b", "it's", "\t", "{\"a\":[1,-2]}"] {
            assert_eq!(neutralize(text), text);
            assert_eq!(restore(text), text);
        }
        assert_eq!(restore("'tis"), "'tis", "an apostrophe of another origin");
    }

    #[test]
    fn removes_only_apostrophes_of_responses() {
        for (marked, text) in [("'+49", "+49"), ("''tis", "'tis"), ("'=1", "=1"), ("x;'=1;", "x;=1;")] {
            assert_eq!(restore(marked), text);
        }
        for text in ["", "'", "'tis", "+49", "a'+b", "a;'b"] {
            assert_eq!(restore(text), text);
        }
    }
}
