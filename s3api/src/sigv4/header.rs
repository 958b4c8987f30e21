//! The header `Authorization: AWS4-HMAC-SHA256 Credential=.., SignedHeaders=.., Signature=..`.

use super::{ALGORITHM, Credential, SigningService, are_signed_headers, is_signature};
use crate::error::{S3Error, S3Result, codes};

/// The parts of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who signed.
    pub credential: Credential<'a>,
    /// Names of the signed headers, `;` between them.
    pub signed_headers: &'a str,
    /// 64 hexadecimal digits.
    pub signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// `AuthorizationHeaderMalformed`; `InvalidRequest` for another mechanism than Signature
    /// Version 4.
    pub fn parse(text: &'a str) -> S3Result<Self> {
        Self::parse_for(SigningService::S3, text)
    }

    /// Reads the header of a request for this service.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_for(service: SigningService, text: &'a str) -> S3Result<Self> {
        let rest = match text.trim().split_once(' ') {
            Some((ALGORITHM, rest)) => rest,
            // Signature Version 2: `AWS key:signature`.
            Some(("AWS", rest)) if rest.contains(':') => return Err(unsupported_mechanism()),
            _ => return Err(unknown_mechanism()),
        };
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(malformed)?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed()),
            };
            if slot.replace(value).is_some() {
                return Err(malformed());
            }
        }
        let parsed = Self {
            credential: credential
                .and_then(|text| Credential::parse_for(service, text))
                .ok_or_else(malformed)?,
            signed_headers: signed_headers.ok_or_else(malformed)?,
            signature: signature.ok_or_else(malformed)?,
        };
        if !are_signed_headers(parsed.signed_headers) || !is_signature(parsed.signature) {
            return Err(malformed());
        }
        Ok(parsed)
    }
}

fn malformed() -> S3Error {
    (&codes::AUTHORIZATION_HEADER_MALFORMED).into()
}

/// What came is not told: a password may be in it.
fn unknown_mechanism() -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, "Unsupported Authorization Type")
        .with("ArgumentName", "Authorization")
}

/// Says no to Signature Version 2.
pub(crate) fn unsupported_mechanism() -> S3Error {
    S3Error::new(
        &codes::INVALID_REQUEST,
        "The authorization mechanism you have provided is not supported. Please use \
         AWS4-HMAC-SHA256.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

    fn header(separator: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request{separator}\
             SignedHeaders=host;x-amz-date{separator}Signature={SIGNATURE}"
        )
    }

    #[test]
    fn both_spacings_are_read() {
        for separator in [",", ", "] {
            let text = header(separator);
            let parsed = Authorization::parse(&text).unwrap();
            assert_eq!(parsed.credential.access_key, "A");
            assert_eq!(parsed.signed_headers, "host;x-amz-date");
            assert_eq!(parsed.signature, SIGNATURE);
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = header(",");
        for text in [
            good.replace("Signature=", "Signatur="),
            good.replace("SignedHeaders=host;", "SignedHeaders="),
            good.replace(SIGNATURE, &SIGNATURE.to_uppercase()),
            good.replace("f0e8", ""),
            format!("{good},Signature={SIGNATURE}"),
            "AWS4-HMAC-SHA256 ,".to_owned(),
            "AWS4-HMAC-SHA256 Credential".to_owned(),
        ] {
            let error = Authorization::parse(&text).unwrap_err();
            assert_eq!(error.code, &codes::AUTHORIZATION_HEADER_MALFORMED, "{text}");
        }
        for text in ["Bearer x", "Basic eA==", "", "AWS x", "AWS4-ECDSA-P256-SHA256 x=y"] {
            let error = Authorization::parse(text).unwrap_err();
            assert_eq!(error.code, &codes::INVALID_ARGUMENT, "{text}");
        }
        let error = Authorization::parse("AWS A:sig=").unwrap_err();
        assert_eq!(error.code, &codes::INVALID_REQUEST);
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "(AWS4-HMAC-SHA256 )?[ -~]{0,200}") {
            let _ = Authorization::parse(&text);
        }
    }
}
