//! Merging runs: fewer places to look, and room for what is overwritten or deleted.
//!
//! Runs are merged in tiers: neighbours in age of similar size, so that every row is rewritten
//! about once per factor of growth. Writes never wait for a merge.

use super::run_reader::RowCursor;
use super::{Run, RunWriter};
use crate::error::Result;
use crate::format::run::EncodedRow;
use crate::mutant::{self, Mutant};
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

/// Chooses runs to merge, newest first, by their lengths: the longest stretch from the newest on in
/// which no run is more than twice as long as all newer ones together.
pub fn pick_merge(runs: &[Arc<Run>]) -> Option<MergeInput> {
    let lens: Vec<u64> = runs.iter().map(|run| run.len).collect();
    let count = stretch(&lens)?;
    Some(MergeInput { runs: runs[..count].to_vec(), is_oldest: count == runs.len() })
}

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
    (count >= MERGE_COUNT_MIN).then_some(count)
}

/// Merges runs into one.
///
/// # Errors
/// [`crate::EngineError::Corrupt`]; I/O errors. What was written is garbage then.
pub async fn merge(input: &MergeInput, writer: &mut RunWriter) -> Result<()> {
    let mut sources = Vec::with_capacity(input.runs.len());
    for run in &input.runs {
        let mut cursor = run.clone().rows();
        let head = cursor.next_row().await?;
        sources.push(Source { cursor, head });
    }
    let mut row_count = 0u64;
    while let Some((key, value)) = next_merged(&mut sources).await? {
        let is_dropped = value.is_none() && (input.is_oldest || mutant::is(Mutant::DropTombstones));
        if !is_dropped {
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
    fn merges_begin_at_the_newest_and_stop_before_a_much_longer_run() {
        assert_eq!(stretch(&[]), None);
        assert_eq!(stretch(&[1, 1, 1]), None);
        assert_eq!(stretch(&[1, 1, 1, 1]), Some(4));
        assert_eq!(stretch(&[1, 1, 1, 1, 100]), Some(4));
        assert_eq!(stretch(&[1, 100, 1, 1, 1]), None);
        assert_eq!(stretch(&[1; 40]), Some(12));
    }
}
