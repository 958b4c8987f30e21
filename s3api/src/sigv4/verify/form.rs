//! Who a form is from: the signature over its policy (S3 API reference, "Authenticating Requests in
//! Browser-Based Uploads Using POST"; for Version 2 the developer guide of 2006).
//!
//! - V5: what signs is there as a whole or not at all, and in one version.

use super::{
    DUMMY_SECRET, Identity, Mechanism, SKEW_SECONDS_MAX, Signed, Verifier, check_life,
    check_signature,
};
use crate::error::{S3Error, S3Result, codes};
use crate::form::fields::FormFields;
use crate::headers::date;
use crate::sigv2;
use crate::sigv4::presign::EXPIRES_SECONDS_MAX;
use crate::sigv4::{ALGORITHM, Credential, Payload, header, is_signature};
use engine::object::UnixNanos;

/// Fields of a signature by Version 4.
const VERSION_4: [&str; 4] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"];

/// Fields of a signature by Version 2.
const VERSION_2: [&str; 2] = ["AWSAccessKeyId", "Signature"];

impl Verifier {
    /// Who a form is from.
    ///
    /// # Errors
    /// Whatever is wrong with a signature that is there, in part or as a whole; see the codes.
    pub fn identify_form(&self, fields: &FormFields, now: UnixNanos) -> S3Result<Identity> {
        let has = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
        let (has_version_4, has_version_2) = (has(&VERSION_4), has(&VERSION_2));
        match (has_version_4, has_version_2) {
            (true, true) => {
                let message = "Only one auth mechanism is allowed in a form.";
                Err(S3Error::new(&codes::INVALID_REQUEST, message))
            }
            (true, false) => self.verify_form(fields, now),
            (false, true) if !self.allows_sigv2 => Err(header::unsupported_mechanism()),
            (false, true) => self.verify_legacy_form(fields),
            // A policy, or a token, is signed.
            (false, false) if has(&["policy", "x-amz-security-token"]) => {
                fields.required("AWSAccessKeyId").map(|_| Identity::Anonymous)
            }
            (false, false) => Ok(Identity::Anonymous),
        }
    }

    fn verify_form(&self, fields: &FormFields, now: UnixNanos) -> S3Result<Identity> {
        let [algorithm, credential, timestamp, claimed] = VERSION_4;
        let policy = fields.required("policy")?;
        if fields.required(algorithm)? != ALGORITHM {
            return Err(invalid("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"."));
        }
        let credential = Credential::parse(fields.required(credential)?)
            .ok_or_else(|| invalid("The X-Amz-Credential is malformed."))?;
        let timestamp = fields.required(timestamp)?;
        let signed_at = date::parse_amz(timestamp)
            .ok_or_else(|| invalid("X-Amz-Date must be of the form yyyyMMddTHHmmssZ."))?;
        let claimed = fields.required(claimed)?;
        if !is_signature(claimed) {
            return Err(invalid("The X-Amz-Signature is malformed."));
        }
        self.check_scope(&credential.scope, timestamp, &codes::INVALID_ARGUMENT)?;
        check_age(signed_at, now / 1_000_000_000)?;
        let token = fields.get("x-amz-security-token");
        let caller = self.caller(credential.access_key, token)?;
        let key = self.key(caller.as_ref(), &credential.scope);
        let caller = check_signature(caller.as_ref(), &key.sign(policy), claimed)?;
        check_life(&caller, now)?;
        self.keep_keys(&caller, &credential.scope, &key);
        Ok(Identity::Known(caller, signed(Mechanism::Form)))
    }

    fn verify_legacy_form(&self, fields: &FormFields) -> S3Result<Identity> {
        let [access_key, claimed] = VERSION_2;
        let policy = fields.required("policy")?;
        let (access_key, claimed) = (fields.required(access_key)?, fields.required(claimed)?);
        let caller = self.accounts.by_access_key(access_key);
        let secret = caller.map_or(DUMMY_SECRET, |caller| &caller.credentials.secret_key);
        let caller = check_signature(caller, &sigv2::sign(secret, policy), claimed)?;
        refuse_token(fields)?;
        Ok(Identity::Known(caller, signed(Mechanism::FormVersion2)))
    }
}

/// The body of a form is bound to the signature by nothing but the policy.
fn signed(mechanism: Mechanism) -> Signed {
    Signed { mechanism, payload: Payload::Unsigned, chain: None }
}

/// A signing key is good for a week, and a form is as old as its key at most; until when it is good
/// besides, its policy says.
fn check_age(signed_at: u64, now: u64) -> S3Result<()> {
    let denied = |message| Err(S3Error::new(&codes::ACCESS_DENIED, message));
    if signed_at > now + SKEW_SECONDS_MAX {
        return denied("Request is not valid yet.");
    }
    if now > signed_at + EXPIRES_SECONDS_MAX {
        return denied("Request has expired.");
    }
    Ok(())
}

fn refuse_token(fields: &FormFields) -> S3Result<()> {
    match fields.get("x-amz-security-token") {
        None => Ok(()),
        Some(_) => Err((&codes::INVALID_TOKEN).into()),
    }
}

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, message)
}
