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
    use crate::engine::{EngineError, connect, endpoint};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::server::WebPkiClientVerifier;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

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

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate and its key, as PEM.
    fn issued(by: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, by).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// An engine behind TLS that wants a client certificate of `clients`; answers its port.
    async fn engine(server: (String, String), clients: &CertifiedIssuer<'static, KeyPair>) -> u16 {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(server.0.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(server.1.as_bytes()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(mut client) = acceptor.accept(client).await else { continue };
                let mut request = [0; 4096];
                let _ = client.read(&mut request).await;
                let body = "{\"ApiVersion\":\"1.41\",\"Version\":\"20\"}";
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = client.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = client.shutdown().await;
            }
        });
        port
    }

    async fn connected(port: u16, directory: &Path, verify: &str) -> Result<String, EngineError> {
        let lookup = |name: &str| match name {
            "DOCKER_HOST" => Some(format!("tcp://localhost:{port}")),
            "DOCKER_CERT_PATH" => Some(directory.display().to_string()),
            "DOCKER_TLS_VERIFY" => Some(verify.to_owned()),
            _ => None,
        };
        let engine = connect(&endpoint(&lookup).unwrap()).await?;
        Ok(engine.version().await?.version)
    }

    #[tokio::test]
    async fn both_sides_show_certificates_and_verification_can_be_left_out() {
        let (own, other) = (authority(), authority());
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let (certificate, key) = issued(&own, "client");
        write("ca.pem", &own.pem());
        write("cert.pem", &certificate);
        write("key.pem", &key);
        let trusted = engine(issued(&own, "localhost"), &own).await;
        assert_eq!(connected(trusted, directory.path(), "1").await.unwrap(), "20");
        let stranger = engine(issued(&other, "localhost"), &own).await;
        let error = connected(stranger, directory.path(), "1").await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(connected(stranger, directory.path(), "").await.unwrap(), "20");
        let (certificate, key) = issued(&other, "client");
        write("cert.pem", &certificate);
        write("key.pem", &key);
        assert!(connected(trusted, directory.path(), "1").await.is_err());
    }
}
