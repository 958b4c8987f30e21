//! The S3 protocol: HTTP in, [`engine::object::ObjectStore`] calls out. Knows nothing of disks,
//! nodes or consensus.
//!
//! ```text
//! TcpListener -> listener::serve -> (TLS) -> hyper -> Service::handle
//!                                             |
//!    request (head, target) -> route (one table) -> auth (who is it, may it?)  <- sigv4
//!                                                     |
//!    body (framing, signatures, checksums) -------> ops/* (one file each) ---> ObjectStore
//!                                                     |
//!    client <- response (headers, streamed bytes) <---+     error, xml: whatever says no
//! ```
//!
//! - I1: the store is reached through [`auth::Authorized`] only (T1), and routes exist in
//!   [`route::ROUTES`] only (R1).
//! - I2: a body is committed only after its length, signatures, hashes and checksums held (B2).
//! - I3: memory per connection is bounded, whatever the size of objects and requests (B1,
//!   [`config::Limits`]).
//! - I4: bytes that are signed, authorised and stored under are the same bytes (U1, U2).
//! - I5: a body that cannot be completed ends in a broken connection (P1).
//! - I6: secrets and signatures are in no log, no metric and no answer (L1).
//!
//! In reading order: [`config`], [`host`], [`listener`], [`service`], [`access`], [`admission`],
//! [`request`], [`uri`], [`route`], [`auth`], [`acl`], [`cors`], [`sigv4`], [`headers`], [`body`],
//! [`form`], [`sts`], [`sse`], [`tags`], [`notes`], [`ops`], [`xml`], [`response`], [`error`],
//! [`json`], [`status`], [`health`], [`metrics`].

pub mod access;
pub mod acl;
pub mod admission;
pub mod auth;
pub mod body;
pub mod config;
pub mod cors;
pub mod error;
pub mod form;
pub mod headers;
pub mod health;
pub mod host;
pub mod json;
pub mod listener;
pub mod metrics;
pub mod notes;
pub mod ops;
pub mod request;
pub mod response;
pub mod route;
pub mod service;
pub mod sigv2;
pub mod sigv4;
pub mod sse;
pub mod status;
pub mod sts;
pub mod tags;
pub mod uri;
pub mod xml;

pub use config::{Credentials, Limits, S3Config};
pub use listener::{serve, serve_secure};
pub use service::Service;
