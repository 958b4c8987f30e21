//! Arithmetic of the code on processors' vectors, with a short way to the erasure locator.
//!
//! The library evaluates the polynomial whose roots are the erased positions at all 65,536 points
//! of the field, by two Walsh-Hadamard transforms (Lin, Chung and Han 2014, section IV): some
//! hundred microseconds whatever the length of a column, and what most reads of small objects on
//! a store that lost a disk would be waiting for. A stripe has at most 32 points that anybody looks
//! at; for those the logarithms are summed one by one.

use reed_solomon_simd::engine::{
    DefaultEngine, Engine, GF_MODULUS, GF_ORDER, GfElement, ShardsRefMut, tables,
};

/// With more points than this the transforms are faster.
const POINTS_MAX: usize = 128;

/// The library's engine for this processor, but for the locator.
#[derive(Default)]
pub struct ShortLocator(DefaultEngine);

impl Engine for ShortLocator {
    fn fft(
        &self,
        data: &mut ShardsRefMut,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        self.0.fft(data, pos, size, truncated_size, skew_delta);
    }

    fn ifft(
        &self,
        data: &mut ShardsRefMut,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        self.0.ifft(data, pos, size, truncated_size, skew_delta);
    }

    fn mul(&self, x: &mut [[u8; 64]], log_m: GfElement) {
        self.0.mul(x, log_m);
    }

    /// `erasures` holds 1 where a position is erased and 0 elsewhere, and afterwards, at every
    /// position with columns, the logarithm of the product of its distances to the erased ones,
    /// modulo 65,535. What lies behind the last column is erased as a whole or not at all; these
    /// positions are left as they were.
    fn eval_poly(erasures: &mut [GfElement; GF_ORDER], truncated_size: usize) {
        let tail = erasures[GF_ORDER - 1];
        let head = match tail {
            0 => truncated_size,
            _ => erasures.iter().rposition(|erased| *erased != tail).map_or(0, |last| last + 1),
        };
        if head > POINTS_MAX {
            return DefaultEngine::eval_poly(erasures, truncated_size);
        }
        sum_logarithms(&mut erasures[..head], tail != 0);
    }
}

/// [`Engine::eval_poly`] for the positions of `erasures`. The distances to all other elements of
/// the field have the product 1: where everything behind the slice is erased, the distances to
/// what is not erased are divided by.
fn sum_logarithms(erasures: &mut [GfElement], tail_erased: bool) {
    let log = &tables::get_exp_log().log;
    let modulus = u64::from(GF_MODULUS);
    let counted: Vec<usize> =
        (0..erasures.len()).filter(|point| (erasures[*point] != 0) != tail_erased).collect();
    for (point, erased) in erasures.iter_mut().enumerate() {
        let others = counted.iter().filter(|other| **other != point);
        let sum = others.map(|other| u64::from(log[point ^ *other])).sum::<u64>() % modulus;
        let sum = if tail_erased { (modulus - sum) % modulus } else { sum };
        *erased = sum as GfElement;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_short_way_and_the_transforms_agree(
            head in proptest::collection::vec(0..2u16, 1..POINTS_MAX),
            tail in 0..2u16,
        ) {
            let mut short = Box::new([tail; GF_ORDER]);
            short[..head.len()].copy_from_slice(&head);
            let mut long = short.clone();
            let used = if tail == 0 { head.len() } else { GF_ORDER };
            ShortLocator::eval_poly(&mut short, used);
            DefaultEngine::eval_poly(&mut long, used);
            let read = match tail {
                0 => head.len(),
                _ => head.iter().rposition(|erased| *erased == 0).map_or(0, |last| last + 1),
            };
            for point in 0..read {
                // Both 0 and the modulus stand for the logarithm of one.
                prop_assert_eq!(short[point] % GF_MODULUS, long[point] % GF_MODULUS);
            }
        }
    }
}
