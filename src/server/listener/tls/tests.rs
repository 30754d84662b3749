use std::net::SocketAddr;
use std::process::Command;

use axum::extract::Request;
use axum::response::IntoResponse;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::{ServerConfig as Settings, Span};
use crate::listener::serve;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// An authority, and a certificate of it for `localhost` in `cert.pem` and `key.pem`.
struct Pair(TempDir);

impl Pair {
    fn new(kind: &[&str]) -> Self {
        let pair = Self(tempfile::tempdir().unwrap());
        std::fs::write(pair.path("names"), "subjectAltName = DNS:localhost\n").unwrap();
        let request = [&["req", "-nodes"][..], kind].concat();
        pair.openssl(
            &[&request[..], &["-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"]].concat(),
        );
        pair.openssl(
            &[&request[..], &["-keyout", "key.pem", "-out", "csr", "-subj", "/CN=localhost"]].concat(),
        );
        let signed =
            "x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem";
        pair.openssl(&signed.split(' ').collect::<Vec<_>>());
        pair
    }

    fn elliptic() -> Self {
        Self::new(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> TlsConfig {
        TlsConfig { cert: Some(self.path("cert.pem")), key: Some(self.path("key.pem")) }
    }

    fn open(&self) -> Result<Arc<Certificates>> {
        Certificates::open(&self.config()).map(Option::unwrap)
    }

    /// Takes over the files of another pair.
    fn become_like(&self, other: &Self, names: &[&str]) {
        for name in names {
            // As those who renew certificates do it: never half a file.
            std::fs::copy(other.path(name), self.path("new")).unwrap();
            std::fs::rename(self.path("new"), self.path(name)).unwrap();
        }
    }

    /// A client that trusts this authority and offers these protocols.
    async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
    }
}

async fn server(
    certificates: &Arc<Certificates>,
    config: Settings,
) -> (SocketAddr, CancellationToken, JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, tls) = (CancellationToken::new(), certificates.acceptor().unwrap());
    let token = shutdown.clone();
    let running = tokio::spawn(async move {
        let answer = |_: Request| async { "done".into_response() };
        serve((listener, Some(tls)), answer, &config, &TaskTracker::new(), token).await
    });
    (address, shutdown, running)
}

async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn requests_are_answered_by_tls_with_keys_of_both_kinds() {
    for pair in [Pair::elliptic(), Pair::new(&["-newkey", "rsa:2048"])] {
        let (address, ..) = server(&pair.open().unwrap(), Settings::default()).await;
        let stream = pair.connect(address, &["http/1.1"]).await.unwrap();
        assert!(answer(stream).await.ends_with("done"));
    }
}

#[tokio::test]
async fn http_2_is_spoken_with_those_who_offer_it() {
    let pair = Pair::elliptic();
    let (address, ..) = server(&pair.open().unwrap(), Settings::default()).await;
    for (offered, spoken) in
        [(&["http/1.1", "h2"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let mut stream = pair.connect(address, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), spoken);
        if spoken == Some(b"h2") {
            // A preface and empty settings are answered with a frame of settings (RFC 9113, section 3.4).
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            let mut frame = [0; 9];
            stream.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[3], 4, "{frame:?}");
        } else {
            assert!(answer(stream).await.ends_with("done"));
        }
    }
    assert!(pair.connect(address, &["smtp"]).await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_dropping_connections() {
    let (pair, renewed) = (Pair::elliptic(), Pair::elliptic());
    let certificates = pair.open().unwrap();
    let (address, ..) = server(&certificates, Settings::default()).await;
    let before = pair.connect(address, &[]).await.unwrap();
    pair.become_like(&renewed, &["cert.pem", "key.pem"]);
    assert!(renewed.connect(address, &[]).await.is_err(), "nothing was read again yet");

    certificates.look();

    assert!(answer(renewed.connect(address, &[]).await.unwrap()).await.ends_with("done"));
    assert!(answer(before).await.ends_with("done"));
    assert_eq!(certificates.problem(), None);
}

#[tokio::test]
async fn a_wrong_pair_changes_nothing_until_it_is_mended() {
    let (pair, other) = (Pair::elliptic(), Pair::elliptic());
    let certificates = pair.open().unwrap();
    let (address, ..) = server(&certificates, Settings::default()).await;
    let trusted = Pair::elliptic();
    trusted.become_like(&pair, &["ca.pem"]);
    pair.become_like(&other, &["cert.pem"]);

    certificates.look();

    let problem = certificates.problem().unwrap();
    assert!(problem.contains("is not that of the first certificate"), "{problem}");
    assert!(answer(trusted.connect(address, &[]).await.unwrap()).await.ends_with("done"));
    pair.become_like(&other, &["key.pem"]);
    certificates.look();
    assert_eq!(certificates.problem(), None);
    assert!(other.connect(address, &[]).await.is_ok());
    std::fs::remove_file(pair.path("key.pem")).unwrap();
    certificates.look();
    assert!(certificates.problem().unwrap().contains("cannot read"));
    assert!(other.connect(address, &[]).await.is_ok());
}

#[test]
fn mistakes_name_the_key_and_the_file_and_quote_no_secret() {
    let (pair, other) = (Pair::elliptic(), Pair::elliptic());
    pair.open().unwrap();
    let whole = std::fs::read_to_string(pair.path("key.pem")).unwrap();
    let secret = whole.lines().nth(1).unwrap();
    let half: String = whole.lines().take(2).collect::<Vec<_>>().join("\n");
    let cases = [
        ("key.pem", half.as_str(), "server.tls.key"),
        ("key.pem", "", "server.tls.key"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "server.tls"),
        ("cert.pem", whole.as_str(), "server.tls.cert"),
        ("cert.pem", "", "server.tls.cert"),
    ];
    for (name, text, key) in cases {
        let kept = std::fs::read(pair.path(name)).unwrap();
        std::fs::write(pair.path(name), text).unwrap();
        let error = pair.open().unwrap_err().to_string();
        assert!(error.starts_with(key) && error.contains(name), "{error}");
        assert!(!error.contains(secret), "{error}");
        std::fs::write(pair.path(name), kept).unwrap();
    }
    pair.become_like(&other, &["key.pem"]);
    assert!(pair.open().unwrap_err().to_string().contains("is not that of the first certificate"));
    assert!(Certificates::open(&TlsConfig::default()).unwrap().is_none());
}

#[tokio::test]
async fn clients_that_do_not_shake_hands_are_dropped_and_keep_nobody_waiting() {
    let pair = Pair::elliptic();
    let config = Settings { header_timeout: Span(Duration::from_millis(300)), ..Settings::default() };
    let (address, shutdown, running) = server(&pair.open().unwrap(), config).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut halting = TcpStream::connect(address).await.unwrap();
    halting.write_all(&[TLS_RECORD, 3, 1, 0, 200, 1]).await.unwrap();

    assert!(answer(pair.connect(address, &[]).await.unwrap()).await.ends_with("done"));

    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    let _ = halting.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP"));
    let _silent = TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    assert!(running.await.unwrap(), "nobody had asked for anything");
}

/// First byte of a record of the handshake.
const TLS_RECORD: u8 = 22;

#[tokio::test]
async fn who_speaks_http_in_clear_is_told_so() {
    let pair = Pair::elliptic();
    let (address, ..) = server(&pair.open().unwrap(), Settings::default()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let said = answer(stream).await;
    assert!(said.starts_with("HTTP/1.1 400") && said.ends_with("ask for https://.\n"), "{said}");
}
