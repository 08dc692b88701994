//! Dedicated instances on a real host: made, answering through nginx, removed; failed at every step, and
//! nothing left over.

mod ground;
mod twice;

use ground::Ground;
use vigie::domain::dedicated::TlsMethod;
use vigie::domain::instance::InstanceState;
use vigie::domain::job::{JobKind, JobState};
use vigie::jobs::kinds;

fn steps(kind: JobKind) -> Vec<&'static str> {
    kinds::steps_of(kind).iter().map(|step| step.name()).collect()
}

/// From a name to a page through nginx, over a reboot, to a host that is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_becomes_a_customers_own_odoo_and_goes_again() {
    let Some(mut ground) = Ground::new().await else { return };
    let before = ground.inventory();
    let job = ground.create("acme", TlsMethod::None).await;
    ground.run_to(job, "", JobState::Done).await;
    let instance = ground.instance("acme").await.expect("a row");
    assert_eq!(instance.state, InstanceState::Active);
    let dedicated = instance.spec.dedicated().unwrap();
    assert!(dedicated.facts.mark.as_deref().unwrap().starts_with("vigie job="));
    assert_eq!(ground.page("acme.example.org", "/"), "Odoo of prod-acme");
    assert_eq!(ground.page("acme.example.org", "/users"), "Odoo of 1");
    assert!(ground.page("acme.example.org", "/web/database/manager").contains("403"));
    let log = ground.log(job).await;
    assert!(log.contains("the source has no module web_enterprise"), "{log}");
    // The password is the one on record, and nobody's guess.
    let users = ground.sql("prod-acme", "SELECT login || ' ' || left(password, 15) FROM res_users");
    assert_eq!(users, "admin $pbkdf2-sha512$");
    let lab = &ground.lab;
    assert_eq!(
        lab.sh("stat -c '%a %U %G' /srv/odoo/prod-acme/odoo.conf"),
        "640 root prod-acme"
    );
    assert_eq!(lab.sh("cat /srv/tracking/prod-instances.txt"), "old\nprod-acme");
    assert_eq!(lab.sh("cat /srv/tracking/puertos_ocupados_odoo.txt"), "2100\n8072");
    assert!(
        lab.sh("cat /srv/odoo/prod-acme/info-instancia.txt")
            .contains("acme.example.org")
    );
    ground.lab.reboot();
    ground.wait_for_page("acme.example.org", "Odoo of prod-acme");
    let job = ground.delete("acme").await;
    ground.run_to(job, "", JobState::Done).await;
    assert_eq!(ground.instance("acme").await, None);
    // The last backup is there and can be read.
    let listed = ground.lab.sh("pg_restore --list /var/backups/vigie/prod-acme-*.dump");
    assert!(listed.contains("res_users"), "{listed}");
    assert!(
        ground
            .lab
            .sh("tar -tzf /var/backups/vigie/prod-acme-*.tar.gz")
            .contains("prod-acme/odoo.conf")
    );
    ground.lab.sh("rm -r /var/backups/vigie");
    similar(&before, &ground.inventory(), "deleted");
}

/// Each step fails after its effect: everything is undone, and the other site never stopped answering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_at_any_step_is_undone_and_the_other_site_answers_on() {
    let Some(ground) = Ground::new().await else { return };
    ground.other_site();
    let watch = ground.watch_other_site();
    let before = ground.inventory();
    for step in steps(JobKind::DedicatedCreate)
        .iter()
        .filter(|step| **step != "preflight")
    {
        let job = ground.create("acme", TlsMethod::None).await;
        let point = format!("dedicated_create.{step}.after_effect=error");
        ground.run_to(job, &point, JobState::Failed).await;
        similar(&before, &ground.inventory(), step);
    }
    let (asked, lost) = watch.end();
    assert!(asked > 50, "{asked}");
    assert_eq!(lost, Vec::<String>::new(), "of {asked}");
}

/// Each step of the removal before the way back ends fails: the instance is as it was, and answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_fails_gives_the_instance_back_or_goes_on() {
    let Some(ground) = Ground::new().await else { return };
    let empty = ground.inventory();
    let job = ground.create("acme", TlsMethod::None).await;
    ground.run_to(job, "", JobState::Done).await;
    let before = ground.inventory();
    for step in ["stop", "backup"] {
        let job = ground.delete("acme").await;
        let point = format!("dedicated_delete.{step}.after_effect=error");
        ground.run_to(job, &point, JobState::Failed).await;
        ground.lab.sh("rm -rf /var/backups/vigie");
        similar(&before, &ground.inventory(), step);
        ground.wait_for_page("acme.example.org", "Odoo of prod-acme");
        assert_eq!(ground.instance("acme").await.unwrap().state, InstanceState::Active);
    }
    // Past it: stuck, said so, and a retry removes what is left.
    let job = ground.delete("acme").await;
    ground
        .run_to(job, "dedicated_delete.database.after_effect=error", JobState::Stuck)
        .await;
    ground.retry(job).await;
    ground.run_to(job, "", JobState::Done).await;
    ground.lab.sh("rm -r /var/backups/vigie");
    similar(&empty, &ground.inventory(), "deleted after all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a helper of the test below: the process that is killed"]
async fn a_worker_that_is_killed() {
    ground::killed().await;
}

