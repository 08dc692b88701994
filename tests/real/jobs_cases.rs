//! Jobs in particular circumstances: strangers of the same name, changed worlds, servers that are only
//! half reachable, clones that are cut short.

use crate::harness::connect;
use crate::jobs_fleet::{Fleet, Reach, delete, names, problem};
use crate::jobs_kit::{op, wait_until};
use pretty_assertions::assert_eq;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::domain::capacity::Thresholds;
use vigie::domain::job::{JobKind, JobState};
use vigie::jobs::Request;
use vigie::jobs::engine::{Parted, Stop};

#[tokio::test]
async fn where_the_files_are_out_of_reach_odoo_duplicates_and_the_plan_says_why() {
    let (fleet, template) = Fleet::with_template(Reach::NoFiles).await;
    let plan = fleet.plan(fleet.instance(template, "client-abc")).await.unwrap();
    assert!(
        plan.notes
            .iter()
            .any(|note| note.as_str().contains("Odoo duplicates") && note.as_str().contains("data_dir")),
        "{:?}",
        plan.notes
    );
    fleet.done(fleet.instance(template, "client-abc")).await;
    fleet.assert_made("client-abc").await;
    // And it can be deleted over SQL, with its files left to say.
    let id = fleet.instance_called("client-abc").await.unwrap().id;
    fleet.done(delete(id)).await;
    assert_eq!(fleet.instance_called("client-abc").await, None);
}

#[tokio::test]
async fn a_stranger_of_the_same_name_is_refused_and_never_touched() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let odoo = connect(&fleet.cluster.role_config("postgres")).await;
    odoo.batch_execute("CREATE DATABASE client_abc").await.unwrap();
    let before = fleet.inventory().await;
    let refused = fleet.plan(fleet.instance(template, "client-abc")).await.unwrap_err();
    assert_eq!(refused.code, "database_exists");
    odoo.batch_execute("DROP DATABASE client_abc").await.unwrap();

    // It comes after the plan, and after the validation, while the worker is dead.
    let clean = fleet.inventory().await;
    for place in ["clone_database.before_effect", "clone_filestore.before_effect"] {
        let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
        fleet.die_at(&format!("instance_create.{place}")).await;
        if place.starts_with("clone_filestore") {
            // Even one that was put in the place of this job's own.
            odoo.batch_execute("DROP DATABASE client_abc").await.unwrap();
        }
        odoo.batch_execute("CREATE DATABASE client_abc").await.unwrap();
        let stranger = fleet.inventory().await.databases["client_abc"].clone();
        assert_eq!(
            fleet.run("").await,
            Parted::Over(JobState::Failed),
            "{}",
            fleet.log(id).await
        );
        let after = fleet.inventory().await;
        assert_eq!(after.databases["client_abc"], stranger, "{place}: untouched");
        assert_eq!(
            after.databases.len(),
            before.databases.len(),
            "{place}: and nothing of ours is left"
        );
        odoo.batch_execute("DROP DATABASE client_abc").await.unwrap();
        assert_eq!(fleet.inventory().await.held(), clean.clone().held(), "{place}");
    }
}

#[tokio::test]
async fn a_delete_refuses_a_database_that_is_not_the_recorded_one() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    fleet.done(fleet.instance(template, "client-abc")).await;
    let id = fleet.instance_called("client-abc").await.unwrap().id;
    let odoo = connect(&fleet.cluster.role_config("postgres")).await;
    fleet.odoo.close_connections().await;
    odoo.batch_execute("DROP DATABASE client_abc WITH (FORCE)")
        .await
        .unwrap();
    odoo.batch_execute("CREATE DATABASE client_abc").await.unwrap();
    let refused = fleet.plan(delete(id)).await.unwrap_err();
    assert_eq!(refused.code, "not_ours", "{refused:?}");
    // Swapped after the plan: the job fails, and the stranger stays.
    odoo.batch_execute("DROP DATABASE client_abc").await.unwrap();
    fleet.queue(delete(id)).await;
    odoo.batch_execute("CREATE DATABASE client_abc").await.unwrap();
    assert_eq!(fleet.run("").await, Parted::Over(JobState::Failed));
    assert!(fleet.inventory().await.databases.contains_key("client_abc"));
}

