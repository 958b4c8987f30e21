#![no_main]
//! Journal batches: no bytes make the decoder panic, and what it accepts encodes to the same bytes.

use bytes::Bytes;
use engine::format::batch::{BATCH_HEADER_LEN, BatchPlace, decode, encode, peek_len};
use libfuzzer_sys::fuzz_target;
use stave_fuzz::{repaired, u32_at, u64_at};

fuzz_target!(|data: &[u8]| {
    let generation = u64_at(data, 24).unwrap_or_default();
    let place = BatchPlace { generation, file: 3, offset: 8192 };
    let _ = peek_len(data, generation);
    let _ = decode(place, &Bytes::copy_from_slice(data));
    let Some(payload_len) = u32_at(data, 8) else { return };
    let end = BATCH_HEADER_LEN + payload_len as usize;
    let mut seed = place.generation.to_le_bytes().to_vec();
    seed.extend(place.file.to_le_bytes());
    seed.extend(place.offset.to_le_bytes());
    let Some(bytes) = repaired(data, 4, &seed, 8..end) else { return };
    let Ok(batch) = decode(place, &bytes.clone().into()) else { return };
    let again = encode(place, batch.sequence, &batch.records).concat();
    assert_eq!(again[..end], bytes[..end]);
});
