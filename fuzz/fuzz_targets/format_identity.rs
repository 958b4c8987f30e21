#![no_main]
//! Disk identities: no bytes make the decoder panic, and what it accepts encodes to the same bytes.

use engine::format::identity::Identity;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::repaired;

fuzz_target!(|data: &[u8]| {
    let _ = Identity::decode(data);
    let Some(bytes) = repaired(data, 8, &[], 12..data.len()) else { return };
    if let Ok(identity) = Identity::decode(&bytes) {
        assert_eq!(identity.encode(), bytes);
    }
});
