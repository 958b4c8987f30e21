//! What a client says of an object besides its bytes: standard headers and user metadata, checked
//! on the way in, written on the way out.
//!
//! - A1: a header that asks for something that is not there (encryption, locks, tags, ACLs) refuses
//!   the request; it is never silently dropped.

use crate::error::{S3Error, S3Result, codes};
use engine::object::ObjectAttributes;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};

const META_PREFIX: &str = "x-amz-meta-";

/// Standard headers that are stored with an object and returned with it.
const STORED: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Headers, by prefix, that ask for what does not exist yet.
const REFUSED_PREFIXES: [&str; 9] = [
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-grant-",
    "x-amz-write-offset-bytes",
    "x-amz-bypass-governance-retention",
    "x-amz-if-match-",
];

/// Headers that begin like a refused one and ask for nothing that is missing: there are no tags to
/// copy or to replace.
const ACCEPTED: [&str; 1] = ["x-amz-tagging-directive"];

/// Reads the attributes of an upload.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidArgument`.
pub fn parse(headers: &HeaderMap, metadata_len_max: usize) -> S3Result<ObjectAttributes> {
    let mut attributes = ObjectAttributes::default();
    let mut metadata_len = 0;
    for name in headers.keys() {
        let name_text = name.as_str();
        if let Some(short) = name_text.strip_prefix(META_PREFIX) {
            let value = joined(headers, name)?;
            metadata_len += short.len() + value.len();
            attributes.metadata.push((short.to_owned(), value));
        } else if name == CONTENT_ENCODING {
            let value = without_aws_chunked(&joined(headers, name)?);
            if !value.is_empty() {
                attributes.headers.push((name_text.to_owned(), value));
            }
        } else if STORED.contains(&name_text) {
            attributes.headers.push((name_text.to_owned(), joined(headers, name)?));
        }
    }
    if metadata_len > metadata_len_max {
        return Err((&codes::METADATA_TOO_LARGE).into());
    }
    attributes.metadata.sort();
    attributes.headers.sort();
    Ok(attributes)
}

/// Refuses what would change the meaning of a write and is not there (A1).
///
/// # Errors
/// `NotImplemented`, `AccessControlListNotSupported`, `InvalidStorageClass`.
pub fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys() {
        let is_refused = REFUSED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
        if is_refused && !ACCEPTED.contains(&name.as_str()) {
            let message = format!("The header {name} asks for what is not implemented.");
            return Err(
                S3Error::new(&codes::NOT_IMPLEMENTED, message).with("Header", name.as_str())
            );
        }
    }
    match headers.get("x-amz-acl").map(HeaderValue::as_bytes) {
        None | Some(b"private" | b"bucket-owner-full-control" | b"bucket-owner-read") => {}
        Some(b"public-read" | b"public-read-write" | b"authenticated-read" | b"aws-exec-read") => {
            return Err((&codes::ACL_NOT_SUPPORTED).into());
        }
        Some(_) => return Err(unknown_value("x-amz-acl")),
    }
    if let Some(value) = headers.get("x-amz-tagging-directive")
        && !matches!(value.as_bytes(), b"COPY" | b"REPLACE")
    {
        return Err(unknown_value("x-amz-tagging-directive"));
    }
    match headers.get("x-amz-storage-class").map(HeaderValue::as_bytes) {
        None | Some(b"STANDARD" | b"REDUCED_REDUNDANCY") => Ok(()),
        Some(_) => Err((&codes::INVALID_STORAGE_CLASS).into()),
    }
}

fn unknown_value(name: &'static str) -> S3Error {
    let message = format!("The value of {name} is not one that there is.");
    S3Error::new(&codes::INVALID_ARGUMENT, message).with("ArgumentName", name)
}

/// Writes the attributes of an object into an answer. What no header can carry was refused when it
/// came in.
pub fn write(attributes: &ObjectAttributes, headers: &mut HeaderMap) {
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(name, value);
        }
    };
    for (name, value) in &attributes.headers {
        add(name, value);
    }
    for (name, value) in &attributes.metadata {
        add(&format!("{META_PREFIX}{name}"), value);
    }
    headers
        .entry(http::header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("binary/octet-stream"));
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> S3Result<String> {
    let mut whole = String::new();
    for (index, value) in headers.get_all(name).iter().enumerate() {
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
            S3Error::new(&codes::INVALID_ARGUMENT, format!("The header {name} is not UTF-8."))
        })?;
        if index > 0 {
            whole.push(',');
        }
        whole.push_str(text.trim());
    }
    Ok(whole)
}

/// The framing of an upload is no property of the object.
fn without_aws_chunked(value: &str) -> String {
    let kept = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("aws-chunked"));
    kept.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn attributes_come_back_as_they_were_sent() {
        let sent = map(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip, aws-chunked"),
            ("x-amz-meta-b", "2"),
            ("x-amz-meta-a", "\u{e9}"),
            ("authorization", "secret"),
        ]);
        let attributes = parse(&sent, 2048).unwrap();
        let mut back = HeaderMap::new();
        write(&attributes, &mut back);
        let expected = map(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("x-amz-meta-b", "2"),
            ("x-amz-meta-a", "\u{e9}"),
        ]);
        assert_eq!(back, expected);
    }

    #[test]
    fn framing_alone_leaves_no_encoding() {
        let attributes = parse(&map(&[("content-encoding", "aws-chunked")]), 2048).unwrap();
        assert!(attributes.headers.is_empty());
    }

    #[test]
    fn metadata_is_bounded() {
        let value = "v".repeat(2047);
        assert!(parse(&map(&[("x-amz-meta-a", &value)]), 2048).is_ok());
        let error = parse(&map(&[("x-amz-meta-ab", &value)]), 2048).unwrap_err();
        assert_eq!(error.code, &codes::METADATA_TOO_LARGE);
    }

    #[test]
    fn unsupported_requests_are_refused_not_ignored() {
        let check = |name, value: &str| {
            refuse_unsupported(&map(&[(name, value)])).map_err(|error| error.code.name)
        };
        assert_eq!(check("x-amz-server-side-encryption", "AES256"), Err("NotImplemented"));
        assert_eq!(check("x-amz-tagging", "a=b"), Err("NotImplemented"));
        assert_eq!(check("x-amz-acl", "public-read"), Err("AccessControlListNotSupported"));
        assert_eq!(check("x-amz-acl", "private"), Ok(()));
        assert_eq!(check("x-amz-acl", "foo"), Err("InvalidArgument"));
        assert_eq!(check("x-amz-tagging-directive", "foo"), Err("InvalidArgument"));
        assert_eq!(check("x-amz-storage-class", "GLACIER"), Err("InvalidStorageClass"));
        assert_eq!(check("x-amz-storage-class", "STANDARD"), Ok(()));
    }
}
