//! The body of a request: `Action=..&Version=2011-06-15&..`, as a query has it.
//!
//! - Q1: a parameter that nobody here knows is refused, as is one that comes twice: one that would
//!   narrow a session must not be lost.

use super::token::POLICY_LEN_MAX;
use crate::error::{S3Error, S3Result, codes};
use crate::uri;
use std::ops::RangeInclusive;

/// Longest body, in bytes: a policy of the greatest length, every byte of it escaped, and the rest.
pub const BODY_LEN_MAX: usize = 16 << 10;

/// Parameters of a request.
const PARAMETERS_MAX: usize = 32;

/// The only version of the API.
const API_VERSION: &str = "2011-06-15";

/// Seconds of a session of AssumeRole, as MinIO has it: 15 minutes to 7 days.
const ROLE_SECONDS: RangeInclusive<u64> = 900..=604_800;
/// Seconds of AssumeRole where nobody says.
const ROLE_SECONDS_DEFAULT: u64 = 3600;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// AssumeRole.
    AssumeRole(Role),
    /// GetSessionToken, for so many seconds.
    GetSessionToken(Option<u64>),
    /// GetCallerIdentity.
    GetCallerIdentity,
}

/// A session that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Seconds that it lasts.
    pub seconds: u64,
    /// Policy that narrows it, as it came; empty where there is none.
    pub policy: String,
}

struct Parameters(Vec<(String, String)>);

impl Ask {
    /// Reads a body.
    ///
    /// # Errors
    /// `MissingAction`, `InvalidAction`, `ValidationError`.
    pub fn parse(body: &[u8]) -> S3Result<Self> {
        let mut parameters = Parameters::parse(body)?;
        let Some(action) = parameters.take("Action") else {
            return Err((&codes::MISSING_ACTION).into());
        };
        let version = parameters.take("Version").unwrap_or_default();
        let unknown = || {
            // The name is the client's: it is not told again.
            let message = "There is no such operation of this version of the API.";
            S3Error::new(&codes::INVALID_ACTION, message)
        };
        if version != API_VERSION {
            return Err(unknown());
        }
        let ask = match action.as_str() {
            "AssumeRole" => Self::AssumeRole(Role::take(&mut parameters)?),
            "GetSessionToken" => Self::GetSessionToken(parameters.take_seconds()?),
            "GetCallerIdentity" => Self::GetCallerIdentity,
            _ => return Err(unknown()),
        };
        parameters.end()?;
        Ok(ask)
    }

    /// The permission that a policy can deny.
    pub fn action(&self) -> &'static str {
        match self {
            Self::AssumeRole(_) => "sts:AssumeRole",
            Self::GetSessionToken(_) => "sts:GetSessionToken",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
        }
    }
}

impl Role {
    fn take(parameters: &mut Parameters) -> S3Result<Self> {
        // The role that is taken is the caller's own, and nobody trusts it by a secret of theirs.
        for name in ["RoleArn", "ExternalId"] {
            parameters.take(name);
        }
        let name = parameters.take("RoleSessionName").unwrap_or_else(|| "session".to_owned());
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        if !(2..=64).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            return Err(invalid(
                "RoleSessionName has 2 to 64 letters, digits and characters of _+=,.@-",
            ));
        }
        let seconds = parameters.take_seconds()?.unwrap_or(ROLE_SECONDS_DEFAULT);
        if !ROLE_SECONDS.contains(&seconds) {
            return Err(invalid("DurationSeconds is between 900 and 604800"));
        }
        let policy = parameters.take("Policy").unwrap_or_default();
        if policy.len() > POLICY_LEN_MAX {
            return Err((&codes::PACKED_POLICY_TOO_LARGE).into());
        }
        Ok(Self { name, seconds, policy })
    }
}

