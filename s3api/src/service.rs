//! One request from head to log line.
//!
//! ```text
//! hyper -> Service::handle -> health router
//!              |  RequestHead::parse -> route::find -> authenticate -> authorize
//!              |                       |-> a form: its fields are the head (post_form)
//!              |                       \-> a session is asked for (session)
//!              |    -> ops::dispatch -> store                 any S3Error -> XML
//!              +-> common headers
//!                    -> AccessRecord: log line and metrics, when the answer's body has ended
//! ```

mod post_form;
mod session;

use crate::access::{AccessRecord, Facts, RecordedBody};
use crate::admission::Admission;
use crate::auth::{Gate, Unauthenticated};
use crate::body::digests::ChecksumScope;
use crate::body::pace::Pace;
use crate::body::{BodyPlan, Received, RequestBody, linger};
use crate::config::{EncryptionConfig, Limits, S3Config};
use crate::cors::Question;
use crate::error::{ErrorContext, S3Error, S3Result, codes};
use crate::headers::{date, text};
use crate::health::{self, HealthState};
use crate::listener::Peer;
use crate::metrics::Metrics;
use crate::ops::{self, Call, RequestIds};
use crate::request::{RequestHead, virtual_bucket};
use crate::response::{self, ResponseBody, S3Response, text_value};
use crate::route::{self, AuthModes, Operation};
use crate::sigv4::verify::Verifier;
use crate::sse::Encryption;
use crate::sse::keys::{KeyStore, StoredKeys};
use bytes::Bytes;
use engine::object::{Env, ObjectStore, random_u128};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, DATE, HeaderValue, SERVER};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, request};
use http_body::Body as HttpBody;
use post_form::Arrival;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tower_service::Service as _;
use tracing::Instrument;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
static HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The S3 front end of one store. Shared by all connections.
pub struct Service {
    config: Arc<S3Config>,
    gate: Arc<Gate>,
    admission: Arc<Admission>,
    env: Env,
    metrics: Arc<Metrics>,
    router: axum::Router,
    request_count: AtomicU64,
    request_seed: u64,
    host_id: HeaderValue,
}

impl Service {
    /// A front end. The configuration was validated by the caller.
    pub fn new(config: S3Config, store: Arc<dyn ObjectStore>, env: Env) -> Arc<Self> {
        let metrics = Arc::new(Metrics::default());
        let verifier = Verifier::new(&config);
        let random = random_u128(&*env.rng).to_le_bytes();
        let mut seed = [0; 8];
        seed.copy_from_slice(&random[..8]);
        let encryption = encryption(&config, &store, &env);
        let state = HealthState { metrics: metrics.clone(), store: store.clone() };
        Arc::new(Self {
            admission: Arc::new(Admission::new(&config.limits)),
            config: Arc::new(config),
            gate: Arc::new(Gate::new(verifier, store, encryption)),
            env,
            metrics,
            router: health::router(state),
            request_count: AtomicU64::new(0),
            request_seed: u64::from_le_bytes(seed),
            host_id: text_value(&hex::encode(&random[8..])),
        })
    }

