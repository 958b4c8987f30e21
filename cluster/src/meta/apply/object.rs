//! Objects: written, deleted, amended.

use super::versions::{Chain, Found, NewVersion};
use super::{Applied, Rows, check};
use crate::meta::LogError;
use crate::meta::command::{Command, LockKey, Refusal, Success, Target};
use crate::rows::{BodyRows, ObjectRow, Older};
use bytes::Bytes;
use engine::format::value::Location;
use engine::mutant::{self, Mutant};
use engine::object::{
    Amendment, DeleteOutcome, ETag, Lock, ObjectAttributes, UnixNanos, VersionId, Versioning,
};

impl Rows<'_> {
    pub(super) async fn put(mut self, command: Command, inline: Bytes) -> Applied {
        let Command::Put { target, time, condition, attributes, lock, body, annotation_count } =
            command
        else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        self.check_extents(&body)?;
        let chain = self.chain(&target).await?;
        if !mutant::is(Mutant::DecideEarly) {
            check(&condition, current_etag(&chain))?;
        }
        if annotation_count > 0 {
            self.claim_annotations(target.incarnation, body.write_id).await?;
        }
        let object = ObjectRow {
            size: body.size,
            stored_len: body.stored_len,
            etag: body.etag.clone(),
            modified: time.max(chain.modified()),
            attributes,
            checksum: body.checksum.clone(),
            part_count: 0,
            body: body.rows(),
            version: VersionId::Null,
            order: 0,
            is_marker: false,
            lock,
            older: Older::default(),
            annotation_count,
        };
        let location = self.place_body(target.incarnation, &body, inline);
        let (write_id, entropy) = (body.write_id, body.write_id as u64);
        let new = NewVersion { object, write_id, location, entropy, time };
        let object = self.install(&target, chain, new).await?;
        self.done(Success::Object(Box::new(object)))
    }

    pub(super) async fn delete(mut self, command: Command) -> Applied {
        let Command::Delete { target, version, condition, time, key, entropy } = command else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        let chain = self.chain(&target).await?;
        if let Some(id) = version {
            let (chain, found) = self.find(&target, chain, version).await?;
            let found = found.or_else(|| named_current(&chain, id));
            check(&condition, found.as_ref().and_then(|found| found.object.visible_etag()))?;
            return self.delete_version(target, chain, found, (id, key)).await;
        }
        check(&condition, current_etag(&chain))?;
        if target.versioning == Versioning::Off {
            return self.delete_current(target, chain, key).await;
        }
        let object = marker(time.max(chain.modified()));
        let new = NewVersion { object, write_id: 0, location: Location::None, entropy, time };
        let object = self.install(&target, chain, new).await?;
        let outcome = DeleteOutcome { version: Some(object.version), is_marker: true };
        self.done(Success::Deleted(outcome))
    }

    /// Deletes the only version of a key in a bucket that never kept any.
    async fn delete_current(mut self, target: Target, chain: Chain, key: LockKey) -> Applied {
        if let Some(current) = chain.current {
            check_lock(&current, key)?;
            self.free_version(target.incarnation, &current);
            self.promote(current).await?;
        }
        self.done(Success::Deleted(DeleteOutcome::default()))
    }

    /// Deletes one version for good.
    async fn delete_version(
        mut self,
        target: Target,
        chain: Chain,
        found: Option<Found>,
        (id, key): (VersionId, LockKey),
    ) -> Applied {
        let version = (target.versioning != Versioning::Off).then_some(id);
        let Some(found) = found else {
            return self.done(Success::Deleted(DeleteOutcome { version, is_marker: false }));
        };
        check_lock(&found, key)?;
        let is_marker = found.object.is_marker;
        self.free_version(target.incarnation, &found);
        if found.key == chain.key {
            self.promote(found).await?;
        } else {
            self.write(found.key, Some(found.value), None);
            if let Some(current) = chain.current.filter(|_| id == VersionId::Null) {
                let older = Older { null: None, ..current.object.older };
                let object = ObjectRow { older, ..current.object.clone() };
                self.rewrite(current, &object);
            }
        }
        self.done(Success::Deleted(DeleteOutcome { version, is_marker }))
    }

    pub(super) async fn amend(mut self, command: Command) -> Applied {
        let Command::Amend { target, version, condition, amendment, lock_time } = command else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        let found = self.find_visible(&target, version).await?;
        check(&condition, found.object.visible_etag())?;
        let mut object = found.object.clone();
        amend_object(&mut object, amendment, lock_time)?;
        self.rewrite(found, &object);
        self.done(Success::Object(Box::new(object)))
    }
}

impl Rows<'_> {
    /// The version that is meant, which has bytes.
    pub(super) async fn find_visible(
        &self,
        target: &Target,
        version: Option<VersionId>,
    ) -> Result<Found, LogError> {
        let chain = self.chain(target).await?;
        let (chain, found) = self.find(target, chain, version).await?;
        let found = match version {
            None => found.or(chain.current).ok_or(Refusal::NoSuchKey)?,
            Some(id) => {
                found.or_else(|| named_current(&chain, id)).ok_or(Refusal::NoSuchVersion)?
            }
        };
        if found.object.is_marker {
            let (id, modified) = (found.object.version, found.object.modified);
            let is_named = version.is_some();
            return Err(Refusal::Marker { version: id, modified, is_named }.into());
        }
        Ok(found)
    }
}

fn amend_object(
    object: &mut ObjectRow,
    amendment: Amendment,
    lock_time: UnixNanos,
) -> Result<(), Refusal> {
    match amendment {
        Amendment::Tags(tags) => object.attributes.tags = tags,
        Amendment::System { name, value } => object.attributes.set_note(&name, value),
        Amendment::Hold(hold) => object.lock.hold = hold,
        Amendment::Retention { retention, bypass } => {
            if !object.lock.allows_retention(retention, lock_time, bypass) {
                return Err(Refusal::Locked);
            }
            object.lock.retention = retention;
        }
    }
    Ok(())
}

pub(super) fn check_lock(found: &Found, key: LockKey) -> Result<(), LogError> {
    let is_allowed =
        found.object.lock.allows_delete(key.time, key.bypass) || mutant::is(Mutant::IgnoreLocks);
    if is_allowed { Ok(()) } else { Err(Refusal::Locked.into()) }
}

pub(super) fn current_etag(chain: &Chain) -> Option<&ETag> {
    chain.current.as_ref().and_then(|found| found.object.visible_etag())
}

/// The current version, when it is the one that is named.
fn named_current(chain: &Chain, id: VersionId) -> Option<Found> {
    let current = chain.current.as_ref().filter(|found| found.object.version == id)?;
    let (key, value) = (current.key.clone(), current.value.clone());
    Some(Found { key, value, object: current.object.clone() })
}

/// A delete marker.
fn marker(modified: UnixNanos) -> ObjectRow {
    ObjectRow {
        size: 0,
        stored_len: 0,
        etag: ETag(String::new()),
        modified,
        attributes: ObjectAttributes::default(),
        checksum: None,
        part_count: 0,
        body: BodyRows::Own,
        version: VersionId::Null,
        order: 0,
        is_marker: true,
        lock: Lock::default(),
        older: Older::default(),
        annotation_count: 0,
    }
}