impl Parameters {
    fn parse(body: &[u8]) -> S3Result<Self> {
        let malformed = || invalid("The body is no list of parameters");
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.trim_end().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = uri::decode_query(name).map_err(|_| malformed())?;
            let value = uri::decode_query(value).map_err(|_| malformed())?;
            if pairs.len() == PARAMETERS_MAX {
                return Err(invalid("There are too many parameters"));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(invalid("A parameter comes twice"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// A parameter, which is known by now. An empty one is none.
    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1).filter(|value| !value.is_empty())
    }

    fn take_seconds(&mut self) -> S3Result<Option<u64>> {
        let Some(text) = self.take("DurationSeconds") else { return Ok(None) };
        let is_number = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = if is_number { text.parse().ok() } else { None };
        seconds.map(Some).ok_or_else(|| invalid("DurationSeconds is a whole number"))
    }

    /// Q1
    fn end(self) -> S3Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(invalid("A parameter is not supported here")) }
    }
}

pub(super) fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::VALIDATION_ERROR, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(rest: &str) -> Result<Ask, &'static str> {
        let body = format!("Version=2011-06-15&{rest}");
        Ask::parse(body.as_bytes()).map_err(|error| error.code.name)
    }

    fn role(name: &str, seconds: u64, policy: &str) -> Result<Ask, &'static str> {
        let (name, policy) = (name.to_owned(), policy.to_owned());
        Ok(Ask::AssumeRole(Role { name, seconds, policy }))
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(parse("Action=GetCallerIdentity"), Ok(Ask::GetCallerIdentity));
        assert_eq!(parse("Action=GetSessionToken"), Ok(Ask::GetSessionToken(None)));
        let asked = parse("Action=GetSessionToken&DurationSeconds=900");
        assert_eq!(asked, Ok(Ask::GetSessionToken(Some(900))));
        assert_eq!(parse("Action=AssumeRole"), role("session", 3600, ""));
        assert_eq!(
            parse(
                "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&RoleSessionName=me%40x\
                 &DurationSeconds=604800&Policy=%7B%22a%22%3A+1%7D&ExternalId=x"
            ),
            role("me@x", 604_800, "{\"a\": 1}")
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (rest, code) in [
            ("", "MissingAction"),
            ("Action=", "MissingAction"),
            ("Action=AssumeRoleWithWebIdentity", "InvalidAction"),
            ("Action=assumerole", "InvalidAction"),
            ("Action=AssumeRole&DurationSeconds=899", "ValidationError"),
            ("Action=AssumeRole&DurationSeconds=604801", "ValidationError"),
            ("Action=AssumeRole&DurationSeconds=-1", "ValidationError"),
            ("Action=AssumeRole&DurationSeconds=99999999999999999999", "ValidationError"),
            ("Action=AssumeRole&RoleSessionName=x", "ValidationError"),
            ("Action=AssumeRole&RoleSessionName=a%2Fb", "ValidationError"),
            ("Action=AssumeRole&RoleSessionName=a%0Ab", "ValidationError"),
            ("Action=AssumeRole&PolicyArns.member.1.arn=x", "ValidationError"),
            ("Action=AssumeRole&SerialNumber=1&TokenCode=1", "ValidationError"),
            ("Action=AssumeRole&policy=x", "ValidationError"),
            ("Action=AssumeRole&Policy=a&Policy=b", "ValidationError"),
            ("Action=GetSessionToken&Policy=a", "ValidationError"),
            ("Action=%ff", "ValidationError"),
        ] {
            assert_eq!(parse(rest), Err(code), "{rest}");
        }
        let error = Ask::parse(b"Action=GetCallerIdentity&Version=2012-10-17").unwrap_err();
        assert_eq!(error.code, &codes::INVALID_ACTION);
        let long = format!("Action=AssumeRole&Policy={}", "x".repeat(POLICY_LEN_MAX + 1));
        assert_eq!(parse(&long), Err("PackedPolicyTooLarge"));
        let many: String = (0..PARAMETERS_MAX).map(|index| format!("&a{index}=1")).collect();
        assert_eq!(parse(&many), Err("ValidationError"));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ask::parse(&body);
        }
    }
}
