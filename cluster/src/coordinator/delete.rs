//! DELETE: one command.

use super::{Coordinator, Result};
use crate::meta::command::Command;
use bytes::Bytes;
use engine::object::{BucketName, ObjectKey, WriteCondition};

impl Coordinator {
    pub(super) async fn object_delete(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        condition: WriteCondition,
    ) -> Result<()> {
        let target = self.target(bucket, key).await?;
        self.propose(Command::Delete { target, condition }, Bytes::new()).await.map(|_| ())
    }
}
