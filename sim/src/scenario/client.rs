//! One client: draws operations, sends them, and records what came of each.
//!
//! - L1: an operation whose outcome is not certain is recorded without an end: it may still happen.
//! - L2: without a disturbance in its interval, a request gets an answer, and none that blames the
//!   server, except that it may be told to slow down (503).

use super::profile::{ACTIONS, Action};
use super::server::{ACCESS_KEY, ADDRESS, REGION, SECRET_KEY};
use super::world::{BUCKET, World};
use crate::http::connection::{
    Answer, Connection, RequestBody, SendError, broken_body, whole_body,
};
use crate::http::sign::{Signer, Unsigned, encode_path, encode_query, sha256_hex};
use crate::http::xml;
use crate::oracle::Violation;
use crate::oracle::history::Interval;
use crate::random::Random;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Longest pause before a client tries a server again that was not there, in milliseconds.
const RETRY_MS_MAX: u64 = 50;

/// Times that a final read is sent again.
const ATTEMPTS_MAX: usize = 100;

/// One client.
pub struct Client {
    /// What it shares with the others.
    pub world: Arc<World>,
    /// Its number.
    pub index: usize,
    /// What it draws from.
    pub random: Random,
    /// Entity tags that it saw, by key.
    pub etags: BTreeMap<String, String>,
    connection: Connection,
    signer: Signer,
}

/// What a request carries.
pub enum Payload {
    /// These bytes.
    Whole(Bytes),
    /// The first bytes of a body that is announced as longer; then the connection breaks.
    Broken {
        /// What is sent.
        sent: Bytes,
        /// What is announced.
        announced_len: usize,
    },
}

/// A request.
pub struct Call<'a> {
    /// Verb.
    pub method: Method,
    /// Key; empty for the bucket itself.
    pub key: &'a str,
    /// Query parameters, plain.
    pub query: Vec<(&'static str, String)>,
    /// Headers besides those of every request.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub payload: Payload,
}

impl<'a> Call<'a> {
    /// A request without query, headers and body.
    pub fn new(method: Method, key: &'a str) -> Self {
        let payload = Payload::Whole(Bytes::new());
        Self { method, key, query: Vec::new(), headers: Vec::new(), payload }
    }
}

/// What came of a request.
pub enum Reply {
    /// An answer that decides the outcome.
    Answer(Answer, Interval),
    /// It may have happened, or may still.
    Unknown(Interval),
    /// It never reached the server.
    NotSent,
}

impl Client {
    /// A client with its own stream.
    pub fn new(world: Arc<World>, index: usize) -> Self {
        let random = Random::new(world.seed, &format!("client-{index}"));
        let signer = Signer {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            region: REGION.to_owned(),
        };
        let connection = Connection::new(ADDRESS);
        Self { world, index, random, etags: BTreeMap::new(), connection, signer }
    }

    /// Creates the bucket; the server is undisturbed.
    pub async fn create_bucket(mut self) {
        for _ in 0..ATTEMPTS_MAX {
            match self.call(Call::new(Method::PUT, "")).await {
                Reply::Answer(answer, _) if answer.status == StatusCode::OK => return,
                Reply::NotSent => {}
                Reply::Answer(..) | Reply::Unknown(_) => break,
            }
        }
        self.violate("the bucket could not be created");
    }

    /// Works until all operations are done.
    pub async fn work(mut self) {
        for _ in 0..self.world.profile.operations_per_client {
            if self.world.history().violation().is_some() {
                break;
            }
            let action = ACTIONS[self.random.weighted(&self.world.profile.actions)];
            self.act(action).await;
            let pause = self.random.skewed(self.world.profile.pause_ms_max);
            sleep(Duration::from_millis(pause)).await;
        }
        self.world.leave();
    }

    /// Reads every key and lists the bucket; the server is undisturbed.
    pub async fn read_everything(&mut self) {
        for key in self.world.profile.keys.clone() {
            let mut attempts = 0;
            while !self.get(&key).await {
                attempts += 1;
                if self.is_hopeless(attempts) {
                    return;
                }
            }
        }
        let mut attempts = 0;
        while !self.list_bucket("", None, 1000).await {
            attempts += 1;
            if self.is_hopeless(attempts) {
                return;
            }
        }
    }

    /// Whether to stop trying what no fault stands in the way of.
    fn is_hopeless(&self, attempts: usize) -> bool {
        if attempts == ATTEMPTS_MAX {
            self.violate("something cannot be read, though nothing disturbs the server");
        }
        self.world.history().violation().is_some()
    }

    async fn act(&mut self, action: Action) {
        let key = self.world.profile.draw_key(&mut self.random);
        match action {
            Action::Put => self.put(&key).await,
            Action::PutIfAbsent => self.put_if_absent(&key).await,
            Action::PutIfMatch => self.put_if_match(&key).await,
            Action::PutBroken => self.put_broken(&key).await,
            Action::Get => drop(self.get(&key).await),
            Action::GetRange => self.get_range(&key).await,
            Action::Head => self.head(&key).await,
            Action::Delete => self.delete(&key).await,
            Action::Copy => self.copy(&key).await,
            Action::Multipart => self.multipart(&key).await,
            Action::List => self.list_something(&key).await,
        }
    }

