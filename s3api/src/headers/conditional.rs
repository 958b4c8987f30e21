//! Conditional requests: of reads (RFC 9110, 13.2.2), of copy sources, of writes.

use super::{date, text};
use crate::error::{S3Error, S3Result, codes};
use engine::object::{ETag, UnixNanos, WriteCondition};
use http::HeaderMap;

/// What the conditions of a read come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// The names of the four conditions, which copy sources have under names of their own.
#[derive(Clone, Copy, Debug)]
pub struct ConditionNames {
    if_match: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
    if_unmodified_since: &'static str,
}

/// Conditions of GET and HEAD.
pub const READ: ConditionNames = ConditionNames {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
};

/// Conditions on the source of a copy.
pub const COPY_SOURCE: ConditionNames = ConditionNames {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
};

/// Weighs the conditions against an object, in the order of RFC 9110: an entity tag silences the
/// date beside it, and a date that cannot be read is ignored.
///
/// # Errors
/// `InvalidArgument` for a header that is there twice.
pub fn evaluate(
    headers: &HeaderMap,
    names: &ConditionNames,
    etag: &ETag,
    modified: UnixNanos,
) -> S3Result<Verdict> {
    let modified = modified / 1_000_000_000;
    let since = |name| Ok::<_, S3Error>(text(headers, name)?.and_then(date::parse_http));
    if let Some(tags) = text(headers, names.if_match)? {
        if !matches_any(tags, etag) {
            return Ok(Verdict::Failed);
        }
    } else if since(names.if_unmodified_since)?.is_some_and(|moment| modified > moment) {
        return Ok(Verdict::Failed);
    }
    if let Some(tags) = text(headers, names.if_none_match)? {
        if matches_any(tags, etag) {
            return Ok(Verdict::NotModified);
        }
    } else if since(names.if_modified_since)?.is_some_and(|moment| modified <= moment) {
        return Ok(Verdict::NotModified);
    }
    Ok(Verdict::Proceed)
}

/// Whether a range still applies: `If-Range` names the object's entity tag or its date.
///
/// # Errors
/// `InvalidArgument` for a header that is there twice.
pub fn range_applies(headers: &HeaderMap, etag: &ETag, modified: UnixNanos) -> S3Result<bool> {
    Ok(match text(headers, "if-range")? {
        None => true,
        Some(tag) if tag.starts_with('"') => unquote(tag) == etag.0,
        Some(moment) => date::parse_http(moment) == Some(modified / 1_000_000_000),
    })
}

/// The condition of a write or delete.
///
/// # Errors
/// `NotImplemented` for what S3 does not have, `InvalidRequest` for both conditions at once.
pub fn of_write(headers: &HeaderMap) -> S3Result<WriteCondition> {
    match (text(headers, "if-match")?, text(headers, "if-none-match")?) {
        (None, None) => Ok(WriteCondition::None),
        (None, Some("*")) => Ok(WriteCondition::Absent),
        (Some("*"), None) => Ok(WriteCondition::Exists),
        (Some(tag), None) if !tag.contains(',') => {
            Ok(WriteCondition::Matches(ETag(unquote(tag).to_owned())))
        }
        (Some(_), Some(_)) => Err(S3Error::new(
            &codes::INVALID_REQUEST,
            "If-Match and If-None-Match exclude each other.",
        )),
        _ => Err(S3Error::new(
            &codes::NOT_IMPLEMENTED,
            "A write takes If-None-Match with the value * or If-Match with one entity tag.",
        )),
    }
}

fn matches_any(tags: &str, etag: &ETag) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || unquote(tag) == etag.0)
}

/// An entity tag without its quotes and weakness.
pub fn unquote(tag: &str) -> &str {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn check(pairs: &[(&'static str, &str)], expected: Verdict) {
        let modified = 784_111_777 * 1_000_000_000 + 999_999_999;
        let verdict = evaluate(&map(pairs), &READ, &ETag("e".to_owned()), modified);
        assert_eq!(verdict.unwrap(), expected, "{pairs:?}");
    }

    #[test]
    fn each_condition_alone() {
        check(&[], Verdict::Proceed);
        check(&[("if-match", "\"e\"")], Verdict::Proceed);
        check(&[("if-match", "e")], Verdict::Proceed);
        check(&[("if-match", "\"x\", \"e\"")], Verdict::Proceed);
        check(&[("if-match", "*")], Verdict::Proceed);
        check(&[("if-match", "\"x\"")], Verdict::Failed);
        check(&[("if-none-match", "W/\"e\"")], Verdict::NotModified);
        check(&[("if-none-match", "*")], Verdict::NotModified);
        check(&[("if-none-match", "\"x\"")], Verdict::Proceed);
        check(&[("if-modified-since", BEFORE)], Verdict::Proceed);
        check(&[("if-modified-since", SAME)], Verdict::NotModified);
        check(&[("if-modified-since", "nonsense")], Verdict::Proceed);
        check(&[("if-unmodified-since", BEFORE)], Verdict::Failed);
        check(&[("if-unmodified-since", SAME)], Verdict::Proceed);
    }

    #[test]
    fn entity_tags_silence_dates() {
        check(&[("if-match", "\"e\""), ("if-unmodified-since", BEFORE)], Verdict::Proceed);
        check(&[("if-none-match", "\"x\""), ("if-modified-since", SAME)], Verdict::Proceed);
        check(&[("if-none-match", "\"e\""), ("if-modified-since", BEFORE)], Verdict::NotModified);
        check(&[("if-match", "\"x\""), ("if-none-match", "\"e\"")], Verdict::Failed);
    }

    #[test]
    fn write_conditions() {
        let of =
            |pairs: &[(&'static str, &str)]| of_write(&map(pairs)).map_err(|error| error.code.name);
        assert_eq!(of(&[]), Ok(WriteCondition::None));
        assert_eq!(of(&[("if-none-match", "*")]), Ok(WriteCondition::Absent));
        assert_eq!(of(&[("if-match", "*")]), Ok(WriteCondition::Exists));
        let matches = WriteCondition::Matches(ETag("e".to_owned()));
        assert_eq!(of(&[("if-match", "\"e\"")]), Ok(matches));
        assert_eq!(of(&[("if-none-match", "\"e\"")]), Err("NotImplemented"));
        assert_eq!(of(&[("if-none-match", "*"), ("if-match", "*")]), Err("InvalidRequest"));
    }
}
