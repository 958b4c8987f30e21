//! Decides who a request is from: its signature against the credential we know, or that of a
//! session, which comes with a token.

mod form;
pub mod token;

use super::canonical::{CanonicalRequest, string_to_sign};
use super::header::Authorization;
use super::key::{KeyCache, SigningKey};
use super::presign::{self, PresignedQuery};
use super::{ChunkChain, Credential, Payload, Scope, SigningService};
use crate::auth::accounts::{Accounts, Caller};
use crate::config::{S3Config, is_region};
use crate::error::codes::ErrorCode;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{self, date};
use crate::request::RequestHead;
use crate::sigv2;
use crate::sts::sessions::{Sessions, check_life};
use engine::object::UnixNanos;
use http::header::{AUTHORIZATION, DATE, HOST};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// How far the date of a request may lie from the clock: 15 minutes.
pub const SKEW_SECONDS_MAX: u64 = 900;

/// Stands in for the secret of an access key that does not exist.
const DUMMY_SECRET: &str = "no such access key";

/// Who a request is from, as far as its signature says.
pub enum Identity {
    /// Nobody: not signed.
    Anonymous,
    /// Somebody whose secret signed it.
    Known(Arc<Caller>, Signed),
}

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// By the `Authorization` header.
    Header,
    /// By a presigned URL.
    Query,
    /// By Signature Version 2, in the header or by a link.
    Version2,
    /// By fields of a form.
    Form,
    /// By fields of a form, Signature Version 2.
    FormVersion2,
}

/// What a good signature says of the rest of the request.
pub struct Signed {
    /// How it was made.
    pub mechanism: Mechanism,
    /// How the body is bound to the signature.
    pub payload: Payload,
    /// Where the signatures of the chunks begin, in the signed streaming modes.
    pub chain: Option<ChunkChain>,
}

/// The parts of a signature, from header or query.
struct Claim<'a> {
    credential: Credential<'a>,
    timestamp: String,
    signed_headers: &'a str,
    signature: &'a str,
    payload_hash: &'a str,
}

/// Verifies signatures against the credentials of everybody who can sign.
pub struct Verifier {
    accounts: Accounts,
    region: Option<String>,
    allows_sigv2: bool,
    keys: KeyCache,
    sessions: Sessions,
}

impl Verifier {
    /// Verifies against the credentials that are configured, in the region or in any.
    pub fn new(config: &S3Config) -> Self {
        Self {
            accounts: Accounts::new(&config.credentials, config.users.clone()),
            region: config.region.clone(),
            allows_sigv2: config.allows_sigv2,
            keys: KeyCache::default(),
            sessions: Sessions::default(),
        }
    }

    /// The sessions that tokens stand for.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Everybody who can sign.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Who the request is from.
    ///
    /// # Errors
    /// Whatever is wrong with a signature that is there; see the codes. A request without one is
    /// [`Identity::Anonymous`].
    pub fn identify(&self, head: &RequestHead, now: UnixNanos) -> S3Result<Identity> {
        let authorization = single_header(head, AUTHORIZATION.as_str())?;
        let authorization = authorization.filter(|text| !text.trim().is_empty());
        if self.allows_sigv2
            && let Some(claim) = legacy_claim(head, authorization)?
        {
            return self.verify_legacy(head, &claim, now / 1_000_000_000);
        }
        let (mechanism, claim) = match (authorization, presign::is_signed(&head.query)) {
            (None, false) => return Ok(Identity::Anonymous),
            (Some(_), true) => {
                return Err(S3Error::new(
                    &codes::INVALID_REQUEST,
                    "Only one auth mechanism is allowed: the Authorization header or the query.",
                ));
            }
            (Some(text), false) => {
                let authorization = Authorization::parse(text)?;
                let claim = header_claim(head, authorization, body_hash(head)?, now)?;
                (Mechanism::Header, claim)
            }
            (None, true) => (Mechanism::Query, presigned_claim(head, now / 1_000_000_000)?),
        };
        self.verify(head, &claim, mechanism, now)
    }

    /// Who a request for a session is from. Its clients sign the hash of the body and name it
    /// nowhere, so that the body is read before.
    ///
    /// # Errors
    /// As [`Self::identify`]; `AccessDenied` for a request without a signature in the header.
    pub fn identify_for_session(
        &self,
        head: &RequestHead,
        body_hash: &str,
        now: UnixNanos,
    ) -> S3Result<Arc<Caller>> {
        let authorization = single_header(head, AUTHORIZATION.as_str())?;
        let (Some(text), false) = (authorization, presign::is_signed(&head.query)) else {
            return Err((&codes::ACCESS_DENIED).into());
        };
        if single_header(head, "x-amz-content-sha256")?.is_some_and(|named| named != body_hash) {
            return Err((&codes::X_AMZ_CONTENT_SHA256_MISMATCH).into());
        }
        let authorization = Authorization::parse_for(SigningService::Sts, text)?;
        let claim = header_claim(head, authorization, body_hash, now)?;
        match self.verify(head, &claim, Mechanism::Header, now)? {
            Identity::Anonymous => Err((&codes::ACCESS_DENIED).into()),
            Identity::Known(caller, _) => Ok(caller),
        }
    }

