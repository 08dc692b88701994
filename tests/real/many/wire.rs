//! A wire to a port of this machine that can be cut without either end being told, and that counts who
//! only touched it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Wire {
    pub(super) port: u16,
    cut: watch::Sender<bool>,
    touched: Arc<Mutex<Vec<Touch>>>,
}

/// A connection over which nothing was asked.
#[derive(Clone, Copy)]
pub(super) struct Touch {
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

impl Wire {
    pub(super) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let (cut, is_cut) = watch::channel(false);
        let touched = Arc::new(Mutex::new(Vec::new()));
        let contacts = Arc::clone(&touched);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, port, is_cut.clone(), Arc::clone(&contacts)));
            }
        });
        Self {
            port: here,
            cut,
            touched,
        }
    }

    /// Nothing goes through from now on, and nobody is told.
    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// What was held back goes on.
    pub(super) fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// The connections over which nothing was asked.
    pub(super) fn touched(&self) -> Vec<Touch> {
        self.touched.lock().unwrap().clone()
    }
}

async fn carry(client: TcpStream, port: u16, mut cut: watch::Receiver<bool>, touched: Arc<Mutex<Vec<Touch>>>) {
    let began = Instant::now();
    let _ = client.set_nodelay(true);
    if cut.wait_for(|cut| !cut).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let _ = server.set_nodelay(true);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let asked = AtomicBool::new(false);
    let there = pipe(from_client, to_server, cut.clone(), Some(&asked));
    let back = pipe(from_server, to_client, cut, None);
    tokio::select! {
        () = there => {}
        () = back => {}
    }
    if !asked.load(Ordering::Relaxed) {
        let ended = Instant::now();
        touched.lock().unwrap().push(Touch { began, ended });
    }
}

async fn pipe(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
    asked: Option<&AtomicBool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if length == 0 {
            return;
        }
        if let Some(asked) = asked {
            asked.store(true, Ordering::Relaxed);
        }
        if cut.wait_for(|cut| !cut).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
