//! Annotations are not asked for by S3 yet: they are asked of the store below.

use super::Gateway;
use engine::object::{
    Address, AnnotateOutcome, AnnotateRequest, AnnotationListRequest, AnnotationName,
    AnnotationPage, AnnotationSource, AnnotationStore, Body, OpenAnnotation, PutOutcome,
    PutRequest, Reply, UnannotateRequest, VersionId,
};

impl AnnotationStore for Gateway {
    fn put_annotated<'a>(
        &'a self,
        request: PutRequest,
        body: Body,
        annotations: Box<dyn AnnotationSource + 'a>,
    ) -> Reply<'a, PutOutcome> {
        self.inner.put_annotated(request, body, annotations)
    }

    fn put_annotation(&self, request: AnnotateRequest, body: Body) -> Reply<'_, AnnotateOutcome> {
        self.inner.put_annotation(request, body)
    }

    fn get_annotation(&self, address: Address, name: AnnotationName) -> Reply<'_, OpenAnnotation> {
        self.inner.get_annotation(address, name)
    }

    fn list_annotations(&self, request: AnnotationListRequest) -> Reply<'_, AnnotationPage> {
        self.inner.list_annotations(request)
    }

    fn delete_annotation(&self, request: UnannotateRequest) -> Reply<'_, Option<VersionId>> {
        self.inner.delete_annotation(request)
    }
}
