//! Each annotation stays with its version and goes with it, whatever happens around; nothing of one
//! that is gone is left. Restarts, checkpoints and reclaim come in between.
#![expect(clippy::unwrap_used, reason = "a test fails where its helpers fail")]

mod common;

use bytes::Bytes;
use cluster::NodeConfig;
use common::{Life, body, check, content, key, name, put};
use engine::object::annotation::ANNOTATION_COUNT_MAX;
use engine::object::{
    Address, AnnotateOutcome, AnnotateRequest, AnnotationListRequest, AnnotationName,
    AnnotationSource, Body, BodyDigest, BodyError, BodySource, BucketChange, BucketRules, Bypass,
    CreateBucketRequest, DeleteRequest, ETag, Lock, NewAnnotation, ObjectAttributes, ObjectStore,
    PutRequest, Reply, Retention, RetentionMode, StoreError, UnannotateRequest, VersionId,
    Versioning, WriteCondition,
};
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::path::Path;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

const KEYS: [&str; 3] = ["a", "a/b", "c"];
const NAMES: [&str; 4] = ["n", "n.a", "n.b", "z"];
const LENS: [usize; 5] = [1, 300, 16_000, 40_000, 1 << 20];

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

fn named(text: &str) -> AnnotationName {
    AnnotationName::new(text).unwrap()
}

fn address(text: &str, version: Option<VersionId>) -> Address {
    Address { version, ..Address::current(name(), key(text)) }
}

fn request(address: Address, text: &str, len: usize) -> AnnotateRequest {
    let annotation = NewAnnotation { name: named(text), note: None, len: len as u64 };
    let condition = WriteCondition::None;
    AnnotateRequest { address, condition, seen: Vec::new(), annotation }
}

async fn annotate(
    store: &dyn ObjectStore,
    address: Address,
    text: &str,
    bytes: &[u8],
) -> Result<AnnotateOutcome, StoreError> {
    store.put_annotation(request(address, text, bytes.len()), body(bytes, "note")).await
}

async fn unannotate(
    store: &dyn ObjectStore,
    address: Address,
    text: &str,
) -> Result<Option<VersionId>, StoreError> {
    let (condition, bypass) = (WriteCondition::None, Bypass::No);
    store
        .delete_annotation(UnannotateRequest { address, condition, name: named(text), bypass })
        .await
}

async fn text_of(
    store: &dyn ObjectStore,
    address: Address,
    text: &str,
) -> Result<Vec<u8>, StoreError> {
    let open = store.get_annotation(address, named(text)).await?;
    let pieces: Vec<Bytes> = open.bytes.try_collect().await?;
    assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>() as u64, open.annotation.size);
    Ok(pieces.concat())
}

/// The names of all annotations, page by page.
async fn names(store: &dyn ObjectStore, address: Address) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let request = AnnotationListRequest {
            address: address.clone(),
            prefix: String::new(),
            after: found.last().cloned(),
            limit: 3,
        };
        let page = store.list_annotations(request).await?;
        found.extend(page.annotations.into_iter().map(|it| it.name.as_str().to_owned()));
        if !page.is_truncated {
            return Ok(found);
        }
    }
}

async fn versioning(store: &dyn ObjectStore, state: Versioning) {
    store.configure_bucket(name(), BucketChange::Versioning(state)).await.unwrap();
}

async fn delete(store: &dyn ObjectStore, text: &str, version: Option<VersionId>) {
    let (condition, bypass) = (WriteCondition::None, Bypass::No);
    let address = address(text, version);
    store.delete(DeleteRequest { address, condition, bypass }).await.unwrap();
}

/// Annotations for a copy, of which the last one may fail.
struct Source {
    texts: Vec<(String, Vec<u8>)>,
    fails: bool,
}

impl AnnotationSource for Source {
    fn next(&mut self) -> Reply<'_, Option<(NewAnnotation, Body)>> {
        let next = match self.texts.is_empty() {
            true if self.fails => Err(StoreError::Body(BodyError("cut off".into()))),
            true => Ok(None),
            false => {
                let (text, bytes) = self.texts.remove(0);
                let new =
                    NewAnnotation { name: named(&text), note: Some(text), len: bytes.len() as u64 };
                Ok(Some((new, body(&bytes, "note"))))
            }
        };
        Box::pin(std::future::ready(next))
    }
}

async fn put_annotated(
    store: &dyn ObjectStore,
    text: &str,
    bytes: &[u8],
    source: Source,
) -> Result<Option<VersionId>, StoreError> {
    let request = PutRequest {
        bucket: name(),
        key: key(text),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::None,
        lock: Lock::default(),
        len: Some(bytes.len() as u64),
    };
    let outcome = store.put_annotated(request, body(bytes, "copy"), Box::new(source)).await?;
    Ok(outcome.version)
}

