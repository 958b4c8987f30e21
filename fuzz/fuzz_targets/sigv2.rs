#![no_main]
//! Signature Version 2: no head makes the verifier panic, none that was not signed is accepted, and
//! one that was signed is, in the header and as a link.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use libfuzzer_sys::fuzz_target;
use s3api::request::RequestHead;
use s3api::sigv2::{self, Claim};
use s3api::sigv4::verify::Identity;
use stave_fuzz::request::{NOW, credentials, is_plain, parts, verifier};

fuzz_target!(|text: &str| {
    let _ = sigv2::parse_header(text);
    let Some(mut parts) = parts(text) else { return };
    let verifier = verifier(true);
    let head = |parts| RequestHead::parse(parts, 1 << 15, &Default::default()).ok();
    let is_root =
        |head: &RequestHead| matches!(verifier.identify(head, NOW), Ok(Identity::Known(..)));
    let Some(unsigned) = head(parts.clone()) else { return };
    assert!(!is_root(&unsigned), "nobody signed this");
    let is_plain = is_plain(&parts) && !text.contains("Expires");
    let date = HeaderValue::from_static("Fri, 24 May 2013 00:00:00 GMT");
    parts.headers.remove(AUTHORIZATION);
    parts.headers.insert("date", date);
    let Some(dated) = head(parts.clone()) else { return };
    let key = credentials();
    let claim = Claim { access_key: &key.access_key, signature: "", expires: None };
    let Ok(text) = sigv2::string_to_sign(&claim, &dated) else { return };
    let signature = sigv2::sign(&key.secret_key, &text);
    let value = format!("AWS {}:{signature}", key.access_key);
    parts.headers.insert(AUTHORIZATION, value.parse().expect("base64 is text"));
    let Some(signed) = head(parts) else { return };
    assert!(!is_plain || is_root(&signed), "signed, but refused");
});
