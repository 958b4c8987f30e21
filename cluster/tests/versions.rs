//! The promises about versions: each is there until it is deleted by its id, in the order in which
//! they were made, and a locked one until its lock is over. A random walk is held against a list of
//! versions per key; restarts, checkpoints and reclaim come in between.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use bytes::Bytes;
use cluster::NodeConfig;
use common::{Life, body, content, key, name, put};
use engine::object::{
    Address, AmendRequest, Amendment, BucketChange, BucketRules, Bypass, CreateBucketRequest,
    DeleteRequest, LegalHold, Lock, ObjectAttributes, ObjectStore, PutRequest, Retention,
    RetentionMode, Standing, StoreError, VersionEntry, VersionId, VersionListRequest, Versioning,
    WriteCondition,
};
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::path::Path;

const KEYS: [&str; 4] = ["a", "a/b", "a\u{0}", "b"];
const LENS: [usize; 5] = [0, 700, 16_000, 40_000, 200_000];

/// One version: the seed and length of its body, or none of a delete marker.
type Version = (VersionId, Option<(u64, usize)>);

/// A generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) as usize) % limit
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[derive(Default)]
struct Model {
    versioning: Versioning,
    keys: BTreeMap<&'static str, Vec<Version>>,
}

impl Model {
    fn install(&mut self, key: &'static str, id: VersionId, content: Option<(u64, usize)>) {
        let versions = self.keys.entry(key).or_default();
        versions.retain(|(known, _)| *known != id);
        versions.insert(0, (id, content));
    }

    fn remove(&mut self, key: &str, id: VersionId) {
        let versions = self.keys.get_mut(key).unwrap();
        versions.retain(|(known, _)| *known != id);
        if versions.is_empty() {
            self.keys.retain(|known, _| *known != key);
        }
    }

    fn listing(&self) -> Vec<(String, VersionId, bool, bool)> {
        let mut lines = Vec::new();
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_by_key(|(key, _)| key.as_bytes());
        for (key, versions) in keys {
            for (index, (id, content)) in versions.iter().enumerate() {
                lines.push(((*key).to_owned(), *id, content.is_none(), index == 0));
            }
        }
        lines
    }
}

async fn open(path: &Path) -> Life {
    Life::begin(NodeConfig::tiny(), &[path.to_owned()]).await.unwrap()
}

async fn bytes_of(store: &dyn ObjectStore, address: Address) -> Result<Vec<u8>, StoreError> {
    let reader = store.get(address).await?;
    let size = reader.info().size;
    let pieces: Vec<Bytes> = reader.read(0..size).try_collect().await?;
    Ok(pieces.concat())
}

async fn listed(store: &dyn ObjectStore, limit: usize) -> Vec<(String, VersionId, bool, bool)> {
    let mut lines: Vec<(String, VersionId, bool, bool)> = Vec::new();
    loop {
        let after = lines.last().map(|(key, id, ..)| (key.clone(), Some(*id)));
        let (bucket, prefix, delimiter) = (name(), String::new(), None);
        let request = VersionListRequest { bucket, prefix, delimiter, after, limit };
        let page = store.list_versions(request).await.unwrap();
        for entry in page.entries {
            let VersionEntry::Version(info, standing) = entry else {
                panic!("nothing is rolled up");
            };
            let is_current = standing == Standing::Current;
            let id = info.version.unwrap_or_default();
            lines.push((info.key.as_str().to_owned(), id, info.is_marker, is_current));
        }
        if !page.is_truncated {
            return lines;
        }
    }
}

/// Everything that the store shows against everything that the model has.
async fn compare(store: &dyn ObjectStore, model: &Model) {
    for limit in [1, 3, 1000] {
        assert_eq!(listed(store, limit).await, model.listing(), "pages of {limit}");
    }
    for text in KEYS {
        let versions = model.keys.get(text).map_or(&[][..], Vec::as_slice);
        for (id, expected) in versions {
            let address = Address { bucket: name(), key: key(text), version: Some(*id) };
            match (bytes_of(store, address).await, expected) {
                (Ok(bytes), Some((seed, len))) => {
                    assert!(bytes == content(*seed, *len), "{text} {id}");
                }
                (Err(StoreError::DeleteMarker { is_named: true, .. }), None) => {}
                (found, expected) => panic!("{text} {id}: {:?} {expected:?}", found.map(|_| ())),
            }
        }
        let current = bytes_of(store, Address::current(name(), key(text))).await;
        match (current, versions.first()) {
            (Ok(bytes), Some((_, Some((seed, len))))) => assert!(bytes == content(*seed, *len)),
            (Err(StoreError::DeleteMarker { is_named: false, .. }), Some((_, None))) => {}
            (Err(StoreError::NoSuchKey), None) => {}
            (found, _) => panic!("current {text}: {:?}", found.map(|_| ())),
        }
    }
}

