#![no_main]
//! Requests for sessions and tokens of sessions: no bytes make a parser panic, nobody's token is
//! proved, and what was minted is read back.

use libfuzzer_sys::fuzz_target;
use s3api::Credentials;
use s3api::sts::form::Ask;
use s3api::sts::token::{Claims, Kind, MasterKey, SessionKey, TOKEN_LEN_MAX, Unproved};

fn key() -> SessionKey {
    let credentials = |name: &str| Credentials {
        access_key: name.to_owned(),
        secret_key: format!("{name}-secret"),
    };
    MasterKey::new(&[7; 32], &credentials("root")).of(&credentials("bob"))
}

fuzz_target!(|data: &[u8]| {
    let _ = Ask::parse(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(token) = Unproved::parse(text) {
        assert!(text.len() <= TOKEN_LEN_MAX);
        assert!(key().prove(token).is_none(), "nobody made this");
    }
    let name: String = text.chars().take(60).collect();
    let policy: String = text.chars().take(500).collect();
    let claims = Claims {
        kind: if data.len().is_multiple_of(2) { Kind::AssumedRole } else { Kind::User },
        issued: data.len() as u64,
        ends: u64::MAX,
        nonce: [1; 16],
        parent: name.clone(),
        name,
        policy,
    };
    let (token, credentials) = key().mint(&claims);
    let parsed = Unproved::parse(&token).expect("just minted");
    assert_eq!(parsed.parent(), claims.parent);
    assert_eq!(key().prove(parsed), Some((claims, credentials)));
});
