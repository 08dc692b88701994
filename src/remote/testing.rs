//! Helpers of this room's tests: servers on loopback that answer what they are told to.

use super::secrets::Keyring;
use super::{Limits, Remote};
use crate::domain::server::{DbTls, ServerSpec};
use crate::domain::{Code, SafeText, SecretRef};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Reads one request; `None`: the connection ended.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0_u8; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length: usize = head
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        while bytes.len() < end + 4 + length {
            let read = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&chunk[..read]);
        }
        return Some(Asked {
            line: head.lines().next().unwrap_or("").to_owned(),
            body: String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned(),
            head,
        });
    }
}

/// An HTTP answer as bytes.
pub(crate) fn answer(status: &str, content_type: &str, extra: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n{extra}\r\n{body}"
    )
    .into_bytes()
}

pub(crate) const VERSION: &str = r#"{"jsonrpc": "2.0", "id": 1, "result": {"server_version": "16.0", "server_version_info": [16, 0, 0, "final", 0, ""], "server_serie": "16.0", "protocol_version": 1}}"#;

/// A server that answers each request by a function, and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(reply: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        Self::raw(move |mut stream, asked| {
            let reply = Arc::clone(&reply);
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    asked.lock().unwrap().push(request.clone());
                    let bytes = reply(&request);
                    if bytes.is_empty() || stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    let _ = stream.shutdown().await;
                }
            }
        })
        .await
    }

    /// A server that does with each connection what it is told.
    pub(crate) async fn raw<F, W>(serve: F) -> Self
    where
        F: Fn(tokio::net::TcpStream, Arc<Mutex<Vec<Asked>>>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn spec(&self) -> ServerSpec {
        spec(&format!("http://{}", self.address))
    }
}

/// Serves one connection by a function of the request, over any stream.
pub(crate) async fn serve_once<S>(mut stream: S, reply: impl Fn(&Asked) -> Vec<u8>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut stream).await {
        if stream.write_all(&reply(&request)).await.is_err() {
            return;
        }
        let _ = stream.shutdown().await;
    }
}

/// A server's record with nothing but an address.
pub(crate) fn spec(url: &str) -> ServerSpec {
    ServerSpec {
        name: SafeText::new("Test"),
        code: Code::parse("test").unwrap(),
        description: SafeText::new(""),
        server_url: url.parse().unwrap(),
        server_ip: None,
        port: None,
        ssh: None,
        db_host: None,
        db_port: 5432,
        db_user: None,
        db_password: None,
        db_tls: DbTls::Disable,
        master_password: None,
        data_dir: None,
        max_instances: 10,
        cpu_cores: None,
        memory_gb: None,
        disk_gb: None,
    }
}

/// A bundle with a config folder of its own.
pub(crate) fn remote(folder: &tempfile::TempDir) -> Remote {
    Remote::new(Keyring::new(folder.path()), Limits::default(), None).unwrap()
}

/// A reference to a secret with this value.
pub(crate) fn sealed(remote: &Remote, value: &str) -> SecretRef {
    remote
        .keyring()
        .seal(&crate::domain::Secret::new(value.to_owned()))
        .unwrap()
}
