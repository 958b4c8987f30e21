//! Ellipses: one argument that names many directories, in the grammar that MinIO's users have in
//! their unit files. Pure.
//!
//! ```text
//! argument = text (range text)*          no brace and no "..." in a text
//! range    = "{" end "..." end "}"       {1...8}  {01...16}  {a...f}
//! end      = one or more of 0-9 a-f      decimal; hexadecimal where either end has a letter
//! ```
//!
//! - E1: every number from the first to the last is named, both included; the first is not the
//!   larger one.
//! - E2: names are padded with zeros to the length of the last number, where the first one begins
//!   with a zero and is longer than that, or the last one begins with a zero: `{01...16}`, and
//!   `{0...8}` without.
//! - E3: several ranges name every combination, the leftmost changing fastest, so that neighbours
//!   of the list lie on different mounts: `/m{1...2}/d{1...2}` begins `/m1/d1`, `/m2/d1`.
//! - E4: what has a brace or three dots and is no such argument is an error, never a directory of
//!   that name: it is a typing error, or a shell that did not do its part.
//!
//! One thing is not as in MinIO: where one end of a range is hexadecimal, both are. There,
//! `{10...1f}` begins with `a`.

/// What is wrong with most arguments.
const WANTED: &str = "{N...M} is wanted, with three dots, for instance /data{1...8}";

/// The numbers of one pair of braces.
#[derive(Clone, Copy)]
struct Range {
    first: u64,
    last: u64,
    is_hexadecimal: bool,
    /// Digits that a name has at least.
    width: usize,
}

/// An argument, taken apart.
enum Piece<'a> {
    Text(&'a str),
    Range(Range),
}

/// Names what an argument stands for: itself, where it has no range.
///
/// # Errors
/// One line, for what is none of the grammar (E4) and for more than `count_max` names.
pub fn expand(argument: &str, count_max: usize) -> Result<Vec<String>, String> {
    let pieces = parse(argument).map_err(|reason| format!("bad range in {argument}: {reason}"))?;
    let too_many = || format!("{argument} names too many directories: at most {count_max}");
    let mut total: u64 = 1;
    for piece in &pieces {
        if let Piece::Range(range) = piece {
            total = total.checked_mul(range.count()).ok_or_else(too_many)?;
        }
    }
    let is_bounded = usize::try_from(total).is_ok_and(|total| total <= count_max);
    if !is_bounded {
        return Err(too_many());
    }
    Ok((0..total).map(|index| name(&pieces, index)).collect())
}

/// The name of that index (E3).
fn name(pieces: &[Piece<'_>], mut index: u64) -> String {
    let mut name = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => name.push_str(text),
            Piece::Range(range) => {
                name.push_str(&range.name(index % range.count()));
                index /= range.count();
            }
        }
    }
    name
}

fn parse(argument: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = argument;
    while let Some((text, behind)) = rest.split_once('{') {
        let (range, behind) = behind.split_once('}').ok_or("a brace is not closed")?;
        pieces.push(parse_text(text)?);
        pieces.push(Piece::Range(Range::parse(range)?));
        rest = behind;
    }
    pieces.push(parse_text(rest)?);
    Ok(pieces)
}

fn parse_text(text: &str) -> Result<Piece<'_>, String> {
    if text.contains('}') {
        return Err("a brace is closed that was not opened".into());
    }
    if text.contains("...") {
        return Err(format!("three dots outside of braces; {WANTED}"));
    }
    Ok(Piece::Text(text))
}

impl Range {
    /// Reads what stands between braces.
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('{') {
            return Err("a range inside another one".into());
        }
        if text.contains(',') {
            return Err(format!("a list inside braces is the shell's to expand; {WANTED}"));
        }
        let (first, last) = text.split_once("...").ok_or_else(|| WANTED.to_owned())?;
        let is_number = |end: &str| {
            !end.is_empty() && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_number(first) || !is_number(last) {
            return Err(WANTED.into());
        }
        let has_letter = |end: &str| end.bytes().any(|byte| byte.is_ascii_lowercase());
        let is_hexadecimal = has_letter(first) || has_letter(last);
        let is_padded = first.starts_with('0') && first.len() > 1 || last.starts_with('0');
        let width = if is_padded { last.len() } else { 1 };
        let radix = if is_hexadecimal { 16 } else { 10 };
        let value = |end| u64::from_str_radix(end, radix).map_err(|_| "a number is too large");
        let (from, to) = (value(first)?, value(last)?);
        if from > to {
            return Err(format!("{first} is larger than {last}"));
        }
        Ok(Self { first: from, last: to, is_hexadecimal, width })
    }

