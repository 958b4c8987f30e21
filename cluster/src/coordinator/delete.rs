//! DELETE: one command.

use super::put::another_answer;
use super::{Coordinator, Result};
use crate::meta::command::{Command, LockKey, Success, Target};
use bytes::Bytes;
use engine::object::{Address, BucketRules, DeleteOutcome, DeleteRequest};

impl Coordinator {
    pub(super) async fn object_delete(&self, request: DeleteRequest) -> Result<DeleteOutcome> {
        let DeleteRequest { address, condition, bypass } = request;
        let Address { bucket, key, version } = address;
        let (time, entropy) = (self.now(), self.random_id() as u64);
        let lock_key = LockKey { time: self.lock_clock.now(), bypass };
        let command = |target: Target, _: BucketRules| {
            let condition = condition.clone();
            Ok(Command::Delete { target, version, condition, time, key: lock_key, entropy })
        };
        match self.propose_fenced(&bucket, &key, Bytes::new(), command).await? {
            (Success::Deleted(outcome), _) => Ok(outcome),
            _ => Err(another_answer()),
        }
    }
}