/// The worker is killed before the effect of every step and after it, one after the other: each next one
/// settles what was in doubt and goes on, the other site answers on, and the host is as it was after the removal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_at_every_step_leave_the_job_to_the_next() {
    let Some(ground) = Ground::new().await else { return };
    ground.other_site();
    let watch = ground.watch_other_site();
    let before = ground.inventory();
    for (kind, word) in [
        (JobKind::DedicatedCreate, "dedicated_create"),
        (JobKind::DedicatedDelete, "dedicated_delete"),
    ] {
        let job = match kind {
            JobKind::DedicatedCreate => ground.create("acme", TlsMethod::None).await,
            _ => ground.delete("acme").await,
        };
        let mut killed = 0;
        for step in steps(kind) {
            for point in ["before_effect", "after_effect"] {
                // Looking is done once its result is written: there is one place to die in it, not two.
                if (step, point) == ("preflight", "before_effect") {
                    continue;
                }
                killed += usize::from(ground.killed_at(&format!("{word}.{step}.{point}")));
            }
        }
        assert_eq!(killed, 2 * steps(kind).len() - 1, "{word}");
        if ground.job(job).await.state != JobState::Done {
            ground.run_to(job, "", JobState::Done).await;
        }
        if kind == JobKind::DedicatedCreate {
            assert_eq!(ground.page("acme.example.org", "/"), "Odoo of prod-acme");
            assert_eq!(ground.sql("prod-acme", "SELECT count(*) FROM res_users"), "1");
        }
    }
    ground.lab.sh("rm -r /var/backups/vigie");
    similar(&before, &ground.inventory(), "killed at every step");
    let (asked, lost) = watch.end();
    assert_eq!(lost, Vec::<String>::new(), "of {asked}");
}

/// Another site's mistake: refused before anything is touched; made meanwhile, undone without a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_another_site_is_said_and_nothing_is_reloaded() {
    let Some(ground) = Ground::new().await else { return };
    ground.other_site();
    let before = ground.inventory();
    let plan = ground.plan("acme", TlsMethod::None).await.expect("a plan");
    ground
        .lab
        .sh("echo 'server { nonsense; }' > /etc/nginx/sites-enabled/broken");
    let refused = ground.plan("bcme", TlsMethod::None).await.unwrap_err();
    assert!(refused.to_string().contains("nonsense"), "{refused}");
    ground.lab.sh("rm /etc/nginx/sites-enabled/broken");
    // Broken between the preflight and the site.
    let job = ground.queue(plan).await;
    ground.lab.sh("systemd-run --unit=breaker --collect sh -c 'while [ ! -e /etc/nginx/sites-available/prod-acme ]; do sleep 0.05; done; echo \"server { nonsense; }\" > /etc/nginx/sites-enabled/broken'");
    ground.run_to(job, "", JobState::Failed).await;
    let problem = ground.job(job).await.problem.unwrap().to_string();
    assert!(problem.contains("nginx"), "{problem}");
    assert!(ground.page("other.example.org", "/").contains("the other site"));
    ground.lab.sh("rm -f /etc/nginx/sites-enabled/broken; nginx -t");
    similar(&before, &ground.inventory(), "broken site");
}

/// A name that somebody else has on the server is refused, whichever of its things it is; and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_is_refused_and_never_touched() {
    let Some(ground) = Ground::new().await else { return };
    for (what, make, remove) in [
        ("a user", "useradd --system prod-acme", "userdel prod-acme"),
        ("a folder", "mkdir -p /srv/odoo/prod-acme", "rmdir /srv/odoo/prod-acme"),
        (
            "a unit",
            "printf '[Service]\\nExecStart=/bin/true\\n' > /etc/systemd/system/odoo16-prod-acme.service",
            "rm /etc/systemd/system/odoo16-prod-acme.service",
        ),
        (
            "a site",
            "echo '#' > /etc/nginx/sites-available/prod-acme",
            "rm /etc/nginx/sites-available/prod-acme",
        ),
        (
            "a site of the domain",
            "echo 'server { listen 80; server_name x.org acme.example.org; }' > /etc/nginx/sites-enabled/x",
            "rm /etc/nginx/sites-enabled/x",
        ),
        (
            "a database",
            "cd / && runuser -u postgres -- createdb prod-acme",
            "cd / && runuser -u postgres -- dropdb prod-acme",
        ),
        (
            "a role",
            "cd / && runuser -u postgres -- createuser prod-acme",
            "cd / && runuser -u postgres -- dropuser prod-acme",
        ),
    ] {
        ground.lab.sh(make);
        let before = ground.inventory();
        let refused = ground.plan("acme", TlsMethod::None).await.unwrap_err();
        assert_eq!(refused.code, "taken", "{what}: {refused}");
        similar(&before, &ground.inventory(), what);
        ground.lab.sh(remove);
    }
    ground
        .plan("acme", TlsMethod::None)
        .await
        .expect("nothing is in the way any more");
}

/// With a certificate that lies on the server: TLS by nginx, and plain HTTP is sent there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_on_the_server_is_served() {
    let Some(ground) = Ground::new().await else { return };
    let job = ground.create("acme", TlsMethod::File).await;
    ground.run_to(job, "", JobState::Done).await;
    let lab = &ground.lab;
    let resolve = "--resolve acme.example.org:443:127.0.0.1 --resolve acme.example.org:80:127.0.0.1";
    let curl = format!("curl -sS --cacert /etc/ssl/lab.pem {resolve}");
    assert_eq!(
        lab.sh(&format!("{curl} https://acme.example.org/")),
        "Odoo of prod-acme"
    );
    let sent = lab.sh(&format!(
        "{curl} -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://acme.example.org/x"
    ));
    assert_eq!(sent, "301 https://acme.example.org/x");
}

fn similar(before: &str, after: &str, what: &str) {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let new: Vec<&&str> = after.iter().filter(|line| !before.contains(line)).collect();
    let gone: Vec<&&str> = before.iter().filter(|line| !after.contains(line)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{what}: new {new:#?}, gone {gone:#?}"
    );
}
