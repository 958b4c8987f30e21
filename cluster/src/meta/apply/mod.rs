//! Apply: what a command does to the rows. Deterministic: the same rows and the same command give
//! the same rows.
//!
//! - A1: conditions and locks are weighed here, against the state that the command replaces: this
//!   is the linearization point.
//! - A2: a command that is refused changes nothing.
//! - A3: what a command frees beyond a few rows is left to [`Command::Purge`]: no command takes
//!   longer with the length of a body. (`Complete` alone looks at each of up to 10,000 parts.)
//! - A4: a command that followed older rules of its bucket than apply finds is refused as stale.
//!
//! In reading order: `bucket`, `versions` (where the versions of a key lie, and how they move),
//! `object`, `upload`, `append`, `annotation`, `background`.

mod annotation;
mod append;
mod background;
mod bucket;
mod object;
mod upload;
mod versions;

use super::LogError;
use super::command::{BodyPlace, Command, CommittedBody, Refusal, Success, Target};
use crate::rows::{self, BodyRows, BucketRow, Incarnation, ObjectRow};
use bytes::Bytes;
use engine::EngineError;
use engine::format::value::{Location, Value};
use engine::index::RowWrite;
use engine::meta::{ApplyTurn, MetaStore};
use engine::mutant::{self, Mutant};
use engine::object::{ETag, WriteCondition};

type Outcome = Result<Success, LogError>;

/// Applies one command.
///
/// # Errors
/// [`LogError::Refused`] is a result like any other; [`LogError::Engine`] means that rows could not
/// be read.
pub async fn apply(
    store: &MetaStore,
    turn: &mut ApplyTurn<'_>,
    command: Command,
    inline: Bytes,
) -> Outcome {
    let rows = Rows { store, writes: Vec::new() };
    let applied = match command {
        Command::CreateBucket { .. } => rows.create_bucket(command).await,
        Command::DeleteBucket { name } => rows.delete_bucket(rows::bucket(&name)).await,
        Command::ConfigureBucket { name, change } => {
            rows.configure_bucket(rows::bucket(&name), change).await
        }
        Command::Put { .. } => rows.put(command, inline).await,
        Command::Delete { .. } => rows.delete(command).await,
        Command::Amend { .. } => rows.amend(command).await,
        Command::CreateUpload { .. } => rows.create_upload(command).await,
        Command::PutPart { target, upload_id, number, time, body } => {
            rows.put_part(target, (upload_id, number), time, (body, inline)).await
        }
        Command::Complete { .. } => rows.complete(command).await,
        Command::Abort { target, upload_id } => rows.abort(target, upload_id).await,
        Command::Purge { incarnation, garbage } => rows.purge(incarnation, garbage).await,
        Command::Relocate { moves } => rows.relocate(moves).await,
        Command::LockClock { time } => rows.note_lock_clock(time).await,
        Command::PutSetting { name, setting } => rows.put_setting(&name, setting).await,
        Command::Append { .. } => rows.append(command, inline).await,
        Command::Annotate { .. } => rows.annotate(command, inline).await,
        Command::StageAnnotation { target, index, annotation } => {
            rows.stage_annotation(target, index, (annotation, inline)).await
        }
        Command::Unannotate { .. } => rows.unannotate(command).await,
        Command::FenceVolume { volume } => {
            store.index().fence(volume);
            return Ok(Success::Done);
        }
    };
    let (success, writes) = applied?;
    turn.write(writes);
    Ok(success)
}

type Applied = Result<(Success, Vec<RowWrite>), LogError>;

/// Rows as a command finds them, and what it does to them.
struct Rows<'a> {
    store: &'a MetaStore,
    writes: Vec<RowWrite>,
}

/// What a row says. One that was read and makes no sense is refused, not an error of the engine: it
/// makes none to the next start either, which must get past the command (A1).
fn read<T: bincode::Decode<()>>(value: &Value) -> Result<T, LogError> {
    rows::decode(&value.attributes).map_err(|_| Refusal::Damaged.into())
}

