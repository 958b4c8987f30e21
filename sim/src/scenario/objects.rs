//! Operations on single objects.

use super::client::{Call, Client, Payload, Reply};
use super::world::BUCKET;
use crate::http::connection::Answer;
use crate::http::sign::encode_path;
use crate::http::xml;
use crate::oracle::history::Interval;
use crate::oracle::register::{Effect, Guard};
use crate::oracle::value::{Content, Piece, Seen, ValueId, body};
use http::Method;
use std::ops::Range;

/// Metadata header that carries a value's id.
pub const VALUE_HEADER: &str = "x-amz-meta-value";

/// Header that makes a write conditional, with its value.
type Condition = Option<(&'static str, String)>;

impl Client {
    /// Writes an object.
    pub async fn put(&mut self, key: &str) {
        self.put_with(key, None, Guard::Any).await;
    }

    /// Writes an object where there is none.
    pub async fn put_if_absent(&mut self, key: &str) {
        let condition = Some(("if-none-match", "*".to_owned()));
        self.put_with(key, condition, Guard::Absent).await;
    }

    /// Replaces the object that was last seen.
    pub async fn put_if_match(&mut self, key: &str) {
        let Some(etag) = self.etags.get(key).cloned() else { return self.put(key).await };
        let tag = self.world.history().tag(&etag);
        let condition = Some(("if-match", format!("\"{etag}\"")));
        self.put_with(key, condition, Guard::Tagged(tag)).await;
    }

    async fn put_with(&mut self, key: &str, condition: Condition, guard: Guard) {
        let (value, bytes) = self.new_value(key);
        let mut call = Call::new(Method::PUT, key);
        call.headers.push((VALUE_HEADER, value.to_string()));
        call.headers.extend(condition);
        call.payload = Payload::Whole(bytes);
        let text = format!("client {} PUT value {value} if {guard:?}", self.index);
        let written = (guard, Effect::Set(Some(value)));
        match self.call(call).await {
            Reply::Answer(answer, at) => {
                let (effect, outcome) = match answer.status.as_u16() {
                    200 => (written, "done"),
                    412 => ((refusal(guard), Effect::Keep), "refused"),
                    404 if matches!(guard, Guard::Tagged(_)) => {
                        ((Guard::Absent, Effect::Keep), "refused: absent")
                    }
                    409 if guard != Guard::Any => return,
                    status => return self.unexpected(key, "PUT", status),
                };
                if effect == written {
                    self.expect_etag(key, value, answer.etag());
                }
                self.record(key, at, effect, &format!("{text}: {outcome}"));
            }
            Reply::Unknown(at) => self.record(key, at, written, &format!("{text}: unknown")),
            Reply::NotSent => {}
        }
    }

    /// Sends part of a body and goes away: nothing may come of it.
    pub async fn put_broken(&mut self, key: &str) {
        let (value, bytes) = self.new_value(key);
        let mut call = Call::new(Method::PUT, key);
        call.headers.push((VALUE_HEADER, value.to_string()));
        let sent = bytes.slice(..self.random.index(bytes.len() + 1));
        call.payload = Payload::Broken { sent, announced_len: bytes.len() + 1 };
        self.call_broken(call).await;
    }

    /// Reads an object. Returns whether there was an answer.
    pub async fn get(&mut self, key: &str) -> bool {
        let call = Call::new(Method::GET, key);
        let Reply::Answer(answer, at) = self.call(call).await else { return false };
        match answer.status.as_u16() {
            200 => {
                let range = 0..answer.body.len() as u64;
                self.observe(key, &answer, at, Some(range));
            }
            404 => self.observe_absence(key, &answer, at, "GET"),
            status => self.unexpected(key, "GET", status),
        }
        true
    }

    /// Reads a range of an object.
    pub async fn get_range(&mut self, key: &str) {
        let mut call = Call::new(Method::GET, key);
        let first = self.random.skewed(200_000) - 1;
        let last = first + self.random.skewed(100_000);
        call.headers.push(("range", format!("bytes={first}-{last}")));
        let Reply::Answer(answer, at) = self.call(call).await else { return };
        match answer.status.as_u16() {
            206 => {
                let range = first..first + answer.body.len() as u64;
                self.expect_range_len(key, &answer, first..last + 1);
                self.observe(key, &answer, at, Some(range));
            }
            404 => self.observe_absence(key, &answer, at, "GET range"),
            416 => {
                let text = format!("client {} GET range from {first}: beyond", self.index);
                self.record(key, at, (Guard::Present, Effect::Keep), &text);
            }
            status => self.unexpected(key, "GET range", status),
        }
    }

    /// Asks for an object's headers.
    pub async fn head(&mut self, key: &str) {
        let call = Call::new(Method::HEAD, key);
        let Reply::Answer(answer, at) = self.call(call).await else { return };
        match answer.status.as_u16() {
            200 => self.observe(key, &answer, at, None),
            404 => {
                let text = format!("client {} HEAD: absent", self.index);
                self.record(key, at, (Guard::Absent, Effect::Keep), &text);
            }
            status => self.unexpected(key, "HEAD", status),
        }
    }

    /// Deletes an object.
    pub async fn delete(&mut self, key: &str) {
        let deleted = (Guard::Any, Effect::Set(None));
        let text = format!("client {} DELETE", self.index);
        match self.call(Call::new(Method::DELETE, key)).await {
            Reply::Answer(answer, at) if answer.status == 204 => {
                self.record(key, at, deleted, &format!("{text}: done"));
            }
            Reply::Answer(answer, _) => self.unexpected(key, "DELETE", answer.status.as_u16()),
            Reply::Unknown(at) => self.record(key, at, deleted, &format!("{text}: unknown")),
            Reply::NotSent => {}
        }
    }

    /// Copies another key's object to this key.
    pub async fn copy(&mut self, key: &str) {
        let source = self.world.profile.draw_key(&mut self.random);
        let value = self.world.next_value();
        self.world.history().values.add(value, key, Content::CopyOf(source.clone()));
        let mut call = Call::new(Method::PUT, key);
        let path = encode_path(&format!("/{BUCKET}/{source}"));
        call.headers.push(("x-amz-copy-source", path));
        call.headers.push(("x-amz-metadata-directive", "REPLACE".to_owned()));
        call.headers.push((VALUE_HEADER, value.to_string()));
        let written = (Guard::Any, Effect::Set(Some(value)));
        let text = format!("client {} COPY of {source:?}, value {value}", self.index);
        match self.call(call).await {
            Reply::Answer(answer, at) if answer.status == 200 => {
                self.record_copy(key, &source, value, (&answer, at));
            }
            Reply::Answer(answer, at) if answer.status == 404 => {
                self.observe_absence(&source, &answer, at, "COPY from it");
            }
            Reply::Answer(answer, _) => self.unexpected(key, "COPY", answer.status.as_u16()),
            Reply::Unknown(at) => self.record(key, at, written, &format!("{text}: unknown")),
            Reply::NotSent => {}
        }
    }

    fn record_copy(&mut self, key: &str, source: &str, value: ValueId, done: (&Answer, Interval)) {
        let (answer, at) = done;
        let text = String::from_utf8_lossy(&answer.body);
        let etag = xml::text(&text, "ETag").unwrap_or_default();
        let etag = etag.trim_matches('"');
        let is_known = self.world.history().values.resolve_copy(value, etag);
        let problem = format!("no value of {source:?} has entity tag {etag:?}");
        let result = if is_known { Ok(()) } else { Err(problem) };
        self.world.history().expect(result, key, "COPY");
        let written = (Guard::Any, Effect::Set(Some(value)));
        let text = format!("client {} COPY of {source:?}, value {value}: done", self.index);
        self.record(key, at, written, &text);
        let text = format!("client {} COPY from it to {key:?}", self.index);
        self.record(source, at, (Guard::Present, Effect::Keep), &text);
    }

    /// Draws a body and registers it as a value of this key.
    fn new_value(&mut self, key: &str) -> (ValueId, bytes::Bytes) {
        let value = self.world.next_value();
        let len = self.world.profile.draw_len(&mut self.random);
        let piece = Piece { id: value, len };
        self.world.history().values.add(value, key, Content::Plain(piece));
        (value, body(self.world.seed, piece))
    }

    /// Records an object that was seen, checked against what was written. `range`: which bytes the
    /// body has.
    fn observe(&mut self, key: &str, answer: &Answer, at: Interval, range: Option<Range<u64>>) {
        let context = format!("client {} at {:?}", self.index, at.begin.time);
        let id = answer.header(VALUE_HEADER).and_then(|id| id.parse().ok());
        let Some(value) = id else {
            return self.violate(&format!("{context}: key {key:?} without the metadata it has"));
        };
        let seen = Seen { value, key, etag: answer.etag(), size: whole_size(answer) };
        let text = format!("client {} sees value {value} {range:?}", self.index);
        {
            let mut history = self.world.history();
            if !history.check_head(&seen, &context) {
                return;
            }
            if let Some(range) = range {
                let checked = history.values.check_body(value, range, &answer.body);
                history.expect(checked, key, &format!("{context}: value {value}"));
            }
        }
        self.etags.insert(key.to_owned(), answer.etag().to_owned());
        self.record(key, at, (Guard::Is(value), Effect::Keep), &text);
    }

    fn observe_absence(&mut self, key: &str, answer: &Answer, at: Interval, what: &str) {
        let text = String::from_utf8_lossy(&answer.body);
        let code = xml::text(&text, "Code").unwrap_or_default();
        if code != "NoSuchKey" {
            return self.violate(&format!("{what}: key {key:?}: {code:?} in the one bucket"));
        }
        let text = format!("client {} {what}: absent", self.index);
        self.record(key, at, (Guard::Absent, Effect::Keep), &text);
    }

    fn expect_etag(&mut self, key: &str, value: ValueId, etag: &str) {
        let mut history = self.world.history();
        let expected = history.values.etag(value).unwrap_or_default().to_owned();
        let is_right = etag == expected;
        let problem = format!("entity tag {etag:?} for a body of {expected:?}");
        let result = if is_right { Ok(()) } else { Err(problem) };
        history.expect(result, key, "PUT");
        drop(history);
        self.etags.insert(key.to_owned(), etag.to_owned());
    }

    /// A partial answer has what was asked for, up to the end of the object.
    fn expect_range_len(&mut self, key: &str, answer: &Answer, asked: Range<u64>) {
        let expected = whole_size(answer).min(asked.end).saturating_sub(asked.start);
        let got = answer.body.len() as u64;
        let problem = format!("{got} bytes for {asked:?} of {}", whole_size(answer));
        let result = if got == expected { Ok(()) } else { Err(problem) };
        self.world.history().expect(result, key, "GET range");
    }

    /// Records an operation on a key.
    pub fn record(&self, key: &str, at: Interval, effect: (Guard, Effect), text: &str) {
        self.world.history().record(key, at, effect, text);
    }

    /// Keeps a violation: an answer that nothing can explain.
    pub fn unexpected(&self, key: &str, what: &str, status: u16) {
        self.violate(&format!("client {} {what} {key:?}: answer {status}", self.index));
    }
}

/// What a refused condition says of the key.
fn refusal(guard: Guard) -> Guard {
    match guard {
        Guard::Tagged(tag) => Guard::TaggedOtherwise(tag),
        _ => Guard::Present,
    }
}

/// Size of the whole object, also where the answer has a part of it.
fn whole_size(answer: &Answer) -> u64 {
    let range = answer.header("content-range").and_then(|range| range.rsplit('/').next());
    let size = range.or_else(|| answer.header("content-length"));
    size.and_then(|size| size.parse().ok()).unwrap_or(answer.body.len() as u64)
}
