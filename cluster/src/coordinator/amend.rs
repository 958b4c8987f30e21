//! Changes of what lies beside the bytes of a version: one command.

use super::put::another_answer;
use super::{Coordinator, Result};
use crate::meta::command::{Command, Success, Target};
use bytes::Bytes;
use engine::object::{Address, AmendRequest, Amendment, BucketRules, ObjectInfo, StoreError};

impl Coordinator {
    pub(super) async fn object_amend(&self, request: AmendRequest) -> Result<ObjectInfo> {
        let AmendRequest { address, condition, amendment } = request;
        let Address { bucket, key, version } = address;
        let lock_time = self.lock_clock.now();
        let locks = matches!(amendment, Amendment::Retention { .. } | Amendment::Hold(_));
        let command = |target: Target, rules: BucketRules| {
            if locks && !rules.has_lock {
                return Err(StoreError::BucketConflict);
            }
            let (condition, amendment) = (condition.clone(), amendment.clone());
            Ok(Command::Amend { target, version, condition, amendment, lock_time })
        };
        match self.propose_fenced(&bucket, &key, Bytes::new(), command).await? {
            (Success::Object(object), rules) => Ok(object.info(key, rules.versioning)),
            _ => Err(another_answer()),
        }
    }
}