async fn step(store: &dyn ObjectStore, model: &mut Model, random: &mut Random, number: u64) {
    let text = random.choose(&KEYS);
    match random.below(12) {
        0 => {
            model.versioning = random.choose(&[Versioning::Enabled, Versioning::Suspended]);
            let change = BucketChange::Versioning(model.versioning);
            store.configure_bucket(name(), change).await.unwrap();
        }
        1..=6 => {
            let len = random.choose(&LENS);
            let outcome = put(store, text, &content(number, len)).await.unwrap();
            assert_eq!(outcome.version.is_some(), model.versioning != Versioning::Off);
            model.install(text, outcome.version.unwrap_or_default(), Some((number, len)));
        }
        7 | 8 => {
            let request = DeleteRequest::current(name(), key(text), WriteCondition::None);
            let outcome = store.delete(request).await.unwrap();
            match (model.versioning, outcome.version) {
                (Versioning::Off, None) if model.keys.contains_key(text) => {
                    model.remove(text, VersionId::Null);
                }
                (Versioning::Off, None) => {}
                (Versioning::Suspended, Some(VersionId::Null)) => {
                    model.install(text, VersionId::Null, None);
                }
                (Versioning::Enabled, Some(id @ VersionId::Id(_))) => model.install(text, id, None),
                (versioning, version) => panic!("{versioning:?} {version:?}"),
            }
        }
        9 => {
            let Some(versions) = model.keys.get(text) else { return };
            let (id, content) = versions[random.below(versions.len())];
            let address = Address { bucket: name(), key: key(text), version: Some(id) };
            let tags = vec![("number".to_owned(), number.to_string())];
            let amendment = Amendment::Tags(tags.clone());
            let request = AmendRequest { address, condition: WriteCondition::None, amendment };
            match (store.amend(request).await, content) {
                (Ok(info), Some(_)) => assert_eq!(info.attributes.tags, tags),
                (Err(StoreError::DeleteMarker { is_named: true, .. }), None) => {}
                (found, _) => panic!("{found:?}"),
            }
        }
        _ => {
            let Some(versions) = model.keys.get(text) else { return };
            let (id, content) = versions[random.below(versions.len())];
            let mut request = DeleteRequest::current(name(), key(text), WriteCondition::None);
            request.address.version = Some(id);
            let outcome = store.delete(request).await.unwrap();
            assert_eq!(outcome.is_marker, content.is_none());
            model.remove(text, id);
        }
    }
}

#[tokio::test]
async fn a_random_walk_shows_the_versions_that_were_made() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random(seed), Model::default());
        let mut node = open(directory.path()).await;
        node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        for number in 0..240 {
            step(&*node.store(), &mut model, &mut random, number).await;
            if number % 24 == 0 {
                compare(&*node.store(), &model).await;
                node.look_after().await;
            }
            if number % 60 == 59 {
                if random.below(2) == 0 {
                    node.shutdown().await;
                }
                node.end().await;
                node = open(directory.path()).await;
                compare(&*node.store(), &model).await;
            }
        }
        node.end().await;
    }
}

#[tokio::test]
async fn older_versions_survive_the_reclaim_of_what_lay_beside_them() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    let rules = BucketRules { versioning: Versioning::Enabled, ..BucketRules::default() };
    let request = CreateBucketRequest { rules, ..CreateBucketRequest::plain(name()) };
    store.create_bucket(request).await.unwrap();
    let mut kept = Vec::new();
    for number in 0..60 {
        let len = LENS[number as usize % LENS.len()];
        let id = put(&*store, "k", &content(number, len)).await.unwrap().version.unwrap();
        if number % 6 == 0 {
            kept.push((id, number, len));
            continue;
        }
        let mut request = DeleteRequest::current(name(), key("k"), WriteCondition::None);
        request.address.version = Some(id);
        store.delete(request).await.unwrap();
    }
    let before = store.status().await.unwrap().segments_len;
    for _ in 0..12 {
        node.look_after().await;
        // What is written goes on, so that volumes are sealed.
        put(&*store, "other", &content(1, 200_000)).await.unwrap();
    }
    node.look_after().await;
    let after = store.status().await.unwrap().segments_len;
    assert!(after < before + 12 * 210_000, "{before} bytes, then {after}");
    drop(store);
    node.shutdown().await;
    node.end().await;
    let node = open(directory.path()).await;
    for (id, number, len) in kept {
        let address = Address { bucket: name(), key: key("k"), version: Some(id) };
        assert!(bytes_of(&*node.store(), address).await.unwrap() == content(number, len), "{id}");
    }
    node.end().await;
}

