//! Packing: how bodies are laid into the data columns of a stripe.
//!
//! Two layouts: in *rows* each body lies whole in one column, so that one disk answers a read;
//! *cut*, all bodies together are cut evenly over all columns. Rows cost as much parity as their
//! fullest column, so they pay only where bodies fill the columns evenly. Whatever writes fewest
//! bytes wins; rows win a tie, and a little more than a tie.

use super::Geometry;

/// Bodies longer than this are always cut: a read of them is worth several disks.
const ROW_LEN_MAX: u64 = 64 << 10;

/// Rows may write this much more than a cut, in parts of the cut: a read from one disk is worth it.
const ROWS_EXTRA_FRACTION: u64 = 16;

/// How the bodies of a stripe lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Body by body: the column in which it lies, columns ascending.
    Rows(Vec<u8>),
    /// All together, cut over all columns.
    Cut,
}

/// Chooses the layout for bodies of those lengths, which keep their order; `page_len` is the unit
/// in which members are written.
pub fn choose_packing(geometry: Geometry, body_lens: &[u64], page_len: u64) -> Packing {
    if geometry.data == 1 {
        return Packing::Rows(vec![0; body_lens.len()]);
    }
    if body_lens.iter().any(|len| *len > ROW_LEN_MAX) {
        return Packing::Cut;
    }
    let rows = fill_columns(geometry.data_count(), body_lens);
    let mut column_lens = vec![0; geometry.data_count()];
    rows.iter().zip(body_lens).for_each(|(column, len)| column_lens[usize::from(*column)] += len);
    let total: u64 = body_lens.iter().sum();
    let piece = total.div_ceil(geometry.data.into());
    let rows_len = written_len(geometry, &column_lens, page_len);
    let cut_len = written_len(geometry, &vec![piece; geometry.data_count()], page_len);
    let is_cheap = rows_len <= cut_len + cut_len / ROWS_EXTRA_FRACTION;
    if is_cheap { Packing::Rows(rows) } else { Packing::Cut }
}

/// Bytes that all members write, in whole pages.
fn written_len(geometry: Geometry, column_lens: &[u64], page_len: u64) -> u64 {
    let pages = |len: u64| len.div_ceil(page_len) * page_len;
    let fullest = column_lens.iter().copied().max().unwrap_or_default();
    let data: u64 = column_lens.iter().map(|len| pages(*len)).sum();
    data + pages(fullest) * u64::from(geometry.parity)
}

/// Fills columns one after the other, each up to the even share or a little over it.
fn fill_columns(column_count: usize, body_lens: &[u64]) -> Vec<u8> {
    let mut rest: u64 = body_lens.iter().sum();
    let mut column = 0;
    let mut filled = 0;
    let mut columns = Vec::with_capacity(body_lens.len());
    for len in body_lens {
        let share = rest.div_ceil((column_count - column) as u64);
        // The body goes where its middle lies.
        if filled > 0 && filled + len / 2 >= share && column + 1 < column_count {
            rest -= filled;
            (column, filled) = (column + 1, 0);
        }
        columns.push(column as u8);
        filled += len;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn packing(data: u8, parity: u8, lens: &[u64]) -> Packing {
        choose_packing(Geometry { data, parity }, lens, PAGE)
    }

    #[test]
    fn a_lone_body_is_cut_and_many_equal_ones_are_rows() {
        assert_eq!(packing(4, 2, &[60_000]), Packing::Cut);
        assert_eq!(packing(4, 2, &[60_000; 4]), Packing::Rows(vec![0, 1, 2, 3]));
        assert_eq!(packing(4, 2, &[60_000; 8]), Packing::Rows(vec![0, 0, 1, 1, 2, 2, 3, 3]));
        assert_eq!(packing(4, 2, &[60_000; 5]), Packing::Cut, "one column would be twice as full");
        assert_eq!(packing(4, 2, &[200_000; 4]), Packing::Cut, "long bodies are cut");
        assert_eq!(packing(1, 3, &[200_000]), Packing::Rows(vec![0]));
    }

    proptest! {
        #[test]
        fn rows_write_hardly_more_than_a_cut(
            data in 2u8..13,
            parity in 0u8..5,
            lens in proptest::collection::vec(1u64..=ROW_LEN_MAX, 1..200),
        ) {
            let geometry = Geometry { data, parity };
            if let Packing::Rows(columns) = choose_packing(geometry, &lens, PAGE) {
                prop_assert_eq!(columns.len(), lens.len());
                prop_assert!(columns.is_sorted() && columns.iter().all(|column| *column < data));
                let mut column_lens = vec![0; data.into()];
                for (column, len) in columns.iter().zip(&lens) {
                    column_lens[usize::from(*column)] += len;
                }
                let piece = lens.iter().sum::<u64>().div_ceil(data.into());
                let cut = written_len(geometry, &vec![piece; data.into()], PAGE);
                let rows = written_len(geometry, &column_lens, PAGE);
                prop_assert!(rows <= cut + cut / ROWS_EXTRA_FRACTION);
            }
        }

        #[test]
        fn many_small_bodies_become_rows(data in 2u8..13, len in 100u64..2000) {
            let lens = vec![len; 1000];
            let is_rows = matches!(packing(data, 4, &lens), Packing::Rows(_));
            prop_assert!(is_rows || len * 1000 < u64::from(data) * 16 * PAGE);
        }
    }
}
