//! PUT: check early, take the body, commit.

use super::body::BodyOwner;
use super::{Coordinator, Result};
use crate::meta::command::{Command, Success, Target};
use crate::rows::{self, ObjectRow};
use engine::mutant::{self, Mutant};
use engine::object::{
    AnnotationSource, Body, BucketRules, ETag, PutOutcome, PutRequest, StoreError, Versioning,
    WriteCondition,
};

impl Coordinator {
    pub(super) async fn object_put(
        &self,
        request: PutRequest,
        body: Body,
        annotations: Option<Box<dyn AnnotationSource + '_>>,
    ) -> Result<PutOutcome> {
        let PutRequest { bucket, key, attributes, condition, lock, len } = request;
        let (target, rules) = self.target_and_rules(bucket, key).await?;
        self.lock_for(lock, &rules)?;
        self.check_early(&target, &condition).await?;
        let row = rows::object(target.incarnation, &target.key);
        let taken = self.take_body(BodyOwner { target: &target, row, len }, body).await?;
        let staged = self.stage(&target, taken.committed.write_id, annotations).await?;
        let annotation_count = staged.count;
        let (time, incarnation) = (self.now(), target.incarnation);
        let inline = taken.inline.clone();
        let first = (target.clone(), rules);
        let command = |target: Target, rules: BucketRules| {
            let is_fenced = !mutant::is(Mutant::IgnoreFence);
            let (target, rules) = if is_fenced { (target, rules) } else { first.clone() };
            if target.incarnation != incarnation {
                return Err(StoreError::NoSuchBucket);
            }
            let (condition, attributes) = (condition.clone(), attributes.clone());
            let (lock, body) = (self.lock_for(lock, &rules)?, taken.committed.clone());
            Ok(Command::Put { target, time, condition, attributes, lock, body, annotation_count })
        };
        let Target { bucket, key, .. } = &target;
        let (success, rules) = self.propose_fenced(bucket, key, inline, command).await?;
        outcome(success, rules.versioning)
    }

    /// Spares the upload of a body whose condition fails already; what counts is decided at apply
    /// (C2).
    pub(super) async fn check_early(
        &self,
        target: &Target,
        condition: &WriteCondition,
    ) -> Result<()> {
        if *condition == WriteCondition::None {
            return Ok(());
        }
        self.linearize().await?;
        let object = self.object_row(target).await?;
        check(condition, object.as_ref().and_then(ObjectRow::visible_etag))
    }
}

/// Weighs a condition early (C2).
pub(super) fn check(condition: &WriteCondition, etag: Option<&ETag>) -> Result<()> {
    crate::meta::apply::check(condition, etag)
        .map_err(|refusal| crate::error::from_log(refusal.into()))
}

/// The answer to a write of an object.
pub(super) fn outcome(success: Success, versioning: Versioning) -> Result<PutOutcome> {
    let Success::Object(object) = success else {
        return Err(another_answer());
    };
    let version = object.shown_version(versioning);
    let ObjectRow { etag, checksum, size, modified, .. } = *object;
    Ok(PutOutcome { etag, checksum, size, modified, version })
}

/// Apply answered something else than its command: a bug, told as what it means to the caller.
pub(super) fn another_answer() -> StoreError {
    StoreError::Unavailable("apply gave another command's answer".into())
}