fn retained(mode: RetentionMode, until: u64) -> Lock {
    Lock { retention: Some(Retention { mode, until }), hold: LegalHold::Never }
}

async fn put_locked(store: &dyn ObjectStore, lock: Lock) -> Result<VersionId, StoreError> {
    let request = PutRequest {
        bucket: name(),
        key: key("k"),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::None,
        lock,
        len: Some(3),
    };
    Ok(store.put(request, body(b"abc", "e")).await?.version.unwrap_or_default())
}

async fn delete(store: &dyn ObjectStore, id: VersionId, bypass: Bypass) -> Result<(), StoreError> {
    let mut request = DeleteRequest::current(name(), key("k"), WriteCondition::None);
    request.address.version = Some(id);
    request.bypass = bypass;
    store.delete(request).await.map(|_| ())
}

#[tokio::test]
async fn a_locked_version_stays_also_for_whoever_may_bypass_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    let lock = retained(RetentionMode::Compliance, u64::MAX);
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    assert!(matches!(put_locked(&*store, lock).await, Err(StoreError::BucketConflict)));
    let locking = || BucketChange::Lock(None);
    let refused = store.configure_bucket(name(), locking()).await;
    assert!(matches!(refused, Err(StoreError::BucketConflict)), "locks need versions");
    let enabled = BucketChange::Versioning(Versioning::Enabled);
    store.configure_bucket(name(), enabled).await.unwrap();
    store.configure_bucket(name(), locking()).await.unwrap();
    let suspended = BucketChange::Versioning(Versioning::Suspended);
    assert!(matches!(
        store.configure_bucket(name(), suspended).await,
        Err(StoreError::BucketConflict)
    ));
    let compliant = put_locked(&*store, lock).await.unwrap();
    let governed = retained(RetentionMode::Governance, u64::MAX);
    let governed = put_locked(&*store, governed).await.unwrap();
    let held = Lock { retention: None, hold: LegalHold::On };
    let held = put_locked(&*store, held).await.unwrap();
    let over = put_locked(&*store, retained(RetentionMode::Compliance, 1)).await.unwrap();
    drop(store);
    node.end().await;
    let node = open(directory.path()).await;
    let store = node.store();
    let is_locked = |result| matches!(result, Err(StoreError::Locked));
    for id in [compliant, held] {
        assert!(is_locked(delete(&*store, id, Bypass::No).await));
        assert!(is_locked(delete(&*store, id, Bypass::Governance).await));
    }
    assert!(is_locked(delete(&*store, governed, Bypass::No).await));
    delete(&*store, governed, Bypass::Governance).await.unwrap();
    delete(&*store, over, Bypass::No).await.unwrap();
    // A delete without a version only hides.
    store.delete(DeleteRequest::current(name(), key("k"), WriteCondition::None)).await.unwrap();
    let refused = store.delete_bucket(name()).await;
    assert!(matches!(refused, Err(StoreError::BucketNotEmpty)));
    let address = Address { bucket: name(), key: key("k"), version: Some(compliant) };
    assert_eq!(bytes_of(&*store, address).await.unwrap(), b"abc");
    drop(store);
    node.end().await;
}

#[tokio::test]
async fn what_is_acknowledged_after_versions_were_turned_on_is_a_version() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put(&*store, "k", b"before").await.unwrap();
    let writers: Vec<_> = (0..40)
        .map(|number| {
            let store = node.store();
            tokio::spawn(async move { put(&*store, "k", &content(number, 30_000)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let enabled = BucketChange::Versioning(Versioning::Enabled);
    store.configure_bucket(name(), enabled).await.unwrap();
    let after = put(&*store, "k", b"after").await.unwrap().version;
    assert!(matches!(after, Some(VersionId::Id(_))));
    let mut versions = 0;
    for writer in writers {
        let version = writer.await.unwrap().unwrap().version;
        versions += usize::from(matches!(version, Some(VersionId::Id(_))));
    }
    // The null version, those that came after the change, and the one above.
    assert_eq!(listed(&*store, 1000).await.len(), versions + 2);
    drop(store);
    node.end().await;
}
