//! The one fact about a certificate that rustls does not tell: when it ends. A walk over DER that
//! believes nothing.
//!
//! ```text
//! Certificate     SEQUENCE
//!   to be signed    SEQUENCE
//!     version         [0], may be missing
//!     serial number   INTEGER
//!     algorithm       SEQUENCE
//!     issuer          SEQUENCE
//!     validity        SEQUENCE { not before, not after }   UTCTime or GeneralizedTime
//! ```

use s3api::headers::date;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// A value's tag and bytes, and what follows it.
struct Value<'a> {
    tag: u8,
    bytes: &'a [u8],
    rest: &'a [u8],
}

/// Seconds since 1970 when the certificate ends; `None` where it is no certificate.
pub fn not_after(certificate: &[u8]) -> Option<u64> {
    let mut rest = enter(enter(certificate, SEQUENCE)?.bytes, SEQUENCE)?.bytes;
    if value(rest)?.tag == VERSION {
        rest = value(rest)?.rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = enter(rest, tag)?.rest;
    }
    let not_before = value(enter(rest, SEQUENCE)?.bytes)?;
    time(&value(not_before.rest)?)
}

fn enter(bytes: &[u8], tag: u8) -> Option<Value<'_>> {
    value(bytes).filter(|value| value.tag == tag)
}

/// The first value. Lengths have at most three bytes here: certificates are small.
fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(len)?;
    Some(Value { tag, bytes, rest })
}

/// `YYMMDDHHMMSSZ` from 1950 on, or `YYYYMMDDHHMMSSZ`.
fn time(value: &Value<'_>) -> Option<u64> {
    let text = std::str::from_utf8(value.bytes).ok()?;
    let century = match (value.tag, text.as_bytes().first()?) {
        (UTC_TIME, b'0'..=b'4') => "20",
        (UTC_TIME, _) => "19",
        (GENERALIZED_TIME, _) => "",
        _ => return None,
    };
    let digits = format!("{century}{text}");
    let (day, clock) = digits.split_at_checked(8)?;
    date::parse_amz(&format!("{day}T{clock}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let bytes = parts.concat();
        let len = u8::try_from(bytes.len()).unwrap();
        [&[tag, 0x81, len], &bytes[..]].concat()
    }

    fn certificate(version: &[u8], end: &[u8]) -> Vec<u8> {
        let validity = der(SEQUENCE, &[&der(UTC_TIME, &[b"200101000000Z"]), end]);
        let skipped = [der(INTEGER, &[&[1]]), der(SEQUENCE, &[]), der(SEQUENCE, &[])].concat();
        der(SEQUENCE, &[&der(SEQUENCE, &[version, &skipped, &validity])])
    }

    #[test]
    fn the_end_is_read_in_both_forms() {
        let utc = der(UTC_TIME, &[b"260102030405Z"]);
        let version = der(VERSION, &[&[2, 1, 2]]);
        assert_eq!(not_after(&certificate(&version, &utc)), Some(1_767_323_045));
        assert_eq!(not_after(&certificate(&[], &utc)), Some(1_767_323_045));
        let long = der(GENERALIZED_TIME, &[b"20260102030405Z"]);
        assert_eq!(not_after(&certificate(&version, &long)), Some(1_767_323_045));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(&[], &der(UTC_TIME, &[b"260102030405Z"]));
        for len in 0..whole.len() {
            assert_eq!(not_after(&whole[..len]), None, "cut at {len}");
        }
        assert_eq!(not_after(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(not_after(&certificate(&[], &der(UTC_TIME, &[b"soon"]))), None);
    }
}
