#![no_main]
//! Volume records: no bytes make a decoder panic; what was encoded is read back, whole and in any
//! range; a changed byte of what is read is noticed.

use bytes::Bytes;
use engine::erasure::Geometry;
use engine::format::record::{
    ColumnLen, Layout, Owner, Shape, covering, decode_header, decode_owners, decode_range, encode,
    encode_owners, header_len, sub_blocks_len, verify_owners,
};
use engine::format::segment::Seal;
use engine::format::value::VolumeId;
use libfuzzer_sys::fuzz_target;
use stave_fuzz::{repaired, u64_at};

const OFFSET: u64 = 12_288;

fuzz_target!(|data: &[u8]| {
    let volume = VolumeId(u64_at(data, 8).unwrap_or_default());
    let data_count = data.first().map_or(1, |byte| byte % 15 + 1);
    let geometry = Geometry { data: data_count, parity: 1 };
    let (deployment_id, disk_id) = (1, 2);
    let seal = Seal { deployment_id, disk_id, volume, geometry, column: 0, epoch: 3 };
    headers(&seal, data);
    let _ = decode_owners(&Bytes::copy_from_slice(data));
    round_trip(&seal, data);
});

/// What every checksum of the segment begins with, as `format::segment` lays it out.
fn seed(seal: &Seal) -> Vec<u8> {
    let mut seed = seal.deployment_id.to_le_bytes().to_vec();
    seed.extend(seal.disk_id.to_le_bytes());
    seed.extend(seal.volume.0.to_le_bytes());
    seed.extend(OFFSET.to_le_bytes());
    seed.extend(seal.epoch.to_le_bytes());
    seed.extend([seal.column, seal.geometry.data, seal.geometry.parity]);
    seed.resize(64, 0);
    seed
}

fn headers(seal: &Seal, data: &[u8]) {
    let _ = decode_header(seal, OFFSET, data);
    let end = header_len(seal.geometry.data_count());
    let mut bytes = data.to_vec();
    let Some(fixed) = bytes.get_mut(..end) else { return };
    fixed[..4].copy_from_slice(b"SVR0");
    fixed[16..24].copy_from_slice(&OFFSET.to_le_bytes());
    fixed[24] %= 2;
    fixed[25..32].fill(0);
    let Some(bytes) = repaired(&bytes, 4, &seed(seal), 8..end) else { return };
    if let Ok(shape) = decode_header(seal, OFFSET, &bytes) {
        assert_eq!(shape.columns.len(), seal.geometry.data_count());
        assert!(shape.stripe_len() > end as u64);
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
    let table = encode_owners(&owners);
    let column = ColumnLen { payload: payload.len() as u32, owners: table.len() as u32 };
    let mut columns = vec![ColumnLen::default(); seal.geometry.data_count()];
    columns[0] = column;
    let shape = Shape { layout: Layout::Rows, columns };
    let pieces = vec![payload.slice(..cut), payload.slice(cut..)];
    let bytes = Bytes::from(encode(seal, OFFSET, &shape, pieces, &table).concat());
    assert_eq!(decode_header(seal, OFFSET, &bytes).expect("just encoded"), shape);
    assert_eq!(shape.record_len(0), bytes.len() as u64);
    let place = shape.owners_range(0);
    let tail = bytes.slice(place.start as usize..place.end as usize);
    let verified = verify_owners(seal, OFFSET, &shape, &tail).expect("just encoded");
    assert_eq!(decode_owners(&verified).expect("just encoded"), owners);
    let start = usize::from(choice[2]) * payload.len() / 256;
    let end = start + 1 + usize::from(choice[3]) * (payload.len() - start - 1) / 256;
    let place = covering(payload.len(), &(start..end));
    let first = header_len(seal.geometry.data_count());
    let stored = bytes.slice(first..first + sub_blocks_len(payload.len()));
    let mut read = stored[place.start as usize..place.end as usize].to_vec();
    let range = |bytes: Vec<u8>| {
        decode_range(seal, OFFSET + first as u64, payload.len(), start..end, &bytes.into())
    };
    assert_eq!(range(read.clone()).expect("just encoded").concat(), payload[start..end]);
    let at = usize::from(choice[4]) * read.len() / 256;
    read[at] ^= choice[5].max(1);
    assert!(range(read).is_err(), "a changed byte is noticed");
}
