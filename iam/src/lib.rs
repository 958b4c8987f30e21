//! Who may do what: the policy language of AWS's IAM, and a file of declared users.
//!
//! ```text
//! document --parse--> Policy --judge--> Verdict --+
//!                       ^                         +--decide--> Decision
//!                       |              other policies, account
//!      AccessRequest { principal, action, resource, context }
//!                                                  ^
//! users file --parse--> Directory --lookup--> User +   (the server fills the Context, nobody else)
//! ```
//!
//! Pure: no disk, no clock, no network, no HTTP. A document is compiled once, so that a request
//! costs comparisons and, where a policy has variables, the text that they stand for.
//!
//! ```
//! use iam::{AccessRequest, Context, Decision, Kind, Policies, Policy, decide, users::Directory};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = Directory::parse(br#"{"version": 1, "users": [{"access_key": "AKIABOB",
//!     "secret_key": "not-a-secret", "canonical_id": "c-bob", "account": "111122223333",
//!     "user_name": "bob", "policies": ["readonly"]}]}"#)?;
//! let document = br#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*",
//!     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/secret/*",
//!     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}"#;
//! let bucket = Policy::parse(document, Kind::Bucket { bucket: "photos" }, 20 * 1024)?;
//! assert!(!bucket.is_public());
//!
//! let bob = directory.by_access_key("AKIABOB").ok_or("no such user")?;
//! let mut context = Context::of(&bob.principal);
//! context.insert("aws:SecureTransport", "false");
//! let policies = Policies {
//!     identity: &bob.policies,
//!     bucket: Some(&bucket),
//!     owner_account: Some("111122223333"),
//!     ..Policies::default()
//! };
//! let ask = |resource| {
//!     let principal = &bob.principal;
//!     let action = "s3:GetObject";
//!     decide(&AccessRequest { principal, action, resource, context: &context }, &policies)
//! };
//! assert_eq!(ask("arn:aws:s3:::photos/cat"), Decision::Allow);
//! assert_eq!(ask("arn:aws:s3:::photos/secret/cat"), Decision::ExplicitDeny);
//! # Ok(())
//! # }
//! ```
//!
//! What it promises:
//!
//! - I1: a document that is not understood to its last member is refused, never read in part.
//! - I2: what nobody allowed is denied, and a denial beats whatever allows (D1, D4).
//! - I3: condition keys come from the server by name; no client can add one (K1).
//! - I4: what a variable stands for is literal, and one without value allows nothing (T1, T2, C2).
//! - I5: an operator that negates does so for each value, never for the whole (C1).
//! - I6: a session and a boundary only narrow (D2).
//! - I7: cost is bounded by the length of the document times that of the request's values; nothing
//!   is exponential (G1).
//! - I8: secrets are never part of what is printed.
//!
//! Modules in reading order: `policy` (the front door), `statement`, `principal`, `action`,
//! `resource`, `condition` with `operator`; below them `template`, `arn`, `glob`, `value`,
//! `context`, [`json`] and `list`; beside them [`mod@decide`], `public`, `canned`, and [`users`].

mod action;
mod arn;
mod canned;
mod condition;
mod context;
pub mod decide;
mod error;
mod glob;
pub mod json;
mod keys;
mod list;
mod operator;
mod policy;
mod principal;
mod public;
mod resource;
mod statement;
mod template;
pub mod users;
mod value;

pub use canned::{CANNED_NAMES, canned};
pub use context::Context;
pub use decide::{Decision, Policies, decide};
pub use error::PolicyError;
pub use keys::S3_KEYS;
pub use policy::{AccessRequest, BUCKET_POLICY_LEN_MAX, EVERY_BUCKET, Kind, Policy, Verdict};
pub use principal::{Identity, Principal, Standing};
