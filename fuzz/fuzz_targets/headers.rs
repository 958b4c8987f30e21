#![no_main]
//! Headers and URIs: no text makes a parser panic; what is parsed keeps its meaning when written
//! again.

use engine::object::ETag;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use s3api::headers::conditional::{self, READ};
use s3api::headers::copy_source::CopySource;
use s3api::headers::range::ByteRange;
use s3api::headers::{attributes, checksum, date, lock};
use s3api::host::Domains;
use s3api::request::Target;
use s3api::sse::headers::{self as sse, CUSTOMER, Wish};
use s3api::tags;
use s3api::uri::{self, Query, Slash};

fuzz_target!(|text: &str| {
    ranges(text);
    dates(text);
    uris(text);
    conditions(text);
    encryption(text);
    if let Ok(source) = CopySource::parse(text) {
        assert!(source.key.as_str().len() <= text.len());
    }
});

/// Lines of the text are headers of encryption.
fn encryption(text: &str) {
    const NAMES: [&str; 8] = [
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-context",
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-server-side-encryption-customer-key-md5",
        "x-amz-copy-source-server-side-encryption-customer-key",
    ];
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES.into_iter().zip(text.lines()) {
        if let Ok(value) = HeaderValue::from_bytes(line.as_bytes())
            && !line.is_empty()
        {
            headers.insert(name, value);
        }
    }
    if let Ok(Wish::Customer(_)) = sse::wish(&headers) {
        let whole = ["algorithm", "key", "key-md5"].map(|end| format!("{CUSTOMER}{end}"));
        assert!(whole.iter().all(|name| headers.contains_key(name)), "a key in full");
    }
    if let Some(name) = sse::key_name(text) {
        assert!(text.ends_with(name) && sealing::ring::is_name(name));
    }
}

fn ranges(text: &str) {
    let Some(range) = ByteRange::parse(text) else { return };
    for size in [0, 1, 1000, u64::MAX] {
        let resolved = range.resolve(size);
        assert!(resolved.is_none_or(|range| range.start < range.end && range.end <= size));
        let copied = ByteRange::resolve_copy(text, size);
        assert!(copied.is_none_or(|range| range.start < range.end && range.end <= size));
    }
}

fn dates(text: &str) {
    const NANOS: u64 = 1_000_000_000;
    if let Some(nanos) = date::parse_http(text).and_then(|seconds| seconds.checked_mul(NANOS)) {
        assert_eq!(date::parse_http(&date::format_http(nanos)), Some(nanos / NANOS));
        assert_eq!(date::parse_http(&date::format_iso(nanos)), Some(nanos / NANOS));
    }
    if let Some(nanos) = date::parse_amz(text).and_then(|seconds| seconds.checked_mul(NANOS)) {
        assert_eq!(date::format_amz(nanos), text);
    }
}

fn uris(text: &str) {
    assert_eq!(uri::decode(&uri::encode(text, Slash::Encode)).ok().as_deref(), Some(text));
    assert_eq!(uri::decode(&uri::encode(text, Slash::Keep)).ok().as_deref(), Some(text));
    let mut canonical = String::new();
    if uri::canonical_path_into(&mut canonical, text).is_ok() {
        let mut again = String::new();
        uri::canonical_path_into(&mut again, &canonical).expect("canonical is legal");
        assert_eq!(again, canonical);
    }
    let _ = Target::parse(text);
    let _ = Target::parse_virtual("box", text);
    hosts(text);
    let Ok(query) = Query::parse(text) else { return };
    let mut canonical = String::new();
    query.canonical_into(&mut canonical, None);
    let mut again = String::new();
    Query::parse(&canonical).expect("canonical is legal").canonical_into(&mut again, None);
    assert_eq!(again, canonical);
}

fn hosts(text: &str) {
    let domains = Domains::new(["s3.example.com".to_owned()]).expect("a domain");
    if let Some(bucket) = domains.bucket_of(text) {
        assert!(!bucket.is_empty() && bucket.len() < text.len());
    }
    if let Ok(domains) = Domains::new([text.to_owned()]) {
        let host = format!("box.{}", text.trim());
        assert_eq!(domains.bucket_of(&host).as_deref(), Some("box"));
    }
}

fn conditions(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else { return };
    let mut headers = HeaderMap::new();
    let names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
    let etag = ETag("0123456789abcdef0123456789abcdef".to_owned());
    for name in names {
        headers.clear();
        headers.insert(name, value.clone());
        let _ = conditional::evaluate(&headers, &READ, &etag, 1 << 60);
        let _ = conditional::of_write(&headers);
    }
    let sums = checksum::ALGORITHMS.map(|algorithm| checksum::names(algorithm).header);
    let others = ["content-md5", "x-amz-trailer", "x-amz-sdk-checksum-algorithm"];
    for name in sums.into_iter().chain(others) {
        headers.clear();
        headers.insert(name, value.clone());
        let _ = checksum::promised(&headers);
        let _ = checksum::promised_md5(&headers);
    }
    for name in ["content-type", "x-amz-meta-a", "content-encoding", "expires"] {
        headers.clear();
        headers.insert(name, value.clone());
        let _ = attributes::parse(&headers, 2048);
    }
    let locks = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"];
    for name in locks.into_iter().chain(["x-amz-object-lock-legal-hold"]) {
        headers.clear();
        headers.insert("x-amz-object-lock-mode", HeaderValue::from_static("GOVERNANCE"));
        headers.insert(name, value.clone());
        let _ = lock::of_write(&headers, 0);
    }
    if let Ok(tags) = tags::parse_header(text) {
        assert!(tags.len() <= tags::OBJECT_TAGS_MAX);
    }
}
