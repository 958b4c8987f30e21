//! PutObjectAnnotation, GetObjectAnnotation, DeleteObjectAnnotation, ListObjectAnnotations:
//! `/bucket/key?annotation&annotationName=name`.
//!
//! The text of an annotation is short and comes as a whole before it is written: what is not UTF-8
//! is refused, and how it is sealed follows from the object that is there then.

use super::delete_object::bypass;
use super::listing::{ENTRIES_MAX, invalid, non_empty, read_token, write_token};
use super::put_object::add_checksum;
use super::{Call, Done};
use crate::auth::Authorized;
use crate::body::{self, relay::RelayBody};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::conditional::unquote;
use crate::headers::date::{format_http, format_iso};
use crate::headers::{attributes, checksum, text};
use crate::response::{self, ResponseBody, S3Response, etag_value, set_content_length, text_value};
use crate::sse::annotation as sealed;
use crate::sse::{self, Seal, headers::ENCRYPTION};
use crate::uri::Query;
use crate::xml::XmlWriter;
use bytes::Bytes;
use engine::object::annotation::ANNOTATION_LEN_MAX;
use engine::object::{
    AnnotateOutcome, AnnotateRequest, AnnotationInfo, AnnotationListRequest, AnnotationName,
    ChecksumAlgorithm, ETag, NewAnnotation, ObjectInfo, UnannotateRequest, VersionId,
    WriteCondition,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// How often an annotation is made anew because the object was replaced meanwhile.
const CHANGED_COUNT_MAX: usize = 8;

/// The condition on the object.
const OBJECT_IF_MATCH: &str = "x-amz-object-if-match";

/// The name that a request means.
fn name_of(query: &Query) -> S3Result<AnnotationName> {
    Ok(AnnotationName::new(query.get("annotationName").unwrap_or(""))?)
}

fn condition(headers: &HeaderMap) -> S3Result<WriteCondition> {
    Ok(match text(headers, OBJECT_IF_MATCH)? {
        None => WriteCondition::None,
        Some("*") => WriteCondition::Exists,
        Some(tag) => WriteCondition::Matches(ETag(unquote(tag).to_owned())),
    })
}

/// Tells which version an annotation belongs to.
fn add_object_version(headers: &mut HeaderMap, version: Option<VersionId>) {
    if let Some(version) = version {
        headers.insert("x-amz-object-version-id", text_value(&version.to_string()));
    }
}

pub(super) async fn put(call: Call) -> S3Result<S3Response> {
    let Call { authorized, admission, plan, open, .. } = call;
    let headers = &authorized.head().headers;
    attributes::refuse_unsupported(headers)?;
    refuse_encryption(headers)?;
    let (name, condition) = (name_of(&authorized.head().query)?, condition(headers)?);
    let len = plan.object_len(ANNOTATION_LEN_MAX)?;
    if len == 0 {
        return Err(S3Error::from(&codes::ENTITY_TOO_SMALL).with("MinSizeAllowed", "1"));
    }
    // What cannot have annotations is told before the text comes.
    sealed::check_object(&look(&authorized).await?.attributes)?;
    let algorithm = plan.checksum_algorithm();
    let _permit = admission.document(len as usize).await?;
    let text = body::collect(open(plan), len as usize).await?;
    if std::str::from_utf8(&text).is_err() {
        return Err((&codes::UNSUPPORTED_MEDIA_TYPE).into());
    }
    for _ in 0..CHANGED_COUNT_MAX {
        let written = attach(&authorized, &name, (&condition, algorithm), &text).await;
        match written {
            Ok((outcome, seal)) => return Ok(answer_put(&outcome, seal.as_ref(), &authorized)),
            Err(error) if error.code == &codes::CONDITIONAL_CONFLICT => {}
            Err(error) => return Err(authorized.hide_absence(error).await),
        }
    }
    Err((&codes::CONDITIONAL_CONFLICT).into())
}

/// An annotation is encrypted as its object is: another wish is not quietly dropped.
fn refuse_encryption(headers: &HeaderMap) -> S3Result<()> {
    let is_wish = |name: &http::HeaderName| name.as_str().starts_with(ENCRYPTION);
    if !headers.keys().any(is_wish) {
        return Ok(());
    }
    let message = "An annotation is encrypted as its object is.";
    Err(S3Error::new(&codes::INVALID_REQUEST, message))
}

async fn look(authorized: &Authorized) -> S3Result<ObjectInfo> {
    match authorized.store().head(authorized.address()?).await {
        Ok(info) => Ok(info),
        Err(error) => Err(authorized.hide_absence(error.into()).await),
    }
}

/// Seals a text as the object is, and attaches it.
async fn attach(
    authorized: &Authorized,
    name: &AnnotationName,
    (condition, algorithm): (&WriteCondition, Option<ChecksumAlgorithm>),
    text: &Bytes,
) -> S3Result<(AnnotateOutcome, Option<Seal>)> {
    let address = authorized.address()?;
    let info = authorized.store().head(address.clone()).await?;
    let object = (&address.bucket, &address.key);
    let seal = sealed::of_new(authorized, object, &info.attributes, name).await?;
    let len = text.len() as u64;
    let stream = Box::pin(futures_util::stream::iter([Ok(text.clone())]));
    let body = Box::new(RelayBody::new(stream, len, algorithm));
    let (body, len) = sse::wrap(seal.as_ref(), authorized, body, (sse::WHOLE, Some(len)));
    let annotation = NewAnnotation {
        name: name.clone(),
        note: seal.as_ref().map(Seal::text),
        len: len.unwrap_or_default(),
    };
    let (condition, seen) = (condition.clone(), info.attributes.system);
    let request = AnnotateRequest { address, condition, seen, annotation };
    let outcome = authorized.store().put_annotation(request, body).await?;
    Ok((outcome, seal))
}

fn answer_put(outcome: &AnnotateOutcome, seal: Option<&Seal>, of: &Authorized) -> S3Response {
    let mut xml = XmlWriter::root("PutObjectAnnotationOutput");
    xml.text("Key", of.key().as_str());
    xml.text("AnnotationName", outcome.annotation.name.as_str());
    xml.close("PutObjectAnnotationOutput");
    let mut response = response::xml(xml.finish());
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&outcome.annotation.etag));
    add_checksum(headers, outcome.annotation.checksum.as_ref());
    add_object_version(headers, outcome.version);
    if let Some(seal) = seal {
        seal.describe(headers);
    }
    response
}

