//! Annotations: attached, read, listed, taken away; and those that come with a copy.
//!
//! An annotation lies under the write that made its version. So the version is looked up first; a
//! command names that write, and apply refuses it where the version is another one by then.

use super::body::{BodyOwner, TakenBody};
use super::put::{another_answer, check};
use super::{Coordinator, Result, VersionRow, attributes};
use crate::error::{damaged_row, from_engine};
use crate::meta::command::{Command, CommittedAnnotation, LockKey, Success, Target};
use crate::reading::Reading;
use crate::rows::{self, AnnotationRow, Garbage, OWN_ROW_LEN_MAX};
use bytes::Bytes;
use engine::object::{
    Address, AnnotateOutcome, AnnotateRequest, AnnotationInfo, AnnotationListRequest,
    AnnotationName, AnnotationPage, AnnotationSource, AnnotationStore, Body, BucketRules,
    NewAnnotation, OpenAnnotation, PutOutcome, PutRequest, Reply, StoreError, UnannotateRequest,
    VersionId,
};

/// Rows, with the short texts in them, that one look of a listing reads.
const SCAN_ROWS: usize = 64;

/// How often a version and its annotations are looked up again because it was replaced between.
const LOOKUP_COUNT_MAX: usize = 16;

/// Annotations that were written for a version that is yet to come.
pub(super) struct Staged {
    pub(super) count: u32,
    /// Keeps them from the purge until the version is there, or is not going to be.
    _reading: Option<Reading>,
}

impl AnnotationStore for Coordinator {
    fn put_annotated<'a>(
        &'a self,
        request: PutRequest,
        body: Body,
        annotations: Box<dyn AnnotationSource + 'a>,
    ) -> Reply<'a, PutOutcome> {
        Box::pin(self.object_put(request, body, Some(annotations)))
    }

    fn put_annotation(&self, request: AnnotateRequest, body: Body) -> Reply<'_, AnnotateOutcome> {
        Box::pin(self.annotation_put(request, body))
    }

    fn get_annotation(&self, address: Address, name: AnnotationName) -> Reply<'_, OpenAnnotation> {
        Box::pin(self.annotation_get(address, name))
    }

    fn list_annotations(&self, request: AnnotationListRequest) -> Reply<'_, AnnotationPage> {
        Box::pin(self.annotation_list(request))
    }

    fn delete_annotation(&self, request: UnannotateRequest) -> Reply<'_, Option<VersionId>> {
        Box::pin(self.annotation_delete(request))
    }
}

impl Coordinator {
    pub(super) async fn annotation_put(
        &self,
        request: AnnotateRequest,
        body: Body,
    ) -> Result<AnnotateOutcome> {
        let AnnotateRequest { address, condition, seen, annotation: new } = request;
        let Address { bucket, key, version } = address;
        self.linearize().await?;
        let target = self.target(bucket, key).await?;
        let VersionRow { write_id, object, .. } = self.version_row(&target, version).await?;
        check(&condition, object.visible_etag())?;
        if object.attributes.system != seen {
            return Err(StoreError::Changed);
        }
        let (taken, annotation) = self.take_annotation(&target, write_id, (new, body)).await?;
        let incarnation = target.incarnation;
        let command = |target: Target, _: BucketRules| {
            if target.incarnation != incarnation {
                return Err(StoreError::NoSuchBucket);
            }
            let (condition, annotation) = (condition.clone(), annotation.clone());
            Ok(Command::Annotate { target, version, condition, annotation })
        };
        let (Target { bucket, key, .. }, inline) = (&target, taken.inline.clone());
        match self.propose_fenced(bucket, key, inline, command).await? {
            (Success::Annotation(committed), rules) => {
                let (row, object) = *committed;
                let version = object.shown_version(rules.versioning);
                Ok(AnnotateOutcome { version, annotation: row.info(annotation.name) })
            }
            _ => Err(another_answer()),
        }
    }

    /// Takes the body of an annotation that is to lie under a write.
    async fn take_annotation(
        &self,
        target: &Target,
        of: u128,
        (new, body): (NewAnnotation, Body),
    ) -> Result<(TakenBody, CommittedAnnotation)> {
        let NewAnnotation { name, note, len } = new;
        assert!(len <= OWN_ROW_LEN_MAX, "an annotation fits into its row");
        let row = rows::annotation(target.incarnation, of, &name);
        let taken = self.take_body(BodyOwner { target, row, len: Some(len) }, body).await?;
        let (time, body) = (self.now(), taken.committed.clone());
        Ok((taken, CommittedAnnotation { of, name, time, note, body }))
    }

