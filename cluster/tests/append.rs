//! The promises about appends: what was appended follows what was there, whatever form that had;
//! nothing is appended twice or to something else. Restarts, checkpoints and reclaim come in
//! between.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;

use bytes::Bytes;
use cluster::NodeConfig;
use common::{Life, body, check, content, key, name, put};
use engine::object::{
    Address, AmendRequest, Amendment, AppendBase, AppendRequest, BucketChange, CreateBucketRequest,
    DeleteRequest, ETag, Join, ObjectInfo, ObjectStore, PartPage, PutOutcome, StoreError,
    Versioning, WriteCondition,
};
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const KEYS: [&str; 5] = ["a", "a/b", "b", "c", "d"];
const LENS: [usize; 6] = [0, 300, 700, 16_000, 40_000, 200_000];

/// A generator of its own, so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) as usize) % limit
    }
}

async fn open(path: &Path) -> Life {
    Life::begin(NodeConfig::tiny(), &[path.to_owned()]).await.unwrap()
}

async fn head(store: &dyn ObjectStore, text: &str) -> Result<ObjectInfo, StoreError> {
    store.head(Address::current(name(), key(text))).await
}

/// The entity tag says what was joined.
fn join(info: &ObjectInfo) -> Join {
    let base = info.etag.0.clone();
    Arc::new(move |etag, _, len| (ETag(format!("{base}+{}:{len}", etag.0)), None))
}

async fn append(
    store: &dyn ObjectStore,
    info: &ObjectInfo,
    bytes: &[u8],
) -> Result<PutOutcome, StoreError> {
    let request = AppendRequest {
        bucket: name(),
        key: info.key.clone(),
        base: AppendBase::of(info),
        number: u16::try_from(info.part_count.max(1)).unwrap() + 1,
        len: Some(bytes.len() as u64),
        join: join(info),
    };
    store.append(request, body(bytes, "more")).await
}

async fn grow(store: &dyn ObjectStore, text: &str, bytes: &[u8], whole: &mut Vec<u8>) {
    let info = head(store, text).await.unwrap();
    let outcome = append(store, &info, bytes).await.unwrap();
    whole.extend_from_slice(bytes);
    assert_eq!(outcome.size, whole.len() as u64);
    assert_eq!(outcome.etag.0, format!("{}+more:{}", info.etag.0, bytes.len()));
    // What was looked up before is no base any more, not even for nothing.
    let again = append(store, &info, bytes).await;
    assert!(matches!(again, Err(StoreError::PreconditionFailed)), "{again:?}");
}

async fn compare(store: &dyn ObjectStore, model: &BTreeMap<&'static str, Vec<u8>>) {
    for text in KEYS {
        match (head(store, text).await, model.get(text)) {
            (Ok(info), Some(whole)) => {
                assert_eq!(info.size, whole.len() as u64, "{text}");
                check(store, text, whole).await;
            }
            (Err(StoreError::NoSuchKey | StoreError::DeleteMarker { .. }), None) => {}
            (found, expected) => panic!("{text}: {found:?} {:?}", expected.map(Vec::len)),
        }
    }
}

async fn step(
    store: &dyn ObjectStore,
    model: &mut BTreeMap<&'static str, Vec<u8>>,
    random: &mut Random,
    number: u64,
) {
    let text = KEYS[random.below(KEYS.len())];
    let bytes = content(number, LENS[random.below(LENS.len())]);
    match random.below(10) {
        0..=3 => {
            put(store, text, &bytes).await.unwrap();
            model.insert(text, bytes);
        }
        4..=7 => {
            let Some(whole) = model.get_mut(text) else { return };
            grow(store, text, &bytes, whole).await;
        }
        8 => {
            let request = DeleteRequest::current(name(), key(text), WriteCondition::None);
            store.delete(request).await.unwrap();
            model.remove(text);
        }
        _ => {
            let address = Address::current(name(), key(text));
            let amendment = Amendment::Tags(vec![("n".to_owned(), number.to_string())]);
            let request = AmendRequest { address, condition: WriteCondition::None, amendment };
            assert_eq!(store.amend(request).await.is_ok(), model.contains_key(text));
        }
    }
}

