//! Numbers, dates and networks as conditions compare them. Pure text in, comparable values out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Numbers count billionths, dates nanoseconds since 1970: both are exact, unlike `f64`.
const SCALE: i128 = 1_000_000_000;
const FRACTION_DIGITS_MAX: usize = 9;
/// Holds every size of an object and every count with room to spare.
const WHOLE_DIGITS_MAX: usize = 19;
const SECONDS_PER_DAY: i128 = 86_400;

/// Reads `-12.5`: an optional sign, digits, and up to nine digits behind a point.
pub(crate) fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, scaled_fraction(fraction)?),
        None => (digits, 0),
    };
    if whole.len() > WHOLE_DIGITS_MAX {
        return None;
    }
    Some(sign * (digits_of(whole)? * SCALE + fraction))
}

/// Digits behind a point, in billionths.
fn scaled_fraction(text: &str) -> Option<i128> {
    if text.len() > FRACTION_DIGITS_MAX {
        return None;
    }
    let missing = u32::try_from(FRACTION_DIGITS_MAX - text.len()).ok()?;
    Some(digits_of(text)? * 10_i128.pow(missing))
}

/// Digits only: `from_str` would take a sign.
fn digits_of(text: &str) -> Option<i128> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}

/// Reads a date: seconds since 1970, or ISO 8601 as `2019-07`, `2019-07-16` or
/// `2019-07-16T12:00[:00[.5]][Z|+02:00|+0200]`; without a zone it is UTC.
pub(crate) fn date(text: &str) -> Option<i128> {
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let (day, time) = match text.split_once(['T', 't']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut fields = day.splitn(3, '-');
    let year = field(fields.next()?, 4)?;
    let month = field(fields.next()?, 2)?;
    let days = match (fields.next(), time) {
        (Some(day), _) => days_since_epoch(year, month, field(day, 2)?)?,
        (None, None) => days_since_epoch(year, month, 1)?,
        (None, Some(_)) => return None,
    };
    let within = time.map_or(Some(0), time_of_day)?;
    Some(days * SECONDS_PER_DAY * SCALE + within)
}

/// A field of exactly so many digits.
fn field(text: &str, digit_count: usize) -> Option<i128> {
    if text.len() == digit_count { digits_of(text) } else { None }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` if there is no such day.
fn days_since_epoch(year: i128, month: i128, day: i128) -> Option<i128> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let day_count = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=day_count).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last, so that the months before have one formula.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    Some(days - 719_468)
}

/// `hh:mm[:ss[.fraction]]` and the zone, in nanoseconds from the start of the day in UTC.
fn time_of_day(text: &str) -> Option<i128> {
    let zone_start = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_start);
    let mut fields = clock.splitn(3, ':');
    let hours = field(fields.next()?, 2).filter(|hours| *hours < 24)?;
    let minutes = field(fields.next()?, 2).filter(|minutes| *minutes < 60)?;
    let (seconds, fraction) = match fields.next() {
        None => (0, 0),
        Some(text) => match text.split_once('.') {
            Some((seconds, fraction)) => (field(seconds, 2)?, scaled_fraction(fraction)?),
            None => (field(text, 2)?, 0),
        },
    };
    if seconds > 60 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60 + seconds - zone_seconds(zone)?;
    Some(seconds * SCALE + fraction)
}

/// How far a zone is ahead of UTC.
fn zone_seconds(zone: &str) -> Option<i128> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') => return (zone.len() == 1).then_some(0),
        Some('-') => -1,
        Some(_) => 1,
    };
    let digits = zone.get(1..)?;
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let hours = field(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = field(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4 { address: u32, prefix_len: u32 },
    V6 { address: u128, prefix_len: u32 },
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address. Bits behind the prefix do not count.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let prefix = match prefix {
            Some(prefix) if prefix.len() > 3 => return None,
            Some(prefix) => Some(u32::try_from(digits_of(prefix)?).ok()?),
            None => None,
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => Network::of_v4(address, prefix.unwrap_or(32)),
            IpAddr::V6(address) => Network::of_v6(address, prefix.unwrap_or(128)),
        }
    }

    fn of_v4(address: Ipv4Addr, prefix_len: u32) -> Option<Network> {
        let address = u32::from(address);
        (prefix_len <= 32).then_some(Network::V4 { address, prefix_len })
    }

    /// A network of IPv4 addresses in the clothes of IPv6 is one of IPv4, as addresses are.
    fn of_v6(address: Ipv6Addr, prefix_len: u32) -> Option<Network> {
        match (address.to_ipv4_mapped(), prefix_len.checked_sub(96)) {
            (Some(address), Some(prefix_len)) => Network::of_v4(address, prefix_len),
            _ => {
                let address = u128::from(address);
                (prefix_len <= 128).then_some(Network::V6 { address, prefix_len })
            }
        }
    }

    /// Whether an address is one of its own. The two families do not mix.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Network::V4 { address, prefix_len }, IpAddr::V4(other)) => {
                let differing = address ^ u32::from(other);
                differing.leading_zeros() >= *prefix_len
            }
            (Network::V6 { address, prefix_len }, IpAddr::V6(other)) => {
                let differing = address ^ u128::from(other);
                differing.leading_zeros() >= *prefix_len
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let check =
            |text: &str, expected: Option<i128>| assert_eq!(number(text), expected, "{text}");
        check("0", Some(0));
        check("-1.5", Some(-1_500_000_000));
        check("10.0", number("10"));
        check("9007199254740993", Some(9_007_199_254_740_993 * SCALE));
        for text in ["", "-", ".", "1.", ".5", "1e3", "inf", "NaN", "0x1", " 1", "--1", "1_0"] {
            check(text, None);
        }
        check("12345678901234567890", None);
        check("0.1234567891", None);
    }

    #[test]
    fn dates_have_two_forms() {
        let check = |text: &str, seconds: Option<i128>| {
            assert_eq!(date(text), seconds.map(|seconds| seconds * SCALE), "{text}");
        };
        check("1563278400", Some(1_563_278_400));
        check("2019-07-16T12:00:00Z", Some(1_563_278_400));
        check("2019-07-16T14:00:00+02:00", Some(1_563_278_400));
        check("2019-07-16T07:30-0430", Some(1_563_278_400));
        check("2019-07-16T12:00:00.000", Some(1_563_278_400));
        check("1970-01-01", Some(0));
        check("1970-02", Some(31 * 86_400));
        check("2000-02-29", Some(951_782_400));
        check("2000-03-01", Some(951_868_800));
        check("1969-12-31T23:59:59Z", Some(-1));
        check("0000-01-01", Some(-62_167_219_200));
        for text in [
            "",
            "today",
            "2019-13-01",
            "2019-02-29",
            "1900-02-29",
            "2019-7-16",
            "2019-07T12:00Z",
            "2019-07-16T",
            "2019-07-16T24:00Z",
            "2019-07-16T12:60Z",
            "2019-07-16T12:00:00Zx",
            "2019-07-16T12:00:00+2",
            "2019-07-16T12",
            "2019-07-16 12:00",
        ] {
            check(text, None);
        }
    }

    fn check_network(network: &str, inside: &[&str], outside: &[&str]) {
        let network = Network::parse(network).expect("the test names networks");
        let contains = |text: &&str| network.contains(text.parse().expect("an address"));
        assert!(inside.iter().all(contains), "{network:?}");
        assert!(!outside.iter().any(contains), "{network:?}");
    }

    #[test]
    fn networks_contain_addresses() {
        check_network("203.0.113.0/24", &["203.0.113.0", "203.0.113.255"], &["203.0.114.0"]);
        check_network("203.0.113.7/24", &["203.0.113.1"], &["203.0.112.1"]);
        check_network("203.0.113.7", &["203.0.113.7"], &["203.0.113.6"]);
        check_network("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1"]);
        check_network("2001:db8::/32", &["2001:db8:1::1"], &["2001:db9::1", "32.1.13.184"]);
        check_network("::/0", &["::1"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check_network("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.1", "::1"]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.*"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
