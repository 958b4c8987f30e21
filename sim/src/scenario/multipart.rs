//! Uploads in parts: nothing of them shows before Complete, all of it afterwards.
//!
//! - M1: an upload and its parts, once acknowledged, are there when Complete asks for them first.
//! - M2: after an acknowledged Abort, Complete finds nothing.

use super::client::{Call, Client, Payload, Reply};
use super::objects::VALUE_HEADER;
use super::server::PART_SIZE_MIN;
use crate::http::xml;
use crate::oracle::history::Interval;
use crate::oracle::register::{Effect, Guard};
use crate::oracle::value::{Content, Piece, ValueId, body, md5_hex};
use bytes::Bytes;
use http::Method;
use std::fmt::Write;

/// Parts of one upload at most.
const PARTS_MAX: usize = 5;
/// Times that a request of unknown outcome is sent again.
const RETRIES_MAX: usize = 4;
/// Bytes of a part at most.
const PART_LEN_MAX: usize = 60_000;

/// An upload as its client knows it.
struct Upload {
    key: String,
    id: String,
    value: ValueId,
    /// Number and content, ascending, each acknowledged.
    parts: Vec<(usize, Piece)>,
}

impl Client {
    /// Begins an upload, writes its parts, and completes, aborts or forgets it.
    pub async fn multipart(&mut self, key: &str) {
        let value = self.world.next_value();
        let mut call = Call::new(Method::POST, key);
        call.query.push(("uploads", String::new()));
        call.headers.push((VALUE_HEADER, value.to_string()));
        let Reply::Answer(answer, _) = self.call(call).await else { return };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let Some(id) = xml::text(&text, "UploadId").filter(|_| answer.status == 200) else {
            return self.unexpected(key, "CREATE UPLOAD", answer.status.as_u16());
        };
        let mut upload = Upload { key: key.to_owned(), id, value, parts: Vec::new() };
        if !self.write_parts(&mut upload).await {
            return;
        }
        if self.random.chance(300) {
            self.list_parts(&upload).await;
        }
        match self.random.below(10) {
            0 => self.event(&format!("client {} forgets upload {value}", self.index)),
            1 => self.abort(&upload).await,
            _ => self.complete(upload).await,
        }
    }

    async fn write_parts(&mut self, upload: &mut Upload) -> bool {
        let count = self.random.size(1..PARTS_MAX + 1);
        let mut number = 0;
        for index in 0..count {
            // Numbers may have gaps; only their order counts.
            number += self.random.size(1..4);
            let is_last = index + 1 == count;
            let least = if is_last { 1 } else { PART_SIZE_MIN as usize };
            if self.random.chance(150) && !self.write_part(upload, number, least).await {
                return false;
            }
            if !self.write_part(upload, number, least).await {
                return false;
            }
        }
        true
    }

    /// Writes a part until it is acknowledged. Replaces one of the same number.
    async fn write_part(&mut self, upload: &mut Upload, number: usize, least: usize) -> bool {
        let len = least + self.random.skewed((PART_LEN_MAX - least) as u64) as usize - 1;
        let piece = Piece { id: self.world.next_value(), len };
        for _ in 0..RETRIES_MAX {
            let bytes = body(self.world.seed, piece);
            let mut call = upload.call(Method::PUT, Some(number));
            call.payload = Payload::Whole(bytes.clone());
            let Reply::Answer(answer, _) = self.call(call).await else { continue };
            if answer.status != 200 || answer.etag() != md5_hex(&bytes) {
                self.unexpected(&upload.key, "PUT PART", answer.status.as_u16());
                return false;
            }
            upload.parts.retain(|(other, _)| *other != number);
            upload.parts.push((number, piece));
            return true;
        }
        false
    }