#[tokio::test]
async fn a_cancel_stops_a_running_clone_at_once() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let before = fleet.inventory().await;
    // Someone opened the template and sits in it: PostgreSQL waits 5 s before it refuses the clone.
    let boss = connect(&fleet.cluster.superuser_config("postgres")).await;
    let open = "ALTER DATABASE template_restaurant ALLOW_CONNECTIONS";
    boss.batch_execute(&format!("{open} true")).await.unwrap();
    let guest = connect(&fleet.cluster.superuser_config("template_restaurant")).await;
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    let stop = Stop::default();
    let poke = Arc::clone(&stop.poke);
    let cancel = async {
        wait_until("the clone's query", || async {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%' AND state = 'active'";
            boss.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        fleet.registry.cancel_job(&op(), id).await.unwrap();
        poke.notify_one();
        Instant::now()
    };
    let (parted, asked) = tokio::join!(fleet.run_with("", stop, None), cancel);
    assert_eq!(parted, Parted::Over(JobState::Cancelled), "{}", fleet.log(id).await);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    drop(guest);
    boss.batch_execute(&format!("{open} false")).await.unwrap();
    assert_eq!(fleet.inventory().await.held(), before.held());
}

#[tokio::test]
async fn a_failed_job_can_be_run_again_and_a_changed_world_refuses_its_plan() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
    let parted = fleet.run("instance_create.verify.after_effect=error").await;
    assert_eq!(parted, Parted::Over(JobState::Failed));
    assert_eq!(fleet.registry.server(fleet.server.id).await.unwrap().instance_count, 0);
    fleet
        .registry
        .retry_job(&op(), id, &Thresholds::default())
        .await
        .unwrap();
    assert_eq!(
        fleet.run("").await,
        Parted::Over(JobState::Done),
        "{}",
        fleet.log(id).await
    );
    fleet.assert_made("client-abc").await;
    // A plan that was made before the server was edited.
    let plan = fleet.plan(fleet.instance(template, "late")).await.unwrap();
    let server = fleet.registry.server(fleet.server.id).await.unwrap();
    let mut spec = server.spec.clone();
    spec.max_instances = 40;
    fleet
        .registry
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    let refused = fleet.registry.queue_job(&op(), &plan.new_job).await.unwrap_err();
    assert_eq!(refused.problem().code, "changed", "{refused}");
}

#[tokio::test]
async fn a_template_that_odoo_failed_to_initialise_is_not_believed() {
    let fleet = Fleet::new(Reach::All).await;
    let template = fleet.add_template("restaurant", "template_restaurant").await;
    let before = fleet.inventory().await;
    fleet.odoo.fault(|faults| faults.init_fails = true);
    let id = fleet.queue(Request::TemplateCreate(template)).await.id;
    assert_eq!(fleet.run("").await, Parted::Over(JobState::Failed));
    let job = fleet.job(id).await;
    assert_eq!(
        job.problem.as_ref().expect("why").code,
        "init_failed",
        "{}",
        problem(&job)
    );
    let after = fleet.inventory().await;
    assert_eq!(after.databases, before.databases);
    assert_eq!(after.filestores, before.filestores);
}

#[tokio::test]
async fn a_full_server_and_an_unready_template_are_refused_with_the_reason() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let server = fleet.registry.server(fleet.server.id).await.unwrap();
    let mut spec = server.spec.clone();
    spec.max_instances = 1;
    let server = fleet
        .registry
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    fleet.done(fleet.instance(template, "first")).await;
    let refused = fleet.plan(fleet.instance(template, "second")).await.unwrap_err();
    assert_eq!(refused.code, "no_place", "{refused:?}");
    spec.max_instances = 50;
    fleet
        .registry
        .edit_server(&op(), server.id, server.version, &spec)
        .await
        .unwrap();
    fleet.done(Request::TemplateThaw(template)).await;
    let refused = fleet.plan(fleet.instance(template, "second")).await.unwrap_err();
    assert_eq!(refused.code, "template_not_ready", "{refused:?}");
    // A dry run changes nothing.
    let before = fleet.inventory().await;
    fleet.plan(Request::TemplateAdopt(template)).await.unwrap();
    assert_eq!(fleet.inventory().await, before);
}

