//! The promises of the protocol, over a real listener and a store in memory.

#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[path = "../support/mod.rs"]
mod support;

mod annotations;
mod append;
mod auth;
mod checksums;
mod chunked;
mod compat;
mod encryption;
mod forms;
mod http2;
mod integrity;
mod listener;
mod listing;
mod load;
mod multipart;
mod objects;
mod principals;
mod security_access;
mod security_admin;
mod security_chunked;
mod security_conditions;
mod security_forms;
mod security_hostile;
mod security_injection;
mod security_map;
mod security_sessions;
mod security_signature;
mod security_sigv2;
mod security_xml;
mod sessions;
mod smuggling;
mod versions;
mod walk;
