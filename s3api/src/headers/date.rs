//! Dates as HTTP, SigV4 and S3's XML write them. Proleptic Gregorian calendar, UTC, years 1970 to
//! 9999.

use engine::object::UnixNanos;
use std::fmt::Write;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment, broken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days are counted in eras of 400 years that begin on a first of March, so that the leap day
    /// ends its year.
    fn from_seconds(seconds: u64) -> Self {
        let days = seconds / SECONDS_PER_DAY + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_index + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    /// Seconds since 1970, `None` for a date that does not exist or lies outside the years 1970 to
    /// 9999.
    fn to_seconds(self) -> Option<u64> {
        let is_in_range = (1970..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        if !is_in_range {
            return None;
        }
        let year = self.year - u64::from(self.month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let month_index = (self.month + 9) % 12;
        let day_of_year = (153 * month_index + 2) / 5 + self.day - 1;
        let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
        let seconds = days * SECONDS_PER_DAY + self.hour * 3600 + self.minute * 60 + self.second;
        // A day that the month does not have would come back as another one.
        (Self::from_seconds(seconds) == self).then_some(seconds)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, as HTTP headers have it.
pub fn format_http(nanos: UnixNanos) -> String {
    let seconds = nanos / NANOS_PER_SECOND;
    let civil = Civil::from_seconds(seconds);
    // 1970-01-01 was a Thursday.
    let weekday = WEEKDAYS[((seconds / SECONDS_PER_DAY + 3) % 7) as usize];
    let month = MONTHS[(civil.month - 1) as usize];
    let Civil { year, day, hour, minute, second, .. } = civil;
    let mut out = String::with_capacity(29);
    // Writing to a string cannot fail.
    let _ =
        write!(out, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
    out
}

/// `1994-11-06T08:49:37.000Z`, as XML has it.
pub fn format_iso(nanos: UnixNanos) -> String {
    let Civil { year, month, day, hour, minute, second } =
        Civil::from_seconds(nanos / NANOS_PER_SECOND);
    let millis = nanos % NANOS_PER_SECOND / 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// `19941106T084937Z`, as SigV4 has it.
pub fn format_amz(nanos: UnixNanos) -> String {
    let Civil { year, month, day, hour, minute, second } =
        Civil::from_seconds(nanos / NANOS_PER_SECOND);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads the form of [`format_amz`]; seconds since 1970.
pub fn parse_amz(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(text.get(range)?);
    let civil = Civil {
        year: number(0..4)?,
        month: number(4..6)?,
        day: number(6..8)?,
        hour: number(9..11)?,
        minute: number(11..13)?,
        second: number(13..15)?,
    };
    civil.to_seconds()
}

/// Reads a date of an HTTP header in any of the three forms of RFC 9110 (5.6.7), or that of
/// [`format_iso`] with or without a fraction; seconds since 1970.
pub fn parse_http(text: &str) -> Option<u64> {
    let text = text.trim();
    parse_imf(text)
        .or_else(|| parse_rfc850(text))
        .or_else(|| parse_asctime(text))
        .or_else(|| parse_iso(text))
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn month_number(name: &str) -> Option<u64> {
    MONTHS.iter().position(|month| *month == name).map(|index| index as u64 + 1)
}

fn with_time(year: u64, month: u64, day: u64, time: &str) -> Option<u64> {
    let mut parts = time.split(':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    Civil { year, month, day, hour, minute, second }.to_seconds()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn parse_imf(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month) = (digits(words.next()?)?, month_number(words.next()?)?);
    let (year, time) = (digits(words.next()?)?, words.next()?);
    let is_utc = matches!(words.next()?, "GMT" | "UTC" | "+0000" | "-0000");
    if is_utc && words.next().is_none() { with_time(year, month, day, time) } else { None }
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn parse_rfc850(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let mut date = words.next()?.split('-');
    let (day, month) = (digits(date.next()?)?, month_number(date.next()?)?);
    let short = digits(date.next()?)?;
    let year = if short < 70 { 2000 + short } else { 1900 + short };
    let time = words.next()?;
    if words.next()? == "GMT" && short < 100 { with_time(year, month, day, time) } else { None }
}

/// `Sun Nov  6 08:49:37 1994`
fn parse_asctime(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let (month, day) = (month_number(words.next()?)?, digits(words.next()?)?);
    let (time, year) = (words.next()?, digits(words.next()?)?);
    if words.next().is_none() { with_time(year, month, day, time) } else { None }
}

/// Seconds since 1970 of `1994-11-06T08:49:37Z`, with or without a fraction of the second.
pub fn parse_iso(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = parts.next().is_none() && is_fraction;
    if is_whole { with_time(year, month, day, time) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOMENT: u64 = 784_111_777;

    #[test]
    fn every_form_of_one_moment_is_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06T08:49:37.123Z",
        ] {
            assert_eq!(parse_http(text), Some(MOMENT), "{text}");
        }
        assert_eq!(parse_amz("19941106T084937Z"), Some(MOMENT));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "yesterday",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
        for text in ["", "19941106T084937", "19941306T084937Z", "1994110\u{e9}T08493Z"] {
            assert_eq!(parse_amz(text), None, "{text}");
        }
    }

    #[test]
    fn forms_are_written_exactly() {
        let nanos = MOMENT * NANOS_PER_SECOND + 5_000_000;
        assert_eq!(format_http(nanos), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format_iso(nanos), "1994-11-06T08:49:37.005Z");
        assert_eq!(format_amz(nanos), "19941106T084937Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0_u64..18_446_744_073) {
            let nanos = seconds * NANOS_PER_SECOND;
            prop_assert_eq!(parse_http(&format_http(nanos)), Some(seconds));
            prop_assert_eq!(parse_http(&format_iso(nanos)), Some(seconds));
            prop_assert_eq!(parse_amz(&format_amz(nanos)), Some(seconds));
        }
    }
}
