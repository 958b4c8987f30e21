//! Appends: a body becomes one more part of an object.
//!
//! An object that was written in one piece becomes one of parts first, without a copy: its write
//! stays the same one, and names the parts. The value of its row moves to part 1, where
//! [`crate::moved`] finds it; rows of a long body's extents lie under the write and stay.

use super::object::current_etag;
use super::versions::{Chain, Found};
use super::{Applied, Rows, check};
use crate::meta::LogError;
use crate::meta::command::{Command, CommittedBody, Refusal, Success, Target};
use crate::rows::{self, BodyRows, ObjectRow, PartRow};
use bytes::Bytes;
use engine::format::value::{Location, Value};
use engine::mark::{self, Mark};
use engine::mutant::{self, Mutant};
use engine::object::{
    AppendBase, Bypass, UnixNanos, UploadId, VersionId, Versioning, WriteCondition,
};

/// Parts whose rows one look for later ones reads.
const LATER_SCAN_ROWS: usize = 1;

impl Rows<'_> {
    pub(super) async fn append(mut self, command: Command, inline: Bytes) -> Applied {
        let Command::Append { target, time, base, part: (id, number), etag, checksum, body } =
            command
        else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        self.check_extents(&body)?;
        let chain = self.chain(&target).await?;
        check(&WriteCondition::Exists, current_etag(&chain))?;
        let Chain { current: Some(current), .. } = chain else {
            return Err(Refusal::NoSuchKey.into());
        };
        check_base(&target, &current, (&base, id))?;
        self.check_number(&target, &current.object, (id, number)).await?;
        let mut object = current.object.clone();
        if object.part_count == 0 {
            mark::hit(Mark::MadeParts);
            self.write_first_part(&target, &current, id);
            object.part_count = 1;
        }
        self.write_part(&target, &object, (id, number), time, (&body, inline));
        object.size += body.size;
        object.stored_len += body.stored_len;
        object.part_count += 1;
        (object.etag, object.checksum) = (etag, checksum);
        object.modified = object.modified.max(time);
        object.body = BodyRows::Parts(id);
        let Found { key, value, .. } = current;
        let attributes = rows::encode(&object);
        let new = Value { write_id: id.0, location: Location::None, attributes };
        self.write(key, Some(value), Some(new));
        self.done(Success::Object(Box::new(object)))
    }

    /// The number is above those of all parts that there are.
    async fn check_number(
        &self,
        target: &Target,
        object: &ObjectRow,
        (id, number): (UploadId, u16),
    ) -> Result<(), LogError> {
        if object.part_count == 0 {
            return if number > 1 { Ok(()) } else { Err(Refusal::InvalidPart(number).into()) };
        }
        let range = rows::parts_from(target.incarnation, id, number);
        match self.is_empty(range, LATER_SCAN_ROWS).await? {
            true => Ok(()),
            false => Err(Refusal::InvalidPart(number).into()),
        }
    }

    /// What the row of a plain object has goes to its first part.
    fn write_first_part(&mut self, target: &Target, current: &Found, id: UploadId) {
        let Found { value, object, .. } = current;
        let part = PartRow {
            size: object.size,
            stored_len: object.stored_len,
            etag: object.etag.clone(),
            modified: object.modified,
            checksum: object.checksum.clone(),
            start: 0,
            stored_start: 0,
            body: object.body,
        };
        let key = rows::part(target.incarnation, id, 1);
        self.write(key, None, Some(Value { attributes: rows::encode(&part), ..value.clone() }));
    }

    fn write_part(
        &mut self,
        target: &Target,
        object: &ObjectRow,
        (id, number): (UploadId, u16),
        modified: UnixNanos,
        (body, inline): (&CommittedBody, Bytes),
    ) {
        let (start, stored_start) = match mutant::is(Mutant::BeginAtZero) {
            true => (0, 0),
            false => (object.size, object.stored_len),
        };
        let part = PartRow {
            size: body.size,
            stored_len: body.stored_len,
            etag: body.etag.clone(),
            modified,
            checksum: body.checksum.clone(),
            start,
            stored_start,
            body: body.rows(),
        };
        let location = self.place_body(target.incarnation, body, inline);
        let value = Value { write_id: body.write_id, location, attributes: rows::encode(&part) };
        self.write(rows::part(target.incarnation, id, number), None, Some(value));
    }
}

/// The object must be what the append began with, and one that may change.
fn check_base(
    target: &Target,
    current: &Found,
    (base, id): (&AppendBase, UploadId),
) -> Result<(), Refusal> {
    let object = &current.object;
    if object.version != VersionId::Null || target.versioning == Versioning::Enabled {
        return Err(Refusal::BucketConflict);
    }
    if !object.lock.allows_delete(0, Bypass::No) {
        return Err(Refusal::Locked);
    }
    let is_same = current.value.write_id == id.0
        && (object.size, &object.etag) == (base.size, &base.etag)
        && object.attributes == base.attributes;
    if is_same || mutant::is(Mutant::AppendBlindly) {
        return Ok(());
    }
    mark::hit(Mark::AppendRefused);
    Err(Refusal::PreconditionFailed)
}
