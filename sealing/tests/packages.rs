//! The promises about packages (X3), held against bodies of all lengths around the boundaries.
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sealing::package::{PACKAGE_LEN, PLAIN_LEN, sealed_end, sealed_len, sealed_start};
use sealing::{ObjectCipher, Place, SealError, Secret};
use std::ops::Range;

const LENS: [u64; 8] =
    [0, 1, PLAIN_LEN - 1, PLAIN_LEN, PLAIN_LEN + 1, 2 * PLAIN_LEN, 2 * PLAIN_LEN + 7, 300_000];

fn cipher() -> ObjectCipher {
    ObjectCipher::new(&Secret::new([5; 32]))
}

fn content(len: u64) -> Vec<u8> {
    (0..len).map(|index| (index * 31 + index / 251) as u8).collect()
}

fn sealed(part: u16, prefix: u8, plain: &[u8], piece_len: usize) -> Bytes {
    let mut sealer = cipher().sealer(part, [prefix; 8]);
    let mut whole = BytesMut::new();
    for piece in plain.chunks(piece_len) {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            whole.extend(sealer.push(&mut piece).unwrap());
        }
    }
    whole.extend_from_slice(&sealer.finish().unwrap());
    whole.freeze()
}

fn opened(
    packages: &[u8],
    place: Place,
    range: Range<u64>,
    piece_len: usize,
) -> Result<Vec<u8>, SealError> {
    let mut opener = cipher().opener(place, range);
    let mut whole = Vec::new();
    for piece in packages.chunks(piece_len) {
        opener.push(Bytes::copy_from_slice(piece));
        while let Some(piece) = opener.take()? {
            whole.extend_from_slice(&piece);
        }
    }
    opener.finish()?;
    Ok(whole)
}

#[test]
fn a_body_comes_back_and_has_the_length_that_was_foretold() {
    for len in LENS {
        let plain = content(len);
        for piece_len in [1000, 65_536, 100_000] {
            let packages = sealed(3, 1, &plain, piece_len);
            assert_eq!(packages.len() as u64, sealed_len(len));
            assert_eq!(opened(&packages, Place::at(3, 0), 0..len, 70_001), Ok(plain.clone()));
        }
        let hidden = sealed(3, 1, &plain, 4096);
        assert!(plain.len() < 32 || !hidden.windows(32).any(|window| window == &plain[..32]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// A range needs no more than the packages that have its bytes, also over parts.
    #[test]
    fn ranges_come_out_of_their_packages(
        first in 1_u64..200_000, second in 1_u64..200_000, from in 0_u64..200_000, len in 1_u64..250_000,
    ) {
        let plains = [content(first), content(second)];
        let packages =
            [sealed(2, 1, &plains[0], 9999), sealed(7, 2, &plains[1], 9999)].concat();
        let start = from % first;
        let end = (start + len).min(first + second);
        let stored_end = match end.checked_sub(first).filter(|rest| *rest > 0) {
            None => sealed_end(end, first),
            Some(rest) => sealed_len(first) + sealed_end(rest, second),
        };
        let kept = &packages[sealed_start(start) as usize..stored_end as usize];
        let skip = start % PLAIN_LEN;
        let out = opened(kept, Place::at(2, start), skip..skip + end - start, 50_000).unwrap();
        prop_assert_eq!(out, &plains.concat()[start as usize..end as usize]);
    }

    /// Whatever is changed, nothing wrong comes out.
    #[test]
    fn no_changed_byte_goes_unnoticed(at in 0_usize..150_000, bit in 0_u8..8) {
        let plain = content(140_000);
        let mut packages = sealed(1, 1, &plain, 65_536).to_vec();
        let at = at % packages.len();
        packages[at] ^= 1 << bit;
        let out = opened(&packages, Place::at(1, 0), 0..140_000, 65_536);
        prop_assert!(out.is_err());
    }
}

#[test]
fn packages_open_at_their_own_place_only() {
    let plain = content(3 * PLAIN_LEN);
    let packages = sealed(1, 1, &plain, 65_536);
    let package = |index: u64| {
        let start = (index * PACKAGE_LEN) as usize;
        packages[start..packages.len().min(start + PACKAGE_LEN as usize)].to_vec()
    };
    let whole = 0..3 * PLAIN_LEN;
    let open = |packages: &[Vec<u8>]| {
        opened(&packages.concat(), Place::at(1, 0), whole.clone(), 65_536).map(|out| out.len())
    };
    assert_eq!(open(&[package(0), package(1), package(2)]), Ok(plain.len()));
    assert_eq!(open(&[package(1), package(0), package(2)]), Err(SealError::Closed));
    assert_eq!(open(&[package(0), package(2)]), Err(SealError::Closed));
    assert_eq!(open(&[package(0), package(1)]), Err(SealError::Truncated));
    // Of another part, and of another writing of the same part.
    assert_eq!(opened(&package(0), Place::at(2, 0), 0..9, 65_536), Err(SealError::Closed));
    let other = sealed(1, 2, &plain, 65_536);
    let mixed = [&package(0)[..], &other[PACKAGE_LEN as usize..]].concat();
    assert_eq!(opened(&mixed, Place::at(1, 0), whole.clone(), 65_536), Err(SealError::Closed));
    // Behind a part comes a later one.
    let again = [&packages[..], &packages[..]].concat();
    let twice = 0..6 * PLAIN_LEN;
    assert_eq!(opened(&again, Place::at(1, 0), twice, 65_536), Err(SealError::Closed));
    // Under another object's key.
    let mut opener = ObjectCipher::new(&Secret::new([6; 32])).opener(Place::at(1, 0), 0..9);
    opener.push(packages);
    assert_eq!(opener.take(), Err(SealError::Closed));
}

#[test]
fn tags_tell_nothing_and_are_the_same_for_the_same_body() {
    let other = ObjectCipher::new(&Secret::new([6; 32]));
    assert_eq!(cipher().opaque_tag(b"digest"), cipher().opaque_tag(b"digest"));
    assert_ne!(cipher().opaque_tag(b"digest"), cipher().opaque_tag(b"digesu"));
    assert_ne!(cipher().opaque_tag(b"digest"), other.opaque_tag(b"digest"));
}
