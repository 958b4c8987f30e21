//! What a client says of an object besides its bytes: standard headers and user metadata, checked
//! on the way in, written on the way out.
//!
//! - A1: a header that asks for something that is not there refuses the request; it is never
//!   silently dropped.

use super::text;
use crate::error::{S3Error, S3Result, codes};
use crate::{notes, sse};
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
const REFUSED_PREFIXES: [&str; 2] = [WRITE_OFFSET, "x-amz-if-match-"];

/// Asks for an append; only PutObject knows it (S3 API reference, PutObject).
pub const WRITE_OFFSET: &str = "x-amz-write-offset-bytes";

/// Storage classes that are labels here: every object is read at once, as they promise. What must
/// be restored before it is read is refused.
const STORAGE_CLASSES: [&str; 6] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
];

/// Bytes of a website redirect (S3 User Guide, "Configuring a webpage redirect").
const REDIRECT_LEN_MAX: usize = 2048;

/// Reads the attributes of an upload, but for its tags.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidArgument`, `InvalidStorageClass`, `InvalidRedirectLocation`.
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
    let class = storage_class(headers)?.filter(|class| *class != "STANDARD");
    attributes.set_note(notes::STORAGE_CLASS, class.map(str::to_owned));
    let redirect = text(headers, "x-amz-website-redirect-location")?;
    if let Some(redirect) = redirect {
        check_redirect(redirect)?;
        attributes.set_note(notes::WEBSITE_REDIRECT, Some(redirect.to_owned()));
    }
    Ok(attributes)
}

/// The storage class that a request asks for.
///
/// # Errors
/// `InvalidStorageClass`.
pub fn storage_class(headers: &HeaderMap) -> S3Result<Option<&str>> {
    match text(headers, "x-amz-storage-class")? {
        Some(class) if !STORAGE_CLASSES.contains(&class) => {
            Err((&codes::INVALID_STORAGE_CLASS).into())
        }
        class => Ok(class),
    }
}

fn check_redirect(redirect: &str) -> S3Result<()> {
    let is_place = ["/", "http://", "https://"].iter().any(|start| redirect.starts_with(start));
    if is_place && redirect.len() <= REDIRECT_LEN_MAX {
        return Ok(());
    }
    let message = "The website redirect location must have a prefix of 'http://' or 'https://' or \
                   '/'.";
    Err(S3Error::new(&codes::INVALID_REDIRECT_LOCATION, message))
}

/// Refuses what would change the meaning of a write and is not there (A1).
///
/// # Errors
/// `NotImplemented`.
pub fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
    refuse_unsupported_but(headers, None)
}

/// The same for a request that knows one of those headers.
///
/// # Errors
/// `NotImplemented`.
pub fn refuse_unsupported_but(headers: &HeaderMap, known: Option<&str>) -> S3Result<()> {
    for name in headers.keys().filter(|name| Some(name.as_str()) != known) {
        if REFUSED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)) {
            let message = format!("The header {name} asks for what is not implemented.");
            return Err(
                S3Error::new(&codes::NOT_IMPLEMENTED, message).with("Header", name.as_str())
            );
        }
    }
    Ok(())
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
    let noted = [
        (notes::STORAGE_CLASS, "x-amz-storage-class"),
        (notes::WEBSITE_REDIRECT, "x-amz-website-redirect-location"),
    ];
    for (note, name) in noted {
        if let Some(value) = attributes.note(note) {
            add(name, value);
        }
    }
    if !attributes.tags.is_empty() {
        add("x-amz-tagging-count", &attributes.tags.len().to_string());
    }
    sse::describe_stored(attributes, headers);
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
        let refused = |name, value: &str| {
            refuse_unsupported(&map(&[(name, value)])).map_err(|error| error.code.name)
        };
        assert_eq!(refused("x-amz-write-offset-bytes", "1"), Err("NotImplemented"));
        assert_eq!(refused("x-amz-tagging", "a=b"), Ok(()));
    }

    #[test]
    fn classes_and_redirects_are_kept() {
        let parsed = |name, value: &str| {
            parse(&map(&[(name, value)]), 2048).map_err(|error| error.code.name)
        };
        let class = parsed("x-amz-storage-class", "STANDARD_IA").unwrap();
        assert_eq!(class.note(notes::STORAGE_CLASS), Some("STANDARD_IA"));
        assert!(parsed("x-amz-storage-class", "STANDARD").unwrap().system.is_empty());
        assert_eq!(parsed("x-amz-storage-class", "GLACIER"), Err("InvalidStorageClass"));
        let redirect = parsed("x-amz-website-redirect-location", "/a").unwrap();
        let mut back = HeaderMap::new();
        write(&redirect, &mut back);
        assert_eq!(back["x-amz-website-redirect-location"], "/a");
        let elsewhere = parsed("x-amz-website-redirect-location", "a");
        assert_eq!(elsewhere, Err("InvalidRedirectLocation"));
    }
}