/// Hash of all rows once nothing of what is gone is left: it is that of a bucket without objects.
async fn settled(node: &Life) -> u64 {
    for _ in 0..20 {
        node.look_after().await;
    }
    while let Err(StoreError::Busy(_)) = node.digest_rows().await {
        tokio::task::yield_now().await;
    }
    node.digest_rows().await.unwrap()
}

#[tokio::test]
async fn annotations_stay_with_their_version_and_go_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(directory.path()).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    versioning(&*node.store(), Versioning::Enabled).await;
    let empty = settled(&node).await;
    let first = put(&*node.store(), "a", b"first").await.unwrap().version;
    for (index, len) in LENS.into_iter().enumerate() {
        let text = content(index as u64, len);
        let put = annotate(&*node.store(), address("a", None), &format!("n{index}"), &text).await;
        let put = put.unwrap();
        assert_eq!((put.version, put.annotation.size), (first, len as u64));
    }
    let second = put(&*node.store(), "a", b"second").await.unwrap().version;
    assert_eq!(names(&*node.store(), address("a", None)).await.unwrap().len(), 0);
    annotate(&*node.store(), address("a", first), "later", b"late").await.unwrap();
    for is_current in [false, true] {
        if is_current {
            delete(&*node.store(), "a", second).await;
        }
        node.look_after().await;
        node.end().await;
        node = open(directory.path()).await;
        let store = node.store();
        let at = |named: bool| address("a", first.filter(|_| named));
        assert_eq!(names(&*store, at(true)).await.unwrap().len(), LENS.len() + 1);
        for (index, len) in LENS.into_iter().enumerate() {
            let text = text_of(&*store, at(!is_current), &format!("n{index}")).await.unwrap();
            assert!(text == content(index as u64, len), "{len} bytes differ");
        }
        assert_eq!(text_of(&*store, at(true), "later").await.unwrap(), b"late");
    }
    // Behind a delete marker they are there, and go with the version alone.
    delete(&*node.store(), "a", None).await;
    let hidden = text_of(&*node.store(), address("a", None), "later").await;
    assert!(matches!(hidden, Err(StoreError::DeleteMarker { .. })), "{hidden:?}");
    assert_eq!(text_of(&*node.store(), address("a", first), "later").await.unwrap(), b"late");
    let marker = node.store().head(address("a", None)).await;
    let Err(StoreError::DeleteMarker { version: marker, .. }) = marker else {
        panic!("{marker:?}")
    };
    delete(&*node.store(), "a", first).await;
    delete(&*node.store(), "a", marker).await;
    let gone = text_of(&*node.store(), address("a", first), "later").await;
    assert!(matches!(gone, Err(StoreError::NoSuchVersion)), "{gone:?}");
    assert_eq!(settled(&node).await, empty, "rows are left");
    node.end().await;
}

