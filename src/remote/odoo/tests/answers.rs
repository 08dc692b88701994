//! Answers that are not Odoo's, or that lie in wait for the secrets sent along.

use super::*;
use pretty_assertions::assert_eq;
use std::sync::Mutex;

async fn answered_with(bytes: Vec<u8>) -> Failure {
    let server = Server::start(move |_| bytes.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let odoo = remote(&folder).odoo(&server.spec());
    failure_of(odoo.version().await)
}

fn not_odoo(what: &str) -> Failure {
    Failure::NotOdoo {
        what: SafeText::new(what),
    }
}

#[tokio::test]
async fn what_proxies_and_portals_answer_is_named() {
    let page = "<html><head><TITLE>\n Welcome to\tnginx! </TITLE>";
    assert_eq!(
        answered_with(answer("200 OK", "text/html", "", page)).await,
        not_odoo("a page titled “Welcome to nginx!” (HTTP 200)")
    );
    for status in [502_u16, 503, 504, 413, 500] {
        let bytes = answer(&format!("{status} X"), "text/html", "", "<title>Bad Gateway</title>");
        assert_eq!(answered_with(bytes).await, Failure::Http { status });
    }
    assert_eq!(
        answered_with(answer("200 OK", "application/json", "", r#"{"jsonrpc": "2.0", "res"#)).await,
        not_odoo("JSON that is cut or broken (HTTP 200)")
    );
    assert_eq!(
        answered_with(answer("200 OK", "application/json", "", r#"{"ok": true}"#)).await,
        not_odoo("JSON that is not Odoo's (HTTP 200)")
    );
    assert_eq!(
        answered_with(answer("200 OK", "text/plain", "", "")).await,
        not_odoo("an empty answer (HTTP 200)")
    );
    // An escape in a title is shown, not obeyed.
    let hostile = answered_with(answer("200 OK", "text/html", "", "<title>a\u{1b}[2Jb\u{202e}</title>")).await;
    assert_eq!(hostile, not_odoo("a page titled “a\u{1b}[2Jb\u{202e}” (HTTP 200)"));
    assert!(!hostile.to_string().contains('\u{1b}'));
}

#[tokio::test]
async fn a_cut_answer_is_broken_and_a_closed_connection_too() {
    let bytes =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"jsonrpc\"".to_vec();
    assert!(matches!(answered_with(bytes).await, Failure::Broken { .. }));
    let server = Server::start(|_| Vec::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let outcome = remote(&folder).odoo(&server.spec()).version().await;
    assert!(matches!(failure_of(outcome), Failure::Broken { .. }));
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let sent = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&sent);
    let server = Server::raw(move |mut stream, _| {
        let count = Arc::clone(&count);
        async move {
            use tokio::io::AsyncWriteExt;
            crate::remote::testing::read_request(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n";
            let _ = stream.write_all(head).await;
            let chunk = vec![b'x'; 64 * 1024];
            while stream.write_all(&chunk).await.is_ok() {
                *count.lock().unwrap() += chunk.len();
            }
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let odoo = remote(&folder).odoo(&server.spec());
    let outcome = deadline("test", Duration::from_secs(20), odoo.version()).await.unwrap();
    assert_eq!(
        failure_of(outcome),
        not_odoo("an answer of more than 1024 KiB, cut off")
    );
    // What was on its way in buffers may be more than what was read, not a gigabyte.
    assert!(*sent.lock().unwrap() < 64 << 20);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_master_password_stays() {
    let second =
        Server::start(|_| answer("200 OK", "application/json", "", r#"{"jsonrpc":"2.0","result":true}"#)).await;
    for status in ["301 X", "302 X", "303 X", "307 X", "308 X"] {
        let target = format!("Location: http://{}/jsonrpc\r\n", second.address);
        let first = Server::start(move |_| answer(status, "text/html", &target, "")).await;
        let folder = tempfile::tempdir().unwrap();
        let remote = remote(&folder);
        let mut spec = first.spec();
        spec.master_password = Some(sealed(&remote, "canary-master"));
        let failure = failure_of(remote.odoo(&spec).drop(&db("some_db")).await);
        let Failure::NotOdoo { what } = &failure else {
            panic!("{failure}")
        };
        assert!(
            what.as_str()
                .starts_with(&format!("a redirect to http://{}/jsonrpc", second.address)),
            "{what}"
        );
        assert!(
            first.asked()[0].body.contains("canary-master"),
            "the first host is the one it is for"
        );
    }
    assert_eq!(second.asked().len(), 0, "the second host was asked");
}

#[tokio::test]
async fn a_read_only_handle_sends_nothing_that_writes() {
    let server = Server::start(|_| answer("200 OK", "application/json", "", r#"{"jsonrpc":"2.0","result":7}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    let mut spec = server.spec();
    spec.master_password = Some(sealed(&remote, "master-pw"));
    let odoo = remote.read_only().odoo(&spec);
    let (password, name) = (secret("pw"), db("some_db"));
    let login = Login {
        db: &name,
        uid: 2,
        password: &password,
    };
    let new = CreateDatabase {
        name: &name,
        demo: false,
        lang: "en_US",
        password: &password,
        login: "admin",
        country: None,
        phone: None,
    };
    let refused = [
        odoo.create_database(&new).await.err(),
        odoo.duplicate(&name, &name).await.err(),
        odoo.rename(&name, &name).await.err(),
        odoo.drop(&name).await.err(),
        odoo.set_param(login, "k", "v").await.err(),
        odoo.install_modules(login, &["crm".to_owned()]).await.err(),
        odoo.execute_kw(login, "res.users", "write", json!([[2], {}]), None)
            .await
            .err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(RemoteError::WriteRefused { .. })), "{error:?}");
    }
    assert_eq!(server.asked().len(), 0);
    assert_eq!(odoo.user_count(login).await.unwrap(), 7);
    assert_eq!(server.asked().len(), 1, "reading is allowed");
}

#[tokio::test]
async fn modules_that_are_there_are_left_and_absent_ones_named() {
    let server = Server::start(|asked| {
        let body = match asked.body.contains("search_read") {
            true => r#"{"jsonrpc":"2.0","result":[{"id":5,"name":"crm","state":"uninstalled"},{"id":6,"name":"base","state":"installed"}]}"#,
            false => r#"{"jsonrpc":"2.0","result":{"type":"ir.actions.client"}}"#,
        };
        answer("200 OK", "application/json", "", body)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let odoo = remote(&folder).odoo(&server.spec());
    let password = secret("pw");
    let login = Login {
        db: &db("some_db"),
        uid: 2,
        password: &password,
    };
    odoo.install_modules(login, &["crm".to_owned(), "base".to_owned()])
        .await
        .unwrap();
    let sent: Value = serde_json::from_str(&server.asked()[1].body).unwrap();
    assert_eq!(sent["params"]["args"][4], "button_immediate_install");
    assert_eq!(sent["params"]["args"][5], json!([[5]]));
    let error = odoo
        .install_modules(login, &["crm".to_owned(), "nosuch".to_owned()])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not have: nosuch"), "{error}");
    assert_eq!(server.asked().len(), 3, "nothing is installed when one is absent");
}

#[tokio::test]
async fn errors_never_hold_the_secrets_that_were_sent() {
    let (_server, odoo, _folder) = playing("create_denied", "canary-master").await;
    let password = secret("canary-user");
    let new = CreateDatabase {
        name: &db("x1"),
        demo: false,
        lang: "en_US",
        password: &password,
        login: "admin",
        country: None,
        phone: None,
    };
    let error = odoo.create_database(&new).await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.problem());
    assert!(!shown.contains("canary"), "{shown}");
}
