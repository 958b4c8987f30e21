//! Which certificate of a server will do, for the little client in here.
//!
//! - V1: a certificate that stands in the given file is trusted as it is, whatever it is called: it
//!   is the server's own, and only the server has its key. So certificates that sign themselves
//!   work, also those that call themselves authorities, as `openssl req -x509` makes them.
//! - V2: any other must be signed by one in the file and have the name that was asked for.
//! - V3: the signature of the handshake is always checked.
#![expect(
    clippy::disallowed_methods,
    reason = "certificates lie outside the disks of the store, and no request reads them"
)]

use crate::certs::provider;
use crate::config::Trust;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Where systems keep the authorities that they trust.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS that trusts so.
///
/// # Errors
/// One line.
pub fn client_config(trust: &Trust) -> Result<ClientConfig, String> {
    let broken = |error: Error| format!("cannot start TLS: {error}");
    let verifier = match trust {
        Trust::Anybody => Verifier { known: Vec::new(), signed: None, takes_any: true },
        Trust::File(path) => verifier_of(path)?,
        Trust::System => {
            let exists = |path: &&&str| fs::exists(path).unwrap_or(false);
            let path = SYSTEM_FILES.iter().find(exists).ok_or(
                "this system keeps no authorities where they are looked for: name the server's \
                 certificate by --ca FILE",
            )?;
            verifier_of(Path::new(path))?
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(broken)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn verifier_of(path: &Path) -> Result<Verifier, String> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    verifier(&pem).map_err(|reason| format!("{shown} {reason}"))
}

fn verifier(pem: &[u8]) -> Result<Verifier, String> {
    let known: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let known = known.map_err(|error| format!("is damaged: {error}"))?;
    if known.is_empty() {
        return Err("has no certificate in it (PEM is wanted)".into());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(known.iter().cloned());
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
    // Without a root that could sign, the certificates themselves will do (V1).
    Ok(Verifier { known, signed: builder.build().ok(), takes_any: false })
}

#[derive(Debug)]
struct Verifier {
    known: Vec<CertificateDer<'static>>,
    signed: Option<Arc<WebPkiServerVerifier>>,
    takes_any: bool,
}

impl Verifier {
    fn provider() -> CryptoProvider {
        provider()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.takes_any || self.known.iter().any(|known| known == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.signed {
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            Some(signed) => signed.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = Self::provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = Self::provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::time::Duration;

    fn params(name: &str, is_authority: bool) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn check(verifier: &Verifier, certificate: &CertificateDer<'_>, name: &str) -> bool {
        // 2030, when certificates of the tests hold.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn the_certificate_in_the_file_will_do_and_no_other() {
        for is_authority in [false, true] {
            let make = || params("one.example", is_authority);
            let own = make().self_signed(&KeyPair::generate().unwrap()).unwrap();
            let other = make().self_signed(&KeyPair::generate().unwrap()).unwrap();
            let verifier = verifier(own.pem().as_bytes()).unwrap();
            assert!(check(&verifier, own.der(), "one.example"));
            assert!(check(&verifier, own.der(), "127.0.0.1"), "V1: whatever it is called");
            assert!(!check(&verifier, other.der(), "one.example"));
        }
    }

    #[test]
    fn what_an_authority_signed_will_do_under_its_name() {
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params("authority", true), key).unwrap();
        let key = KeyPair::generate().unwrap();
        let signed = params("one.example", false).signed_by(&key, &authority).unwrap();
        let verifier = verifier(authority.pem().as_bytes()).unwrap();
        assert!(check(&verifier, signed.der(), "one.example"));
        assert!(!check(&verifier, signed.der(), "two.example"), "V2");
    }

    #[test]
    fn anybody_is_anybody() {
        let own = params("x", false).self_signed(&KeyPair::generate().unwrap()).unwrap();
        let verifier = Verifier { known: Vec::new(), signed: None, takes_any: true };
        assert!(check(&verifier, own.der(), "y"));
        assert!(client_config(&Trust::Anybody).is_ok());
    }

    #[test]
    fn files_without_certificates_are_refused() {
        assert!(verifier(b"").unwrap_err().contains("no certificate"));
        let broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(verifier(broken).unwrap_err().contains("damaged"));
        let line = client_config(&Trust::File("/does/not/exist".into())).unwrap_err();
        assert!(line.contains("/does/not/exist"), "{line}");
    }
}
