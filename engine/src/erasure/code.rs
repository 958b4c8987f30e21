//! The code: parity from data, and what is missing from what is there. The one door to
//! `reed-solomon-simd`; a segment names its code ([`CODE`]), so that a faster one can join.
//!
//! Reed-Solomon over GF(2^16) in the FFT form of Lin, Chung and Han (2014), systematic: data
//! columns are stored as they are. Bytes of different 64-byte chunks never mix (Z1), so that a
//! piece of a column can be rebuilt from the same piece of `k` others. With one data column the
//! parity columns are copies of it: every code does that, and a mirror is read without any
//! arithmetic.
//!
//! Long columns are worked on in pieces ([`PIECE_LEN`]); callers hand them over whole.

use super::locator::ShortLocator;
use reed_solomon_simd::ReedSolomonEncoder;
use reed_solomon_simd::rate::{DefaultRateDecoder, RateDecoder};
use std::ops::Range;

/// The number by which segments name this code.
pub const CODE: u8 = 1;

/// Columns are cut at multiples of this many bytes only.
pub const CHUNK_LEN: usize = 64;

/// As much of every column is coded at a time: all columns of a piece stay in the processor's
/// cache, and as the length is no power of two, they do not fall on the same lines of it (columns
/// of 256 KiB did: 4+4 was coded fourteen times slower than 6+2).
const PIECE_LEN: usize = 129 * CHUNK_LEN;

/// Rounds up to whole chunks.
pub const fn chunk_align(len: usize) -> usize {
    len.div_ceil(CHUNK_LEN) * CHUNK_LEN
}

/// Computes parity columns of data columns.
///
/// # Panics
/// When there are no columns, when they differ in length, or that length is no multiple of
/// [`CHUNK_LEN`].
pub fn encode(data: &[Vec<u8>], parity_count: usize) -> Vec<Vec<u8>> {
    let len = column_len(data.iter().map(Vec::as_slice));
    if parity_count == 0 || len == 0 {
        return vec![Vec::new(); parity_count];
    }
    if let [only] = data {
        return vec![only.clone(); parity_count];
    }
    let mut parity = vec![Vec::with_capacity(len); parity_count];
    for piece in pieces(len) {
        let mut encoder = ReedSolomonEncoder::new(data.len(), parity_count, piece.len())
            .expect("a geometry of at most 16 columns is supported");
        for column in data {
            encoder.add_original_shard(&column[piece.clone()]).expect("columns are equally long");
        }
        let encoded = encoder.encode().expect("every column was added");
        for (column, piece) in parity.iter_mut().zip(encoded.recovery_iter()) {
            column.extend_from_slice(piece);
        }
    }
    parity
}

fn pieces(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(PIECE_LEN).map(move |start| start..len.min(start + PIECE_LEN))
}

fn column_len<'a>(columns: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let mut columns = columns.into_iter();
    let len = columns.next().expect("a stripe has columns").len();
    assert!(columns.all(|column| column.len() == len), "columns are equally long");
    assert!(len.is_multiple_of(CHUNK_LEN), "columns are whole chunks");
    len
}

/// Rebuilds columns, by their indices among data and parity columns, from `data_count` others. One
/// call for all that a stripe lost costs hardly more than one for one column.
///
/// # Panics
/// When `present` does not hold `data_count` different columns of one length in whole chunks.
pub fn rebuild(
    data_count: usize,
    parity_count: usize,
    present: Vec<(usize, Vec<u8>)>,
    wanted: &[usize],
) -> Vec<Vec<u8>> {
    assert_eq!(present.len(), data_count, "as many columns as there are data columns");
    let len = column_len(present.iter().map(|(_, column)| column.as_slice()));
    if len == 0 {
        return vec![Vec::new(); wanted.len()];
    }
    if data_count == 1 {
        return vec![present[0].1.clone(); wanted.len()];
    }
    let mut data = rebuild_data(data_count, parity_count, present, len);
    let wants_parity = wanted.iter().any(|column| *column >= data_count);
    let mut parity =
        if wants_parity { encode(&data, parity_count) } else { vec![Vec::new(); parity_count] };
    let mut take = |column: usize| match column.checked_sub(data_count) {
        None => std::mem::take(&mut data[column]),
        Some(column) => std::mem::take(&mut parity[column]),
    };
    wanted.iter().map(|column| take(*column)).collect()
}

