//! Uploads: begun, filled, completed, dropped.

use super::object::current_etag;
use super::versions::{Chain, NewVersion};
use super::{Applied, Rows, bare, check, read};
use crate::meta::LogError;
use crate::meta::command::{Command, CommittedBody, Refusal, Success, Target};
use crate::rows::{self, BodyRows, Incarnation, ObjectRow, Older, PartRow, UploadRow};
use bytes::Bytes;
use engine::EngineError;
use engine::format::value::{Location, Value};
use engine::object::{CompletedPart, Lock, UnixNanos, UploadId, VersionId};

/// Parts that one scan reads.
const PART_SCAN_ROWS: usize = 1000;

/// What a Complete asks for, without its place.
struct Completion {
    upload_id: UploadId,
    parts: Vec<CompletedPart>,
    part_size_min: u64,
}

impl Rows<'_> {
    pub(super) async fn create_upload(mut self, command: Command) -> Applied {
        let Command::CreateUpload { target, upload_id, time, attributes, checksum, lock } = command
        else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        let key = rows::upload(target.incarnation, &target.key, upload_id);
        let upload = UploadRow { created: time, attributes, checksum, lock };
        self.write(key, None, Some(bare(rows::encode(&upload))));
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

    pub(super) async fn put_part(
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
        let body_of = |old: &Value| Ok::<_, LogError>((old.write_id, read::<PartRow>(old)?.body));
        self.free(target.incarnation, old.as_ref().map(body_of).transpose()?);
        let part = PartRow {
            size: body.size,
            stored_len: body.stored_len,
            etag: body.etag.clone(),
            modified: time,
            checksum: body.checksum.clone(),
            start: 0,
            stored_start: 0,
            body: body.rows(),
        };
        let location = self.place_body(target.incarnation, &body, inline);
        let value = Value { write_id: body.write_id, location, attributes: rows::encode(&part) };
        self.write(key, old, Some(value));
        self.done(Success::Part(Box::new(part)))
    }

    pub(super) async fn complete(mut self, command: Command) -> Applied {
        let Command::Complete { target, upload_id, condition, .. } = &command else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(target).await?;
        let chain = self.chain(target).await?;
        let Some((upload_key, upload)) = self.upload(target, *upload_id).await? else {
            return completed_before(chain, *upload_id);
        };
        check(condition, current_etag(&chain))?;
        self.write(upload_key, Some(upload.clone()), None);
        self.complete_upload(command, chain, read(&upload)?).await
    }

    async fn complete_upload(
        mut self,
        command: Command,
        chain: Chain,
        upload: UploadRow,
    ) -> Applied {
        let Command::Complete {
            target,
            upload_id,
            time,
            parts,
            etag,
            checksum,
            part_size_min,
            retention,
            ..
        } = command
        else {
            unreachable!("apply dispatches on the command");
        };
        let part_count = parts.len() as u32;
        let completion = Completion { upload_id, parts, part_size_min };
        let (size, stored_len) = self.claim_parts(target.incarnation, &completion).await?;
        let lock = Lock { retention: upload.lock.retention.or(retention), ..upload.lock };
        let object = ObjectRow {
            size,
            stored_len,
            etag,
            modified: time.max(chain.modified()),
            attributes: upload.attributes,
            checksum,
            part_count,
            body: BodyRows::Parts(upload_id),
            version: VersionId::Null,
            order: 0,
            is_marker: false,
            lock,
            older: Older::default(),
            annotation_count: 0,
        };
        let (write_id, entropy) = (upload_id.0, upload_id.0 as u64);
        let new = NewVersion { object, write_id, location: Location::None, entropy, time };
        let object = self.install(&target, chain, new).await?;
        self.done(Success::Object(Box::new(object)))
    }

    /// Checks the listed parts, tells each where it begins, drops the others. Returns how many
    /// bytes of the object clients see, and how many are kept.
    async fn claim_parts(
        &mut self,
        incarnation: Incarnation,
        completion: &Completion,
    ) -> Result<(u64, u64), LogError> {
        let mut listed = completion.parts.iter().peekable();
        let (mut size, mut stored_len) = (0, 0);
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
                        (part.start, part.stored_start) = (size, stored_len);
                        size += part.size;
                        stored_len += part.stored_len;
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
            None => Ok((size, stored_len)),
        }
    }

    pub(super) async fn abort(mut self, target: Target, upload_id: UploadId) -> Applied {
        self.check_bucket(&target).await?;
        let Some((key, value)) = self.upload(&target, upload_id).await? else {
            return Err(Refusal::NoSuchUpload.into());
        };
        self.free(target.incarnation, Some((0, BodyRows::Parts(upload_id))));
        self.write(key, Some(value), None);
        self.done(Success::Done)
    }
}

/// A Complete whose upload is gone succeeded before, when the object is the one that it made.
fn completed_before(chain: Chain, upload_id: UploadId) -> Applied {
    let current = chain.current.map(|found| found.object);
    match current.filter(|object| object.body == BodyRows::Parts(upload_id)) {
        Some(object) => Ok((Success::Object(Box::new(object)), Vec::new())),
        None => Err(Refusal::NoSuchUpload.into()),
    }
}