    async fn list_parts(&mut self, upload: &Upload) {
        let call = upload.call(Method::GET, None);
        let Reply::Answer(answer, _) = self.call(call).await else { return };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = |part: &&str| {
            let field = |name| xml::text(part, name).unwrap_or_default();
            (field("PartNumber"), field("ETag").trim_matches('"').to_owned(), field("Size"))
        };
        let listed: Vec<_> = xml::elements(&text, "Part").iter().map(line).collect();
        let seed = self.world.seed;
        let known = |(number, piece): &(usize, Piece)| {
            (number.to_string(), md5_hex(&body(seed, *piece)), piece.len.to_string())
        };
        let expected: Vec<_> = upload.parts.iter().map(known).collect();
        if answer.status != 200 || listed != expected {
            let summary = format!("M1: parts of {:?}: {listed:?}, not {expected:?}", upload.key);
            self.violate(&summary);
        }
    }

    async fn abort(&mut self, upload: &Upload) {
        let Reply::Answer(answer, _) = self.call(upload.call(Method::DELETE, None)).await else {
            return;
        };
        if answer.status != 204 {
            return self.unexpected(&upload.key, "ABORT", answer.status.as_u16());
        }
        let Reply::Answer(answer, _) = self.call(self.completion(upload)).await else { return };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status != 404 || xml::text(&text, "Code").as_deref() != Some("NoSuchUpload") {
            self.violate(&format!("M2: {:?} completed after an abort: {text}", upload.key));
        }
    }

    /// Completes, again while the outcome is unknown: all attempts are one write.
    async fn complete(&mut self, upload: Upload) {
        let pieces = upload.parts.iter().map(|(_, piece)| *piece).collect();
        let (key, value) = (&upload.key, upload.value);
        self.world.history().values.add(value, key, Content::Parts(pieces));
        let mut first: Option<Interval> = None;
        for _ in 0..RETRIES_MAX {
            match self.call(self.completion(&upload)).await {
                Reply::NotSent => {}
                Reply::Unknown(at) => {
                    first.get_or_insert(at);
                }
                Reply::Answer(answer, at) => {
                    let begin = first.map_or(at.begin, |first| first.begin);
                    let at = Interval { begin, end: at.end };
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    if answer.status == 200 {
                        return self.record_complete(&upload, &text, at);
                    }
                    if first.is_none() {
                        let summary = format!("M1: complete of {key:?}, value {value}: {text}");
                        return self.violate(&summary);
                    }
                    // The attempt before may have been the one, and the object replaced since.
                    break;
                }
            }
        }
        if let Some(at) = first {
            let text = format!("client {} COMPLETE value {value}: unknown", self.index);
            self.record(key, at, (Guard::Any, Effect::Set(Some(value))), &text);
        }
    }

    fn record_complete(&mut self, upload: &Upload, text: &str, at: Interval) {
        let (key, value) = (&upload.key, upload.value);
        let etag = xml::text(text, "ETag").unwrap_or_default();
        let etag = etag.trim_matches('"');
        let expected = self.world.history().values.etag(value).unwrap_or_default().to_owned();
        if etag != expected {
            return self.violate(&format!("COMPLETE of {key:?}: {text}, not etag {expected}"));
        }
        self.etags.insert(key.clone(), expected);
        let text = format!("client {} COMPLETE value {value}: done", self.index);
        self.record(key, at, (Guard::Any, Effect::Set(Some(value))), &text);
    }

    fn completion<'a>(&self, upload: &'a Upload) -> Call<'a> {
        let mut xml = "<CompleteMultipartUpload>".to_owned();
        for (number, piece) in &upload.parts {
            let etag = md5_hex(&body(self.world.seed, *piece));
            let part = format!("<PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag>");
            write!(xml, "<Part>{part}</Part>").expect("a string takes everything");
        }
        xml.push_str("</CompleteMultipartUpload>");
        let mut call = upload.call(Method::POST, None);
        call.payload = Payload::Whole(Bytes::from(xml));
        call
    }
}

impl Upload {
    fn call(&self, method: Method, part: Option<usize>) -> Call<'_> {
        let mut call = Call::new(method, &self.key);
        call.query.push(("uploadId", self.id.clone()));
        call.query.extend(part.map(|number| ("partNumber", number.to_string())));
        call
    }
}
