//! TLS with the three files Docker's clients use: `ca.pem`, `cert.pem`, `key.pem` in one folder.
//!
//! Only `ca.pem` is trusted, not the system's store as well: whoever sets up a folder of certificates means those.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::engine::connect::Tls;

/// Reads the folder. The error says which file is wrong and how.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig, String> {
    let file = |name: &str| tls.directory.join(name);
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let authority = certificates(&file("ca.pem"))?;
    let builder = if tls.verify {
        for certificate in authority {
            roots.add(certificate).map_err(|error| format!("`{}`: {error}", file("ca.pem").display()))?;
        }
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
    };
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).map_err(|error| unreadable(&file("key.pem"), &error))?;
    builder
        .with_client_auth_cert(certificates(&file("cert.pem"))?, key)
        .map_err(|error| format!("`{}` and `key.pem` cannot be used: {error}", file("cert.pem").display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() { Err(format!("`{}` holds no certificate", path.display())) } else { Ok(found) }
}

fn unreadable(path: &Path, error: &PemError) -> String {
    let why = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "it holds no private key".to_owned(),
        other => other.to_string(),
    };
    format!("cannot read `{}`, which DOCKER_CERT_PATH promises: {why}", path.display())
}

/// Takes any certificate: what Docker's client does when `DOCKER_CERT_PATH` is set and `DOCKER_TLS_VERIFY` is not.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = client_config(&Tls { directory: directory.path().into(), verify: true }).unwrap_err();
        assert!(error.contains("ca.pem") && error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), "nothing").unwrap();
        let error = client_config(&Tls { directory: directory.path().into(), verify: true }).unwrap_err();
        assert!(error.ends_with("ca.pem` holds no certificate"), "{error}");
    }
}
