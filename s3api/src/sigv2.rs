//! AWS Signature Version 2 ("Signing and authenticating REST requests", S3 developer guide of
//! 2006), for clients that know nothing else: off unless the operator turns it on.
//!
//! ```text
//! Authorization: AWS key:signature         ?AWSAccessKeyId=..&Expires=..&Signature=..
//!                       \                   /
//!        method, Content-MD5, Content-Type, date, x-amz-* headers, resource -> HMAC-SHA1
//! ```
//! - L1: it binds neither the body nor most of the query; what it leaves open is why it is off.
//! - L2: every parameter that chooses an operation or an answer's header is signed: one that the
//!   client did not sign makes the signatures differ.
//! - L3: a link lives a week at most, as in Version 4.

use crate::error::{S3Error, S3Result, codes};
use crate::headers::{date, text};
use crate::request::{RequestHead, Target};
use crate::route::SUBRESOURCES;
use crate::sigv4::presign::EXPIRES_SECONDS_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::collections::BTreeMap;

/// What a request says of its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who signed.
    pub access_key: &'a str,
    /// HMAC-SHA1 in base64.
    pub signature: &'a str,
    /// Where it stands: in the query, seconds since 1970 at which it ends.
    pub expires: Option<u64>,
}

/// Reads `AWS key:signature`.
pub fn parse_header(text: &str) -> Option<Claim<'_>> {
    let (access_key, signature) = text.trim().strip_prefix("AWS ")?.trim().rsplit_once(':')?;
    let is_whole = !access_key.is_empty() && !signature.is_empty();
    is_whole.then_some(Claim { access_key, signature, expires: None })
}

/// Reads the query of a link, where it has one of this version.
///
/// # Errors
/// `AccessDenied`.
pub fn parse_query(head: &RequestHead) -> S3Result<Option<Claim<'_>>> {
    let query = &head.query;
    let names = ["AWSAccessKeyId", "Expires", "Signature"];
    if !names.iter().any(|name| query.has(name)) {
        return Ok(None);
    }
    let malformed = || {
        let message = "Query-string authentication requires the Signature, Expires and \
                       AWSAccessKeyId parameters, each once.";
        S3Error::new(&codes::ACCESS_DENIED, message)
    };
    if names.iter().any(|name| query.count(name) != 1) {
        return Err(malformed());
    }
    let value = |name| query.get(name).filter(|value| !value.is_empty()).ok_or_else(malformed);
    let expires = value("Expires")?;
    let is_number = expires.len() <= 15 && expires.bytes().all(|byte| byte.is_ascii_digit());
    let expires = expires.parse().ok().filter(|_| is_number).ok_or_else(malformed)?;
    Ok(Some(Claim {
        access_key: value("AWSAccessKeyId")?,
        signature: value("Signature")?,
        expires: Some(expires),
    }))
}

/// Checks when a request was signed, or until when its link is good (L3). `now` in seconds.
///
/// # Errors
/// `AccessDenied`, `RequestTimeTooSkewed`.
pub fn check_time(claim: &Claim<'_>, head: &RequestHead, now: u64, skew_max: u64) -> S3Result<()> {
    let denied = |message| Err(S3Error::new(&codes::ACCESS_DENIED, message));
    if let Some(expires) = claim.expires {
        return match expires {
            expires if expires <= now => denied("Request has expired."),
            expires if expires - now > EXPIRES_SECONDS_MAX + skew_max => {
                denied("The link is good for more than a week.")
            }
            _ => Ok(()),
        };
    }
    let date = match text(&head.headers, "x-amz-date")? {
        Some(date) => Some(date),
        None => text(&head.headers, "date")?,
    };
    let seconds = date.and_then(|date| date::parse_http(date).or_else(|| date::parse_amz(date)));
    match seconds {
        None => denied("AWS authentication requires a valid Date or x-amz-date header."),
        Some(seconds) if now.abs_diff(seconds) > skew_max => {
            Err((&codes::REQUEST_TIME_TOO_SKEWED).into())
        }
        Some(_) => Ok(()),
    }
}

/// The texts of which one must be what was signed: botocore signs `/bucket/` where it asks for
/// `/bucket`, which mean the same.
///
/// # Errors
/// As [`string_to_sign`].
pub fn strings_to_sign(claim: &Claim<'_>, head: &RequestHead) -> S3Result<Vec<String>> {
    let mut texts = vec![string_to_sign(claim, head)?];
    let is_bucket = matches!(head.target, Target::Bucket(_));
    if is_bucket && !head.is_virtual && !head.raw_path().ends_with('/') {
        texts.push(text_for(claim, head, &format!("{}/", head.raw_path()))?);
    }
    Ok(texts)
}

/// The text whose HMAC is the signature.
///
/// # Errors
/// `InvalidRequest` for a header that is there twice or is no text.
pub fn string_to_sign(claim: &Claim<'_>, head: &RequestHead) -> S3Result<String> {
    text_for(claim, head, head.raw_path())
}

fn text_for(claim: &Claim<'_>, head: &RequestHead, path: &str) -> S3Result<String> {
    let header = |name| Ok::<_, S3Error>(text(&head.headers, name)?.unwrap_or(""));
    let mut out = String::with_capacity(256);
    for part in [head.method.as_str(), header("content-md5")?, header("content-type")?] {
        out.push_str(part);
        out.push('\n');
    }
    match claim.expires {
        Some(expires) => out.push_str(&expires.to_string()),
        None if head.headers.contains_key("x-amz-date") => {}
        None => out.push_str(header("date")?),
    }
    out.push('\n');
    push_amz_headers(&mut out, head)?;
    push_resource(&mut out, head, path)?;
    Ok(out)
}