/// A version as the model has it: identity, bytes, annotations.
type Version = (Option<VersionId>, Vec<u8>, BTreeMap<&'static str, Vec<u8>>);
type Model = BTreeMap<&'static str, Vec<Version>>;

fn install(versions: &mut Vec<Version>, new: Version) {
    versions.retain(|(version, ..)| version.unwrap_or_default() != new.0.unwrap_or_default());
    versions.insert(0, new);
}

async fn step(store: &dyn ObjectStore, model: &mut Model, random: &mut Random, number: u64) {
    let text = KEYS[random.below(KEYS.len())];
    let versions = model.entry(text).or_default();
    let bytes = content(number, LENS[random.below(LENS.len())]);
    let named_one = versions.get(random.below(versions.len().max(1))).map(|it| it.0);
    let label = NAMES[random.below(NAMES.len())];
    match random.below(10) {
        0 | 1 => {
            let version = put(store, text, &bytes).await.unwrap().version;
            install(versions, (version, bytes, BTreeMap::new()));
        }
        2 => {
            let texts = vec![("n".to_owned(), bytes.clone()), ("z".to_owned(), b"z".to_vec())];
            let source = Source { texts, fails: random.below(2) == 0 };
            let fails = source.fails;
            match put_annotated(store, text, &bytes, source).await {
                Ok(version) => {
                    let notes = [("n", bytes.clone()), ("z", b"z".to_vec())].into();
                    install(versions, (version, bytes, notes));
                }
                Err(error) => assert!(fails, "{error:?}"),
            }
        }
        3 | 4 => {
            let Some(version) = named_one else { return };
            delete(store, text, Some(version.unwrap_or_default())).await;
            versions.retain(|it| it.0 != version);
        }
        5 => {
            let Some(version) = named_one else { return };
            let found = unannotate(store, address(text, version), label).await.unwrap();
            assert_eq!(found, version);
            let it = versions.iter_mut().find(|it| it.0 == version).unwrap();
            it.2.remove(label);
        }
        _ => {
            let Some(version) = named_one else { return };
            let put = annotate(store, address(text, version), label, &bytes).await.unwrap();
            assert_eq!(put.version, version);
            let it = versions.iter_mut().find(|it| it.0 == version).unwrap();
            it.2.insert(label, bytes);
        }
    }
}

async fn compare(store: &dyn ObjectStore, model: &Model) {
    for (text, versions) in model {
        for (index, (version, bytes, notes)) in versions.iter().enumerate() {
            let mut ways = vec![*version];
            if index == 0 {
                check(store, text, bytes).await;
                ways.push(None);
            }
            for way in ways {
                let found = names(store, address(text, way)).await.unwrap();
                assert_eq!(found, notes.keys().copied().collect::<Vec<_>>(), "{text} {way:?}");
                let info = store.head(address(text, way)).await.unwrap();
                assert_eq!(info.annotation_count as usize, notes.len());
                for (label, note) in notes {
                    let read = text_of(store, address(text, way), label).await.unwrap();
                    assert!(read == *note, "{label} of {text} differs");
                }
                let absent = text_of(store, address(text, way), "nobody").await;
                assert!(matches!(absent, Err(StoreError::NoSuchAnnotation)), "{absent:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_random_walk_shows_what_was_annotated_and_leaves_nothing() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (mut random, mut model) = (Random(seed), Model::new());
        let mut node = open(directory.path()).await;
        node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
        match seed % 3 {
            0 => {}
            1 => versioning(&*node.store(), Versioning::Enabled).await,
            _ => versioning(&*node.store(), Versioning::Suspended).await,
        }
        let empty = settled(&node).await;
        for number in 0..150 {
            step(&*node.store(), &mut model, &mut random, number).await;
            if number % 30 == 0 {
                compare(&*node.store(), &model).await;
                node.look_after().await;
            }
            if number % 50 == 49 {
                node.end().await;
                node = open(directory.path()).await;
            }
        }
        compare(&*node.store(), &model).await;
        for (text, versions) in &model {
            for (version, ..) in versions {
                delete(&*node.store(), text, Some(version.unwrap_or_default())).await;
            }
        }
        assert_eq!(settled(&node).await, empty, "rows are left, seed {seed}");
        node.end().await;
    }
}

/// Long texts move when what lies beside them is dead, and give their room back.
#[tokio::test]
async fn annotations_survive_the_reclaim_of_what_lay_beside_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(directory.path()).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put(&*node.store(), "a", b"object").await.unwrap();
    for label in ["long", "short"] {
        let text = content(7, if label == "long" { 40_000 } else { 900 });
        annotate(&*node.store(), address("a", None), label, &text).await.unwrap();
    }
    for number in 2..140 {
        let text = content(number, 40_000);
        annotate(&*node.store(), address("a", None), "hot", &text).await.unwrap();
    }
    unannotate(&*node.store(), address("a", None), "hot").await.unwrap();
    let before = node.store().status().await.unwrap().segments_len;
    for _ in 0..8 {
        node.look_after().await;
    }
    let after = node.store().status().await.unwrap().segments_len;
    assert!(before > 100_000 && after < 100_000, "{before} bytes, then {after}: a volume stayed");
    for _ in 0..2 {
        let long = text_of(&*node.store(), address("a", None), "long").await.unwrap();
        assert!(long == content(7, 40_000));
        let short = text_of(&*node.store(), address("a", None), "short").await.unwrap();
        assert!(short == content(7, 900));
        node.end().await;
        node = open(directory.path()).await;
    }
    node.end().await;
}

/// A body that comes as the test sends it.
struct Fed(mpsc::Receiver<Bytes>);

impl BodySource for Fed {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: ETag("fed".into()), checksum: None, plain_len: None }
    }
}

/// U2: the object is replaced while the text of its annotation is on its way.
#[tokio::test]
async fn an_annotation_meets_the_version_that_was_meant_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    for (len, is_conditional) in [(9, false), (40_000, false), (9, true)] {
        put(&*store, "a", b"1").await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let mut request = request(address("a", None), "n", len);
        if is_conditional {
            request.condition = WriteCondition::Matches(ETag("etag-1".into()));
        }
        let other = node.store();
        let body: Body = Box::new(Fed(receiver));
        let write = tokio::spawn(async move { other.put_annotation(request, body).await });
        sender.send(Bytes::from(content(1, len))).await.unwrap();
        put(&*store, "a", b"22").await.unwrap();
        drop(sender);
        let refused = write.await.unwrap();
        match is_conditional {
            false => assert!(matches!(refused, Err(StoreError::Changed)), "{refused:?}"),
            true => assert!(matches!(refused, Err(StoreError::PreconditionFailed)), "{refused:?}"),
        }
        assert_eq!(names(&*store, address("a", None)).await.unwrap().len(), 0);
    }
    let mut wrong = request(address("a", None), "n", 1);
    wrong.seen = vec![("encryption".to_owned(), "other".to_owned())];
    let refused = store.put_annotation(wrong, body(b"x", "e")).await;
    assert!(matches!(refused, Err(StoreError::Changed)), "{refused:?}");
    let absent = annotate(&*store, address("nobody", None), "n", b"x").await;
    assert!(matches!(absent, Err(StoreError::NoSuchKey)), "{absent:?}");
    drop(store);
    node.end().await;
}

