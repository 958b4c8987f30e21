//! Documents of object lock: `Retention`, `LegalHold`, `ObjectLockConfiguration`.

use super::XmlWriter;
use super::reader::XmlReader;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::date::format_iso;
use crate::headers::lock::{self, mode_name, mode_named};
use engine::object::{BucketRules, DefaultRetention, LegalHold, Period, Retention, UnixNanos};

/// Longest default retention: 100 years.
const DAYS_MAX: u32 = 36_500;
const YEARS_MAX: u32 = 100;

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

fn once<T>(slot: &mut Option<T>, value: T) -> S3Result<()> {
    if slot.replace(value).is_some() { Err(malformed()) } else { Ok(()) }
}

/// Reads a `Retention`; an empty one takes the retention away.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument` for a date that is past.
pub fn parse_retention(document: &[u8], now: UnixNanos) -> S3Result<Option<Retention>> {
    let mut reader = XmlReader::new(document)?;
    reader.root("Retention")?;
    let (mut mode, mut until) = (None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Mode" => once(&mut mode, reader.text()?)?,
            "RetainUntilDate" => once(&mut until, reader.text()?)?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => {
            let mode = mode_named(mode.trim()).ok_or_else(malformed)?;
            lock::retention(mode, &until, now).map(Some)
        }
        _ => Err(malformed()),
    }
}

/// Writes a `Retention`.
pub fn write_retention(retention: Retention) -> String {
    let mut xml = XmlWriter::root("Retention");
    xml.text("Mode", mode_name(retention.mode));
    xml.text("RetainUntilDate", &format_iso(retention.until));
    xml.close("Retention");
    xml.finish()
}

/// Reads a `LegalHold`.
///
/// # Errors
/// `MalformedXML`.
pub fn parse_legal_hold(document: &[u8]) -> S3Result<LegalHold> {
    let mut reader = XmlReader::new(document)?;
    reader.root("LegalHold")?;
    let mut status = None;
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Status" => once(&mut status, reader.text()?)?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    match status.as_deref().map(str::trim) {
        Some("ON") => Ok(LegalHold::On),
        Some("OFF") => Ok(LegalHold::Off),
        _ => Err(malformed()),
    }
}

/// Writes a `LegalHold`.
pub fn write_legal_hold(hold: LegalHold) -> String {
    let mut xml = XmlWriter::root("LegalHold");
    xml.text("Status", lock::hold_name(hold));
    xml.close("LegalHold");
    xml.finish()
}

/// Reads an `ObjectLockConfiguration`: the default retention of new versions.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument` for a period that is none.
pub fn parse_configuration(document: &[u8]) -> S3Result<Option<DefaultRetention>> {
    let mut reader = XmlReader::new(document)?;
    reader.root("ObjectLockConfiguration")?;
    let (mut enabled, mut rule) = (None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "ObjectLockEnabled" => once(&mut enabled, reader.text()?)?,
            "Rule" => once(&mut rule, parse_rule(&mut reader)?)?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    match enabled.as_deref().map(str::trim) {
        Some("Enabled") => Ok(rule),
        _ => Err(malformed()),
    }
}

fn parse_rule(reader: &mut XmlReader<'_>) -> S3Result<DefaultRetention> {
    let mut retention = None;
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "DefaultRetention" => once(&mut retention, parse_default(reader)?)?,
            _ => return Err(malformed()),
        }
    }
    retention.ok_or_else(malformed)
}

fn parse_default(reader: &mut XmlReader<'_>) -> S3Result<DefaultRetention> {
    let (mut mode, mut days, mut years) = (None, None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Mode" => once(&mut mode, reader.text()?)?,
            "Days" => once(&mut days, parse_period(&reader.text()?, DAYS_MAX)?)?,
            "Years" => once(&mut years, parse_period(&reader.text()?, YEARS_MAX)?)?,
            _ => return Err(malformed()),
        }
    }
    let mode = mode.and_then(|mode| mode_named(mode.trim())).ok_or_else(malformed)?;
    let period = match (days, years) {
        (Some(days), None) => Period::Days(days),
        (None, Some(years)) => Period::Years(years),
        _ => return Err(malformed()),
    };
    Ok(DefaultRetention { mode, period })
}

fn parse_period(text: &str, max: u32) -> S3Result<u32> {
    let number: i64 = text.trim().parse().map_err(|_| malformed())?;
    match u32::try_from(number) {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(S3Error::new(
            &codes::INVALID_RETENTION_PERIOD,
            "Default retention period must be a positive integer value.",
        )),
    }
}

/// Writes an `ObjectLockConfiguration`.
pub fn write_configuration(rules: &BucketRules) -> String {
    let mut xml = XmlWriter::root("ObjectLockConfiguration");
    xml.text("ObjectLockEnabled", "Enabled");
    if let Some(DefaultRetention { mode, period }) = rules.retention {
        xml.open("Rule");
        xml.open("DefaultRetention");
        xml.text("Mode", mode_name(mode));
        match period {
            Period::Days(days) => xml.number("Days", days.into()),
            Period::Years(years) => xml.number("Years", years.into()),
        }
        xml.close("DefaultRetention");
        xml.close("Rule");
    }
    xml.close("ObjectLockConfiguration");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::object::RetentionMode;

    #[test]
    fn retentions_and_holds_come_back() {
        let retention =
            Retention { mode: RetentionMode::Governance, until: 1_893_456_000_000_000_000 };
        let written = write_retention(retention);
        assert_eq!(parse_retention(written.as_bytes(), 0).unwrap(), Some(retention));
        assert_eq!(parse_retention(b"<Retention/>", 0).unwrap(), None);
        for hold in [LegalHold::Off, LegalHold::On] {
            let written = write_legal_hold(hold);
            assert_eq!(parse_legal_hold(written.as_bytes()).unwrap(), hold);
        }
    }

    #[test]
    fn configurations_come_back() {
        for period in [Period::Days(1), Period::Years(100)] {
            let retention = Some(DefaultRetention { mode: RetentionMode::Compliance, period });
            let rules = BucketRules { retention, ..BucketRules::default() };
            let written = write_configuration(&rules);
            assert_eq!(parse_configuration(written.as_bytes()).unwrap(), retention);
        }
    }

    #[test]
    fn other_configurations_are_refused() {
        let check = |rule: &str, expected: &str| {
            let document = format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                 <DefaultRetention>{rule}</DefaultRetention></Rule></ObjectLockConfiguration>"
            );
            let error = parse_configuration(document.as_bytes()).unwrap_err();
            assert_eq!(error.code.name, expected, "{rule}");
        };
        check("<Mode>GOVERNANCE</Mode><Days>0</Days>", "InvalidRetentionPeriod");
        check("<Mode>GOVERNANCE</Mode><Days>-1</Days>", "InvalidRetentionPeriod");
        check("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>", "MalformedXML");
        check("<Mode>governance</Mode><Days>1</Days>", "MalformedXML");
        check("<Mode>GOVERNANCE</Mode>", "MalformedXML");
        check("<Days>1</Days>", "MalformedXML");
        check("<Mode>GOVERNANCE</Mode><Days>36501</Days>", "InvalidRetentionPeriod");
    }
}
