//! Sessions: temporary credentials, as AWS's Security Token Service gives them (STS API reference,
//! 2011-06-15) and MinIO at the endpoint of S3: AssumeRole, GetSessionToken, GetCallerIdentity.
//!
//! ```text
//! POST / --body--> hash --signature, service sts--> caller --Ask--> token::mint --> XML
//!                                                              (key: sessions)
//! any request with a token --> token::Unproved --parent's key--> caller of the session
//! ```
//! - J1: a session may what its parent may, at most: the parent's policies and its own both have to
//!   allow, and a denial of either holds.
//! - J2: a session is its token: its access key alone is nobody, and its token goes with no other
//!   credentials (W2).
//! - J3: a session begins no other one.
//! - J4: a session ends at its time, and before with its parent, with the parent's secret and with
//!   that of the root.
//! - J5: secret and token stand in the one answer that makes them.

pub mod form;
pub mod sessions;
pub mod token;

use crate::auth::accounts::Caller;
use crate::config::Credentials;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::date::format_iso;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::UnixNanos;
use form::{Ask, Role, invalid};
use http::header::{CACHE_CONTROL, HeaderValue};
use iam::{Context, Standing};
use sessions::{caller_of, read_policy};
use std::ops::RangeInclusive;
use token::{Claims, Kind, MasterKey, POLICY_LEN_MAX};

/// Name space of the answers.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Seconds of a session of GetSessionToken: 15 minutes to 36 hours.
const USER_SECONDS: RangeInclusive<u64> = 900..=129_600;
/// The same where nobody says: 12 hours.
const USER_SECONDS_DEFAULT: u64 = 43_200;
/// The same for the root of an account: an hour at most, and where nobody says.
const ROOT_SECONDS_MAX: u64 = 3600;

/// What an answer is made with.
pub struct Making<'a> {
    /// Who asks; may do what is asked for.
    pub caller: &'a Caller,
    /// Now.
    pub now: UnixNanos,
    /// Random, for a token.
    pub nonce: [u8; 16],
    /// Identity of the request.
    pub request_id: &'a str,
}

impl Ask {
    /// Whether it begins a session, for which a key is needed.
    pub fn begins_session(&self) -> bool {
        !matches!(self, Self::GetCallerIdentity)
    }
}

/// A session in the making.
struct Begun {
    session: Caller,
    token: String,
    ends: u64,
    policy_len: usize,
}

