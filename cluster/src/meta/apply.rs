//! Apply: what a command does to the rows. Deterministic: the same rows and the same command give
//! the same rows.
//!
//! - A1: conditions are evaluated here, against the state that the command replaces: this is the
//!   linearization point.
//! - A2: a command that is refused changes nothing.
//! - A3: what a command frees beyond a few rows is left to [`Command::Purge`]: no command takes
//!   longer with the length of a body. (`Complete` alone looks at each of up to 10,000 parts.)

use super::LogError;
use super::command::{BodyPlace, Command, CommittedBody, Move, Refusal, Success, Target};
use crate::rows::{self, BodyRows, BucketRow, Garbage, Incarnation, ObjectRow, PartRow, UploadRow};
use bytes::Bytes;
use engine::EngineError;
use engine::format::value::{Location, Value};
use engine::index::RowWrite;
use engine::mark::{self, Mark};
use engine::meta::{ApplyTurn, MetaStore};
use engine::mutant::{self, Mutant};
use engine::object::{CompletedPart, ETag, ObjectAttributes, UnixNanos, UploadId, WriteCondition};

/// Rows that one [`Command::Purge`] deletes at most.
const PURGE_ROWS_MAX: usize = 256;

/// Rows, most of them tombstones, that one look for a bucket's objects reads.
const EMPTY_SCAN_ROWS: usize = 1000;

/// Parts that one scan reads.
const PART_SCAN_ROWS: usize = 1000;

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
        Command::CreateBucket { name, incarnation, time } => {
            rows.create_bucket(rows::bucket(&name), incarnation, time).await
        }
        Command::DeleteBucket { name } => rows.delete_bucket(rows::bucket(&name)).await,
        Command::Put { target, time, condition, attributes, body } => {
            let put = Put { time, condition, attributes, body, inline };
            rows.put(target, put).await
        }
        Command::Delete { target, condition } => rows.delete(target, condition).await,
        Command::CreateUpload { target, upload_id, time, attributes, checksum } => {
            let upload = UploadRow { created: time, attributes, checksum };
            rows.create_upload(target, upload_id, upload).await
        }
        Command::PutPart { target, upload_id, number, time, body } => {
            rows.put_part(target, (upload_id, number), time, (body, inline)).await
        }
        Command::Complete { .. } => rows.complete(command).await,
        Command::Abort { target, upload_id } => rows.abort(target, upload_id).await,
        Command::Purge { incarnation, garbage } => rows.purge(incarnation, garbage).await,
        Command::Relocate { moves } => rows.relocate(moves).await,
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

struct Put {
    time: UnixNanos,
    condition: WriteCondition,
    attributes: ObjectAttributes,
    body: CommittedBody,
    inline: Bytes,
}

/// What a Complete asks for, without its place.
struct Completion {
    upload_id: UploadId,
    parts: Vec<CompletedPart>,
    part_size_min: u64,
}

