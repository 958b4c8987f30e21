//! A certificate and its key, out of PEM.

use super::der;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys};
use std::sync::Arc;

/// A certificate that can be served.
pub struct Pair {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// DNS names that it is for, lower case; `*.` in front stands for one label.
    pub names: Vec<String>,
    /// Seconds since 1970 when it ends; `None` where that cannot be read.
    pub not_after: Option<u64>,
}

/// What is wrong with a pair.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// The certificate's file.
    Certificate(String),
    /// The key's file.
    Key(String),
}

/// Reads a pair. The key may be PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// What is wrong, and with which file.
pub fn parse(certificate: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Pair, Problem> {
    let chain = parse_chain(certificate)?;
    let end_entity = chain.first().expect("a chain is not empty").clone();
    let names = names_of(&end_entity)?;
    let key = CertifiedKey::from_der(chain, parse_key(key)?, provider).map_err(mismatch)?;
    Ok(Pair { key: Arc::new(key), names, not_after: der::not_after(&end_entity) })
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(Problem::Certificate("has no certificate in it (PEM is wanted)".into()))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(Problem::Certificate(format!("is damaged: {error}"))),
    }
}

fn names_of(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Problem> {
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|error| {
        Problem::Certificate(format!("is no X.509 certificate, version 3: {error:?}"))
    })?;
    Ok(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

fn parse_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Problem> {
    // Old keys say so in a header line, new ones in the name of their section.
    let is_encrypted = pem.windows(9).any(|window| window == b"ENCRYPTED");
    if is_encrypted {
        return Err(Problem::Key(
            "is encrypted: take its password off (openssl pkey -in KEY -out NEW)".into(),
        ));
    }
    // The parser's own words could show bytes of the key.
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| Problem::Key("has no private key in it (PEM is wanted)".into()))
}

fn mismatch(error: Error) -> Problem {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            Problem::Key("is not the key of its certificate".into())
        }
        Error::InvalidCertificate(error) => invalid(&error),
        _ => Problem::Key("is of a kind that is not known (RSA, ECDSA and Ed25519 are)".into()),
    }
}

fn invalid(error: &CertificateError) -> Problem {
    Problem::Certificate(format!("is damaged: {error}"))
}