/// What the job takes beyond PostgreSQL's own copy.
#[tokio::test]
async fn the_sql_clone_adds_little_to_what_the_copy_itself_takes() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let odoo = connect(&fleet.cluster.role_config("postgres")).await;
    let mut alone = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        odoo.batch_execute("CREATE DATABASE alone TEMPLATE template_restaurant")
            .await
            .unwrap();
        alone = alone.min(began.elapsed());
        odoo.batch_execute("DROP DATABASE alone").await.unwrap();
    }
    fleet.queue(fleet.instance(template, "client-abc")).await;
    let began = Instant::now();
    assert_eq!(fleet.run("").await, Parted::Over(JobState::Done));
    let added = began.elapsed().saturating_sub(alone);
    eprintln!("CREATE DATABASE {alone:?}, the job {added:?} more");
    assert!(
        added < Duration::from_secs(3),
        "the job took {added:?} more than the copy ({alone:?})"
    );
}

/// J10: an undo that fails, at each step: never a silent green, what is left is named with the way to
/// remove it, and a retry goes on undoing until nothing is left.
#[tokio::test]
async fn an_undo_that_fails_is_stuck_with_its_leftovers_named_and_can_be_retried() {
    let (fleet, template) = Fleet::with_template(Reach::All).await;
    let (steps, last) = names(JobKind::InstanceCreate);
    for step in &steps[..=last] {
        let before = fleet.inventory().await.held();
        let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
        let points = format!(
            "instance_create.{}.after_effect=error,instance_create.{step}.undo_before=error",
            steps[last]
        );
        assert_eq!(fleet.run(&points).await, Parted::Over(JobState::Stuck), "{step}");
        let job = fleet.job(id).await;
        let problem = job.problem.clone().expect("why");
        assert!(problem.message.contains("could not be undone"), "{step}: {problem:?}");
        assert!(
            problem.hint.as_ref().is_some_and(|hint| hint.contains("retry")),
            "{step}: {problem:?}"
        );
        match *step {
            "clone_database" => {
                assert!(problem.message.contains("\"client_abc\""), "{problem:?}");
                assert!(problem.hint.as_ref().unwrap().contains("DROP DATABASE"), "{problem:?}");
                assert!(
                    fleet.inventory().await.databases.contains_key("client_abc"),
                    "it is still there"
                );
            }
            "clone_filestore" => {
                assert!(problem.message.contains("filestore/client_abc"), "{problem:?}");
                assert!(problem.hint.as_ref().unwrap().contains("rm -r"), "{problem:?}");
            }
            _ => {}
        }
        // Nobody else can take its name or its place meanwhile.
        assert_eq!(fleet.registry.server(fleet.server.id).await.unwrap().instance_count, 1);
        fleet
            .registry
            .retry_job(&op(), id, &Thresholds::default())
            .await
            .unwrap();
        assert_eq!(
            fleet.run("").await,
            Parted::Over(JobState::Failed),
            "{step}: {}",
            fleet.log(id).await
        );
        assert_eq!(fleet.inventory().await.held(), before, "{step}");
    }
}

/// PostgreSQL goes away in the middle of a job: what may pass is waited for, and nothing is left.
#[tokio::test]
async fn a_postgresql_that_is_restarted_in_the_middle_leaves_nothing_behind() {
    let (mut fleet, template) = Fleet::with_template(Reach::All).await;
    let before = fleet.inventory().await.held();
    for step in ["clone_database", "identity", "verify"] {
        let id = fleet.queue(fleet.instance(template, "client-abc")).await.id;
        fleet.die_at(&format!("instance_create.{step}.before_effect")).await;
        fleet.cluster.stop().unwrap();
        let engine = fleet.engine_trying("", 8, Duration::from_millis(100));
        let claim = fleet
            .registry
            .claim_job(
                &vigie::jobs::worker::identity(),
                &vigie::registry::ClaimTerms::lease(Duration::from_secs(20)),
            )
            .await
            .unwrap()
            .expect("the job");
        let kind = vigie::jobs::kinds::of(claim.job.spec.kind());
        let run = tokio::spawn(async move { engine.run_as(kind, claim, Instant::now(), Stop::default()).await });
        // It meets the dead server, waits, and finds it again.
        wait_until("the first refusal", || async {
            fleet.log(id).await.contains("trying again")
        })
        .await;
        fleet.cluster.start().unwrap();
        assert_eq!(
            run.await.unwrap(),
            Parted::Over(JobState::Done),
            "{step}\n{}",
            fleet.log(id).await
        );
        fleet.assert_made("client-abc").await;
        let made = fleet.instance_called("client-abc").await.unwrap().id;
        fleet.done(delete(made)).await;
        assert_eq!(fleet.inventory().await.held(), before, "{step}");
    }
}
