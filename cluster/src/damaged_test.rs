//! Rows that cannot be read: what they would forbid stays forbidden.

use crate::rows::{self, BucketRow};
use crate::{Node, NodeConfig};
use bytes::Bytes;
use engine::disks::DiskAt;
use engine::env::real::{RealDisk, env};
use engine::format::value::Value;
use engine::index::RowWrite;
use engine::object::{
    Address, AmendRequest, Amendment, BucketName, BucketRules, Bypass, CreateBucketRequest,
    DeleteRequest, LegalHold, ObjectKey, StoreError, Versioning, WriteCondition,
};
use std::path::Path;
use std::sync::Arc;

async fn open(path: &Path) -> Node {
    let disk = DiskAt::new("disk", Arc::new(RealDisk::open(path).unwrap()));
    Node::open(NodeConfig::tiny(), vec![disk], env()).await.unwrap()
}

fn bucket() -> BucketName {
    BucketName::new("box").unwrap()
}

fn key() -> ObjectKey {
    ObjectKey::new("key".to_owned()).unwrap()
}

/// The row of the object's newest version.
async fn row_of(node: &Node) -> (Bytes, Value) {
    let row = node.store.get(&rows::bucket(&bucket())).await.unwrap().unwrap();
    let BucketRow { incarnation, .. } = rows::decode(&row.attributes).unwrap();
    let key = rows::object(incarnation, &key());
    let value = node.store.get(&key).await.unwrap().unwrap();
    (key, value)
}

async fn replace(node: &Node, key: Bytes, old: Value, new: Value) {
    let mut turn = node.store.apply_turn().await;
    turn.write(vec![RowWrite { key, old: Some(old), new: Some(new) }]);
    turn.finish(node.store.applied_sequence());
}

#[tokio::test]
async fn ghsa_j548_an_unreadable_lock_lets_nobody_delete() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    let rules =
        BucketRules { versioning: Versioning::Enabled, has_lock: true, ..BucketRules::default() };
    let plain = CreateBucketRequest::plain(bucket());
    store.create_bucket(CreateBucketRequest { rules, ..plain }).await.unwrap();
    // A marker has no body; it can be deleted like any version.
    let marker = DeleteRequest::current(bucket(), key(), WriteCondition::None);
    let version = store.delete(marker).await.unwrap().version;
    let address = || Address { bucket: bucket(), key: key(), version };
    let (row, whole) = row_of(&node).await;
    // Cut off before the lock, in it, and behind it.
    for len in 0..whole.attributes.len() {
        let (_, before) = row_of(&node).await;
        let cut = Value { attributes: whole.attributes.slice(..len), ..whole.clone() };
        replace(&node, row.clone(), before, cut.clone()).await;
        for bypass in [Bypass::No, Bypass::Governance] {
            let condition = WriteCondition::None;
            let deletion = DeleteRequest { address: address(), condition, bypass };
            let refused = store.delete(deletion).await;
            assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{len}: {refused:?}");
        }
        let (condition, amendment) = (WriteCondition::None, Amendment::Hold(LegalHold::Off));
        let amended = store.amend(AmendRequest { address: address(), condition, amendment }).await;
        assert!(matches!(amended, Err(StoreError::Corrupt(_))), "{len}: {amended:?}");
        assert!(store.delete_bucket(bucket()).await.is_err());
        assert_eq!(row_of(&node).await.1, cut, "it stays for whoever repairs it");
    }
    let (_, before) = row_of(&node).await;
    replace(&node, row, before, whole).await;
    let condition = WriteCondition::None;
    let deletion = DeleteRequest { address: address(), condition, bypass: Bypass::No };
    store.delete(deletion).await.unwrap();
}
