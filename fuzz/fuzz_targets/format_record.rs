#![no_main]
//! Volume records and segment headers: no bytes make a decoder panic; what was encoded is read
//! back, whole and in any range; a changed byte of what is read is noticed.

use bytes::Bytes;
use engine::format::record::{
    Owner, Seal, covering, decode_header, decode_range, encode, peek_header_len, sub_blocks_len,
};
use engine::format::value::VolumeId;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::{repaired, u64_at};

const OFFSET: u64 = 12_288;

fuzz_target!(|data: &[u8]| {
    let volume = VolumeId(u64_at(data, 8).unwrap_or_default());
    let seal = Seal { deployment_id: 1, disk_id: 2, volume };
    headers(&seal, data);
    segments(data);
    round_trip(&seal, data);
});

fn headers(seal: &Seal, data: &[u8]) {
    let _ = decode_header(seal, OFFSET, &Bytes::copy_from_slice(data));
    let Ok(end) = peek_header_len(data) else { return };
    let mut bytes = data.to_vec();
    let Some(offset) = bytes.get_mut(16..24) else { return };
    offset.copy_from_slice(&OFFSET.to_le_bytes());
    let mut seed = seal.deployment_id.to_le_bytes().to_vec();
    seed.extend(seal.disk_id.to_le_bytes());
    seed.extend(seal.volume.0.to_le_bytes());
    seed.extend(OFFSET.to_le_bytes());
    let Some(bytes) = repaired(&bytes, 4, &seed, 8..end) else { return };
    if let Ok(header) = decode_header(seal, OFFSET, &bytes.into()) {
        assert_eq!(header.data_start, end as u64);
        assert!(header.record_len() > header.data_start);
    }
}

fn segments(data: &[u8]) {
    let _ = Seal::decode_segment(data);
    let mut page = data.to_vec();
    page.resize(4096, 0);
    let Some(page) = repaired(&page, 8, &[], 12..4096) else { return };
    if let Ok(seal) = Seal::decode_segment(&page) {
        assert_eq!(Seal::decode_segment(&seal.encode_segment()), Ok(seal));
    }
}

/// The first bytes choose how the rest is cut into bodies, which range is read, and which byte is
/// changed.
fn round_trip(seal: &Seal, data: &[u8]) {
    let Some((choice, body)) = data.split_at_checked(8) else { return };
    if body.is_empty() {
        return;
    }
    // Long enough for several sub-blocks.
    let payload = Bytes::from(body.repeat(usize::from(choice[0]) + 1));
    let payload = payload.slice(..payload.len().min(100_000));
    let cut = usize::from(choice[1]) * payload.len() / 256;
    let owner = |len: usize, name: &'static [u8]| Owner { len: len as u32, owner: name.into() };
    let owners = [owner(cut, b"first"), owner(payload.len() - cut, b"second")];
    let pieces = vec![payload.slice(..cut), payload.slice(cut..)];
    let bytes = Bytes::from(encode(seal, OFFSET, &owners, pieces).concat());
    let header = decode_header(seal, OFFSET, &bytes).expect("just encoded");
    assert_eq!(header.owners, owners);
    assert_eq!(header.record_len(), bytes.len() as u64);
    let start = usize::from(choice[2]) * payload.len() / 256;
    let end = start + 1 + usize::from(choice[3]) * (payload.len() - start - 1) / 256;
    let place = covering(payload.len(), &(start..end));
    let first = header.data_start as usize;
    let stored = bytes.slice(first..first + sub_blocks_len(payload.len()));
    let mut read = stored[place.start as usize..place.end as usize].to_vec();
    let range = |bytes: Vec<u8>| {
        decode_range(seal, OFFSET + header.data_start, payload.len(), start..end, &bytes.into())
    };
    assert_eq!(range(read.clone()).expect("just encoded").concat(), payload[start..end]);
    let at = usize::from(choice[4]) * read.len() / 256;
    read[at] ^= choice[5].max(1);
    assert!(range(read).is_err(), "a changed byte is noticed");
}
