#![no_main]
//! Rosters: no bytes make the decoder panic; what it takes, it takes again once encoded.

use engine::format::roster::Roster;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::repaired;

const DEPLOYMENT: u128 = 9;

fuzz_target!(|data: &[u8]| {
    let _ = Roster::decode(data);
    let mut bytes = b"STAVROST".to_vec();
    bytes.extend([0; 8]);
    bytes.extend(DEPLOYMENT.to_le_bytes());
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(data);
    let Some(bytes) = repaired(&bytes, 8, &[], 12..bytes.len()) else { return };
    if let Ok((identity, roster)) = Roster::decode(&bytes) {
        assert_eq!(Roster::decode(&roster.encode(identity)), Ok((identity, roster)));
    }
});
