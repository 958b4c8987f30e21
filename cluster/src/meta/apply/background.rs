//! What the background asks for: purge, relocation.

use super::{Applied, Rows, bare, read};
use crate::meta::command::{Move, Success};
use crate::moved;
use crate::rows::{self, BodyRows, Garbage, Incarnation, PartRow};
use bytes::Bytes;
use engine::format::value::{Location, Value};
use engine::mark::{self, Mark};
use engine::object::UnixNanos;

/// What a row of garbage says when some of the rows that it names are gone; it is empty before.
#[derive(bincode::Encode, bincode::Decode)]
enum PurgeState {
    Begun,
}

/// Rows that one [`crate::meta::command::Command::Purge`] deletes at most.
const PURGE_ROWS_MAX: usize = 256;

impl Rows<'_> {
    pub(super) async fn purge(mut self, incarnation: Incarnation, garbage: Garbage) -> Applied {
        let (start, end) = match garbage {
            Garbage::Extents(write_id) => rows::all_extents(incarnation, write_id),
            Garbage::Parts(upload_id) => rows::parts_from(incarnation, upload_id, 0),
            Garbage::Uploads => rows::all_uploads(incarnation),
            Garbage::Annotations(write_id) => rows::annotations(incarnation, write_id, b""),
        };
        let page = self.store.scan(&start, &end, PURGE_ROWS_MAX).await?;
        let is_last = page.resume.is_none();
        for (key, value) in page.rows {
            let body = match garbage {
                Garbage::Extents(_) | Garbage::Annotations(_) => None,
                Garbage::Parts(_) => Some(read::<PartRow>(&value)?.body),
                Garbage::Uploads => rows::upload_id(&key).map(BodyRows::Parts),
            };
            self.free(incarnation, body.map(|body| (value.write_id, body)));
            self.write(key, Some(value), None);
        }
        let key = rows::garbage(incarnation, garbage);
        if let Some(value) = self.store.get(&key).await? {
            let rest = (!is_last).then(|| bare(rows::encode(&PurgeState::Begun)));
            self.write(key, Some(value), rest);
        }
        self.done(Success::Done)
    }

    pub(super) async fn relocate(mut self, moves: Vec<Move>) -> Applied {
        for Move { row, write_id, source, target } in moves {
            let key = Bytes::from(row);
            if self.store.check_nameable(&[target]).is_err() {
                continue;
            }
            let found = moved::find(self.store, key, write_id).await?;
            // An earlier move of this command may have changed the row already.
            let current = found.and_then(|(key, value)| {
                let known = self.writes.iter().rfind(|write| write.key == key);
                let value = known.map_or(Some(value), |write| write.new.clone())?;
                (value.write_id == write_id).then_some((key, value))
            });
            let Some((key, value)) = current else {
                mark::hit(Mark::RelocateRaced);
                continue;
            };
            let mut extents = value.extents().to_vec();
            let Some(extent) = extents.iter_mut().find(|extent| **extent == source) else {
                continue;
            };
            *extent = target;
            let new = Value { location: Location::Extents(extents), ..value.clone() };
            self.write(key, Some(value), Some(new));
        }
        self.done(Success::Done)
    }

    pub(super) async fn note_lock_clock(mut self, time: UnixNanos) -> Applied {
        let key = rows::lock_clock();
        let old = self.store.get(&key).await?;
        let noted = old.as_ref().map(read::<UnixNanos>).transpose()?;
        let value = bare(rows::encode(&noted.unwrap_or_default().max(time)));
        self.write(key, old, Some(value));
        self.done(Success::Done)
    }
}
