#![no_main]
//! Presigned URLs: no query makes the verifier panic, none that was not signed is accepted, one
//! that was signed is, and not any more once a byte of it changed.

use libfuzzer_sys::fuzz_target;
use s3api::request::RequestHead;
use s3api::sigv4::presign::PresignedQuery;
use s3api::sigv4::verify::Identity;
use s3api::uri::Query;
use stave_fuzz::request::{NOW, is_plain, parts, signer, verifier};

fuzz_target!(|text: &str| {
    if let Ok(query) = Query::parse(text) {
        let _ = PresignedQuery::parse(&query);
    }
    let Some(parts) = parts(text) else { return };
    let verifier = verifier(false);
    let is_root = |parts| {
        let head = RequestHead::parse(parts, 1 << 15, &Default::default()).ok()?;
        Some(matches!(verifier.identify(&head, NOW), Ok(Identity::Known(..))))
    };
    assert_ne!(is_root(parts.clone()), Some(true), "nobody signed this");
    if !is_plain(&parts) {
        return;
    }
    let mut signed = parts;
    if s3api::sigv4::presign(&mut signed, &signer(), 60).is_err() {
        return;
    }
    let outcome = is_root(signed.clone());
    assert_ne!(outcome, Some(false), "signed, but refused");
    let changed = signed.uri.to_string().replacen("X-Amz-Expires=60&", "X-Amz-Expires=61&", 1);
    let Ok(uri) = changed.parse() else { return };
    if signed.uri != uri {
        signed.uri = uri;
        assert_ne!(is_root(signed), Some(true), "changed, but accepted");
    }
});