impl Making<'_> {
    /// Who asks.
    pub fn identity(&self) -> S3Response {
        let mut document = self.document("GetCallerIdentity");
        document.text("Arn", arn(self.caller));
        document.text("UserId", &user_id(self.caller));
        document.text("Account", account(self.caller));
        self.finish(document, "GetCallerIdentity")
    }

    /// A new session.
    ///
    /// # Errors
    /// `MalformedPolicyDocument`, `ValidationError`.
    pub fn session(&self, ask: Ask, master: &MasterKey) -> S3Result<S3Response> {
        match ask {
            Ask::AssumeRole(role) => {
                let Role { name, seconds, policy } = role;
                let begun = self.begin(master, (Kind::AssumedRole, name), seconds, policy)?;
                let mut document = self.document("AssumeRole");
                begun.write_credentials(&mut document);
                document.open("AssumedRoleUser");
                document.text("Arn", arn(&begun.session));
                document.text("AssumedRoleId", &user_id(&begun.session));
                document.close("AssumedRoleUser");
                if begun.policy_len > 0 {
                    let size = begun.policy_len * 100 / POLICY_LEN_MAX;
                    document.number("PackedPolicySize", size as u64);
                }
                Ok(self.finish(document, "AssumeRole"))
            }
            Ask::GetSessionToken(seconds) => {
                let seconds = user_seconds(self.caller, seconds)?;
                let kind = (Kind::User, String::new());
                let begun = self.begin(master, kind, seconds, String::new())?;
                let mut document = self.document("GetSessionToken");
                begun.write_credentials(&mut document);
                Ok(self.finish(document, "GetSessionToken"))
            }
            Ask::GetCallerIdentity => Ok(self.identity()),
        }
    }

    fn begin(
        &self,
        master: &MasterKey,
        (kind, name): (Kind, String),
        seconds: u64,
        policy: String,
    ) -> S3Result<Begun> {
        if !policy.is_empty() {
            let read = read_policy(&policy).and_then(|policy| policy.check_keys());
            read.map_err(|error| {
                S3Error::new(&codes::MALFORMED_POLICY_DOCUMENT, error.to_string())
            })?;
        }
        let issued = self.now / 1_000_000_000;
        let (ends, policy_len) = (issued + seconds, policy.len());
        let parent = self.caller.credentials.access_key.clone();
        let claims = Claims { kind, issued, ends, nonce: self.nonce, parent, name, policy };
        let (token, credentials) = master.of(&self.caller.credentials).mint(&claims);
        let session = caller_of(self.caller, claims, credentials)?;
        Ok(Begun { session, token, ends, policy_len })
    }

    fn document(&self, operation: &str) -> XmlWriter {
        let mut xml = XmlWriter::document();
        xml.open_with(&format!("{operation}Response"), &[("xmlns", NAMESPACE)]);
        xml.open(&format!("{operation}Result"));
        xml
    }

    fn finish(&self, mut xml: XmlWriter, operation: &str) -> S3Response {
        xml.close(&format!("{operation}Result"));
        xml.open("ResponseMetadata");
        xml.text("RequestId", self.request_id);
        xml.close("ResponseMetadata");
        xml.close(&format!("{operation}Response"));
        let mut response = response::xml(xml.finish());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Begun {
    fn write_credentials(&self, xml: &mut XmlWriter) {
        let Credentials { access_key, secret_key } = &self.session.credentials;
        xml.open("Credentials");
        xml.text("AccessKeyId", access_key);
        xml.text("SecretAccessKey", secret_key);
        xml.text("SessionToken", &self.token);
        xml.text("Expiration", &format_iso(self.ends * 1_000_000_000));
        xml.close("Credentials");
    }
}

/// Seconds of a session that is its user's own.
fn user_seconds(caller: &Caller, asked: Option<u64>) -> S3Result<u64> {
    let is_root = caller.identity().is_some_and(|identity| identity.standing == Standing::Root);
    let seconds_max = if is_root { ROOT_SECONDS_MAX } else { *USER_SECONDS.end() };
    let seconds = asked.unwrap_or(USER_SECONDS_DEFAULT.min(seconds_max));
    if seconds < *USER_SECONDS.start() || seconds > *USER_SECONDS.end() {
        return Err(invalid("DurationSeconds is between 900 and 129600"));
    }
    // The root is given less than it asks for, as on AWS.
    Ok(seconds.min(seconds_max))
}

fn arn(caller: &Caller) -> &str {
    caller.identity().map_or("", |identity| &identity.arn)
}

fn account(caller: &Caller) -> &str {
    caller.identity().map_or("", |identity| &identity.account)
}

/// What conditions see as `aws:userid`, with the name of a session behind it.
fn user_id(caller: &Caller) -> String {
    let context = Context::of(&caller.principal);
    let id = context.values("aws:userid").first().cloned().unwrap_or_default();
    match caller.session.as_ref().map(|session| session.name.as_str()) {
        None | Some("") => id,
        Some(name) => format!("{id}:{name}"),
    }
}

/// Status and document of an error, in the shape of this API and with its names.
pub fn error_document(error: &S3Error, request_id: &str) -> (u16, String) {
    let code = error.code;
    let (name, status) = match code {
        code if *code == codes::INVALID_ACCESS_KEY_ID || *code == codes::INVALID_TOKEN => {
            ("InvalidClientTokenId", 403)
        }
        code if *code == codes::EXPIRED_TOKEN => (code.name, 403),
        code if *code == codes::AUTHORIZATION_HEADER_MALFORMED => ("IncompleteSignature", 400),
        code if *code == codes::INTERNAL_ERROR => ("InternalFailure", 500),
        code => (code.name, code.status),
    };
    let mut xml = XmlWriter::document();
    xml.open_with("ErrorResponse", &[("xmlns", NAMESPACE)]);
    xml.open("Error");
    xml.text("Type", if status < 500 { "Sender" } else { "Receiver" });
    xml.text("Code", name);
    xml.text("Message", &error.message);
    xml.close("Error");
    xml.text("RequestId", request_id);
    xml.close("ErrorResponse");
    (status, xml.finish())
}