fn push_amz_headers(out: &mut String, head: &RequestHead) -> S3Result<()> {
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        if !name.as_str().starts_with("x-amz-") {
            continue;
        }
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| S3Error::new(&codes::INVALID_ARGUMENT, "A signed header is not UTF-8."))?;
        let line = lines.entry(name.as_str()).and_modify(|line| line.push(',')).or_default();
        line.push_str(value.trim());
    }
    for (name, value) in lines {
        for part in [name, ":", &value, "\n"] {
            out.push_str(part);
        }
    }
    Ok(())
}

/// The path as it came, and the parameters that mean something, decoded (L2).
fn push_resource(out: &mut String, head: &RequestHead, path: &str) -> S3Result<()> {
    if let (true, Some(bucket)) = (head.is_virtual, head.target.bucket()) {
        out.push('/');
        out.push_str(bucket.as_str());
    }
    out.push_str(path);
    let is_signed = |name: &str| {
        SUBRESOURCES.contains(&name) || name.starts_with("response-") || name == "versionId"
    };
    let mut pairs: Vec<_> = head.query.pairs().filter(|(name, _)| is_signed(name)).collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(name);
        if !value.is_empty() {
            out.push('=');
            out.push_str(value);
        }
        // Values are signed as they mean, not as they are written: one with `&` has two readings.
        if value.contains('&') {
            let message = "Signature Version 2 cannot sign a parameter with '&'; use Version 4.";
            return Err(S3Error::new(&codes::INVALID_REQUEST, message));
        }
    }
    Ok(())
}

/// Signs a text; base64.
pub fn sign(secret: &str, text: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Domains;

    /// The example credential of the S3 developer guide.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn head(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> RequestHead {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let domains = Domains::new(["s3.us-west-1.amazonaws.com".to_owned()]).unwrap();
        RequestHead::parse(request.body(()).unwrap().into_parts().0, 4096, &domains).unwrap()
    }

    fn check(head: &RequestHead, signature: &str) {
        let claim = Claim { access_key: "A", signature: "", expires: None };
        assert_eq!(sign(SECRET, &string_to_sign(&claim, head).unwrap()), signature);
    }

    /// The requests of the S3 developer guide, "Authentication examples"; the figures are those of
    /// botocore 1.4x's `HmacV1Auth`.
    #[test]
    fn examples_of_the_developer_guide_are_met() {
        let host = ("host", "awsexamplebucket1.s3.us-west-1.amazonaws.com");
        let date = ("date", "Tue, 27 Mar 2007 19:36:42 +0000");
        check(&head("GET", "/photos/puppy.jpg", &[host, date]), "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
        let date = ("date", "Tue, 27 Mar 2007 19:44:46 +0000");
        check(&head("GET", "/?acl", &[host, date]), "82ZHiFIjc+WbcwFKGUVEQspPn+0=");
    }

    #[test]
    fn what_is_signed_stands_in_the_text() {
        let claim = Claim { access_key: "A", signature: "", expires: Some(7) };
        let head = head(
            "PUT",
            "/box/a%2Fb?uploadId=u&partNumber=2&prefix=p&response-content-type=text%2Fx",
            &[("host", "h"), ("content-type", "t"), ("x-amz-meta-b", " 1 "), ("x-amz-acl", "x")],
        );
        assert_eq!(
            string_to_sign(&claim, &head).unwrap(),
            "PUT\n\nt\n7\nx-amz-acl:x\nx-amz-meta-b:1\n/box/a%2Fb?partNumber=2&\
             response-content-type=text/x&uploadId=u"
        );
    }

    #[test]
    fn values_with_two_readings_are_refused() {
        let claim = Claim { access_key: "A", signature: "", expires: Some(7) };
        let uri = "/box/a?response-content-type=x%26uploadId=u";
        assert!(strings_to_sign(&claim, &head("GET", uri, &[("host", "h")])).is_err());
    }

    #[test]
    fn claims_are_read() {
        let claim = parse_header("AWS key:sig=").unwrap();
        assert_eq!((claim.access_key, claim.signature), ("key", "sig="));
        for text in ["AWS", "AWS key", "AWS :sig", "AWS key:", "aws key:sig", "AWS4 key:sig"] {
            assert_eq!(parse_header(text), None, "{text}");
        }
        let query = |query: &str| {
            let head = head("GET", &format!("/box?{query}"), &[("host", "h")]);
            parse_query(&head).map(|claim| claim.and_then(|claim| claim.expires)).is_err()
        };
        assert!(!query("AWSAccessKeyId=A&Expires=1&Signature=x"));
        assert!(!query("prefix=A"));
        for bad in ["Signature=x", "AWSAccessKeyId=A&Expires=-1&Signature=x"] {
            assert!(query(bad), "{bad}");
        }
        assert!(query("AWSAccessKeyId=A&Expires=1&Signature=x&Signature=y"));
    }

    #[test]
    fn a_bucket_is_signed_with_or_without_the_slash_behind_it() {
        let claim = Claim { access_key: "A", signature: "S", expires: None };
        let signed = |uri: &str| {
            let head = head("PUT", uri, &[("host", "h"), ("date", "D")]);
            strings_to_sign(&claim, &head).unwrap()
        };
        assert_eq!(signed("/box?acl"), ["PUT\n\n\nD\n/box?acl", "PUT\n\n\nD\n/box/?acl"]);
        assert_eq!(signed("/box/"), ["PUT\n\n\nD\n/box/"]);
        assert_eq!(signed("/box/key"), ["PUT\n\n\nD\n/box/key"]);
        assert_eq!(signed("/"), ["PUT\n\n\nD\n/"]);
    }
}
