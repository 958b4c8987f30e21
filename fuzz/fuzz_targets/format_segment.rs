#![no_main]
//! Segment headers: no bytes make the decoder panic, and what it takes it writes the same way.

use engine::format::segment::Seal;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::repaired;

fuzz_target!(|data: &[u8]| {
    let _ = Seal::decode(data);
    let mut page = data.to_vec();
    page.resize(4096, 0);
    page[64..].fill(0);
    let Some(page) = repaired(&page, 8, &[], 12..4096) else { return };
    if let Ok(seal) = Seal::decode(&page) {
        assert_eq!(seal.encode(), page);
    }
});
