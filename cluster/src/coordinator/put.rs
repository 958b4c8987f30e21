//! PUT: check early, take the body, commit.

use super::body::BodyOwner;
use super::{Coordinator, Result};
use crate::meta::command::{Command, Success, Target};
use crate::rows::{self, ObjectRow};
use engine::object::{Body, ETag, PutOutcome, PutRequest, StoreError, WriteCondition};

impl Coordinator {
    pub(super) async fn object_put(&self, request: PutRequest, body: Body) -> Result<PutOutcome> {
        let PutRequest { bucket, key, attributes, condition, len } = request;
        let target = self.target(bucket, key).await?;
        self.check_early(&target, &condition).await?;
        let row = rows::object(target.incarnation, &target.key);
        let taken = self.take_body(BodyOwner { target: &target, row, len }, body).await?;
        let time = self.now();
        let body = taken.committed.clone();
        let command = Command::Put { target, time, condition, attributes, body };
        let success = self.propose(command, taken.inline.clone()).await?;
        outcome(success)
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
        let etag = self.object_row(target).await?.map(|(_, object)| object.etag);
        check(condition, etag.as_ref())
    }
}

fn check(condition: &WriteCondition, etag: Option<&ETag>) -> Result<()> {
    crate::meta::apply::check(condition, etag)
        .map_err(|refusal| crate::error::from_log(refusal.into()))
}

/// The answer to a write of an object.
pub(super) fn outcome(success: Success) -> Result<PutOutcome> {
    match success {
        Success::Object(object) => {
            let ObjectRow { etag, checksum, size, modified, .. } = *object;
            Ok(PutOutcome { etag, checksum, size, modified })
        }
        Success::Done | Success::Part(_) => {
            Err(StoreError::Unavailable("apply gave another command's answer".into()))
        }
    }
}
