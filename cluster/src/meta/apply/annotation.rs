//! Annotations: attached to a version, taken from it; written for a version that is yet to come.
//!
//! ```text
//! staged, and garbage --Put of the version--> its own --the version goes--> garbage
//! ```
//! What is staged is garbage until the version comes, so that a crash in between leaves nothing
//! behind. Once the purge has begun to delete it, no version gets it any more.

use super::object::check_lock;
use super::{Applied, Rows, bare, check, read};
use crate::meta::LogError;
use crate::meta::command::{BodyPlace, Command, CommittedAnnotation, Refusal, Success, Target};
use crate::rows::{self, AnnotationRow, Garbage, Incarnation};
use bytes::Bytes;
use engine::format::value::Value;
use engine::mutant::{self, Mutant};
use engine::object::annotation::ANNOTATION_COUNT_MAX;

impl Rows<'_> {
    pub(super) async fn annotate(mut self, command: Command, inline: Bytes) -> Applied {
        let Command::Annotate { target, version, condition, annotation } = command else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        self.check_extents(&annotation.body)?;
        let found = self.find_visible(&target, version).await?;
        check(&condition, found.object.visible_etag())?;
        // The rows lie under the write that the request saw; the body's volume says so, too.
        let is_same = found.value.write_id == annotation.of;
        if !is_same && !mutant::is(Mutant::AnnotateBlindly) {
            return Err(Refusal::Changed.into());
        }
        let key = rows::annotation(target.incarnation, annotation.of, &annotation.name);
        let old = self.store.get(&key).await?;
        let mut object = found.object.clone();
        if old.is_none() {
            if object.annotation_count >= ANNOTATION_COUNT_MAX {
                return Err(Refusal::TooManyAnnotations.into());
            }
            object.annotation_count += 1;
            self.rewrite(found, &object);
        }
        let row = self.write_annotation((key, old), &target, annotation, inline)?;
        self.done(Success::Annotation(Box::new((row, object))))
    }

    pub(super) async fn stage_annotation(
        mut self,
        target: Target,
        index: u32,
        (annotation, inline): (CommittedAnnotation, Bytes),
    ) -> Applied {
        self.check_bucket(&target).await?;
        self.check_extents(&annotation.body)?;
        if index >= ANNOTATION_COUNT_MAX {
            return Err(Refusal::TooManyAnnotations.into());
        }
        let garbage = rows::garbage(target.incarnation, Garbage::Annotations(annotation.of));
        match (index, self.store.get(&garbage).await?) {
            (0, None) => self.write(garbage, None, Some(bare(Bytes::new()))),
            (1.., Some(known)) if known.attributes.is_empty() => {}
            _ => return Err(Refusal::Changed.into()),
        }
        let key = rows::annotation(target.incarnation, annotation.of, &annotation.name);
        if self.store.get(&key).await?.is_some() {
            return Err(Refusal::Changed.into());
        }
        self.write_annotation((key, None), &target, annotation, inline)?;
        self.done(Success::Done)
    }

    /// What was staged under a write is that of the version which the write makes.
    pub(super) async fn claim_annotations(
        &mut self,
        incarnation: Incarnation,
        write_id: u128,
    ) -> Result<(), LogError> {
        let garbage = rows::garbage(incarnation, Garbage::Annotations(write_id));
        match self.store.get(&garbage).await? {
            Some(value) if value.attributes.is_empty() => {
                self.write(garbage, Some(value), None);
                Ok(())
            }
            _ => Err(Refusal::Changed.into()),
        }
    }

    fn write_annotation(
        &mut self,
        (key, old): (Bytes, Option<Value>),
        target: &Target,
        annotation: CommittedAnnotation,
        inline: Bytes,
    ) -> Result<AnnotationRow, LogError> {
        let CommittedAnnotation { time, note, body, .. } = annotation;
        assert!(!matches!(body.place, BodyPlace::ExtentRows(_)), "annotations are short");
        let before = old.as_ref().map(read::<AnnotationRow>).transpose()?;
        let row = AnnotationRow {
            size: body.size,
            stored_len: body.stored_len,
            etag: body.etag.clone(),
            modified: before.map_or(time, |before| time.max(before.modified)),
            checksum: body.checksum.clone(),
            note,
        };
        let location = self.place_body(target.incarnation, &body, inline);
        let attributes = rows::encode(&row);
        if old.is_some() && mutant::is(Mutant::KeepOldAnnotation) {
            return Ok(row);
        }
        self.write(key, old, Some(Value { write_id: body.write_id, location, attributes }));
        Ok(row)
    }

    pub(super) async fn unannotate(mut self, command: Command) -> Applied {
        let Command::Unannotate { target, version, condition, name, key: lock_key } = command
        else {
            unreachable!("apply dispatches on the command");
        };
        self.check_bucket(&target).await?;
        let found = self.find_visible(&target, version).await?;
        check(&condition, found.object.visible_etag())?;
        check_lock(&found, lock_key)?;
        let mut object = found.object.clone();
        let key = rows::annotation(target.incarnation, found.value.write_id, &name);
        if let Some(old) = self.store.get(&key).await? {
            self.write(key, Some(old), None);
            object.annotation_count = object.annotation_count.saturating_sub(1);
            self.rewrite(found, &object);
        }
        self.done(Success::Object(Box::new(object)))
    }
}
