#![no_main]
//! What is sealed: bytes that nobody sealed never open, and what was changed opens as nothing else
//! than it was.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sealing::package::{PLAIN_LEN, sealed_len};
use sealing::{KeyRing, ObjectCipher, Place, RootKey, Secret, seal};

const ROOT: &str = "main:cm9vdC1jYW5hcnktcm9vdC1jYW5hcnktcm9vdC1jYW4=";

fuzz_target!(|data: &[u8]| {
    let cipher = ObjectCipher::new(&Secret::new([3; 32]));
    let foreign = open(&cipher, data, 0..PLAIN_LEN);
    assert!(foreign.is_none_or(|plain| plain.is_empty()), "nobody sealed that");
    let [repeats, part, at_high, at_low, mask, plain @ ..] = data else { return };
    let plain = plain.repeat(usize::from(*repeats) + 1);
    let mut sealed = seal_all(&cipher, u16::from(*part), &plain);
    assert_eq!(sealed.len() as u64, sealed_len(plain.len() as u64));
    let at = usize::from(u16::from_be_bytes([*at_high, *at_low])) % sealed.len();
    sealed[at] ^= mask;
    let opened = open_part(&cipher, u16::from(*part), &sealed, 0..plain.len() as u64);
    match opened {
        Some(opened) => assert!(opened == plain && (*mask == 0 || plain.is_empty())),
        None => assert!(*mask != 0, "an unchanged body opens"),
    }
    if let Ok(text) = std::str::from_utf8(data) {
        texts(text);
    }
});

fn seal_all(cipher: &ObjectCipher, part: u16, plain: &[u8]) -> Vec<u8> {
    let mut sealer = cipher.sealer(part, [9; 8]);
    let (mut piece, mut sealed) = (Bytes::copy_from_slice(plain), Vec::new());
    while !piece.is_empty() {
        sealed.extend(sealer.push(&mut piece).expect("the cipher works").into_iter().flatten());
    }
    sealed.extend(sealer.finish().expect("the cipher works"));
    sealed
}

fn open(cipher: &ObjectCipher, sealed: &[u8], range: std::ops::Range<u64>) -> Option<Vec<u8>> {
    open_part(cipher, 0, sealed, range)
}

fn open_part(
    cipher: &ObjectCipher,
    part: u16,
    sealed: &[u8],
    range: std::ops::Range<u64>,
) -> Option<Vec<u8>> {
    let mut opener = cipher.opener(Place::at(part, 0), range);
    opener.push(Bytes::copy_from_slice(sealed));
    let mut plain = Vec::new();
    while let Some(piece) = opener.take().ok()? {
        plain.extend(piece);
    }
    opener.finish().ok()?;
    Some(plain)
}

/// Documents and keys that somebody else wrote are refused or read, and end nothing.
fn texts(text: &str) {
    let root = RootKey::parse(ROOT).expect("a root key");
    let _ = RootKey::parse(text);
    let keys = KeyRing::parse(root, text).map(|ring| ring.list()).unwrap_or_default();
    assert!(keys.iter().all(|key| key.version == 0), "a key of a ring that nobody sealed");
    let under = Secret::new([1; 32]);
    assert!(seal::open(&under, text, b"binding").is_err(), "a key that nobody sealed");
}
