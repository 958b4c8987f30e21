//! Composing a stripe: bodies into columns, parity beside them. Pure.

use crate::erasure::code::{self, chunk_align};
use crate::erasure::{Geometry, Packing, choose_packing};
use crate::format::PAGE_LEN;
use crate::format::record::{ColumnLen, Layout, Owner, Shape, cut_len, encode_owners};
use crate::format::value::{Extent, VolumeId};
use bytes::Bytes;

/// A stripe that is ready to be written anywhere in a volume of its geometry.
pub(super) struct Stripe {
    pub(super) shape: Shape,
    /// Payload and owners of every column, parity behind data.
    pub(super) columns: Vec<(Vec<Bytes>, Bytes)>,
    /// The extents, as if the stripe lay at the start of a volume 0.
    extents: Vec<Extent>,
}

/// Bytes of bodies that could lie in the room which those would take as one stripe: compare with
/// [`super::Volume::data_len`].
pub fn room_of(geometry: Geometry, owners: &[Owner]) -> u64 {
    shape_of(geometry, owners).stripe_len() * u64::from(geometry.data)
}

/// The form of the stripe that bodies of those owners become.
fn shape_of(geometry: Geometry, owners: &[Owner]) -> Shape {
    let lens: Vec<u64> = owners.iter().map(|owner| owner.len.into()).collect();
    let mut columns = vec![ColumnLen { payload: 0, owners: 0 }; geometry.data_count()];
    let layout = match choose_packing(geometry, &lens, PAGE_LEN) {
        Packing::Rows(rows) => {
            for (owner, column) in owners.iter().zip(rows) {
                columns[usize::from(column)].payload += owner.len;
                columns[usize::from(column)].owners += owner.encoded_len() as u32;
            }
            Layout::Rows
        }
        Packing::Cut => {
            let mut rest = lens.iter().sum::<u64>() as usize;
            let piece_len = cut_len(rest, geometry.data_count());
            for column in &mut columns {
                let len = piece_len.min(rest);
                rest -= len;
                column.payload = len as u32;
            }
            columns[0].owners = owners.iter().map(Owner::encoded_len).sum::<usize>() as u32;
            Layout::Cut
        }
    };
    Shape { layout, columns }
}

impl Stripe {
    /// Lays bodies into columns and computes the parity. `owners` add up to `payload`.
    pub(super) fn compose(geometry: Geometry, owners: &[Owner], payload: &[Bytes]) -> Self {
        let lens: Vec<u64> = owners.iter().map(|owner| owner.len.into()).collect();
        let mut pieces = Pieces::new(payload);
        let (layout, data) = match choose_packing(geometry, &lens, PAGE_LEN) {
            Packing::Rows(columns) => {
                let rows = pack_rows(geometry, owners, &columns, &mut pieces);
                (Layout::Rows, rows)
            }
            Packing::Cut => (Layout::Cut, cut(geometry, owners, &mut pieces)),
        };
        let shape = Shape { layout, columns: data.iter().map(column_len).collect() };
        debug_assert_eq!(shape, shape_of(geometry, owners), "the room is known before");
        let extents = extents(&shape, owners, &data);
        let parity = parity(geometry, &data);
        let columns = data.into_iter().map(|column| (column.payload, column.owners));
        Self { shape, columns: columns.chain(parity).collect(), extents }
    }

    /// The extents of the bodies once the stripe has its place.
    pub(super) fn extents_at(&self, volume: VolumeId, offset: u64) -> Vec<Extent> {
        self.extents.iter().map(|extent| Extent { volume, offset, ..*extent }).collect()
    }
}

/// A data column with what lies in it.
#[derive(Default)]
struct Column {
    payload: Vec<Bytes>,
    owners: Bytes,
    /// Length and hash of each body, in rows.
    bodies: Vec<(u32, u64)>,
}

fn column_len(column: &Column) -> ColumnLen {
    let payload: usize = column.payload.iter().map(Bytes::len).sum();
    ColumnLen { payload: payload as u32, owners: column.owners.len() as u32 }
}

/// Takes bytes off the front of a list of buffers, without copying.
struct Pieces<'a> {
    rest: std::slice::Iter<'a, Bytes>,
    front: Bytes,
}

impl<'a> Pieces<'a> {
    fn new(payload: &'a [Bytes]) -> Self {
        Self { rest: payload.iter(), front: Bytes::new() }
    }

    fn take(&mut self, mut len: usize) -> Vec<Bytes> {
        let mut taken = Vec::new();
        while len > 0 {
            if self.front.is_empty() {
                self.front = self.rest.next().expect("owners add up to the payload").clone();
                continue;
            }
            let piece = self.front.split_to(len.min(self.front.len()));
            len -= piece.len();
            taken.push(piece);
        }
        taken
    }
}

fn hash(pieces: &[Bytes]) -> u64 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    pieces.iter().for_each(|piece| digest.update(piece));
    digest.finalize()
}

