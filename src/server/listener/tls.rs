//! HTTPS by a certificate and a key in files, which are read again when they change.
//!
//! # Specification
//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446); ALPN (RFC 7301) decides between HTTP/2 and HTTP/1.1; PEM (RFC 7468).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thermocline_core::{Error, Result};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::TlsConfig;

/// What clients may ask for, what we like better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Most bytes of a file with certificates or a key.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How often the files are looked at: whoever renews a certificate does so days before the old one ends.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificate that clients are shown, and the files that it comes from.
#[derive(Debug)]
pub(crate) struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    shown: ArcSwap<CertifiedKey>,
    /// Held while the files are looked at and read.
    turn: Mutex<()>,
    /// Never held while anything is read: whoever asks for the health of the server takes it.
    looked: Mutex<Looked>,
}

/// What was found when the files were looked at last.
#[derive(Debug)]
struct Looked {
    files: [Identity; 2],
    problem: Option<String>,
}

/// Size, time of modification and number of a file that is there.
type Identity = Option<(u64, i64, i64, u64)>;

impl Certificates {
    /// Those of the configuration; `None` for a server that speaks plain HTTP.
    ///
    /// # Errors
    /// Files that cannot be read, that hold no certificate or no key, or whose key is that of another certificate.
    pub(crate) fn open(config: &TlsConfig) -> Result<Option<Arc<Self>>> {
        let Some((cert, key)) = config.files() else { return Ok(None) };
        let provider = Arc::new(ring::default_provider());
        // Looked at before they are read: a change in between is seen the next time.
        let files = [identity(cert), identity(key)];
        let shown = ArcSwap::from_pointee(read(cert, key, &provider)?);
        let looked = Mutex::new(Looked { files, problem: None });
        let (cert, key) = (cert.to_owned(), key.to_owned());
        Ok(Some(Arc::new(Self { cert, key, provider, shown, turn: Mutex::default(), looked })))
    }

    /// What greets clients, with whatever certificate is in force then.
    ///
    /// # Errors
    /// Versions of TLS that the library does not know.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor> {
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::internal("TLS cannot be spoken").with_source(cause))?;
        let resolver: Arc<Self> = Arc::clone(self);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again if they changed; what is wrong with them changes nothing and is kept as [`Self::problem`].
    /// Blocking.
    pub(crate) fn look(&self) {
        // Who looks at the same time must not store what is older; nobody else waits for files.
        let _turn = self.turn.lock();
        let files = [identity(&self.cert), identity(&self.key)];
        if self.looked.lock().files == files {
            return;
        }
        let problem = match read(&self.cert, &self.key, &self.provider) {
            Ok(pair) => {
                self.shown.store(Arc::new(pair));
                info!(cert = %self.cert.display(), "certificate read again");
                None
            }
            Err(error) => {
                error!(%error, "certificate cannot be taken over, the one before stays in force");
                Some(error.to_string())
            }
        };
        *self.looked.lock() = Looked { files, problem };
    }

    /// Looks at the files again and again until the end.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pause = tokio::time::interval(LOOK_EVERY);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = pause.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let certificates = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || certificates.look()).await {
                error!(%error, "files of the certificate were not looked at");
            }
        }
    }

    /// What is wrong with the files as they are now, while a pair that was there before is in force.
    pub(crate) fn problem(&self) -> Option<String> {
        self.looked.lock().problem.clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}

/// The pair in two files.
fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let text = text(cert, "cert")?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|cause| broken(cert, "cert", "no certificates in PEM").with_source(cause))?;
    if chain.is_empty() {
        return Err(broken(cert, "cert", "no certificate in PEM"));
    }
    let private = private_key(key)?;
    let pair = CertifiedKey::from_der(chain, private, provider);
    pair.map_err(|cause| match cause {
        rustls::Error::InconsistentKeys(_) => Error::invalid_input(format!(
            "server.tls: the key in {} is not that of the first certificate in {}",
            key.display(),
            cert.display()
        )),
        cause => {
            let message = format!("server.tls: {} and {} cannot be used", cert.display(), key.display());
            Error::invalid_input(message).with_source(cause)
        }
    })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    // What a parser says of a broken key is not passed on: it might quote it.
    PrivateKeyDer::from_pem_slice(&text(path, "key")?).map_err(|cause| match cause {
        pem::Error::NoItemsFound => broken(path, "key", "no private key in PEM without a password"),
        _ => broken(path, "key", "no valid private key in PEM"),
    })
}

fn text(path: &Path, name: &str) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|cause| {
        Error::invalid_input(format!("server.tls.{name}: cannot read {}", path.display())).with_source(cause)
    })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(broken(path, name, "more bytes than any certificate or key"));
    }
    Ok(text)
}

fn broken(path: &Path, name: &str, what: &str) -> Error {
    Error::invalid_input(format!("server.tls.{name}: {} holds {what}", path.display()))
}

fn identity(path: &Path) -> Identity {
    let found = path.metadata().ok()?;
    Some((found.len(), found.mtime(), found.mtime_nsec(), found.ino()))
}

#[cfg(test)]
mod tests;
