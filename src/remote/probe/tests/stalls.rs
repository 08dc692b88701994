//! The other side stalls, trickles or floods: every check ends in time, and others are not held up.

use super::*;
use pretty_assertions::assert_eq;

/// Servers that never let go, by how.
async fn stalling(how: &'static str) -> Server {
    Server::raw(move |mut stream, _| async move {
        match how {
            "connect" => {}
            "headers" => {
                read_request(&mut stream).await;
            }
            "half headers" => {
                read_request(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: appli").await;
            }
            "body" => {
                read_request(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                    .await;
            }
            "one byte a while" => {
                read_request(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    .await;
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            "endless headers" => {
                read_request(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
                while stream.write_all(b"X-More: yes\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            "gigabyte" => {
                read_request(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                    .await;
                let chunk = vec![b' '; 1 << 16];
                while stream.write_all(&chunk).await.is_ok() {}
            }
            other => panic!("{other}"),
        }
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn every_way_to_stall_is_given_up_in_time() {
    let timeout = 800;
    for (how, https) in [
        ("connect", true),
        ("headers", false),
        ("half headers", false),
        ("body", false),
        ("one byte a while", false),
        ("endless headers", false),
        ("gigabyte", false),
    ] {
        let server = stalling(how).await;
        let scheme = if https { "https" } else { "http" };
        for attempts in [1, 3] {
            let settings = CheckSettings {
                attempts,
                ..quick(timeout)
            };
            let begun = Instant::now();
            let report = check(&spec(&format!("{scheme}://{}", server.address)), &settings).await;
            let took = begun.elapsed();
            assert!(took < Duration::from_millis(timeout + 500), "{how}: {took:?}");
            let failure = report.failure.unwrap();
            match how {
                "gigabyte" => assert!(matches!(failure, Failure::NotOdoo { .. }), "{how}: {failure}"),
                "endless headers" => assert!(
                    matches!(failure, Failure::NoAnswer { .. } | Failure::Broken { .. }),
                    "{how}: {failure}"
                ),
                _ => {
                    let Failure::NoAnswer { stage, .. } = &failure else {
                        panic!("{how}: {failure}")
                    };
                    let wanted = match how {
                        "connect" => "tls",
                        "half headers" => "headers",
                        "one byte a while" => "body",
                        other => other,
                    };
                    assert_eq!(stage.as_str(), wanted, "{how}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_redirect_that_never_ends_is_asked_once() {
    let server = Server::start(|_| answer("307 X", "text/html", "Location: /jsonrpc\r\n", "")).await;
    let report = check(
        &server.spec(),
        &CheckSettings {
            attempts: 3,
            ..quick(2_000)
        },
    )
    .await;
    assert!(
        matches!(report.failure, Some(Failure::NotOdoo { .. })),
        "{:?}",
        report.failure
    );
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_slow_and_not_down() {
    let server = Server::raw(|mut stream, _| async move {
        let Some(asked) = read_request(&mut stream).await else {
            return;
        };
        if asked.line.contains("/jsonrpc") && asked.body.contains("version") {
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        let _ = stream.write_all(&odoo(&asked, |_| None)).await;
    })
    .await;
    let report = check(
        &server.spec(),
        &CheckSettings {
            attempts: 3,
            ..quick(1_500)
        },
    )
    .await;
    assert_eq!(report.failure, None);
    assert!(report.latency_ms >= 900, "{}", report.latency_ms);
}

#[tokio::test]
async fn targets_that_hang_do_not_hold_up_the_others() {
    let hanging = stalling("headers").await;
    let good = Server::start(|asked| odoo(asked, |_| None)).await;
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    // As many that hang as there are quick places, asked first.
    let prober = Prober::new(8);
    let settings = quick(4_000);
    let (bad, fine) = (hanging.spec(), good.spec());
    let begun = Instant::now();
    let mut checks = tokio::task::JoinSet::new();
    for index in 0..88 {
        let (prober, remote, settings) = (prober.clone(), remote.clone(), settings.clone());
        let spec = if index < 8 { bad.clone() } else { fine.clone() };
        checks.spawn(async move {
            let report = prober.check(&remote, &spec, &settings).await;
            (report.failure.is_none(), begun.elapsed())
        });
    }
    let done = checks.join_all().await;
    let slowest_good = done.iter().filter(|(good, _)| *good).map(|(_, at)| *at).max().unwrap();
    assert_eq!(done.iter().filter(|(good, _)| *good).count(), 80);
    // Without lanes they would wait for the four seconds of those that hang.
    assert!(slowest_good < Duration::from_millis(3_000), "{slowest_good:?}");
    assert!(
        begun.elapsed() < Duration::from_millis(4_500 + 500),
        "{:?}",
        begun.elapsed()
    );
}