    fn verify(
        &self,
        head: &RequestHead,
        claim: &Claim<'_>,
        mechanism: Mechanism,
        now: UnixNanos,
    ) -> S3Result<Identity> {
        let code = match mechanism {
            Mechanism::Header => &codes::AUTHORIZATION_HEADER_MALFORMED,
            _ => &codes::AUTHORIZATION_QUERY_PARAMETERS,
        };
        self.check_scope(&claim.credential.scope, &claim.timestamp, code)?;
        check_signed_headers(head, claim.signed_headers)?;
        let payload = Payload::parse(claim.payload_hash)?;
        let canonical = CanonicalRequest {
            method: &head.method,
            raw_path: head.raw_path(),
            query: &head.query,
            headers: &head.headers,
            signed_headers: claim.signed_headers,
            payload_hash: claim.payload_hash,
        };
        let scope = &claim.credential.scope;
        let text = string_to_sign(&claim.timestamp, scope, &canonical.text()?);
        let caller = self.caller(claim.credential.access_key, token::of(head, mechanism)?)?;
        let key = self.key(caller.as_ref(), scope);
        let signature = key.sign(&text);
        let caller = check_signature(caller.as_ref(), &signature, claim.signature)?;
        check_life(&caller, now)?;
        self.keep_keys(&caller, scope, &key);
        let has_chain = matches!(payload, Payload::SignedChunks | Payload::SignedChunksTrailer);
        let chain = has_chain.then(|| ChunkChain::new(key, &claim.timestamp, scope, &signature));
        Ok(Identity::Known(caller, Signed { mechanism, payload, chain }))
    }

    /// Signature Version 2, where it is allowed.
    fn verify_legacy(
        &self,
        head: &RequestHead,
        claim: &sigv2::Claim<'_>,
        now: u64,
    ) -> S3Result<Identity> {
        sigv2::check_time(claim, head, now, SKEW_SECONDS_MAX)?;
        single_header(head, HOST.as_str())?;
        let texts = sigv2::strings_to_sign(claim, head)?;
        let caller = self.accounts.by_access_key(claim.access_key);
        let secret = caller.map_or(DUMMY_SECRET, |caller| &caller.credentials.secret_key);
        let signatures = texts.iter().map(|text| sigv2::sign(secret, text));
        let checked =
            signatures.map(|signature| check_signature(caller, &signature, claim.signature));
        let caller = checked.reduce(S3Result::or).ok_or(&codes::SIGNATURE_DOES_NOT_MATCH)??;
        token::refuse(head)?;
        let hash = single_header(head, "x-amz-content-sha256")?.unwrap_or("UNSIGNED-PAYLOAD");
        match Payload::parse(hash)? {
            Payload::SignedChunks | Payload::SignedChunksTrailer => {
                let message = "Signed chunks need Signature Version 4.";
                Err(S3Error::new(&codes::INVALID_REQUEST, message))
            }
            payload => {
                let signed = Signed { mechanism: Mechanism::Version2, payload, chain: None };
                Ok(Identity::Known(caller, signed))
            }
        }
    }

    /// Who an access key is of: with a token that of the session that it stands for, and of nobody
    /// else.
    fn caller(&self, access_key: &str, token: Option<&str>) -> S3Result<Option<Arc<Caller>>> {
        match token {
            None => Ok(self.accounts.by_access_key(access_key).cloned()),
            Some(token) => self.sessions.caller(&self.accounts, access_key, token).map(Some),
        }
    }

    /// V2: an unknown access key costs the same as a known one.
    fn key(&self, caller: Option<&Arc<Caller>>, scope: &Scope<'_>) -> SigningKey {
        match caller {
            // A session's is not kept, and must not be another one's that has the same name.
            Some(caller) if caller.session.is_some() => {
                SigningKey::derive(&caller.credentials.secret_key, scope)
            }
            Some(caller) => {
                let known = &caller.credentials;
                self.keys.get(&known.access_key, &known.secret_key, scope)
            }
            None => self.keys.get("", DUMMY_SECRET, scope),
        }
    }

    /// Keys are kept for scopes that somebody with the right secret used, so that nobody else can
    /// crowd them out; the dummy's beside the real one (V2). Sessions are many and short.
    fn keep_keys(&self, caller: &Caller, scope: &Scope<'_>, key: &SigningKey) {
        if caller.session.is_none() && self.keys.keep(&caller.credentials.access_key, scope, key) {
            self.keys.keep("", scope, &SigningKey::derive(DUMMY_SECRET, scope));
        }
    }

