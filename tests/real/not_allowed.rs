//! What the shell says to who may not: the role that is needed, which one is, and how to get it.

use super::cli::home::Home;
use crate::registry::kit;
use vigie::domain::audit::AuditFilter;
use vigie::registry::Registry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_ones_role_may_not_is_refused_with_the_role_it_needs() {
    let database = kit::fresh().await;
    let address = |login| kit::address(&database, login);
    let home = Home::new();
    let server = [
        "--name",
        "Production",
        "--url",
        "https://prod-1.test",
        "--max-instances",
        "5",
    ];
    let add = |login, more: &[&str]| {
        let place = address(login);
        let arguments = [&["--registry", &place, "server", "add", "prod-1"][..], &server, more].concat();
        home.run(&arguments)
    };

    // For people and for scripts: status 1, nothing on standard output.
    let said = add(kit::MANAGER, &[]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
    assert!(
        said.stderr
            .contains("needs saas_admin: you are saas_manager (role test_manager)"),
        "{said:?}"
    );
    assert!(said.stderr.contains("GRANT saas_admin TO"), "{said:?}");
    let said = add(kit::USER, &["--json"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
    let error = said.error();
    assert_eq!(error["code"], "not_allowed");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("needs saas_admin: you are saas_user (role test_user)")),
        "{error}"
    );
    assert!(
        error["hint"]
            .as_str()
            .is_some_and(|text| text.contains("GRANT saas_admin TO")),
        "{error}"
    );

    // Both attempts are in the audit, as who made them, and nothing was done.
    let registry = kit::open(&database, kit::ADMIN).await;
    assert_eq!(registry.servers().await.expect("servers"), []);
    let rows = registry.audit(&AuditFilter::default()).await.expect("the audit");
    let tried: Vec<_> = rows
        .iter()
        .map(|row| (row.action.as_str(), row.db_role.as_deref(), row.refused.is_some()))
        .collect();
    assert_eq!(
        tried,
        [
            ("server.add", Some("test_user"), true),
            ("server.add", Some("test_manager"), true)
        ]
    );
    assert_eq!(add(kit::ADMIN, &[]).code, 0);
    assert_eq!(registry.servers().await.expect("servers").len(), 1);
}
