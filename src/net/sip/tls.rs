//! TLS for SIP (RFC 3261 section 26.2, RFC 5922): our own certificate toward those who connect, and
//! the check of theirs where we connect.
//!
//! Whom we dial must show a certificate for the host that the URI names, signed by an authority that
//! is trusted: the machine's own list, or the file that is given instead. Clients need none.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::SipError;

/// Our certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and the authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What both directions need; certificates can be read again while connections go on.
pub(super) struct Tls {
    files: Option<TlsFiles>,
    ca: Option<PathBuf>,
    server: Mutex<Option<Arc<ServerConfig>>>,
    /// Made when somebody is dialled for the first time: the list of authorities is long.
    client: Mutex<Option<Arc<ClientConfig>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unusable(path: &Path, detail: impl ToString) -> SipError {
    SipError::Certificate { path: path.to_owned(), detail: detail.to_string() }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a PEM file.
///
/// # Errors
/// The file cannot be read, or there is none in it.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SipError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, error))?;
    let chain: Result<Vec<_>, _> = read.collect();
    let chain = chain.map_err(|error| unusable(path, error))?;
    if chain.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    Ok(chain)
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, SipError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| unusable(&files.key, e))?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.certificate, error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&files.certificate, error))
}

fn client_config(ca: Option<&Path>) -> Result<ClientConfig, SipError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, error))?;
            }
        }
        // What the machine trusts; single entries that cannot be read are no reason to trust none.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| SipError::Stack(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Tls {
    /// Reads our certificate, if there is to be one, and the authorities if a file names them.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate.
    pub(super) fn open(files: Option<TlsFiles>, ca: Option<PathBuf>) -> Result<Self, SipError> {
        let tls = Self { files, ca, server: Mutex::default(), client: Mutex::default() };
        tls.reload()?;
        Ok(tls)
    }

    /// Reads the files again; connections that are open keep what they began with.
    ///
    /// # Errors
    /// As [`Tls::open`]; then everything stays as it was.
    pub(super) fn reload(&self) -> Result<(), SipError> {
        let server = self.files.as_ref().map(server_config).transpose()?.map(Arc::new);
        let client = match &self.ca {
            Some(ca) => Some(Arc::new(client_config(Some(ca))?)),
            None => None,
        };
        *locked(&self.server) = server;
        *locked(&self.client) = client;
        Ok(())
    }

    fn client(&self) -> Result<Arc<ClientConfig>, SipError> {
        let mut client = locked(&self.client);
        if let Some(config) = &*client {
            return Ok(config.clone());
        }
        let config = Arc::new(client_config(None)?);
        *client = Some(config.clone());
        Ok(config)
    }

    /// The server's side of a handshake.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> std::io::Result<server::TlsStream<TcpStream>> {
        let config = locked(&self.server).clone();
        let config = config.ok_or_else(|| std::io::Error::other("there is no certificate"))?;
        TlsAcceptor::from(config).accept(stream).await
    }

    /// The client's side of a handshake with `host`, a name or an IP address.
    ///
    /// # Errors
    /// The peer is not who it should be, or speaks no TLS; the words say which.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<client::TlsStream<TcpStream>, String> {
        let config = self.client().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let shaken = TlsConnector::from(config).connect(name, stream).await;
        shaken.map_err(|error| format!("no TLS with {host}: {error}"))
    }
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateDates {
    /// Unix seconds of its first moment.
    pub from_unix_s: i64,
    /// Unix seconds of its last moment.
    pub until_unix_s: i64,
}

/// Reads certificate and key as a server would, and says when the certificate is valid.
///
/// # Errors
/// A file cannot be read, or the key does not belong to the certificate.
pub fn check_certificate(files: &TlsFiles) -> Result<CertificateDates, SipError> {
    server_config(files)?;
    let chain = certificates(&files.certificate)?;
    let own = chain.first().ok_or_else(|| unusable(&files.certificate, "it is empty"))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(own)
        .map_err(|error| unusable(&files.certificate, error))?;
    let validity = parsed.validity();
    Ok(CertificateDates {
        from_unix_s: validity.not_before.timestamp(),
        until_unix_s: validity.not_after.timestamp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for `names`, and its files.
    fn certificate(folder: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_certificate_needs_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (certificate(folder.path(), "a"), certificate(folder.path(), "b"));
        let dates = check_certificate(&one).unwrap();
        assert!(dates.from_unix_s < dates.until_unix_s);
        let mixed = TlsFiles { certificate: one.certificate.clone(), key: other.key };
        let error = check_certificate(&mixed).unwrap_err().to_string();
        assert!(error.contains("a.pem"), "{error}");
        let swapped = TlsFiles { certificate: one.key.clone(), key: one.key };
        let error = check_certificate(&swapped).unwrap_err().to_string();
        assert!(error.contains("no certificate"), "{error}");
    }

    #[test]
    fn a_broken_file_leaves_in_force_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate(folder.path(), "a");
        let tls = Tls::open(Some(files.clone()), None).unwrap();
        std::fs::write(&files.certificate, "not PEM").unwrap();
        assert!(matches!(tls.reload(), Err(SipError::Certificate { .. })));
        assert!(locked(&tls.server).is_some());
    }
}