    /// Sends a request and sorts out its outcome.
    pub async fn call(&mut self, call: Call<'_>) -> Reply {
        let name = self.name(&call);
        let (disturbances, was_ready) = {
            let health = self.world.health();
            (health.disturbances, health.is_ready)
        };
        let request = self.build(call);
        let begin = self.world.moment();
        let result = self.connection.send(request).await;
        let end = self.world.moment();
        let is_undisturbed = {
            let health = self.world.health();
            was_ready && health.is_ready && health.disturbances == disturbances
        };
        match result {
            Ok(answer) => self.sort_answer(&name, answer, Interval { begin, end: Some(end) }),
            Err(error) => {
                self.event(&format!("{name} {error:?}"));
                // A connection may fail to open where packets get lost; one that is open lasts.
                let is_lossy = self.world.profile.packet_loss_per_mille > 0;
                let is_excused = is_lossy && matches!(error, SendError::NotSent(_));
                if is_undisturbed && !is_excused {
                    self.violate(&format!("{name}: no answer without a fault: {error:?}"));
                }
                self.sort_error(error, Interval { begin, end: None }).await
            }
        }
    }

    /// Sends a request whose body breaks off: an answer, if there is one, is a refusal.
    pub async fn call_broken(&mut self, call: Call<'_>) {
        let name = self.name(&call);
        let request = self.build(call);
        let result = self.connection.send(request).await;
        let outcome = result.map(|answer| answer.status.as_u16());
        self.event(&format!("{name} broken off: {outcome:?}"));
        if outcome.is_ok_and(|status| status < 400) {
            self.violate(&format!("{name}: accepted though its body broke off"));
        }
    }

    fn sort_answer(&mut self, name: &str, answer: Answer, at: Interval) -> Reply {
        let status = answer.status;
        let code = xml::text(&String::from_utf8_lossy(&answer.body), "Code").unwrap_or_default();
        self.event(&format!("{name} {} {code}", status.as_u16()));
        if status.is_server_error() {
            self.world.counts().refused += 1;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                self.violate(&format!("{name}: answer {status} {code}"));
            }
            return Reply::Unknown(Interval { begin: at.begin, end: None });
        }
        self.world.counts().answered += 1;
        Reply::Answer(answer, at)
    }

    async fn sort_error(&mut self, error: SendError, at: Interval) -> Reply {
        match error {
            SendError::Lost(_) => {
                self.world.counts().unknown += 1;
                Reply::Unknown(at)
            }
            SendError::NotSent(_) => {
                let pause = self.random.skewed(RETRY_MS_MAX);
                sleep(Duration::from_millis(pause)).await;
                Reply::NotSent
            }
        }
    }

    fn name(&self, call: &Call<'_>) -> String {
        let query: Vec<String> =
            call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let len = match &call.payload {
            Payload::Whole(bytes) => bytes.len().to_string(),
            Payload::Broken { sent, announced_len } => format!("{}/{announced_len}", sent.len()),
        };
        let key: String = call.key.chars().take(40).collect();
        format!("client {} {} {key:?} {} [{len}]", self.index, call.method, query.join("&"))
    }

    fn build(&mut self, call: Call<'_>) -> Request<RequestBody> {
        let path = match call.key {
            "" => format!("/{BUCKET}"),
            key => format!("/{BUCKET}/{}", encode_path(key)),
        };
        let query: Vec<(&str, &str)> =
            call.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = encode_query(&query);
        let mut headers = HeaderMap::new();
        let own = [("host", ADDRESS.to_string())];
        for (name, value) in own.into_iter().chain(call.headers) {
            let value = HeaderValue::from_str(&value).expect("the workload's headers are legal");
            headers.insert(HeaderName::from_static(name), value);
        }
        let is_signed = self.random.chance(500);
        let payload_hash = match &call.payload {
            Payload::Whole(bytes) if is_signed => sha256_hex(bytes),
            _ => "UNSIGNED-PAYLOAD".to_owned(),
        };
        let unsigned = Unsigned {
            method: &call.method,
            path: &path,
            query: &query,
            unix_seconds: self.world.unix_seconds(),
            payload_hash: &payload_hash,
        };
        self.signer.sign(&unsigned, &mut headers);
        let body = match call.payload {
            Payload::Whole(bytes) => whole_body(bytes),
            Payload::Broken { sent, announced_len } => {
                headers.insert("content-length", HeaderValue::from(announced_len));
                broken_body(sent)
            }
        };
        let uri = if query.is_empty() { path } else { format!("{path}?{query}") };
        let mut request = Request::new(body);
        *request.method_mut() = call.method;
        *request.uri_mut() = uri.parse().expect("an encoded path is a URI");
        *request.headers_mut() = headers;
        request
    }

    /// Adds an event to the trace.
    pub fn event(&self, text: &str) {
        self.world.event(text);
    }

    /// Keeps a violation.
    pub fn violate(&self, summary: &str) {
        self.world.history().violate(Violation::new(summary));
    }
}
