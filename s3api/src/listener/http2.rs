//! HTTP/2 on one secure connection.
//!
//! What a peer can make one connection hold, whatever it sends or does not read:
//!
//! | what                       | bound                                          | default   |
//! |----------------------------|------------------------------------------------|----------:|
//! | bodies, received, not read | `CONNECTION_WINDOW_LEN`, all streams together  |     2 MiB |
//! | heads                      | `streams_max` x `head_len_max`                 |  6.25 MiB |
//! | answers, not taken         | `streams_max` x (`SEND_BUFFER_LEN_MAX` + frame) | 7.8 MiB  |
//!
//! To these comes the piece that the store last gave of each answer, as in HTTP/1.1.
//!
//! - T1: a connection without a running request ends after `header_timeout_ms`; pings do not keep
//!   it.
//! - T2: nor does a peer delay the end that does not answer the farewell: without a running request
//!   it has `FAREWELL_TIMEOUT`.
//! - T3: a peer that answers no ping is gone, whatever runs.

use super::streams::{FRAME_LEN_MAX, PacedBody, Streams, note_answer};
use super::timer::HyperTimer;
use super::{Front, finish, wait_for_stop};
use crate::access::RecordedBody;
use crate::response::ResponseBody;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch::Receiver;

/// Bytes of one request's body that may wait to be read; smaller than the connection's, so that one
/// body that nobody reads does not stop the others.
const STREAM_WINDOW_LEN: u32 = 1 << 20;

/// Bytes of all bodies that may wait to be read.
const CONNECTION_WINDOW_LEN: u32 = 2 << 20;

/// Bytes of one answer that wait for the peer's window.
const SEND_BUFFER_LEN_MAX: usize = 64 << 10;

/// Streams that the peer reset before they were looked at, and those that broke the protocol: a
/// peer with more of either is cut off (rapid reset).
const RESET_STREAMS_MAX: usize = 64;

/// A peer is asked whether it is still there when it was silent for so long.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long it has to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a peer without a running request has to say goodbye, and to take what h2 still holds.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a connection to its end.
pub(super) async fn serve<S>(
    stream: S,
    front: Front,
    mut shutdown: Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = front.limits().clone();
    let streams = Streams::new(Duration::from_millis(limits.body_idle_timeout_ms));
    let idle = streams.idle(Duration::from_millis(limits.header_timeout_ms));
    let farewell = streams.idle(FAREWELL_TIMEOUT);
    let headers_max = limits.headers_max;
    let handler = service_fn(move |request| {
        let answer = answer(&front, request, headers_max);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new(streams);
    builder
        .timer(HyperTimer)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head_len_max).expect("validated"))
        .max_frame_size(FRAME_LEN_MAX)
        .initial_stream_window_size(STREAM_WINDOW_LEN)
        .initial_connection_window_size(CONNECTION_WINDOW_LEN)
        .max_send_buf_size(SEND_BUFFER_LEN_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .auto_date_header(false);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        biased;
        result = served.as_mut() => return result,
        () = wait_for_stop(&mut shutdown) => {}
        () = idle => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        result = finish(served, &limits) => result,
        // T2
        () = farewell => Ok(()),
    }
}

/// Answers one request, unless it has more headers than HTTP/1.1 would take.
fn answer(
    front: &Front,
    request: Request<Incoming>,
    headers_max: usize,
) -> impl Future<Output = Response<PacedBody<RecordedBody>>> + Send + use<> {
    let has_too_many = request.headers().len() > headers_max;
    let answer = (!has_too_many).then(|| front.answer(request));
    async move {
        let response = match answer {
            Some(answer) => answer.await,
            None => {
                let mut response = Response::new(RecordedBody::unrecorded(ResponseBody::empty()));
                *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                response
            }
        };
        note_answer();
        response.map(PacedBody::new)
    }
}