    /// V3, and the region.
    fn check_scope(
        &self,
        scope: &Scope<'_>,
        timestamp: &str,
        code: &'static ErrorCode,
    ) -> S3Result<()> {
        match &self.region {
            Some(region) if scope.region != region => {
                let message = format!("The region is wrong; expecting '{region}'.");
                return Err(S3Error::new(code, message).with("Region", region));
            }
            None if scope.region.is_empty() && scope.service == SigningService::Sts => {}
            None if !is_region(scope.region) => {
                return Err(S3Error::new(code, "The credential names no region."));
            }
            Some(_) | None => {}
        }
        if !timestamp.starts_with(scope.day) {
            return Err(S3Error::new(code, "The day of the credential is not that of the date."));
        }
        Ok(())
    }
}

/// The caller, when the signature is the one that its secret makes. It is compared before the
/// caller is looked at (V2).
fn check_signature(
    caller: Option<&Arc<Caller>>,
    signature: &str,
    claimed: &str,
) -> S3Result<Arc<Caller>> {
    let is_right = bool::from(signature.as_bytes().ct_eq(claimed.as_bytes()));
    match caller {
        None => Err((&codes::INVALID_ACCESS_KEY_ID).into()),
        Some(_) if !is_right => Err((&codes::SIGNATURE_DOES_NOT_MATCH).into()),
        Some(caller) => Ok(caller.clone()),
    }
}

fn body_hash(head: &RequestHead) -> S3Result<&str> {
    single_header(head, "x-amz-content-sha256")?.ok_or_else(|| {
        S3Error::new(
            &codes::INVALID_REQUEST,
            "Missing required header for this request: x-amz-content-sha256",
        )
    })
}

fn header_claim<'a>(
    head: &'a RequestHead,
    authorization: Authorization<'a>,
    payload_hash: &'a str,
    now: UnixNanos,
) -> S3Result<Claim<'a>> {
    let missing_date = || {
        S3Error::new(
            &codes::ACCESS_DENIED,
            "AWS authentication requires a valid Date or x-amz-date header.",
        )
    };
    let date = match single_header(head, "x-amz-date")? {
        Some(date) => Some(date),
        None => single_header(head, DATE.as_str())?,
    };
    let date = date.ok_or_else(missing_date)?;
    let seconds =
        date::parse_amz(date).or_else(|| date::parse_http(date)).ok_or_else(missing_date)?;
    if (now / 1_000_000_000).abs_diff(seconds) > SKEW_SECONDS_MAX {
        return Err((&codes::REQUEST_TIME_TOO_SKEWED).into());
    }
    Ok(Claim {
        credential: authorization.credential,
        timestamp: date::format_amz(seconds.saturating_mul(1_000_000_000)),
        signed_headers: authorization.signed_headers,
        signature: authorization.signature,
        payload_hash,
    })
}

fn presigned_claim(head: &RequestHead, now: u64) -> S3Result<Claim<'_>> {
    let presigned = PresignedQuery::parse(&head.query)?;
    if presigned.signed_at > now + SKEW_SECONDS_MAX {
        return Err(S3Error::new(&codes::ACCESS_DENIED, "Request is not valid yet."));
    }
    if presigned.expires == 0 || now > presigned.signed_at + presigned.expires {
        return Err(S3Error::new(&codes::ACCESS_DENIED, "Request has expired."));
    }
    let payload_hash = match single_header(head, "x-amz-content-sha256")? {
        Some(hash) => hash,
        None => head.query.get("X-Amz-Content-Sha256").unwrap_or("UNSIGNED-PAYLOAD"),
    };
    Ok(Claim {
        credential: presigned.credential,
        timestamp: presigned.timestamp.to_owned(),
        signed_headers: presigned.signed_headers,
        signature: presigned.signature,
        payload_hash,
    })
}

/// V1: what is there and could change the meaning of the request is signed.
fn check_signed_headers(head: &RequestHead, signed: &str) -> S3Result<()> {
    single_header(head, HOST.as_str())?;
    for header in head.headers.keys() {
        let name = header.as_str();
        let is_meaningful = name.starts_with("x-amz-") || name == "host";
        let must_be_signed = is_meaningful && !head.is_hoisted(header);
        if must_be_signed && !signed.split(';').any(|listed| listed == name) {
            return Err(S3Error::new(
                &codes::ACCESS_DENIED,
                "There were headers present in the request which were not signed.",
            )
            .with("HeadersNotSigned", name));
        }
    }
    Ok(())
}

/// What a request signs by Version 2; one that signs by both versions is left to Version 4, which
/// refuses it.
fn legacy_claim<'a>(
    head: &'a RequestHead,
    authorization: Option<&'a str>,
) -> S3Result<Option<sigv2::Claim<'a>>> {
    let has_version_4 = head.query.names().any(|name| name.starts_with("X-Amz-"));
    match authorization {
        Some(text) if !presign::is_signed(&head.query) => Ok(sigv2::parse_header(text)),
        None if !has_version_4 => sigv2::parse_query(head),
        Some(_) | None => Ok(None),
    }
}

/// A header that may be there once.
fn single_header<'a>(head: &'a RequestHead, name: &str) -> S3Result<Option<&'a str>> {
    headers::text(&head.headers, name).map_err(|_| {
        S3Error::new(&codes::INVALID_REQUEST, format!("The header {name} is not valid."))
    })
}
