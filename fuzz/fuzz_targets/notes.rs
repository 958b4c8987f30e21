#![no_main]
//! What is kept beside buckets and objects as lines of text, and the headers that grants come from:
//! no text makes a reader panic, and what is read keeps its meaning when it is written again.

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use s3api::acl::{self, Acl};
use s3api::sse;
use s3api::sts::sessions;
use stave_fuzz::accounts::Everybody;

fuzz_target!(|text: &str| {
    grants(text);
    if let Ok(acl) = Acl::from_note(text) {
        assert_eq!(Acl::from_note(&acl.to_note()).expect("it was written"), acl);
    }
    if let Some(note) = sse::rewritten(text) {
        assert_eq!(sse::rewritten(&note).as_deref(), Some(note.as_str()));
    }
    if sessions::is_document(text) {
        assert!(text.starts_with("stave session key "));
    }
});

/// Lines of the text are headers of grants.
fn grants(text: &str) {
    const NAMES: [&str; 6] = [
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
        "x-amz-acl",
    ];
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES.into_iter().zip(text.lines()) {
        if let Ok(value) = HeaderValue::from_bytes(line.as_bytes())
            && !line.is_empty()
        {
            headers.insert(name, value);
        }
    }
    if let Ok(Some(acl)) = acl::of_headers(&headers, "owner", "bucket-owner", &Everybody) {
        assert!(!headers.is_empty() && acl.owner == "owner");
        assert_eq!(Acl::from_note(&acl.to_note()).expect("it was written"), acl);
    }
}