    /// The bounds that the listener keeps.
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// What the listener counts in.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers one request.
    pub async fn handle<B>(self: Arc<Self>, request: Request<B>) -> Response<RecordedBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let (parts, body) = request.into_parts();
        let request_id = self.next_request_id();
        if health::is_ours(&parts) && virtual_bucket(&parts, &self.config.domains).is_none() {
            let mut response = self.clone().ask_router(parts).await.map(RecordedBody::unrecorded);
            self.sign_off(response.headers_mut(), &request_id);
            return response;
        }
        let span = tracing::info_span!("request", id = %request_id);
        self.answer(parts, body, request_id).instrument(span).await
    }

    async fn answer<B>(
        self: Arc<Self>,
        parts: request::Parts,
        body: B,
        request_id: String,
    ) -> Response<RecordedBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let mut record = AccessRecord::begin(self.metrics.clone(), Received::default());
        let mut facts = Facts::new(&parts);
        let waits = parts.headers.contains_key(http::header::EXPECT);
        let is_empty = body.is_end_stream();
        let (body, leftover) = linger::watch(body, waits);
        let origin = parts.headers.get(http::header::ORIGIN).cloned();
        // Also beside a request that is no preflight it names the method that the page means.
        let asked_method = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD).cloned();
        let ids = RequestIds { request_id, host_id: self.host_id.clone() };
        let result = self.run(parts, body, &mut record, (&mut facts, &ids)).await;
        let (mut response, error) = match result {
            Ok(response) => (response, None),
            Err(error) => {
                // Who stood still is not waited for once more.
                if error.code != &codes::REQUEST_TIMEOUT {
                    leftover.discard();
                }
                (self.error_response(&error, &facts, &ids.request_id), Some(error.code.name))
            }
        };
        if facts.method == Method::HEAD {
            drop_body(&mut response);
        }
        if let Some(origin) = origin.as_ref().and_then(|origin| origin.to_str().ok())
            && facts.method != Method::OPTIONS
        {
            let method = asked_method.as_ref().and_then(|method| method.to_str().ok());
            let method = method.unwrap_or(facts.method.as_str()).to_owned();
            self.add_cors(&facts, (origin, &method), response.headers_mut()).await;
        }
        let headers = response.headers_mut();
        // botocore keeps the status of an answer that came instead of `100 Continue` and takes it
        // for that of the next one on this connection: it must not have a next one.
        if waits && (is_empty || error.is_some()) {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.sign_off(headers, &ids.request_id);
        record.describe(facts, response.status().as_u16(), error);
        response.map(|body| RecordedBody::new(body, record))
    }

    /// The way of a request, up to its operation's answer.
    async fn run<B>(
        &self,
        parts: request::Parts,
        body: B,
        record: &mut AccessRecord,
        (facts, ids): (&mut Facts, &RequestIds),
    ) -> S3Result<S3Response>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let has_len = parts.headers.contains_key(http::header::CONTENT_LENGTH);
        // Without a length HTTP/1.1 means an empty body; a client that lost it means something
        // else.
        let is_sized = has_len || parts.version == http::Version::HTTP_2;
        let peer = parts.extensions.get().map(|Peer(address)| *address);
        let head = RequestHead::parse(parts, self.config.limits.url_len_max, &self.config.domains)?;
        facts.target = Some(head.target.clone());
        if head.method == Method::OPTIONS && head.target.bucket().is_some() {
            return self.preflight(&head).await;
        }
        let route = route::find(&head)?;
        facts.route = Some(route);
        let http_len = body.size_hint().exact().filter(|_| is_sized);
        if route.auth == AuthModes::Form {
            let arrival = Arrival { head, route, peer, http_len };
            return self.run_form(arrival, body, record, (facts, ids)).await;
        }
        if route.auth == AuthModes::Session {
            let arrival = Arrival { head, route, peer, http_len };
            return self.run_session(arrival, body, record, ids).await;
        }
        let now = self.env.clock.unix_nanos();
        let request = Unauthenticated { head, route, peer };
        let authenticated = request.authenticate(&self.gate, now).await?;
        let (authorized, signed) = authenticated.authorize(&self.gate).await?;
        let scope = match route.operation {
            Operation::CompleteMultipartUpload => ChecksumScope::Object,
            _ => ChecksumScope::Body,
        };
        // Who looks after an overloaded server must be able to see it.
        if !route.is_admin() {
            record.hold(self.admission.request()?);
        }
        let plan = BodyPlan::parse(&authorized.head().headers, signed, http_len, scope)?;
        let pace = Pace::new(&self.config.limits);
        let received = record.received();
        let call = Call {
            authorized,
            config: self.config.clone(),
            ids: ids.clone(),
            admission: self.admission.clone(),
            plan,
            open: Box::new(move |plan| Box::new(RequestBody::new(body, plan, pace, received))),
        };
        let response = ops::dispatch(call).await?;
        if let ResponseBody::Full(document) = response.body()
            && let Some(permit) = self.admission.document(document.len()).await?
        {
            record.hold(permit);
        }
        Ok(response)
    }

    /// What the bucket's rules say to a page of another origin that asks before it asks.
    async fn preflight(&self, head: &RequestHead) -> S3Result<S3Response> {
        let header = |name| text(&head.headers, name);
        let (origin, method) = (header("origin")?, header("access-control-request-method")?);
        let (Some(bucket), Some(origin)) = (head.target.bucket(), origin) else {
            let message = "Insufficient information. Origin request header needed.";
            return Err(S3Error::new(&codes::BAD_REQUEST, message));
        };
        let method = method.ok_or_else(|| {
            let message = "Invalid Access-Control-Request-Method: null";
            S3Error::new(&codes::BAD_REQUEST, message)
        })?;
        let headers = header("access-control-request-headers")?.unwrap_or("");
        let settings = self.gate.settings(bucket).await?;
        let mut response = response::empty(StatusCode::OK);
        let question = Question { origin, method, headers };
        let rules = settings.cors.as_ref();
        match rules.is_some_and(|rules| rules.answer(&question, response.headers_mut())) {
            true => Ok(response),
            false => {
                let message = "CORSResponse: This CORS request is not allowed.";
                Err(S3Error::new(&codes::ACCESS_DENIED, message))
            }
        }
    }

    /// Adds to an answer what the bucket's rules say to the page that asked. Whatever keeps the
    /// rules from being read keeps the page from the answer.
    async fn add_cors(
        &self,
        facts: &Facts,
        (origin, method): (&str, &str),
        answer: &mut HeaderMap,
    ) {
        let Some(bucket) = facts.target.as_ref().and_then(|target| target.bucket()) else {
            return;
        };
        let question = Question { origin, method, headers: "" };
        if let Ok(settings) = self.gate.settings(bucket).await
            && let Some(rules) = &settings.cors
        {
            rules.answer(&question, answer);
        }
    }

    fn error_response(&self, error: &S3Error, facts: &Facts, request_id: &str) -> S3Response {
        if error.code.status >= 500 && error.code != &codes::NOT_IMPLEMENTED {
            tracing::warn!(%error, "request failed");
        }
        if facts.route.is_some_and(|route| route.auth == AuthModes::Session) {
            return session::error_response(error, request_id);
        }
        let context = ErrorContext {
            bucket: facts.target.as_ref().and_then(|target| target.bucket()).map(|b| b.as_str()),
            key: facts.target.as_ref().and_then(|target| target.key()).map(|key| key.as_str()),
            resource: facts.uri.path(),
            region: self.config.region_name(),
            request_id,
            host_id: self.host_id.to_str().unwrap_or(""),
        };
        let mut response = response::xml(error.to_xml(&context));
        *response.status_mut() =
            StatusCode::from_u16(error.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in &error.headers {
            headers.insert(*name, text_value(value));
        }
        if let Some(size) = error.detail("ActualObjectSize") {
            headers.insert(http::header::CONTENT_RANGE, text_value(&format!("bytes */{size}")));
        }
        if error.code.status == 503 {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(facts.route, Some(route) if route.operation == Operation::HeadBucket) {
            let region = text_value(self.config.region_name());
            headers.insert("x-amz-bucket-region", region);
        }
        response
    }

    async fn ask_router(&self, parts: request::Parts) -> S3Response {
        let request = Request::from_parts(parts, axum::body::Body::empty());
        let mut router = self.router.clone();
        match router.call(request).await {
            Ok(response) => response.map(ResponseBody::Router),
            Err(never) => match never {},
        }
    }

    /// The headers that every response has.
    fn sign_off(&self, headers: &mut HeaderMap, request_id: &str) {
        headers.insert(REQUEST_ID.clone(), text_value(request_id));
        headers.insert(HOST_ID.clone(), self.host_id.clone());
        headers.insert(SERVER, HeaderValue::from_static("Stave"));
        headers.insert(DATE, text_value(&date::format_http(self.env.clock.unix_nanos())));
    }

    /// Sixteen hexadecimal digits: a counter, scrambled by a bijection with a random seed, so that
    /// no two requests of this process share one and none tells how many there were.
    fn next_request_id(&self) -> String {
        let count = self.request_count.fetch_add(1, Ordering::Relaxed);
        let mut id = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.request_seed);
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016X}", id ^ (id >> 31))
    }
}

fn encryption(config: &S3Config, store: &Arc<dyn ObjectStore>, env: &Env) -> Encryption {
    let EncryptionConfig { root_key, is_automatic, allows_plain_keys, service } =
        config.encryption.clone();
    let stored = root_key.map(|root| -> Arc<dyn KeyStore> {
        Arc::new(StoredKeys::new(root, store.clone(), env.clone()))
    });
    let keys = service.map(|service| service.0).or(stored);
    Encryption { keys, rng: env.rng.clone(), is_automatic, allows_plain_keys }
}

/// HEAD has the headers of GET and no body.
fn drop_body(response: &mut S3Response) {
    let len = response.body().size_hint().exact();
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    *response.body_mut() = ResponseBody::empty();
    let headers = response.headers_mut();
    if let (Some(len), false, false) =
        (len, is_error, headers.contains_key(http::header::CONTENT_LENGTH))
    {
        response::set_content_length(headers, len);
    }
}
