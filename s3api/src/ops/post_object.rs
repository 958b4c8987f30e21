//! PostObject: `POST /bucket` with a form. Written as PutObject does, answered as the form wishes.

use super::complete_multipart_upload::location;
use super::{Call, put_object};
use crate::error::S3Result;
use crate::form::fields::Success;
use crate::response::{ResponseBody, S3Response, text_value};
use crate::uri::{self, Slash};
use crate::xml::XmlWriter;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};

/// Where an object is, for the documents and headers of the answer.
struct Place {
    location: String,
    bucket: String,
    key: String,
}

pub(super) async fn answer(call: Call) -> S3Result<S3Response> {
    let (head, key) = (call.authorized.head(), call.authorized.key());
    let success = head.success().expect("the route has a form").clone();
    let location = location(head, key.as_str());
    let (bucket, key) = (call.authorized.bucket().to_string(), key.as_str().to_owned());
    let mut response = put_object::answer(call).await?;
    let place = Place { location, bucket, key };
    shape(&mut response, &success, &place);
    Ok(response)
}

fn shape(response: &mut S3Response, success: &Success, place: &Place) {
    let etag = etag(response.headers());
    let (status, target, document) = match &success.redirect {
        Some(redirect) => (StatusCode::SEE_OTHER, redirected(redirect, place, &etag), None),
        None if success.status == StatusCode::CREATED => {
            (success.status, place.location.clone(), Some(document(place, &etag)))
        }
        None => (success.status, place.location.clone(), None),
    };
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, text_value(&target));
    if let Some(document) = document {
        *response.body_mut() = ResponseBody::Full(Bytes::from(document));
        let kind = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
}

/// The entity tag without its quotes.
fn etag(headers: &HeaderMap) -> String {
    let value = headers.get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.trim_matches('"').to_owned()
}

/// Where the browser goes, told what it wrote.
fn redirected(redirect: &str, place: &Place, etag: &str) -> String {
    let mark = if redirect.contains('?') { '&' } else { '?' };
    let encode = |text: &str| uri::encode(text, Slash::Encode);
    let (bucket, key) = (encode(&place.bucket), encode(&place.key));
    format!("{redirect}{mark}bucket={bucket}&key={key}&etag=%22{}%22", encode(etag))
}

fn document(place: &Place, etag: &str) -> String {
    let mut xml = XmlWriter::document();
    xml.open("PostResponse");
    xml.text("Location", &place.location);
    xml.text("Bucket", &place.bucket);
    xml.text("Key", &place.key);
    xml.etag(etag);
    xml.close("PostResponse");
    xml.finish()
}