fn rebuild_data(
    data_count: usize,
    parity_count: usize,
    present: Vec<(usize, Vec<u8>)>,
    len: usize,
) -> Vec<Vec<u8>> {
    let mut columns = vec![Vec::new(); data_count];
    if present.iter().any(|(index, _)| *index >= data_count) {
        for piece in pieces(len) {
            rebuild_piece(parity_count, &present, piece, &mut columns);
        }
    }
    for (index, column) in present.into_iter().filter(|(index, _)| *index < data_count) {
        assert!(columns[index].is_empty(), "every column once");
        columns[index] = column;
    }
    columns
}

/// Appends one piece to every data column that is not present.
fn rebuild_piece(
    parity_count: usize,
    present: &[(usize, Vec<u8>)],
    piece: Range<usize>,
    columns: &mut [Vec<u8>],
) {
    let engine = ShortLocator::default();
    let data_count = columns.len();
    let mut decoder = DefaultRateDecoder::new(data_count, parity_count, piece.len(), engine, None)
        .expect("a geometry of at most 16 columns is supported");
    for (index, column) in present {
        let column = &column[piece.clone()];
        let added = match index.checked_sub(data_count) {
            None => decoder.add_original_shard(*index, column),
            Some(parity) => decoder.add_recovery_shard(parity, column),
        };
        added.expect("columns are equally long and each is given once");
    }
    let decoded = decoder.decode().expect("enough columns were added");
    for (index, restored) in decoded.restored_original_iter() {
        columns[index].extend_from_slice(restored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erasure::WIDTH_MAX;
    use proptest::prelude::*;

    fn columns(count: usize, len: usize, seed: u64) -> Vec<Vec<u8>> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..count).map(|_| (0..len).map(|_| next()).collect()).collect()
    }

    /// All columns of a stripe, data first.
    fn stripe(data_count: usize, parity_count: usize, len: usize, seed: u64) -> Vec<Vec<u8>> {
        let data = columns(data_count, len, seed);
        let parity = encode(&data, parity_count);
        data.into_iter().chain(parity).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_k_columns_give_every_other(
            data_count in 1..WIDTH_MAX,
            parity_wish in 1..WIDTH_MAX,
            chunks in prop_oneof![1usize..40, 128usize..132, 258usize..260],
            seed: u64,
        ) {
            let parity_count = parity_wish.min(WIDTH_MAX - data_count);
            let all = stripe(data_count, parity_count, chunks * CHUNK_LEN, seed);
            let mut order: Vec<usize> = (0..all.len()).collect();
            for index in (1..order.len()).rev() {
                order.swap(index, (seed.rotate_left(index as u32) % (index as u64 + 1)) as usize);
            }
            let present: Vec<_> =
                order[..data_count].iter().map(|index| (*index, all[*index].clone())).collect();
            for (wanted, expected) in all.iter().enumerate() {
                let rebuilt = rebuild(data_count, parity_count, present.clone(), &[wanted]);
                prop_assert_eq!(&rebuilt[0], expected);
            }
            let lost = &order[data_count..];
            let rebuilt = rebuild(data_count, parity_count, present, lost);
            let expected: Vec<_> = lost.iter().map(|index| all[*index].clone()).collect();
            prop_assert_eq!(rebuilt, expected, "all that is lost at once");
        }

        #[test]
        fn pieces_of_whole_chunks_are_coded_apart(
            data_count in 2usize..13,
            cut in 1usize..7,
            seed: u64,
        ) {
            let all = stripe(data_count, 3, 8 * CHUNK_LEN, seed);
            let cut = cut * CHUNK_LEN;
            let piece = |column: &Vec<u8>| column[cut..].to_vec();
            let data: Vec<_> = all[..data_count].iter().map(piece).collect();
            let parity: Vec<_> = all[data_count..].iter().map(piece).collect();
            prop_assert_eq!(encode(&data, 3), parity);
            let others = (1..=data_count).map(|index| (index, piece(&all[index])));
            let present: Vec<_> = others.collect();
            prop_assert_eq!(rebuild(data_count, 3, present, &[0]), [piece(&all[0])]);
        }
    }

    #[test]
    fn the_code_gives_the_same_bytes_for_ever() {
        // Segments are full of them: another version of the library must compute the same.
        let all = stripe(4, 2, 2 * CHUNK_LEN, 7);
        let digests: Vec<u32> = all.iter().map(|column| crc32fast::hash(column)).collect();
        assert_eq!(digests[4..], GOLDEN_PARITY, "{digests:x?}");
        assert_eq!(stripe(1, 3, CHUNK_LEN, 7)[3], stripe(1, 3, CHUNK_LEN, 7)[0], "copies");
    }

    const GOLDEN_PARITY: [u32; 2] = [0xe634_6da1, 0x417d_fe30];
}