    /// Writes the annotations of a version that the write `of` is going to make.
    pub(super) async fn stage(
        &self,
        target: &Target,
        of: u128,
        source: Option<Box<dyn AnnotationSource + '_>>,
    ) -> Result<Staged> {
        let Some(mut source) = source else {
            return Ok(Staged { count: 0, _reading: None });
        };
        let reading = self.readings.begin(Garbage::Annotations(of));
        let mut count = 0;
        while let Some(new) = source.next().await? {
            let (taken, annotation) = self.take_annotation(target, of, new).await?;
            let incarnation = target.incarnation;
            let command = |target: Target, _: BucketRules| {
                if target.incarnation != incarnation {
                    return Err(StoreError::NoSuchBucket);
                }
                let annotation = annotation.clone();
                Ok(Command::StageAnnotation { target, index: count, annotation })
            };
            let (Target { bucket, key, .. }, inline) = (target, taken.inline.clone());
            self.propose_fenced(bucket, key, inline, command).await?;
            count += 1;
        }
        Ok(Staged { count, _reading: Some(reading) })
    }

    pub(super) async fn annotation_get(
        &self,
        address: Address,
        name: AnnotationName,
    ) -> Result<OpenAnnotation> {
        let Address { bucket, key, version } = address;
        self.linearize().await?;
        let target = self.target(bucket, key).await?;
        let mut found = self.version_row(&target, version).await?;
        for _ in 0..LOOKUP_COUNT_MAX {
            let row = rows::annotation(target.incarnation, found.write_id, &name);
            if let Some(held) = self.held_row(&row).await? {
                let annotation: AnnotationRow = attributes(&held.value)?;
                let object = found.object.info(target.key, target.versioning);
                let bytes = self.read_row(held, object.clone(), annotation.stored_len);
                return Ok(OpenAnnotation { object, annotation: annotation.info(name), bytes });
            }
            match self.replacement(&target, version, &found).await? {
                None => return Err(StoreError::NoSuchAnnotation),
                Some(again) => found = again,
            }
        }
        Err(replaced())
    }

    /// The version that took the place of one that was found, when there is such a one: then what
    /// belonged to that may have been gone already when it was looked for.
    async fn replacement(
        &self,
        target: &Target,
        version: Option<VersionId>,
        found: &VersionRow,
    ) -> Result<Option<VersionRow>> {
        let again = self.version_row(target, version).await?;
        Ok(Some(again).filter(|again| again.write_id != found.write_id))
    }

    pub(super) async fn annotation_list(
        &self,
        request: AnnotationListRequest,
    ) -> Result<AnnotationPage> {
        let Address { bucket, key, version } = request.address.clone();
        self.linearize().await?;
        let target = self.target(bucket, key).await?;
        let mut found = self.version_row(&target, version).await?;
        for _ in 0..LOOKUP_COUNT_MAX {
            let (annotations, is_truncated) = match found.object.annotation_count {
                0 => (Vec::new(), false),
                _ => self.annotation_page(&target, found.write_id, &request).await?,
            };
            match self.replacement(&target, version, &found).await? {
                None => {
                    let object = found.object.info(target.key, target.versioning);
                    return Ok(AnnotationPage { object, annotations, is_truncated });
                }
                Some(again) => found = again,
            }
        }
        Err(replaced())
    }

    async fn annotation_page(
        &self,
        target: &Target,
        write_id: u128,
        request: &AnnotationListRequest,
    ) -> Result<(Vec<AnnotationInfo>, bool)> {
        let AnnotationListRequest { prefix, after, limit, .. } = request;
        let (mut start, end) = rows::annotations(target.incarnation, write_id, prefix.as_bytes());
        if let Some(after) = after {
            let next = [after.as_bytes(), &[0]].concat();
            start = start.max(rows::annotations_from(target.incarnation, write_id, &next));
        }
        let mut found = Vec::new();
        loop {
            let page = self.store.scan(&start, &end, SCAN_ROWS).await.map_err(from_engine)?;
            for (row, value) in page.rows {
                if found.len() == *limit {
                    return Ok((found, true));
                }
                let name = rows::annotation_name(&row).ok_or_else(damaged_row)?;
                found.push(attributes::<AnnotationRow>(&value)?.info(name));
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok((found, false)),
            }
        }
    }

    pub(super) async fn annotation_delete(
        &self,
        request: UnannotateRequest,
    ) -> Result<Option<VersionId>> {
        let UnannotateRequest { address, condition, name, bypass } = request;
        let Address { bucket, key, version } = address;
        let lock_key = LockKey { time: self.lock_clock.now(), bypass };
        let command = |target: Target, _: BucketRules| {
            let (condition, name) = (condition.clone(), name.clone());
            Ok(Command::Unannotate { target, version, condition, name, key: lock_key })
        };
        match self.propose_fenced(&bucket, &key, Bytes::new(), command).await? {
            (Success::Object(object), rules) => Ok(object.shown_version(rules.versioning)),
            _ => Err(another_answer()),
        }
    }
}

fn replaced() -> StoreError {
    StoreError::Unavailable("the object is being replaced".into())
}
