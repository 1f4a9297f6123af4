//! TLS toward browsers: our certificate, which can be read again while connections go on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::config::CertificateConfig;

use super::WebError;

/// Our certificate, as connections that begin now are shown it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tls {
    files: Arc<CertificateConfig>,
    in_force: Arc<Mutex<Arc<ServerConfig>>>,
}

fn unusable(path: &Path, detail: impl ToString) -> WebError {
    WebError::Certificate { path: PathBuf::from(path), detail: detail.to_string() }
}

fn read(files: &CertificateConfig) -> Result<Arc<ServerConfig>, WebError> {
    let path = &files.certificate;
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, error))?;
    let chain: Result<Vec<_>, _> = read.collect();
    let chain = chain.map_err(|error| unusable(path, error))?;
    if chain.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| unusable(&files.key, e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(path, error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(path, error))?;
    // Nothing else is spoken here (RFC 7301).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate.
    pub fn open(files: &CertificateConfig) -> Result<Self, WebError> {
        let in_force = read(files)?;
        Ok(Self { files: Arc::new(files.clone()), in_force: Arc::new(Mutex::new(in_force)) })
    }

    /// Reads them again; connections that are open keep what they began with.
    ///
    /// # Errors
    /// As [`Tls::open`]; then everything stays as it was.
    pub fn reload(&self) -> Result<(), WebError> {
        *self.in_force() = read(&self.files)?;
        Ok(())
    }

    fn in_force(&self) -> MutexGuard<'_, Arc<ServerConfig>> {
        // Nothing is left half done under the lock.
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the server's side of a handshake.
    pub(super) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        let config = Arc::clone(&self.in_force());
        TlsAcceptor::from(config).accept(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_leaves_in_force_what_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).expect("is made");
        let files = CertificateConfig {
            certificate: folder.path().join("a.pem"),
            key: folder.path().join("a.key"),
        };
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("is written");
        write(&files.certificate, &made.cert.pem());
        write(&files.key, &made.signing_key.serialize_pem());
        let tls = Tls::open(&files).expect("they belong together");
        let before = Arc::clone(&tls.in_force());
        write(&files.certificate, "not PEM");
        let error = tls.reload().expect_err("there is none in it").to_string();
        assert!(error.contains("a.pem: there is no certificate in it"), "{error}");
        assert!(Arc::ptr_eq(&before, &tls.in_force()));
        write(&files.certificate, &made.cert.pem());
        tls.reload().expect("it is there again");
        assert!(!Arc::ptr_eq(&before, &tls.in_force()));
    }
}