    /// How many numbers there are; one too few where nobody could count them.
    fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    fn name(&self, index: u64) -> String {
        let Self { width, .. } = *self;
        let number = self.first + index;
        if self.is_hexadecimal { format!("{number:0width$x}") } else { format!("{number:0width$}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(argument: &str, expected: &[&str]) {
        assert_eq!(expand(argument, 1024).as_deref(), Ok(expected_of(expected).as_slice()));
    }

    fn expected_of(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[track_caller]
    fn check_refused(argument: &str, part: &str) {
        let line = expand(argument, 1024).expect_err("refused");
        assert!(line.contains(part) && line.contains(argument), "{line:?} does not say {part:?}");
        assert!(!line.contains('\n'), "{line:?}");
    }

    #[test]
    fn argument_without_a_range_is_itself() {
        for argument in ["/data", "./data", "../a..b", "", "/a b", "/d\u{fc}"] {
            check(argument, &[argument]);
        }
    }

    #[test]
    fn range_names_every_number_in_its_place() {
        check("/data{1...4}", &["/data1", "/data2", "/data3", "/data4"]);
        check("{1...2}", &["1", "2"]);
        check("/m{7...7}/data", &["/m7/data"]);
        check("disk{9...11}/x", &["disk9/x", "disk10/x", "disk11/x"]);
    }

    #[test]
    fn zeros_in_front_set_the_width() {
        check("d{01...03}", &["d01", "d02", "d03"]);
        check("d{08...11}", &["d08", "d09", "d10", "d11"]);
        check("d{1...03}", &["d01", "d02", "d03"]);
        check("d{0...2}", &["d0", "d1", "d2"]);
        check("d{00...02}", &["d00", "d01", "d02"]);
        check("d{098...100}", &["d098", "d099", "d100"]);
        // The length of the last number counts, as in MinIO.
        check("d{001...2}", &["d1", "d2"]);
    }

    #[test]
    fn letters_make_a_range_hexadecimal() {
        check("d{8...b}", &["d8", "d9", "da", "db"]);
        check("d{a...c}", &["da", "db", "dc"]);
        check("d{e...11}", &["de", "df", "d10", "d11"]);
        check("d{0e...10}", &["d0e", "d0f", "d10"]);
    }

    #[test]
    fn several_ranges_name_every_combination_the_leftmost_fastest() {
        check("/m{1...2}/d{1...3}", &["/m1/d1", "/m2/d1", "/m1/d2", "/m2/d2", "/m1/d3", "/m2/d3"]);
        check("{1...2}{1...2}", &["11", "21", "12", "22"]);
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        check_refused("/d{1..4}", "three dots");
        check_refused("/d{1,2}", "shell");
        check_refused("/d{}", "{N...M}");
        check_refused("/d{...4}", "{N...M}");
        check_refused("/d{1...}", "{N...M}");
        check_refused("/d{1....4}", "{N...M}");
        check_refused("/d{1...4...8}", "{N...M}");
        check_refused("/d{-1...4}", "{N...M}");
        check_refused("/d{+1...4}", "{N...M}");
        check_refused("/d{A...F}", "{N...M}");
        check_refused("/d{a...z}", "{N...M}");
        check_refused("/d{ 1...4}", "{N...M}");
        check_refused("/d{4...1}", "4 is larger than 1");
        check_refused("/d{1...4", "not closed");
        check_refused("/d1...4}", "not opened");
        check_refused("/d{{1...4}}", "inside another");
        check_refused("/d{1...{2...3}}", "inside another");
        check_refused("/d{1...2}}", "not opened");
        check_refused("/d1...4", "outside of braces");
        check_refused("/d...", "outside of braces");
        check_refused("/d{1...18446744073709551616}", "too large");
    }

    #[test]
    fn number_of_names_is_bounded_before_they_are_made() {
        assert_eq!(expand("d{1...1024}", 1024).map(|names| names.len()), Ok(1024));
        check_refused("d{1...1025}", "at most 1024");
        check_refused("d{0...18446744073709551615}", "at most 1024");
        check_refused("{0...ffffffffffffffff}{0...ffffffffffffffff}", "at most 1024");
        check_refused("{1...4294967296}/{1...4294967296}", "at most 1024");
    }

    proptest! {
        #[test]
        fn any_range_is_counted_through(first in 0_u64..2_000, count in 1_u64..100) {
            let names = expand(&format!("/d{{{first}...{}}}/x", first + count - 1), 1024).unwrap();
            let expected: Vec<String> =
                (first..first + count).map(|number| format!("/d{number}/x")).collect();
            prop_assert_eq!(names, expected);
        }

        #[test]
        fn no_argument_ends_the_process_or_names_more_than_allowed(
            argument in "[a-f0-9{}./,]{0,24}"
        ) {
            if let Ok(names) = expand(&argument, 64) {
                prop_assert!((1..=64).contains(&names.len()));
                let has_brace = |name: &String| name.bytes().any(|byte| b"{}".contains(&byte));
                prop_assert!(!names.iter().any(has_brace));
                let distinct: std::collections::BTreeSet<_> = names.iter().collect();
                prop_assert!(distinct.len() <= names.len());
            }
        }
    }
}