/// A row without a body.
fn bare(attributes: Bytes) -> Value {
    Value { write_id: 0, location: Location::None, attributes }
}

/// Whether a condition holds for the entity tag that a key has, if it exists.
///
/// # Errors
/// [`Refusal::NoSuchKey`], [`Refusal::PreconditionFailed`].
pub fn check(condition: &WriteCondition, current: Option<&ETag>) -> Result<(), Refusal> {
    match (condition, current) {
        (WriteCondition::None, _)
        | (WriteCondition::Absent, None)
        | (WriteCondition::Exists, Some(_)) => Ok(()),
        (WriteCondition::Matches(wanted), Some(etag)) if wanted == etag => Ok(()),
        (WriteCondition::Matches(_) | WriteCondition::Exists, None) => Err(Refusal::NoSuchKey),
        _ => Err(Refusal::PreconditionFailed),
    }
}

impl Rows<'_> {
    fn write(&mut self, key: Bytes, old: Option<Value>, new: Option<Value>) {
        self.writes.push(RowWrite { key, old, new });
    }

    fn done(self, success: Success) -> Applied {
        Ok((success, self.writes))
    }

    async fn is_empty(
        &self,
        (mut start, end): (Bytes, Bytes),
        page_rows: usize,
    ) -> Result<bool, EngineError> {
        loop {
            let page = self.store.scan(&start, &end, page_rows).await?;
            match (page.rows.is_empty(), page.resume) {
                (false, _) => return Ok(false),
                (true, None) => return Ok(true),
                (true, Some(resume)) => start = resume,
            }
            tokio::task::yield_now().await;
        }
    }

    /// The bucket must still live the life that the request saw, by the same rules (A4).
    async fn check_bucket(&self, target: &Target) -> Result<(), LogError> {
        let row = self.store.get(&rows::bucket(&target.bucket)).await?;
        let bucket = row.as_ref().map(read::<BucketRow>).transpose()?;
        match bucket.filter(|bucket| bucket.incarnation == target.incarnation) {
            None => Err(Refusal::NoSuchBucket.into()),
            Some(bucket) if bucket.fence != target.fence && !mutant::is(Mutant::IgnoreFence) => {
                Err(Refusal::Stale.into())
            }
            Some(_) => Ok(()),
        }
    }

    fn check_extents(&self, body: &CommittedBody) -> Result<(), LogError> {
        match self.store.check_nameable(body.extents()) {
            Err(EngineError::VolumeGone(volume)) => Err(Refusal::Fenced(volume).into()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    async fn object(&self, row: &Bytes) -> Result<Option<(Value, ObjectRow)>, LogError> {
        match self.store.get(row).await? {
            Some(value) => read(&value).map(|object| Some((value, object))),
            None => Ok(None),
        }
    }

    /// Where the row of a body finds its bytes; a long body gets rows for its extents.
    fn place_body(
        &mut self,
        incarnation: Incarnation,
        body: &CommittedBody,
        inline: Bytes,
    ) -> Location {
        let extents = match &body.place {
            BodyPlace::Inline => return Location::Inline(inline),
            BodyPlace::Extents(extents) => return Location::Extents(extents.clone()),
            BodyPlace::ExtentRows(extents) => extents,
        };
        for (group, extents) in rows::groups(extents) {
            let key = rows::extents(incarnation, body.write_id, group);
            let location = Location::Extents(extents);
            let value = Value { write_id: body.write_id, location, attributes: Bytes::new() };
            self.write(key, None, Some(value));
        }
        Location::None
    }

    /// Leaves the rows that belong to a body that goes to the purge.
    fn free(&mut self, incarnation: Incarnation, body: Option<(u128, BodyRows)>) {
        let Some(garbage) = body.and_then(|(write_id, body)| body.garbage(write_id)) else {
            return;
        };
        self.write(rows::garbage(incarnation, garbage), None, Some(bare(Bytes::new())));
    }
}