fn read<T: bincode::Decode<()>>(value: &Value) -> Result<T, EngineError> {
    rows::decode(&value.attributes).map_err(|_| EngineError::corrupt("row", "index", 0))
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

    async fn create_bucket(
        mut self,
        key: Bytes,
        incarnation: Incarnation,
        created: UnixNanos,
    ) -> Applied {
        if self.store.get(&key).await?.is_some() {
            return Err(Refusal::BucketExists.into());
        }
        let attributes = rows::encode(&BucketRow { incarnation, created });
        let value = Value { write_id: 0, location: Location::None, attributes };
        self.write(key, None, Some(value));
        self.done(Success::Done)
    }

    async fn delete_bucket(mut self, key: Bytes) -> Applied {
        let Some(value) = self.store.get(&key).await? else {
            return Err(Refusal::NoSuchBucket.into());
        };
        let BucketRow { incarnation, .. } = read(&value)?;
        let (start, end) = rows::all_objects(incarnation);
        if !self.is_empty(start, &end).await? {
            return Err(Refusal::BucketNotEmpty.into());
        }
        // Nobody reaches an upload of a life that is over: it is left to the purge (A3).
        let (start, end) = rows::all_uploads(incarnation);
        if !self.is_empty(start, &end).await? {
            let value = Value { write_id: 0, location: Location::None, attributes: Bytes::new() };
            self.write(rows::garbage(incarnation, Garbage::Uploads), None, Some(value));
        }
        self.write(key, Some(value), None);
        self.done(Success::Done)
    }

    async fn is_empty(&self, mut start: Bytes, end: &Bytes) -> Result<bool, EngineError> {
        loop {
            let page = self.store.scan(&start, end, EMPTY_SCAN_ROWS).await?;
            match (page.rows.is_empty(), page.resume) {
                (false, _) => return Ok(false),
                (true, None) => return Ok(true),
                (true, Some(resume)) => start = resume,
            }
            tokio::task::yield_now().await;
        }
    }

    /// The bucket must still live the life that the request saw.
    async fn check_bucket(&self, target: &Target) -> Result<(), LogError> {
        let row = self.store.get(&rows::bucket(&target.bucket)).await?;
        let bucket = row.as_ref().map(read::<BucketRow>).transpose()?;
        let is_alive = bucket.is_some_and(|bucket| bucket.incarnation == target.incarnation);
        if is_alive { Ok(()) } else { Err(Refusal::NoSuchBucket.into()) }
    }

    fn check_extents(&self, body: &CommittedBody) -> Result<(), LogError> {
        match self.store.check_nameable(body.extents()) {
            Err(EngineError::VolumeGone(volume)) => Err(Refusal::Fenced(volume).into()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    async fn object(&self, row: &Bytes) -> Result<Option<(Value, ObjectRow)>, EngineError> {
        match self.store.get(row).await? {
            Some(value) => read(&value).map(|object| Some((value, object))),
            None => Ok(None),
        }
    }

    async fn put(mut self, target: Target, put: Put) -> Applied {
        self.check_bucket(&target).await?;
        self.check_extents(&put.body)?;
        let key = rows::object(target.incarnation, &target.key);
        let old = self.object(&key).await?;
        if !mutant::is(Mutant::DecideEarly) {
            check(&put.condition, old.as_ref().map(|(_, object)| &object.etag))?;
        }
        let object = ObjectRow {
            size: put.body.size,
            etag: put.body.etag.clone(),
            modified: later(put.time, old.as_ref()),
            attributes: put.attributes,
            checksum: put.body.checksum.clone(),
            part_count: 0,
            body: put.body.rows(),
        };
        self.free(
            target.incarnation,
            old.as_ref().map(|(value, object)| (value.write_id, object.body)),
        );
        let location = self.place_body(target.incarnation, &put.body, put.inline);
        let attributes = rows::encode(&object);
        let value = Value { write_id: put.body.write_id, location, attributes };
        self.write(key, old.map(|(value, _)| value), Some(value));
        self.done(Success::Object(Box::new(object)))
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
        let value = Value { write_id: 0, location: Location::None, attributes: Bytes::new() };
        self.write(rows::garbage(incarnation, garbage), None, Some(value));
    }

    async fn delete(mut self, target: Target, condition: WriteCondition) -> Applied {
        self.check_bucket(&target).await?;
        let key = rows::object(target.incarnation, &target.key);
        let old = self.object(&key).await?;
        check(&condition, old.as_ref().map(|(_, object)| &object.etag))?;
        if let Some((value, object)) = old {
            self.free(target.incarnation, Some((value.write_id, object.body)));
            self.write(key, Some(value), None);
        }
        self.done(Success::Done)
    }

    async fn create_upload(
        mut self,
        target: Target,
        upload_id: UploadId,
        upload: UploadRow,
    ) -> Applied {
        self.check_bucket(&target).await?;
        let key = rows::upload(target.incarnation, &target.key, upload_id);
        let attributes = rows::encode(&upload);
        self.write(key, None, Some(Value { write_id: 0, location: Location::None, attributes }));
        self.done(Success::Done)
    }

    async fn upload(
        &self,
        target: &Target,
        upload_id: UploadId,
    ) -> Result<Option<(Bytes, Value)>, EngineError> {
        let key = rows::upload(target.incarnation, &target.key, upload_id);
        Ok(self.store.get(&key).await?.map(|value| (key, value)))
    }

    async fn put_part(
        mut self,
        target: Target,
        (upload_id, number): (UploadId, u16),
        time: UnixNanos,
        (body, inline): (CommittedBody, Bytes),
    ) -> Applied {
        self.check_bucket(&target).await?;
        self.check_extents(&body)?;
        if self.upload(&target, upload_id).await?.is_none() {
            return Err(Refusal::NoSuchUpload.into());
        }
        let key = rows::part(target.incarnation, upload_id, number);
        let old = self.store.get(&key).await?;
        let freed = old.as_ref().map(|old| Ok((old.write_id, read::<PartRow>(old)?.body)));
        self.free(target.incarnation, freed.transpose().map_err(LogError::Engine)?);
        let part = PartRow {
            size: body.size,
            etag: body.etag.clone(),
            modified: time,
            checksum: body.checksum.clone(),
            start: 0,
            body: body.rows(),
        };
        let location = self.place_body(target.incarnation, &body, inline);
        let value = Value { write_id: body.write_id, location, attributes: rows::encode(&part) };
        self.write(key, old, Some(value));
        self.done(Success::Part(Box::new(part)))
    }

    async fn complete(mut self, command: Command) -> Applied {
        let Command::Complete {
            target,
            upload_id,
            time,
            condition,
            parts,
            etag,
            checksum,
            part_size_min,
        } = command
        else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        let key = rows::object(target.incarnation, &target.key);
        let old = self.object(&key).await?;
        let Some((upload_key, upload)) = self.upload(&target, upload_id).await? else {
            return completed_before(old, upload_id);
        };
        check(&condition, old.as_ref().map(|(_, object)| &object.etag))?;
        let part_count = parts.len() as u32;
        let completion = Completion { upload_id, parts, part_size_min };
        let size = self.claim_parts(target.incarnation, &completion).await?;
        let UploadRow { attributes, .. } = read(&upload)?;
        let modified = later(time, old.as_ref());
        let body = BodyRows::Parts(upload_id);
        let object = ObjectRow { size, etag, modified, attributes, checksum, part_count, body };
        self.free(
            target.incarnation,
            old.as_ref().map(|(value, object)| (value.write_id, object.body)),
        );
        self.write(upload_key, Some(upload), None);
        let attributes = rows::encode(&object);
        let value = Value { write_id: upload_id.0, location: Location::None, attributes };
        self.write(key, old.map(|(value, _)| value), Some(value));
        self.done(Success::Object(Box::new(object)))
    }

    /// Checks the listed parts, tells each where it begins, drops the others. Returns the object's
    /// size.
    async fn claim_parts(
        &mut self,
        incarnation: Incarnation,
        completion: &Completion,
    ) -> Result<u64, LogError> {
        let mut listed = completion.parts.iter().peekable();
        let mut size = 0;
        let (mut start, end) = rows::parts_from(incarnation, completion.upload_id, 0);
        loop {
            let page = self.store.scan(&start, &end, PART_SCAN_ROWS).await?;
            for (key, value) in page.rows {
                let mut part: PartRow = read(&value)?;
                let number = rows::part_number(&key).unwrap_or_default();
                match listed.peek() {
                    Some(next) if next.number < number => {
                        return Err(Refusal::InvalidPart(next.number).into());
                    }
                    Some(next) if next.number == number => {
                        if next.etag != part.etag {
                            return Err(Refusal::InvalidPart(number).into());
                        }
                        listed.next();
                        let is_last = listed.peek().is_none();
                        if !is_last && part.size < completion.part_size_min {
                            let size = part.size;
                            return Err(Refusal::PartTooSmall { number, size }.into());
                        }
                        part.start = size;
                        size += part.size;
                        let attributes = rows::encode(&part);
                        let new = Value { attributes, ..value.clone() };
                        self.write(key, Some(value), Some(new));
                    }
                    _ => {
                        self.free(incarnation, Some((value.write_id, part.body)));
                        self.write(key, Some(value), None);
                    }
                }
            }
            match page.resume {
                Some(resume) => start = resume,
                None => break,
            }
        }
        match listed.next() {
            Some(missing) => Err(Refusal::InvalidPart(missing.number).into()),
            None => Ok(size),
        }
    }

    async fn abort(mut self, target: Target, upload_id: UploadId) -> Applied {
        self.check_bucket(&target).await?;
        let Some((key, value)) = self.upload(&target, upload_id).await? else {
            return Err(Refusal::NoSuchUpload.into());
        };
        self.free(target.incarnation, Some((0, BodyRows::Parts(upload_id))));
        self.write(key, Some(value), None);
        self.done(Success::Done)
    }

    async fn purge(mut self, incarnation: Incarnation, garbage: Garbage) -> Applied {
        let (start, end) = match garbage {
            Garbage::Extents(write_id) => rows::all_extents(incarnation, write_id),
            Garbage::Parts(upload_id) => rows::parts_from(incarnation, upload_id, 0),
            Garbage::Uploads => rows::all_uploads(incarnation),
        };
        let page = self.store.scan(&start, &end, PURGE_ROWS_MAX).await?;
        let is_last = page.resume.is_none();
        for (key, value) in page.rows {
            let body = match garbage {
                Garbage::Extents(_) => None,
                Garbage::Parts(_) => Some(read::<PartRow>(&value)?.body),
                Garbage::Uploads => rows::upload_id(&key).map(BodyRows::Parts),
            };
            self.free(incarnation, body.map(|body| (value.write_id, body)));
            self.write(key, Some(value), None);
        }
        let key = rows::garbage(incarnation, garbage);
        if is_last && let Some(value) = self.store.get(&key).await? {
            self.write(key, Some(value), None);
        }
        self.done(Success::Done)
    }

    async fn relocate(mut self, moves: Vec<Move>) -> Applied {
        for Move { row, write_id, source, target } in moves {
            let key = Bytes::from(row);
            if self.store.check_nameable(&[target]).is_err() {
                continue;
            }
            // An earlier move of this command may have changed the row already.
            let known = self.writes.iter().rposition(|write| write.key == key);
            let current = match known {
                Some(index) => self.writes[index].new.clone(),
                None => self.store.get(&key).await?,
            };
            let Some(value) = current.filter(|value| value.write_id == write_id) else {
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
}

/// Last-Modified never goes back on a key, whatever the clock does.
fn later(time: UnixNanos, old: Option<&(Value, ObjectRow)>) -> UnixNanos {
    old.map_or(time, |(_, object)| object.modified.max(time))
}

/// A Complete whose upload is gone succeeded before, when the object is the one that it made.
fn completed_before(old: Option<(Value, ObjectRow)>, upload_id: UploadId) -> Applied {
    match old {
        Some((_, object)) if object.body == BodyRows::Parts(upload_id) => {
            Ok((Success::Object(Box::new(object)), Vec::new()))
        }
        _ => Err(Refusal::NoSuchUpload.into()),
    }
}
