use super::*;
use crate::remote::RemoteError;
use crate::remote::testing::{Asked, Server, answer, remote, sealed};
use std::sync::Mutex;

const MARK: &str = "vigie job=7 nonce=0a1b";

/// A record as the stand-in keeps it.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    id: u64,
    body: Value,
}

/// Stands in for Cloudflare: its shapes, its refusals, and that it adds a second record without a word.
#[derive(Default)]
struct Stand {
    records: Vec<Kept>,
    next: u64,
    writes: Vec<String>,
    /// Answers the next calls by this status and body.
    fail: Vec<(&'static str, &'static str)>,
}

fn envelope(result: Value) -> String {
    json!({ "success": true, "errors": [], "messages": [], "result": result,
        "result_info": { "page": 1, "per_page": 100, "total_count": result.as_array().map_or(1, Vec::len) } })
    .to_string()
}

fn fault(code: i64, message: &str) -> String {
    json!({ "success": false, "errors": [{ "code": code, "message": message }], "messages": [], "result": null })
        .to_string()
}

impl Stand {
    fn reply(&mut self, asked: &Asked) -> Vec<u8> {
        let json = |status: &str, body: &str| answer(status, "application/json", "", body);
        if !asked.head.to_lowercase().contains("authorization: bearer the-token") {
            return json("403 Forbidden", &fault(10_000, "Authentication error"));
        }
        if let Some((status, body)) = self.fail.pop() {
            return json(status, body);
        }
        let mut words = asked.line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let query = |key: &str| {
            let found = path
                .split(['?', '&'])
                .find_map(|part| part.strip_prefix(&format!("{key}=")));
            found.unwrap_or_default().to_owned()
        };
        if path.starts_with("/zones?") {
            let known = query("name") == "example.org";
            let found = if known {
                json!([{ "id": "z1", "name": "example.org" }])
            } else {
                json!([])
            };
            return json("200 OK", &envelope(found));
        }
        let records = "/zones/z1/dns_records";
        assert!(path.starts_with(records), "{path}");
        let shown = |kept: &Kept| {
            let mut body = kept.body.clone();
            body["id"] = json!(format!("r{}", kept.id));
            body
        };
        match method {
            "GET" => {
                let name = query("name");
                let of = self.records.iter().filter(|kept| kept.body["name"] == name.as_str());
                json("200 OK", &envelope(of.map(shown).collect()))
            }
            "POST" => {
                let body: Value = serde_json::from_str(&asked.body).unwrap();
                self.writes.push(format!("POST {}", body["name"].as_str().unwrap()));
                let same = |kept: &&Kept| {
                    kept.body["name"] == body["name"]
                        && kept.body["content"] == body["content"]
                        && kept.body["type"] == body["type"]
                };
                if self.records.iter().find(same).is_some() {
                    return json("400 Bad Request", &fault(81_058, "An identical record already exists."));
                }
                assert!(body["proxied"] == json!(true) && body["ttl"] == json!(1), "{body}");
                self.next += 1;
                let kept = Kept { id: self.next, body };
                self.records.push(kept.clone());
                json("200 OK", &envelope(shown(&kept)))
            }
            "DELETE" => {
                let id = path.rsplit('/').next().unwrap().to_owned();
                let at = self.records.iter().position(|kept| format!("r{}", kept.id) == id);
                let Some(at) = at else {
                    return json("404 Not Found", &fault(81_044, "Record does not exist."));
                };
                let gone = self.records.remove(at);
                self.writes
                    .push(format!("DELETE {}", gone.body["name"].as_str().unwrap()));
                json("200 OK", &envelope(json!({ "id": id })))
            }
            other => panic!("{other}"),
        }
    }

    fn put(&mut self, name: &str, kind: &str, content: &str, comment: Option<&str>) {
        self.next += 1;
        let body = json!({ "name": name, "type": kind, "content": content, "proxied": true, "comment": comment });
        self.records.push(Kept { id: self.next, body });
    }
}

struct Ground {
    _server: Server,
    _folder: tempfile::TempDir,
    dns: Dns,
    reader: Dns,
    stand: Arc<Mutex<Stand>>,
}

fn root() -> RootDomain {
    RootDomain::parse("example.org").unwrap()
}

