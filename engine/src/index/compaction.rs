//! Merging runs: fewer places to look, and room for what is overwritten or deleted.
//!
//! Runs are merged in tiers: neighbours in age of similar size, so that every row is rewritten
//! about once per factor of growth. Writes never wait for a merge.

use super::run_rows::RowCursor;
use super::{Run, RunWriter};
use crate::error::Result;
use crate::format::run::EncodedRow;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use std::ops::Range;
use std::sync::Arc;

/// Runs of similar size that are worth a merge.
const MERGE_COUNT_MIN: usize = 4;

/// Runs in one merge at most.
const MERGE_COUNT_MAX: usize = 12;

/// Rows after which a merge lets others run.
const ROWS_PER_YIELD: u64 = 256;

/// Which runs to merge.
#[derive(Clone)]
pub struct MergeInput {
    /// Neighbours in age, newest first.
    pub runs: Vec<Arc<Run>>,
    /// Whether no older run exists: then tombstones have nothing left to hide.
    pub is_oldest: bool,
}

/// Chooses runs to merge, newest first, by their lengths: a stretch in which no run is more than
/// twice as long as all newer ones of it together, and the first not more than the others. Of
/// several the one with the shortest runs: it rewrites least for every run that goes. It need not
/// begin at the newest run: a small one must not keep older ones of equal length apart.
pub fn pick_merge(runs: &[Arc<Run>]) -> Option<MergeInput> {
    let lens: Vec<u64> = runs.iter().map(|run| run.len).collect();
    let stretch = cheapest_stretch(&lens)?;
    let is_oldest = stretch.end == runs.len();
    Some(MergeInput { runs: runs[stretch].to_vec(), is_oldest })
}

fn cheapest_stretch(lens: &[u64]) -> Option<Range<usize>> {
    let stretches = (0..lens.len()).filter_map(|start| {
        let count = stretch(&lens[start..])?;
        Some(start..start + count)
    });
    let mean = |range: &Range<usize>| lens[range.clone()].iter().sum::<u64>() / range.len() as u64;
    stretches.min_by_key(mean)
}

/// Runs from the first one on that are worth a merge.
fn stretch(lens: &[u64]) -> Option<usize> {
    let mut total = *lens.first()?;
    let mut count = 1;
    for len in &lens[1..lens.len().min(MERGE_COUNT_MAX)] {
        if *len > total * 2 {
            break;
        }
        total += len;
        count += 1;
    }
    let is_worth_it = count >= MERGE_COUNT_MIN && lens[0] <= (total - lens[0]) * 2;
    is_worth_it.then_some(count)
}

/// Merges runs into one.
///
/// # Errors
/// [`crate::EngineError::Corrupt`]; I/O errors. What was written is garbage then.
pub async fn merge(input: &MergeInput, writer: &mut RunWriter) -> Result<()> {
    let mut sources = Vec::with_capacity(input.runs.len());
    for run in &input.runs {
        let mut cursor = RowCursor::new(run.clone());
        let head = cursor.next_row().await?;
        sources.push(Source { cursor, head });
    }
    let mut row_count = 0u64;
    while let Some((key, value)) = next_merged(&mut sources).await? {
        let is_dropped = value.is_none() && (input.is_oldest || mutant::is(Mutant::DropTombstones));
        if is_dropped {
            mark::hit(Mark::TombstoneDropped);
        } else {
            writer.add(&key, value.as_deref()).await?;
        }
        row_count += 1;
        if row_count.is_multiple_of(ROWS_PER_YIELD) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

struct Source {
    cursor: RowCursor,
    head: Option<EncodedRow>,
}

/// Takes the smallest key; the newest source wins, older rows of the same key are dropped.
async fn next_merged(sources: &mut [Source]) -> Result<Option<EncodedRow>> {
    let heads = sources.iter().filter_map(|source| source.head.as_ref());
    let Some(key) = heads.map(|(key, _)| key.clone()).min() else {
        return Ok(None);
    };
    let mut newest = None;
    for source in sources {
        if source.head.as_ref().is_some_and(|(head, _)| *head == key) {
            let row = source.head.take();
            newest = newest.or(row);
            source.head = source.cursor.next_row().await?;
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_take_the_shortest_neighbours_and_stop_before_a_much_longer_run() {
        assert_eq!(cheapest_stretch(&[]), None);
        assert_eq!(cheapest_stretch(&[1, 1, 1]), None);
        assert_eq!(cheapest_stretch(&[1, 1, 1, 1]), Some(0..4));
        assert_eq!(cheapest_stretch(&[1, 1, 1, 1, 100]), Some(0..4));
        assert_eq!(cheapest_stretch(&[1, 100, 1, 1, 1]), None);
        assert_eq!(cheapest_stretch(&[1; 40]), Some(0..12));
        assert_eq!(cheapest_stretch(&[1, 20, 20, 20, 20]), Some(1..5), "a small one is passed");
        assert_eq!(cheapest_stretch(&[240, 20, 20, 20, 20]), Some(1..5), "a long one, too");
    }

    #[test]
    fn runs_stay_few_and_rows_are_rewritten_about_once_per_factor_of_growth() {
        let mut runs: Vec<u64> = Vec::new();
        let (mut written, mut most) = (0, 0);
        for count in 1..=2000u64 {
            runs.insert(0, 1);
            while let Some(range) = cheapest_stretch(&runs) {
                let merged = runs[range.clone()].iter().sum();
                written += merged;
                runs.splice(range, [merged]);
            }
            assert_eq!(runs.iter().sum::<u64>(), count);
            most = most.max(runs.len());
        }
        assert!(most <= 20, "{most} runs");
        assert!(written <= 2000 * 9, "every row was written {} times", written / 2000);
    }
}
