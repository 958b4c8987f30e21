//! Request heads from fuzzed text, and a signer for them.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use s3api::sigv4::verify::Verifier;
use s3api::sigv4::{Signer, SigningService};
use s3api::{Credentials, S3Config};
use std::sync::LazyLock;

/// 2013-05-24T00:00:00Z, in nanoseconds.
pub const NOW: u64 = 1_369_353_600_000_000_000;

static CREDENTIALS: LazyLock<Credentials> = LazyLock::new(|| Credentials {
    access_key: "FUZZ".to_owned(),
    secret_key: "a secret that no input holds: 8f1c".to_owned(),
});

/// Keys of the only user.
pub fn credentials() -> &'static Credentials {
    &CREDENTIALS
}

/// Verifies what that user signs, by Version 2 as well where that is allowed.
pub fn verifier(allows_sigv2: bool) -> Verifier {
    let mut config = S3Config::new(credentials().clone());
    config.region = Some("us-east-1".to_owned());
    config.allows_sigv2 = allows_sigv2;
    Verifier::new(&config)
}

/// Signs as that user, now.
pub fn signer() -> Signer<'static> {
    Signer {
        credentials: credentials(),
        region: "us-east-1",
        service: SigningService::S3,
        now: NOW,
    }
}

/// A request head: path and query in the first line, a header in each other one. It always has a
/// host.
pub fn parts(text: &str) -> Option<Parts> {
    let mut lines = text.lines();
    let request = Request::builder().method(Method::GET).uri(lines.next()?).body(()).ok()?;
    let (mut parts, ()) = request.into_parts();
    if !parts.uri.path().starts_with('/') {
        return None;
    }
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        parts.headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    parts.headers.insert("host", HeaderValue::from_static("localhost"));
    Some(parts)
}

/// Whether nothing in the head has a meaning for signatures, so that signing it must succeed.
pub fn is_plain(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default().to_ascii_lowercase();
    let has_meaning =
        ["amz", "signature", "accesskey", "%"].iter().any(|part| query.contains(part));
    let is_plain = |name: &HeaderName| {
        let is_once = parts.headers.get_all(name).iter().count() == 1;
        is_once && (name == "host" || name == "range" || name.as_str().starts_with("x-amz-meta-"))
    };
    let is_text = |value: &HeaderValue| value.to_str().is_ok();
    !has_meaning
        && parts.uri.authority().is_none()
        && parts.headers.keys().all(is_plain)
        && parts.headers.values().all(is_text)
}
