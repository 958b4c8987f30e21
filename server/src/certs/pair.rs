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

#[cfg(test)]
pub mod tests {
    use super::super::tls::provider;
    use super::*;
    use base64::Engine;
    use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
    use rcgen::{KeyPair, SignatureAlgorithm};

    /// A certificate for these names, signed with its own key.
    fn certificate(names: &[&str], key: &KeyPair) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        CertificateParams::new(names).unwrap().self_signed(key).unwrap().pem()
    }

    /// A pair for these names.
    pub fn pair(names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = certificate(names, &key);
        parse(certificate.as_bytes(), key.serialize_pem().as_bytes(), &provider()).unwrap()
    }

    fn key_of(algorithm: &'static SignatureAlgorithm) -> KeyPair {
        KeyPair::generate_for(algorithm).unwrap()
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[track_caller]
    fn problem(certificate: &str, key: &str) -> Problem {
        parse(certificate.as_bytes(), key.as_bytes(), &provider()).err().expect("a problem")
    }

    #[test]
    fn keys_come_in_three_forms() {
        // The older forms are what PKCS#8 wraps.
        let (rsa, ec) = (key_of(&PKCS_RSA_SHA256), key_of(&PKCS_ECDSA_P256_SHA256));
        let (pkcs1, sec1) = (&rsa.serialize_der()[26..], &ec.serialize_der()[29..]);
        let parameters = pem("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
        let ed = key_of(&PKCS_ED25519);
        for (key, text) in [
            (&rsa, rsa.serialize_pem()),
            (&rsa, pem("RSA PRIVATE KEY", pkcs1)),
            (&ec, ec.serialize_pem()),
            (&ec, parameters + &pem("EC PRIVATE KEY", sec1)),
            (&ed, ed.serialize_pem()),
        ] {
            let certificate = certificate(&["a.test"], key);
            let parsed = parse(certificate.as_bytes(), text.as_bytes(), &provider());
            assert!(parsed.is_ok(), "{:?}: {:?}", text.lines().next(), parsed.err());
        }
    }

    #[test]
    fn names_and_end_are_read() {
        let pair = pair(&["One.Test", "*.two.test", "10.0.0.1"]);
        assert_eq!(pair.names, ["one.test", "*.two.test"]);
        // The year 4096, which rcgen takes where nobody says anything else.
        assert_eq!(pair.not_after, Some(67_090_118_400));
    }

    #[test]
    fn a_chain_stays_whole() {
        let key = KeyPair::generate().unwrap();
        let chain = certificate(&["a.test"], &key) + &certificate(&["b.test"], &key);
        let pair = parse(chain.as_bytes(), key.serialize_pem().as_bytes(), &provider()).unwrap();
        assert_eq!((pair.key.cert.len(), pair.names), (2, vec!["a.test".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (certificate, text) = (certificate(&["a.test"], &key), key.serialize_pem());
        let cut = &text[..text.len() / 2];
        for (certificate, key, expected) in [
            (&*certificate, "", "has no private key in it"),
            (&*certificate, cut, "has no private key in it"),
            (&*certificate, &*other.serialize_pem(), "is not the key of its certificate"),
            (&*certificate, "Proc-Type: 4,ENCRYPTED", "is encrypted"),
            (&*certificate, &*pem("PRIVATE KEY", b"\x30\x00"), "of a kind that is not known"),
        ] {
            let Problem::Key(found) = problem(certificate, key) else { panic!("{expected}") };
            assert!(found.contains(expected), "{found}");
            assert!(!cut.lines().skip(1).any(|line| found.contains(line)), "{found}");
        }
        for (certificate, expected) in [
            ("", "has no certificate in it"),
            (&certificate[..certificate.len() / 2], "is damaged"),
            (&*pem("CERTIFICATE", b"\x30\x00"), "is no X.509 certificate"),
        ] {
            let Problem::Certificate(found) = problem(certificate, &text) else {
                panic!("{expected}")
            };
            assert!(found.contains(expected), "{found}");
        }
    }
}