async fn ground_with(token: &str, zone: &str) -> Ground {
    let stand: Arc<Mutex<Stand>> = Arc::default();
    let kept = Arc::clone(&stand);
    let server = Server::start(move |asked| kept.lock().unwrap().reply(asked)).await;
    let folder = tempfile::tempdir().unwrap();
    let remote = remote(&folder);
    let access = DnsAccess {
        zone: RootDomain::parse(zone).unwrap(),
        token: sealed(&remote, token),
        api: Some(format!("http://{}", server.address)),
    };
    Ground {
        dns: remote.dns(&access).await.unwrap(),
        reader: remote.read_only().dns(&access).await.unwrap(),
        _server: server,
        _folder: folder,
        stand,
    }
}

async fn ground() -> Ground {
    ground_with("the-token", "example.org").await
}

fn name(label: &str) -> Name {
    Name::below(&Subdomain::parse(label).unwrap(), &root(), &root()).unwrap()
}

fn address() -> IpAddr {
    "203.0.113.7".parse().unwrap()
}

fn error(result: Result<impl std::fmt::Debug>) -> DnsError {
    match result.unwrap_err() {
        RemoteError::Dns(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_record_is_made_once_and_removed_by_its_mark() {
    let ground = ground().await;
    let acme = name("acme");
    let made = ground.dns.ensure(&acme, address(), MARK).await.unwrap();
    assert!(made.new);
    let again = ground.dns.ensure(&acme, address(), MARK).await.unwrap();
    assert_eq!(
        again,
        Made {
            new: false,
            ..made.clone()
        }
    );
    assert_eq!(ground.dns.ours(&acme, MARK).await.unwrap(), Some(made.id));
    assert_eq!(ground.stand.lock().unwrap().records.len(), 1);
    assert!(!ground.dns.remove(&acme, "vigie job=8 nonce=ff").await.unwrap());
    assert!(ground.dns.remove(&acme, MARK).await.unwrap());
    assert!(!ground.dns.remove(&acme, MARK).await.unwrap(), "it is gone");
    let writes = ground.stand.lock().unwrap().writes.clone();
    assert_eq!(writes, ["POST acme.example.org", "DELETE acme.example.org"]);
}

#[tokio::test]
async fn a_strangers_record_is_refused_whatever_its_kind_and_never_removed() {
    for (kind, content, comment) in [
        ("A", "203.0.113.7", None),
        ("A", "198.51.100.1", Some("by hand")),
        ("CNAME", "elsewhere.example.net", None),
        ("MX", "mail.example.net", Some("vigie job=6 nonce=0a1b")),
    ] {
        let ground = ground().await;
        ground
            .stand
            .lock()
            .unwrap()
            .put("acme.example.org", kind, content, comment);
        let refused = error(ground.dns.ensure(&name("acme"), address(), MARK).await);
        assert!(matches!(refused, DnsError::Stranger { .. }), "{kind}: {refused}");
        assert!(!refused.is_transient() && !refused.is_in_doubt());
        assert!(!ground.dns.remove(&name("acme"), MARK).await.unwrap());
        let stand = ground.stand.lock().unwrap();
        assert_eq!((stand.records.len(), stand.writes.len()), (1, 0), "{kind}");
    }
}

#[tokio::test]
async fn the_root_and_what_is_not_below_the_zone_can_not_be_named() {
    let label = Subdomain::parse("acme").unwrap();
    let other = RootDomain::parse("example.net").unwrap();
    assert!(Name::below(&label, &other, &root()).is_err());
    assert!(Name::below(&label, &RootDomain::parse("notexample.org").unwrap(), &root()).is_err());
    // The root domain may itself be below the zone, and is not written either.
    let below = RootDomain::parse("odoo.example.org").unwrap();
    assert_eq!(
        Name::below(&label, &below, &root()).unwrap().as_str(),
        "acme.odoo.example.org"
    );
    let long = RootDomain::parse(&format!("{}example.org", "aaaaaaaaaa.".repeat(21))).unwrap();
    assert!(Name::below(&Subdomain::parse(&"b".repeat(60)).unwrap(), &long, &root()).is_err());
}

#[tokio::test]
async fn what_the_api_says_is_said_and_the_token_is_not() {
    let refused = error(
        ground_with("wrong", "example.org")
            .await
            .dns
            .ensure(&name("acme"), address(), MARK)
            .await,
    );
    let (text, hint) = (refused.to_string(), refused.hint().unwrap());
    assert!(
        text.contains("10000") && text.contains("Authentication error"),
        "{text}"
    );
    assert!(
        hint.contains("dns_token") && !format!("{refused:?}{text}{hint}").contains("wrong"),
        "{hint}"
    );
    let none = error(
        ground_with("the-token", "example.net")
            .await
            .dns
            .records(&name("acme"))
            .await,
    );
    assert!(matches!(none, DnsError::NoZone { .. }), "{none}");
    for (status, body, transient) in [
        ("429 Too Many Requests", "{}", true),
        ("502 Bad Gateway", "<html>", false),
        ("503 Service Unavailable", r#"{"success":false,"errors":[]}"#, true),
        (
            "200 OK",
            r#"{"success":true,"result":[{"id":"../../zones/z1"}]}"#,
            false,
        ),
    ] {
        let ground = ground().await;
        ground.stand.lock().unwrap().fail.push((status, body));
        let refused = error(ground.dns.ensure(&name("acme"), address(), MARK).await);
        assert_eq!(refused.is_transient(), transient, "{status}: {refused:?}");
        assert_eq!(ground.stand.lock().unwrap().writes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_plan_writes_nothing() {
    let ground = ground().await;
    let refused = ground.reader.ensure(&name("acme"), address(), MARK).await.unwrap_err();
    assert!(matches!(refused, RemoteError::WriteRefused { .. }), "{refused}");
    let refused = ground.reader.remove(&name("acme"), MARK).await.unwrap_err();
    assert!(matches!(refused, RemoteError::WriteRefused { .. }), "{refused}");
    assert_eq!(ground.stand.lock().unwrap().writes, Vec::<String>::new());
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// Whatever is asked, with whatever mark, of whatever zone: nothing is written to the root, nothing over
/// or over beside a record without the mark, and no stranger's record goes.
async fn nothing_of_others_is_written(rounds: u32, seed: u64) {
    let mut dice = Dice(seed);
    let labels = ["acme", "a", "example", "www", "x-1", "beta"];
    let marks = [MARK, "vigie job=8 nonce=0a1b", "vigie job=7 nonce=ff", "by hand", "x"];
    let kinds = ["A", "AAAA", "CNAME", "TXT"];
    let mut ground = ground().await;
    for round in 0..rounds {
        if round % 50 == 0 {
            ground = self::ground().await;
            let mut stand = ground.stand.lock().unwrap();
            stand.put("example.org", "A", "192.0.2.1", None);
            for _ in 0..dice.below(4) {
                let full = format!("{}.example.org", labels[dice.below(labels.len())]);
                let comment = (dice.below(2) == 0).then(|| marks[dice.below(marks.len())]);
                stand.put(&full, kinds[dice.below(kinds.len())], "198.51.100.9", comment);
            }
        }
        let before = ground.stand.lock().unwrap().records.clone();
        let mark = marks[dice.below(marks.len() - 2)];
        // What an operator types: labels, the root, and what is no label at all.
        let typed = ["", "@", "*", "example.org", "EXAMPLE.ORG.", "a.b", "xn--a", "-a"];
        let pick = dice.below(labels.len() + typed.len());
        let text = labels.get(pick).copied().unwrap_or_else(|| typed[pick - labels.len()]);
        let Ok(label) = Subdomain::parse(text) else { continue };
        let name = Name::below(&label, &root(), &root()).unwrap();
        let _ = match dice.below(2) {
            0 => ground.dns.ensure(&name, address(), mark).await.map(|made| made.new),
            _ => ground.dns.remove(&name, mark).await,
        };
        let after = ground.stand.lock().unwrap().records.clone();
        for kept in &before {
            let foreign = kept.body["comment"] != mark || kept.body["name"] != name.as_str();
            assert!(!foreign || after.contains(kept), "round {round}: {kept:?} is gone");
        }
        for kept in after.iter().filter(|kept| !before.contains(kept)) {
            assert_ne!(kept.body["name"], "example.org", "round {round}");
            assert_eq!(kept.body["comment"], mark, "round {round}");
            let beside = before.iter().any(|other| other.body["name"] == kept.body["name"]);
            assert!(!beside, "round {round}: written beside another: {kept:?}");
        }
    }
}

#[tokio::test]
async fn nothing_of_others_is_written_in_five_hundred_rounds() {
    nothing_of_others_is_written(500, 0x1234_5678_9abc_def1).await;
}

#[tokio::test]
#[ignore = "long; run by make soak"]
async fn soak_nothing_of_others_is_written_in_a_million_rounds() {
    nothing_of_others_is_written(1_000_000, 0x0fed_cba9_8765_4321).await;
}