fn pack_rows(
    geometry: Geometry,
    owners: &[Owner],
    columns: &[u8],
    pieces: &mut Pieces<'_>,
) -> Vec<Column> {
    let mut packed: Vec<Column> = (0..geometry.data).map(|_| Column::default()).collect();
    let mut lists: Vec<Vec<Owner>> = vec![Vec::new(); geometry.data_count()];
    for (owner, column) in owners.iter().zip(columns) {
        let body = pieces.take(owner.len as usize);
        let index = usize::from(*column);
        packed[index].bodies.push((owner.len, hash(&body)));
        packed[index].payload.extend(body);
        lists[index].push(owner.clone());
    }
    for (column, owners) in packed.iter_mut().zip(&lists) {
        column.owners = encode_owners(owners).into();
    }
    packed
}

fn cut(geometry: Geometry, owners: &[Owner], pieces: &mut Pieces<'_>) -> Vec<Column> {
    let bodies: Vec<Vec<Bytes>> =
        owners.iter().map(|owner| pieces.take(owner.len as usize)).collect();
    let hashes = owners.iter().zip(&bodies).map(|(owner, body)| (owner.len, hash(body))).collect();
    let all: Vec<Bytes> = bodies.into_iter().flatten().collect();
    let mut rest: usize = all.iter().map(Bytes::len).sum();
    let piece_len = cut_len(rest, geometry.data_count());
    let mut all = Pieces::new(&all);
    let mut columns: Vec<Column> = (0..geometry.data)
        .map(|_| {
            let len = piece_len.min(rest);
            rest -= len;
            Column { payload: all.take(len), ..Column::default() }
        })
        .collect();
    columns[0].owners = encode_owners(owners).into();
    columns[0].bodies = hashes;
    columns
}

fn extents(shape: &Shape, owners: &[Owner], columns: &[Column]) -> Vec<Extent> {
    let mut extents = Vec::with_capacity(owners.len());
    for (index, column) in columns.iter().enumerate() {
        let (place, payload_len) = match shape.layout {
            Layout::Rows => (Some(index as u8), column_len(column).payload),
            Layout::Cut => (None, shape.payload_len() as u32),
        };
        let mut start = 0;
        for (len, crc64) in &column.bodies {
            extents.push(Extent {
                volume: VolumeId(0),
                offset: 0,
                column: place,
                payload_len,
                start,
                len: *len,
                crc64: *crc64,
            });
            start += len;
        }
    }
    extents
}

fn parity(geometry: Geometry, data: &[Column]) -> Vec<(Vec<Bytes>, Bytes)> {
    let parity_count = usize::from(geometry.parity);
    if parity_count == 0 {
        return Vec::new();
    }
    let payloads: Vec<&[Bytes]> = data.iter().map(|column| &column.payload[..]).collect();
    let owners: Vec<[Bytes; 1]> = data.iter().map(|column| [column.owners.clone()]).collect();
    let owners: Vec<&[Bytes]> = owners.iter().map(|owners| &owners[..]).collect();
    let payloads = code::encode(&padded(&payloads), parity_count);
    let owners = code::encode(&padded(&owners), parity_count);
    let owners = owners.into_iter().map(Bytes::from);
    payloads.into_iter().map(|payload| vec![Bytes::from(payload)]).zip(owners).collect()
}

/// Columns as long as the longest, in whole chunks, followed by zeros.
fn padded(columns: &[&[Bytes]]) -> Vec<Vec<u8>> {
    let len_of = |column: &&[Bytes]| column.iter().map(Bytes::len).sum::<usize>();
    let len = chunk_align(columns.iter().map(len_of).max().unwrap_or_default());
    let fill = |column: &&[Bytes]| {
        let mut bytes = Vec::with_capacity(len);
        column.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes.resize(len, 0);
        bytes
    };
    columns.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_form_of_a_stripe_is_known_before_it_is_composed(
            data in 1u8..13,
            parity in 0u8..5,
            lens in proptest::collection::vec(1u32..80_000, 1..12),
        ) {
            let geometry = Geometry { data, parity };
            let key = |len: u32| Bytes::from(vec![7; len as usize % 90]);
            let owners: Vec<Owner> =
                lens.iter().map(|len| Owner { len: *len, owner: key(*len) }).collect();
            let body = |len: &u32| Bytes::from(vec![1; *len as usize]);
            let payload: Vec<Bytes> = lens.iter().map(body).collect();
            let stripe = Stripe::compose(geometry, &owners, &payload);
            prop_assert_eq!(&stripe.shape, &shape_of(geometry, &owners));
            let room = room_of(geometry, &owners);
            prop_assert!(room >= lens.iter().map(|len| u64::from(*len)).sum());
            prop_assert_eq!(room, stripe.shape.stripe_len() * u64::from(data));
        }
    }
}
