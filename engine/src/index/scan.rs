//! Rows in order over memtables and runs: each source gives a piece, the pieces are merged as far
//! as all of them reach.

use super::Index;
use crate::error::Result;
use crate::format::value::Value;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Some rows in order.
#[derive(Debug, Default)]
pub struct ScanPage {
    /// Live rows.
    pub rows: Vec<(Bytes, Value)>,
    /// Where to go on; `None` when there is nothing more.
    pub resume: Option<Bytes>,
}

type Piece = (Vec<(Bytes, Option<Value>)>, bool);

impl Index {
    /// Up to about `limit` live rows from `start` on, below `end`; fewer do not mean that there are
    /// no more.
    ///
    /// # Errors
    /// [`crate::EngineError::Corrupt`]; I/O errors.
    pub async fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<ScanPage> {
        assert!(limit > 0, "a scan asks for rows");
        let (mut pieces, runs) = {
            let state = self.read();
            let frozen = state.frozen.as_ref().map(|frozen| &frozen.rows);
            let memtables = std::iter::once(&state.active).chain(frozen);
            let pieces: Vec<Piece> =
                memtables.map(|memtable| piece_of(memtable.range(start, end), limit)).collect();
            (pieces, state.runs.clone())
        };
        for run in runs.iter() {
            pieces.push(run.scan(start, end, limit, &self.cache).await?);
        }
        Ok(merge_pieces(pieces))
    }
}

fn piece_of<'a>(
    mut rows: impl Iterator<Item = (&'a Bytes, &'a Option<Value>)>,
    limit: usize,
) -> Piece {
    let piece = rows.by_ref().take(limit);
    let piece: Vec<_> = piece.map(|(key, value)| (key.clone(), value.clone())).collect();
    let is_end = piece.len() < limit || rows.next().is_none();
    (piece, is_end)
}

/// Merges pieces, newest first: the newest row of a key wins. Rows behind the end of a piece that
/// has more to come may have a newer one there and wait for the next page.
fn merge_pieces(pieces: Vec<Piece>) -> ScanPage {
    let unfinished = pieces.iter().filter(|(_, is_end)| !is_end);
    let frontier = unfinished.filter_map(|(rows, _)| rows.last()).map(|(key, _)| key.clone()).min();
    let mut merged = BTreeMap::new();
    for (rows, _) in pieces.into_iter().rev() {
        let reachable =
            rows.into_iter().take_while(|(key, _)| frontier.as_ref().is_none_or(|end| key <= end));
        merged.extend(reachable);
    }
    let rows = merged.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let resume = frontier.map(|key| {
        // The smallest key behind the frontier.
        let mut next = key.to_vec();
        next.push(0);
        Bytes::from(next)
    });
    ScanPage { rows, resume }
}
