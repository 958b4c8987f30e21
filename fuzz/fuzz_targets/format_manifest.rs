#![no_main]
//! Manifests: no bytes make the decoder panic, and what it accepts survives another encoding.

use engine::format::manifest::Manifest;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::{repaired, u128_at};

fuzz_target!(|data: &[u8]| {
    let disk_id = u128_at(data, 16).unwrap_or_default();
    let _ = Manifest::decode(data, disk_id);
    let Some(bytes) = repaired(data, 8, &[], 12..data.len()) else { return };
    if let Ok(manifest) = Manifest::decode(&bytes, disk_id) {
        assert_eq!(Manifest::decode(&manifest.encode(disk_id), disk_id), Ok(manifest));
    }
});