#[tokio::test]
async fn a_random_walk_shows_what_was_appended() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random(seed), BTreeMap::new());
        let mut node = open(directory.path()).await;
        node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        if seed % 2 == 1 {
            let change = BucketChange::Versioning(Versioning::Suspended);
            node.store().configure_bucket(name(), change).await.unwrap();
        }
        for number in 0..300 {
            step(&*node.store(), &mut model, &mut random, number).await;
            if number % 30 == 0 {
                compare(&*node.store(), &model).await;
                node.look_after().await;
            }
            if number % 75 == 74 {
                node.end().await;
                node = open(directory.path()).await;
            }
        }
        node.look_after().await;
        compare(&*node.store(), &model).await;
        node.end().await;
    }
}

/// The bytes of an object that an append made one of parts are found where they are now, and not
/// taken for dead with what lay beside them.
#[tokio::test]
async fn what_was_there_before_survives_the_reclaim_of_what_lay_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(directory.path()).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let first = content(1, 40_000);
    put(&*node.store(), "a", &first).await.unwrap();
    for number in 2..140 {
        put(&*node.store(), "b", &content(number, 40_000)).await.unwrap();
    }
    let mut whole = first;
    grow(&*node.store(), "a", b"more", &mut whole).await;
    for _ in 0..8 {
        node.look_after().await;
    }
    let after = node.store().status().await.unwrap().segments_len;
    let written = 139 * 40_000;
    assert!(after < written / 30, "{after} of {written} bytes are left: a volume stayed");
    check(&*node.store(), "a", &whole).await;
    node.end().await;
    node = open(directory.path()).await;
    check(&*node.store(), "a", &whole).await;
    node.end().await;
}

/// Of appends at the same place one counts.
#[tokio::test]
async fn one_of_several_appends_at_the_same_place_counts() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    for first in [300, 40_000] {
        put(&*store, "a", &content(0, first)).await.unwrap();
        let info = head(&*store, "a").await.unwrap();
        let bodies: Vec<_> = (1..9_u64).map(|seed| content(seed, 30_000)).collect();
        let appends = bodies.iter().map(|bytes| append(&*store, &info, bytes));
        let outcomes = futures_util::future::join_all(appends).await;
        let winners: Vec<_> = outcomes.iter().zip(&bodies).filter(|(it, _)| it.is_ok()).collect();
        let [(_, winner)] = winners[..] else { panic!("{} appends counted", winners.len()) };
        check(&*store, "a", &[&content(0, first)[..], winner].concat()).await;
    }
    drop(store);
    node.end().await;
}

#[tokio::test]
async fn only_what_may_change_is_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put(&*store, "a", b"null").await.unwrap();
    let null = head(&*store, "a").await.unwrap();
    let mut other = null.clone();
    other.key = key("b");
    let refused = append(&*store, &other, b"x").await;
    assert!(matches!(refused, Err(StoreError::NoSuchKey)), "{refused:?}");
    let low = AppendRequest {
        bucket: name(),
        key: key("a"),
        base: AppendBase::of(&null),
        number: 1,
        len: Some(1),
        join: join(&null),
    };
    let refused = store.append(low, body(b"x", "more")).await;
    assert!(matches!(refused, Err(StoreError::InvalidPart { number: 1 })), "{refused:?}");
    let versioning = |state| store.configure_bucket(name(), BucketChange::Versioning(state));
    versioning(Versioning::Enabled).await.unwrap();
    let refused = append(&*store, &null, b"x").await;
    assert!(matches!(refused, Err(StoreError::BucketConflict)), "{refused:?}");
    put(&*store, "a", b"version").await.unwrap();
    versioning(Versioning::Suspended).await.unwrap();
    let version = head(&*store, "a").await.unwrap();
    let refused = append(&*store, &version, b"x").await;
    assert!(matches!(refused, Err(StoreError::BucketConflict)), "{refused:?}");
    check(&*store, "a", b"version").await;
    drop(store);
    node.end().await;
}

/// A reader sees the object as it was when it was opened.
#[tokio::test]
async fn readers_see_one_state() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let mut whole = content(0, 200_000);
    put(&*store, "a", &whole).await.unwrap();
    for number in 1..4 {
        let reader = store.get(Address::current(name(), key("a"))).await.unwrap();
        let before = whole.clone();
        grow(&*store, "a", &content(number, 40_000), &mut whole).await;
        let (parts, _) = reader.parts(PartPage { after: 0, limit: 100 }).await.unwrap();
        let size: u64 = parts.iter().map(|part| part.size).sum();
        assert!(parts.is_empty() || size == reader.info().size, "{size}");
        let len = reader.info().size;
        let pieces: Vec<Bytes> = reader.read(0..len).try_collect().await.unwrap();
        assert!(pieces.concat() == before);
    }
    drop(store);
    node.end().await;
}
