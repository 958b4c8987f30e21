//! The condition keys of a request (S3 User Guide, "Policy keys"): each is filled here, from what
//! the server knows or from the one header or parameter that defines it.

use crate::auth::accounts::Caller;
use crate::headers::date::{format_iso, parse_iso};
use crate::request::RequestHead;
use crate::route::Operation;
use crate::sigv4::verify::Mechanism;
use crate::tags;
use engine::object::{Retention, RetentionMode, UnixNanos};
use iam::{Context, Principal};
use std::net::IpAddr;

/// Keys that are the value of one header, by the header's name.
const OF_HEADERS: [(&str, &str); 18] = [
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-copy-source", "s3:x-amz-copy-source"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
    (
        "x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        "x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-server-side-encryption-customer-algorithm",
    ),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-website-redirect-location", "s3:x-amz-website-redirect-location"),
    ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    ("x-amz-object-lock-retain-until-date", "s3:object-lock-retain-until-date"),
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
    ("x-amz-object-ownership", "s3:x-amz-object-ownership"),
];

/// Keys that are the conditions of a write, by the header's name: where they are looked at.
const OF_CONDITIONS: [(&str, &str); 2] =
    [("if-match", "s3:if-match"), ("if-none-match", "s3:if-none-match")];

/// Keys that are the value of one parameter.
const OF_PARAMETERS: [(&str, &str); 4] = [
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

/// What the server knows of a request besides its head.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Address that the connection came from; no header ever changes it.
    pub peer: Option<IpAddr>,
    /// Now.
    pub now: UnixNanos,
    /// How it was signed.
    pub mechanism: Option<Mechanism>,
}

fn header<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let value = head.headers.get(name)?;
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// The keys of a request.
pub fn keys_of(head: &RequestHead, caller: Option<&Caller>, facts: &Circumstances) -> Context {
    let principal = caller.map_or(&Principal::Anonymous, |caller| &caller.principal);
    let mut context = Context::of(principal);
    if let Some(peer) = facts.peer {
        context.insert("aws:SourceIp", peer.to_canonical().to_string());
    }
    context.insert("aws:SecureTransport", if head.is_secure { "true" } else { "false" });
    context.insert("aws:CurrentTime", format_iso(facts.now));
    context.insert("aws:EpochTime", (facts.now / 1_000_000_000).to_string());
    if let Some(session) = caller.and_then(|caller| caller.session.as_ref()) {
        let issued = format_iso(session.issued.saturating_mul(1_000_000_000));
        context.insert("aws:TokenIssueTime", issued);
    }
    let (version, kind) = match facts.mechanism {
        None => (None, None),
        Some(Mechanism::Header) => (Some("AWS4-HMAC-SHA256"), Some("REST-HEADER")),
        Some(Mechanism::Query) => (Some("AWS4-HMAC-SHA256"), Some("REST-QUERY-STRING")),
        Some(Mechanism::Version2) => (Some("AWS"), Some("REST-HEADER")),
        Some(Mechanism::Form) => (Some("AWS4-HMAC-SHA256"), Some("POST")),
        Some(Mechanism::FormVersion2) => (Some("AWS"), Some("POST")),
    };
    if let (Some(version), Some(kind)) = (version, kind) {
        context.insert("s3:signatureversion", version);
        context.insert("s3:authType", kind);
    }
    let header = |name: &str| header(head, name);
    for (name, key) in [("user-agent", "aws:UserAgent"), ("referer", "aws:Referer")] {
        if let Some(value) = header(name) {
            context.insert(key, value);
        }
    }
    for (name, key) in OF_HEADERS {
        if let Some(value) = header(name) {
            context.insert(key, value);
        }
    }
    for (name, key) in OF_PARAMETERS {
        if let Some(value) = head.query.get(name) {
            context.insert(key, value);
        }
    }
    let until = header("x-amz-object-lock-retain-until-date").and_then(parse_iso);
    if let Some(seconds) = until {
        insert_remaining_days(&mut context, seconds.saturating_mul(1_000_000_000), facts.now);
    }
    if let Some(wanted) = header("x-amz-tagging").and_then(|text| tags::parse_header(text).ok()) {
        insert_request_tags(&mut context, &wanted);
    }
    context
}

/// What follows from the operation: the conditions that it looks at, and whether an object is
/// created by it (S3 User Guide, "Enforce conditional writes").
pub fn insert_operation(context: &mut Context, operation: Operation, head: &RequestHead) {
    use Operation::*;
    let creates = match operation {
        PutObject | PostObject | CopyObject | CompleteMultipartUpload => Some("true"),
        CreateMultipartUpload | UploadPart | UploadPartCopy => Some("false"),
        _ => None,
    };
    if let Some(creates) = creates {
        context.insert("s3:ObjectCreationOperation", creates);
    }
    if matches!(operation, PutObject | CopyObject | CompleteMultipartUpload | DeleteObject) {
        for (name, key) in OF_CONDITIONS {
            if let Some(value) = header(head, name) {
                context.insert(key, value);
            }
        }
    }
}

/// What a request wants to keep an object by: the mode of a retention, and its end.
pub fn insert_retention(context: &mut Context, retention: Retention, now: UnixNanos) {
    let mode = match retention.mode {
        RetentionMode::Governance => "GOVERNANCE",
        RetentionMode::Compliance => "COMPLIANCE",
    };
    context.insert("s3:object-lock-mode", mode);
    context.insert("s3:object-lock-retain-until-date", format_iso(retention.until));
    insert_remaining_days(context, retention.until, now);
}

/// The days until the end of a retention, begun ones as whole ones.
pub fn insert_remaining_days(context: &mut Context, until: UnixNanos, now: UnixNanos) {
    const DAY_NANOS: u64 = 24 * 3600 * 1_000_000_000;
    let days = until.saturating_sub(now).div_ceil(DAY_NANOS);
    context.insert("s3:object-lock-remaining-retention-days", days.to_string());
}

/// The tags that a request wants to set.
pub fn insert_request_tags(context: &mut Context, wanted: &tags::Tags) {
    for (name, value) in wanted {
        context.insert(&format!("s3:RequestObjectTag/{name}"), value.as_str());
    }
    let names = wanted.iter().map(|(name, _)| name.clone()).collect();
    context.insert_all("s3:RequestObjectTagKeys", names);
}

/// The tags that an object has.
pub fn insert_existing_tags(context: &mut Context, existing: &tags::Tags) {
    for (name, value) in existing {
        context.insert(&format!("s3:ExistingObjectTag/{name}"), value.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_may_ask_for_everything_that_is_filled() {
        let all = OF_HEADERS.iter().chain(&OF_CONDITIONS).chain(&OF_PARAMETERS);
        for (_, key) in all {
            let key = key.to_ascii_lowercase();
            assert!(iam::S3_KEYS.contains(&key.as_str()), "{key}");
        }
    }
}