#[tokio::test]
async fn a_version_has_a_thousand_annotations_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    store.create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    put(&*store, "a", b"1").await.unwrap();
    let count = ANNOTATION_COUNT_MAX as usize;
    let texts = (0..count).map(|number| (format!("n{number:04}"), vec![7; 10])).collect();
    put_annotated(&*store, "b", b"2", Source { texts, fails: false }).await.unwrap();
    let more = annotate(&*store, address("b", None), "more", b"x").await;
    assert!(matches!(more, Err(StoreError::TooManyAnnotations)), "{more:?}");
    annotate(&*store, address("b", None), "n0000", b"again").await.unwrap();
    unannotate(&*store, address("b", None), "n0001").await.unwrap();
    unannotate(&*store, address("b", None), "n0001").await.unwrap();
    annotate(&*store, address("b", None), "more", b"x").await.unwrap();
    let more = annotate(&*store, address("b", None), "still-more", b"x").await;
    assert!(matches!(more, Err(StoreError::TooManyAnnotations)), "{more:?}");
    assert_eq!(names(&*store, address("b", None)).await.unwrap().len(), count);
    let (prefix, after) = ("n00".to_owned(), Some("n0001".to_owned()));
    let page = AnnotationListRequest { address: address("b", None), prefix, after, limit: 2 };
    let page = store.list_annotations(page).await.unwrap();
    let found: Vec<_> = page.annotations.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((found, page.is_truncated), (vec!["n0002", "n0003"], true));
    let texts = (0..=count).map(|number| (format!("n{number:04}"), vec![7; 10])).collect();
    let many = put_annotated(&*store, "c", b"3", Source { texts, fails: false }).await;
    assert!(matches!(many, Err(StoreError::TooManyAnnotations)), "{many:?}");
    let none = store.head(address("c", None)).await;
    assert!(matches!(none, Err(StoreError::NoSuchKey)), "{none:?}");
    drop(store);
    node.end().await;
}

/// What was staged for a version that never came goes, also over the end of a process.
#[tokio::test]
async fn annotations_of_a_copy_that_failed_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = open(directory.path()).await;
    node.store().create_bucket(CreateBucketRequest::plain(name())).await.unwrap();
    let empty = settled(&node).await;
    for is_restarted in [false, true] {
        let texts = (0..300).map(|number| (format!("n{number}"), content(1, 20_000))).collect();
        let failed = put_annotated(&*node.store(), "a", b"1", Source { texts, fails: true }).await;
        assert!(matches!(failed, Err(StoreError::Body(_))), "{failed:?}");
        if is_restarted {
            node.end().await;
            node = open(directory.path()).await;
        }
        assert_eq!(settled(&node).await, empty, "rows are left");
    }
    node.end().await;
}

#[tokio::test]
async fn annotations_of_a_locked_version_are_written_and_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path()).await;
    let store = node.store();
    let rules =
        BucketRules { versioning: Versioning::Enabled, has_lock: true, ..BucketRules::default() };
    let create = CreateBucketRequest { rules, ..CreateBucketRequest::plain(name()) };
    store.create_bucket(create).await.unwrap();
    for mode in [RetentionMode::Governance, RetentionMode::Compliance] {
        let retention = Some(Retention { mode, until: u64::MAX });
        let request = PutRequest {
            bucket: name(),
            key: key("a"),
            attributes: ObjectAttributes::default(),
            condition: WriteCondition::None,
            lock: Lock { retention, ..Lock::default() },
            len: Some(1),
        };
        store.put(request, body(b"1", "e")).await.unwrap();
        annotate(&*store, address("a", None), "n", b"x").await.unwrap();
        let refused = unannotate(&*store, address("a", None), "n").await;
        assert!(matches!(refused, Err(StoreError::Locked)), "{refused:?}");
        let request = UnannotateRequest {
            address: address("a", None),
            condition: WriteCondition::None,
            name: named("n"),
            bypass: Bypass::Governance,
        };
        let bypassed = store.delete_annotation(request).await;
        assert_eq!(bypassed.is_ok(), mode == RetentionMode::Governance, "{bypassed:?}");
    }
    drop(store);
    node.end().await;
}
