#![no_main]
//! Signatures in the `Authorization` header: no head makes the verifier panic, none that was not
//! signed is accepted, and one that was signed is.
//!
//! The input is a request head as text: the path and query in the first line, a header in each
//! other one.

use http::header::AUTHORIZATION;
use libfuzzer_sys::fuzz_target;
use s3api::sigv4::header::Authorization;
use s3api::sigv4::verify::Identity;
use stave_fuzz::request::{NOW, is_plain, parts, signer, verifier};

fuzz_target!(|text: &str| {
    let _ = Authorization::parse(text);
    let Some(parts) = parts(text) else { return };
    let verifier = verifier(false);
    if let Ok(head) =
        s3api::request::RequestHead::parse(parts.clone(), 1 << 15, &Default::default())
    {
        let identity = verifier.identify(&head, NOW);
        assert!(!matches!(identity, Ok(Identity::Known(..))), "nobody signed this");
    }
    let is_plain = is_plain(&parts);
    let mut signed = parts;
    signed.headers.remove(AUTHORIZATION);
    if s3api::sigv4::sign(&mut signed, &signer(), "UNSIGNED-PAYLOAD").is_err() {
        return;
    }
    let Ok(head) = s3api::request::RequestHead::parse(signed, 1 << 15, &Default::default()) else {
        return;
    };
    let identity = verifier.identify(&head, NOW);
    assert!(!is_plain || matches!(identity, Ok(Identity::Known(..))), "signed, but refused");
});