pub(super) async fn get(call: Done) -> S3Result<S3Response> {
    let authorized = &call.authorized;
    let name = name_of(&authorized.head().query)?;
    let address = authorized.address()?;
    let opened = authorized.store().get_annotation(address.clone(), name).await;
    let open = match opened {
        Ok(open) => open,
        Err(error) => return Err(authorized.hide_absence(error.into()).await),
    };
    let object = (&address.bucket, &address.key);
    let AnnotationInfo { name, note, size, .. } = open.annotation.clone();
    let seal = sealed::of_stored(authorized, object, note.as_deref(), &name).await?;
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&open.annotation.etag));
    let modified = format_http(open.annotation.modified);
    headers.insert(http::header::LAST_MODIFIED, text_value(&modified));
    headers
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    set_content_length(headers, size);
    add_object_version(headers, open.object.version);
    let wants_checksum = text(&authorized.head().headers, "x-amz-checksum-mode")?
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    if wants_checksum {
        add_checksum(headers, open.annotation.checksum.as_ref());
    }
    if let Some(seal) = &seal {
        seal.describe_to_readers(headers);
    }
    let stream = sealed::read(open, seal.as_ref());
    *response.body_mut() = ResponseBody::Stream { stream, left: size };
    Ok(response)
}

pub(super) async fn delete(call: Done) -> S3Result<S3Response> {
    let authorized = &call.authorized;
    let headers = &authorized.head().headers;
    // A condition that is not understood would delete too much.
    attributes::refuse_unsupported(headers)?;
    let address = authorized.address()?;
    let request = UnannotateRequest {
        name: name_of(&authorized.head().query)?,
        condition: condition(headers)?,
        bypass: bypass(authorized, &address.key, address.version).await?,
        address,
    };
    let version = match authorized.store().delete_annotation(request).await {
        Ok(version) => version,
        Err(error) => return Err(authorized.hide_absence(error.into()).await),
    };
    let mut response = response::empty(StatusCode::NO_CONTENT);
    add_object_version(response.headers_mut(), version);
    Ok(response)
}

pub(super) async fn list(call: Done) -> S3Result<S3Response> {
    let authorized = &call.authorized;
    let limit = limit(&call)?;
    let prefix = prefix(&call)?;
    let token = non_empty(&call, "continuation-token");
    let request = AnnotationListRequest {
        address: authorized.address()?,
        prefix: prefix.to_owned(),
        after: token.map(read_token).transpose()?,
        limit,
    };
    let page = match authorized.store().list_annotations(request).await {
        Ok(page) => page,
        Err(error) => return Err(authorized.hide_absence(error.into()).await),
    };
    let mut xml = XmlWriter::root("ListObjectAnnotationsOutput");
    xml.open("Annotations");
    for annotation in &page.annotations {
        write_entry(&mut xml, annotation);
    }
    xml.close("Annotations");
    xml.text("Bucket", authorized.bucket().as_str());
    xml.text("Key", authorized.key().as_str());
    xml.text_if("AnnotationPrefix", Some(prefix).filter(|prefix| !prefix.is_empty()));
    xml.number("MaxAnnotationResults", limit as u64);
    xml.number("AnnotationCount", page.annotations.len() as u64);
    xml.text_if("ContinuationToken", token);
    if let Some(last) = page.annotations.last().filter(|_| page.is_truncated) {
        xml.text("NextContinuationToken", &write_token(last.name.as_str()));
    }
    xml.close("ListObjectAnnotationsOutput");
    let mut response = response::xml(xml.finish());
    add_object_version(response.headers_mut(), page.object.version);
    Ok(response)
}

fn write_entry(xml: &mut XmlWriter, annotation: &AnnotationInfo) {
    xml.open("AnnotationEntry");
    xml.text("AnnotationName", annotation.name.as_str());
    xml.text("LastModified", &format_iso(annotation.modified));
    xml.etag(&annotation.etag.0);
    if let Some(sum) = &annotation.checksum {
        xml.text("ChecksumAlgorithm", checksum::names(sum.algorithm).name);
    }
    xml.number("Size", annotation.size);
    xml.close("AnnotationEntry");
}

/// How many annotations are asked for: 1 to 1,000.
fn limit(call: &Done) -> S3Result<usize> {
    let Some(text) = non_empty(call, "max-annotation-results") else {
        return Ok(ENTRIES_MAX);
    };
    let count = text.parse().ok().filter(|count| (1..=ENTRIES_MAX).contains(count));
    count.ok_or_else(|| {
        invalid("max-annotation-results", "Argument must be an integer between 1 and 1000")
    })
}

/// The beginning of names: what no name begins with is told as a mistake.
fn prefix(call: &Done) -> S3Result<&str> {
    let Some(prefix) = non_empty(call, "annotation-prefix") else {
        return Ok("");
    };
    match AnnotationName::new(prefix) {
        Ok(_) => Ok(prefix),
        Err(_) => Err((&codes::INVALID_PREFIX).into()),
    }
}
