//! Append: look at the object, take the body, commit.

use super::body::BodyOwner;
use super::put::outcome;
use super::{Coordinator, Result, attributes};
use crate::meta::command::{Command, Target};
use crate::rows::{self, ObjectRow};
use engine::object::{
    AppendRequest, Body, BucketRules, PutOutcome, StoreError, UploadId, VersionId, Versioning,
};

impl Coordinator {
    pub(super) async fn object_append(
        &self,
        request: AppendRequest,
        body: Body,
    ) -> Result<PutOutcome> {
        let AppendRequest { bucket, key, base, number, len, join } = request;
        self.linearize().await?;
        let (target, _) = self.target_and_rules(bucket, key).await?;
        let row = rows::object(target.incarnation, &target.key);
        let value = self.row(&row).await?.ok_or(StoreError::NoSuchKey)?;
        // A plain object's write names its parts from now on; that of one of parts always did.
        let id = UploadId(value.write_id);
        check_early(&target, &attributes(&value)?, base.size)?;
        let row = rows::part(target.incarnation, id, number);
        let taken = self.take_body(BodyOwner { target: &target, row, len }, body).await?;
        let (time, incarnation) = (self.now(), target.incarnation);
        let committed = &taken.committed;
        let (etag, checksum) = join(&committed.etag, committed.checksum.as_ref(), committed.size);
        let command = |target: Target, _: BucketRules| {
            if target.incarnation != incarnation {
                return Err(StoreError::NoSuchBucket);
            }
            let (base, body) = (base.clone(), committed.clone());
            let (part, etag, checksum) = ((id, number), etag.clone(), checksum.clone());
            Ok(Command::Append { target, time, base, part, etag, checksum, body })
        };
        let Target { bucket, key, .. } = &target;
        let (success, rules) =
            self.propose_fenced(bucket, key, taken.inline.clone(), command).await?;
        outcome(success, rules.versioning)
    }
}

/// Spares the upload of a body that cannot be appended; what counts is decided at apply (C2).
fn check_early(target: &Target, object: &ObjectRow, size: u64) -> Result<()> {
    if object.is_marker {
        return Err(StoreError::NoSuchKey);
    }
    if object.version != VersionId::Null || target.versioning == Versioning::Enabled {
        return Err(StoreError::BucketConflict);
    }
    if object.size != size { Err(StoreError::PreconditionFailed) } else { Ok(()) }
}
