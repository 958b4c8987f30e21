#![no_main]
//! Row values: no bytes make the decoder panic, and what it accepts encodes to the same bytes.

use bytes::Bytes;
use engine::format::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(value) = Value::decode(&bytes) {
        assert_eq!(value.encode(), bytes);
        for extent in value.extents() {
            assert!(
                extent.start.checked_add(extent.len).is_some_and(|end| end <= extent.payload_len)
            );
        }
        assert!(value.memory_len() <= 4 * data.len() + 1024, "no allocation beyond the input");
    }
});
