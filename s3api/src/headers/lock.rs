//! The headers `x-amz-object-lock-*` and `x-amz-bypass-governance-retention`.

use super::{date, text};
use crate::error::{S3Error, S3Result, codes};
use engine::object::{Bypass, LegalHold, Lock, Retention, RetentionMode, UnixNanos};
use http::{HeaderMap, HeaderValue};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The lock that a write asks for its version.
///
/// # Errors
/// `InvalidArgument` for an unknown value, half of a retention, or a date that is past.
pub fn of_write(headers: &HeaderMap, now: UnixNanos) -> S3Result<Lock> {
    let mode = text(headers, "x-amz-object-lock-mode")?;
    let until = text(headers, "x-amz-object-lock-retain-until-date")?;
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = mode_named(mode).ok_or_else(|| invalid("Unknown wormMode directive."))?;
            Some(retention(mode, until, now)?)
        }
        _ => {
            return Err(invalid(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                 supplied",
            ));
        }
    };
    let hold = match text(headers, "x-amz-object-lock-legal-hold")? {
        None => LegalHold::Never,
        Some("OFF") => LegalHold::Off,
        Some("ON") => LegalHold::On,
        Some(_) => return Err(invalid("Legal Hold must be either of 'ON' or 'OFF'")),
    };
    Ok(Lock { retention, hold })
}

/// A retention that is in the future.
///
/// # Errors
/// `InvalidArgument`.
pub fn retention(mode: RetentionMode, until: &str, now: UnixNanos) -> S3Result<Retention> {
    let seconds = date::parse_http(until)
        .ok_or_else(|| invalid("The retain until date is not a date of ISO 8601."))?;
    let until = seconds
        .checked_mul(NANOS_PER_SECOND)
        .ok_or_else(|| invalid("The retain until date must be before the year 2554."))?;
    if until <= now {
        return Err(invalid("The retain until date must be in the future!"));
    }
    Ok(Retention { mode, until })
}

/// Whether a caller wants to bypass a retention of governance mode.
///
/// # Errors
/// `InvalidArgument` for a header that is there twice.
pub fn bypass(headers: &HeaderMap) -> S3Result<Bypass> {
    let value = text(headers, "x-amz-bypass-governance-retention")?;
    let is_wanted = value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(if is_wanted { Bypass::Governance } else { Bypass::No })
}

/// The mode of a name.
pub fn mode_named(name: &str) -> Option<RetentionMode> {
    match name {
        "GOVERNANCE" => Some(RetentionMode::Governance),
        "COMPLIANCE" => Some(RetentionMode::Compliance),
        _ => None,
    }
}

/// The name of a mode.
pub fn mode_name(mode: RetentionMode) -> &'static str {
    match mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    }
}

/// The name of a legal hold's state.
pub fn hold_name(hold: LegalHold) -> &'static str {
    match hold {
        LegalHold::On => "ON",
        LegalHold::Off | LegalHold::Never => "OFF",
    }
}

/// Writes a version's lock into an answer.
pub fn write(lock: &Lock, headers: &mut HeaderMap) {
    if let Some(retention) = lock.retention {
        let mode = HeaderValue::from_static(mode_name(retention.mode));
        headers.insert("x-amz-object-lock-mode", mode);
        let until = crate::response::text_value(&date::format_iso(retention.until));
        headers.insert("x-amz-object-lock-retain-until-date", until);
    }
    if lock.hold != LegalHold::Never {
        let hold = HeaderValue::from_static(hold_name(lock.hold));
        headers.insert("x-amz-object-lock-legal-hold", hold);
    }
}

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = 1_767_323_045 * NANOS_PER_SECOND;

    fn check(pairs: &[(&'static str, &'static str)]) -> Result<Lock, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        of_write(&headers, NOW).map_err(|error| error.code.name)
    }

    #[test]
    fn locks_are_read_from_headers() {
        assert_eq!(check(&[]), Ok(Lock::default()));
        let lock = check(&[
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
            ("x-amz-object-lock-legal-hold", "ON"),
        ]);
        let until = 1_893_456_000 * NANOS_PER_SECOND;
        let retention = Some(Retention { mode: RetentionMode::Compliance, until });
        assert_eq!(lock, Ok(Lock { retention, hold: LegalHold::On }));
    }

    #[test]
    fn halves_unknown_values_and_past_dates_are_refused() {
        let mode = ("x-amz-object-lock-mode", "GOVERNANCE");
        for pairs in [
            &[mode] as &[(&str, &str)],
            &[("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z")],
            &[("x-amz-object-lock-legal-hold", "on")],
            &[mode, ("x-amz-object-lock-retain-until-date", "2020-01-01T00:00:00Z")],
            &[mode, ("x-amz-object-lock-retain-until-date", "tomorrow")],
            &[mode, ("x-amz-object-lock-retain-until-date", "6030-01-01T00:00:00Z")],
            &[
                ("x-amz-object-lock-mode", "governance"),
                ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
            ],
        ] {
            assert_eq!(check(pairs), Err("InvalidArgument"), "{pairs:?}");
        }
    }
}
