//! Pages, filters, orders, columns, views and the palette, through the real `update` and `view`.

use super::{Dash, fleet};
use vigie::domain::instance::InstanceState;
use vigie::domain::{CustomerId, InstanceId, JobId, SafeText, ServerId};
use vigie::tui::model::{
    Answer, Delta, Effect, Fleet, Layer, ListId, Look, NamedView, PAGES, Pane, Remember, Remembered, Tab, UiSettings,
};

const SIZE: (u16, u16) = (120, 35);

/// The names that a list shows, in order.
fn rows(dash: &Dash, list: ListId) -> Vec<String> {
    let store = &dash.model.store;
    let field = &vigie::tui::model::fields(list)[0];
    dash.model
        .lists
        .rows(list, store)
        .iter()
        .filter_map(|at| store.row(list, *at))
        .map(|row| (field.get)(store, row).text().to_owned())
        .collect()
}

fn count(dash: &Dash, list: ListId) -> usize {
    dash.model.lists.len(list, &dash.model.store)
}

#[test]
fn the_filter_of_the_manual_works_in_the_list_of_servers() {
    let mut dash = Dash::picture(SIZE);
    for (text, servers) in [
        ("state=offline", vec!["prod-3"]),
        ("capacity>90", vec!["prod-1"]),
        ("capacity<=90 state=active", vec!["prod-2"]),
        ("code=prod-* -state=offline", vec!["prod-1", "prod-2"]),
        ("health=critical OR state=maintenance", vec!["prod-3", "test-1"]),
        ("latency>30ms", vec!["prod-2", "test-1"]),
        ("checked<5m -code=prod-*", vec!["test-1"]),
        ("ver>=16 ver<17 refused", vec!["prod-3"]),
    ] {
        dash.press("1 /").enter(text);
        assert_eq!(rows(&dash, ListId::Servers), servers, "{text}");
        dash.press("enter");
        dash.must_see(&format!("{} of 4  /{}", servers.len(), &text[..text.len().min(11)]));
        dash.press("/ esc");
        assert_eq!(count(&dash, ListId::Servers), 4, "Esc on what is in force clears it");
    }
}

#[test]
fn a_mistake_is_shown_under_its_place_and_what_was_right_last_stays_in_force() {
    let mut dash = Dash::picture((100, 24));
    dash.press("2 /").enter("bistro size>1");
    assert_eq!(count(&dash, ListId::Here), 2);
    dash.enter("xyz");
    assert_eq!(count(&dash, ListId::Here), 2, "the list is not blanked");
    dash.must_see("Bistro");
    let screen = dash.screen();
    let place = |text: &str| {
        let line = screen.lines().position(|line| line.contains(text)).unwrap();
        let at = screen.lines().nth(line).unwrap().find(text).unwrap();
        (line, at)
    };
    let (typed_line, typed_at) = place("/bistro size>1xyz");
    let (below_line, below_at) = place("↑ \"1xyz\" is not what size is");
    assert_eq!(below_line, typed_line + 1, "{screen}");
    assert_eq!(below_at, typed_at + "/bistro size>".len(), "{screen}");
    dash.press("enter");
    assert!(
        matches!(dash.model.layers.last(), Some(Layer::Find(_))),
        "a mistake is not kept"
    );
    for _ in 0..4 {
        dash.press("backspace");
    }
    dash.enter("0MB").press("enter");
    assert!(dash.model.layers.is_empty());
    dash.must_see("/bistro size>0MB");
}

#[test]
fn esc_loses_no_filter_and_what_was_used_is_called_back() {
    let mut dash = Dash::picture(SIZE);
    dash.press("2 /")
        .enter("state=active")
        .press("enter /")
        .enter(" plan=pro oops=")
        .press("esc");
    dash.must_see("/state=active");
    assert!(!dash.sees("oops"));
    dash.press("/ ctrl-p");
    dash.must_see("/state=active plan=pro oops=");
    dash.press("ctrl-p");
    dash.must_see("/state=active ");
    dash.press("ctrl-n ctrl-n");
    assert!(!dash.sees("/state=active"), "the newest is past: an empty line");
    dash.press("ctrl-c");
    dash.must_see("/state=active");
    // Esc in the list clears it, and it can be called back too.
    dash.press("esc esc");
    assert!(!dash.sees("/state=active"));
    dash.press("/ ctrl-p enter");
    dash.must_see("/state=active");
}

#[test]
fn tab_completes_columns_and_words() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 /").enter("sta").press("tab").enter("off").press("tab");
    dash.must_see("/state=offline");
    assert_eq!(rows(&dash, ListId::Servers), ["prod-3"]);
    dash.enter("hea").press("tab");
    dash.must_see("health=");
    dash.must_see("critical  warning  unknown  healthy");
}

#[test]
fn what_a_filter_found_is_marked() {
    let mut dash = Dash::picture(SIZE);
    let theme = vigie::tui::theme::Theme::default();
    let styles = |dash: &Dash| dash.frame(&theme).1;
    dash.press("2 /").enter("anord");
    assert_eq!(rows(&dash, ListId::Here)[0], "Agence Nord");
    let line = dash
        .screen()
        .lines()
        .position(|line| line.contains("Agence Nord"))
        .unwrap();
    let runs = styles(&dash)
        .lines()
        .filter(|run| run.starts_with(&format!("{line}:")))
        .count();
    dash.press("esc");
    let before = styles(&dash)
        .lines()
        .filter(|run| run.starts_with(&format!("{line}:")))
        .count();
    assert!(
        runs > before,
        "the letters of the abbreviation stand out: {runs} {before}"
    );
}

#[test]
fn shift_and_a_letter_sorts_and_again_turns_it_round() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 C");
    assert_eq!(rows(&dash, ListId::Servers)[0], "prod-1", "the fullest first");
    dash.must_see("capacity↓");
    dash.press("C");
    dash.must_see("capacity↑");
    assert_eq!(rows(&dash, ListId::Servers)[3], "prod-1");
    dash.press("H");
    assert_eq!(rows(&dash, ListId::Servers)[0], "prod-3", "critical");
    dash.press("I");
    assert_eq!(rows(&dash, ListId::Servers)[3], "prod-3");
    dash.press("2 Z");
    dash.must_see("size↓");
    let sizes = |dash: &Dash| -> Vec<u64> {
        let store = &dash.model.store;
        let rows = dash.model.lists.rows(ListId::Here, store);
        rows.iter()
            .filter_map(|at| store.instance_in(*at))
            .filter_map(|row| row.size_bytes())
            .collect()
    };
    assert!(sizes(&dash).is_sorted_by(|a, b| a >= b));
    dash.press("I");
    assert!(sizes(&dash).is_sorted());
    // The selection stays on its object.
    dash.press("j j");
    let selected = dash.model.lists.here.selected;
    dash.press("N");
    assert_eq!(dash.model.lists.here.selected, selected);
}

#[test]
fn the_picker_sorts_by_any_column_and_shows_hides_and_moves_them() {
    let mut dash = Dash::picture((200, 50));
    dash.press("9 S");
    dash.must_see("sort by · all instances");
    dash.press("g j j j j enter");
    dash.must_see("customer↑");
    dash.press("S 0 esc");
    assert!(!dash.sees("customer↑"), "its own order again");
    dash.must_see("customer");
    dash.press("w");
    dash.must_see("columns · all instances");
    // The customer's column goes, the plan's moves to the left.
    dash.press("j j j j space");
    dash.press("k < esc");
    let screen = dash.screen();
    let head = screen
        .lines()
        .find(|line| line.contains("database") && line.contains("created"))
        .unwrap();
    assert!(!head.contains("customer"), "{head}");
    assert!(head.find("plan").unwrap() < head.find("subdomain").unwrap(), "{head}");
    dash.press("w 0 esc");
    dash.must_see("customer");
}

#[test]
fn how_lists_are_shown_is_remembered_and_taken_up_again() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 /")
        .enter("code=prod-*")
        .press("enter C 9 Z w j j space esc");
    let mut remembered = Remembered::default();
    for change in std::mem::take(&mut dash.remembered) {
        remembered.take(change);
    }
    assert_eq!(remembered.lists["servers"].filter, "code=prod-*");
    assert_eq!(remembered.lists["all instances"].sort.as_deref(), Some("size"));
    let text = serde_json::to_string(&remembered).unwrap();
    let settings = UiSettings {
        remembered: serde_json::from_str(&text).unwrap(),
        ..UiSettings::default()
    };
    let mut again = Dash::with(settings, SIZE);
    again.must_see("filtered since last time: servers");
    again.load(fleet::picture());
    assert_eq!(rows(&again, ListId::Servers), ["prod-1", "prod-2", "prod-3"]);
    again.must_see("capacity↓");
    again.press("9");
    again.must_see("size↓");
    let columns = |dash: &Dash| Look::of(dash.model.lists.shown(ListId::All)).columns;
    assert_eq!(columns(&again), columns(&dash));
    again.press("1 / ctrl-u ctrl-p");
    again.must_see("/code=prod-*");
}

#[test]
fn what_is_no_longer_right_is_said_and_left_out() {
    let look = Look {
        filter: "colour=red".to_owned(),
        sort: Some("colour".to_owned()),
        descending: false,
        columns: Some(vec!["colour".to_owned(), "code".to_owned()]),
        arrange: Some("upside down".to_owned()),
    };
    let mut remembered = Remembered::default();
    remembered.lists.insert("servers".to_owned(), look);
    remembered
        .lists
        .insert("a page of tomorrow".to_owned(), Look::default());
    let settings = UiSettings {
        remembered,
        ..UiSettings::default()
    };
    let mut dash = Dash::with(settings, (200, 50));
    dash.must_see("left out: servers: its filter");
    dash.load(fleet::picture());
    assert_eq!(count(&dash, ListId::Servers), 4);
}

#[test]
fn views_are_saved_from_the_screen_shown_again_and_forgotten() {
    let mut dash = Dash::picture(SIZE);
    dash.press("9 /").enter("state=failed").press("enter Z b");
    dash.must_see("name");
    dash.enter("broken ones").press("enter");
    dash.must_see("the view broken ones is saved");
    assert!(matches!(dash.remembered.last(), Some(Remember::View(name, _)) if name == "broken ones"));
    dash.press("/ ctrl-u").enter("active").press("enter S 0 esc 1 b");
    dash.must_see("broken ones");
    dash.must_see("/state=failed  by size");
    dash.press("enter");
    assert_eq!(dash.model.lists.tab, Tab::All);
    dash.must_see("1 of 63  /state=failed");
    dash.must_see("size↓");
    // By name too.
    dash.press("esc 1 :").enter("broken").press("enter");
    dash.must_see("/state=failed");
    dash.press("b x");
    dash.must_see("x again forgets broken ones");
    dash.press("j x x");
    assert!(dash.model.views.is_empty());
    assert!(matches!(dash.remembered.last(), Some(Remember::Forget(_))));
}

#[test]
fn a_view_of_a_page_that_is_gone_says_so() {
    let mut dash = Dash::picture(SIZE);
    let view = NamedView {
        list: "nowhere".to_owned(),
        look: Look::default(),
    };
    dash.model.views.insert("old".to_owned(), view);
    dash.press("b enter");
    dash.must_see("a page that is not there: nowhere");
}

#[test]
fn every_page_is_reached_by_its_digit_by_name_and_by_turning() {
    let mut dash = Dash::picture(SIZE);
    for page in PAGES {
        let key = dash.model.keymap().key_of(page.action);
        dash.press("1").press(&key);
        assert_eq!(
            (dash.model.lists.tab, dash.model.focus),
            (page.tab, Pane::List),
            "{key}"
        );
        dash.press("1 :").enter(page.name).press("enter");
        assert_eq!(dash.model.lists.tab, page.tab, "{}", page.name);
        assert!(dash.sees(page.name), "{}", page.name);
    }
    dash.press("2");
    for page in PAGES.iter().skip(1).chain(PAGES.first()) {
        dash.press("}");
        assert_eq!(dash.model.lists.tab, page.tab);
    }
}

#[test]
fn pages_show_their_row_in_full_beside_or_below() {
    for size in [(200, 50), (120, 35), (80, 24)] {
        let mut dash = Dash::picture(size);
        dash.press("4");
        dash.must_see("  frozen ");
        dash.press("7");
        dash.must_see("no limit");
        dash.press("8");
        dash.must_see("e-mail");
    }
    let mut small = Dash::picture((40, 15));
    for keys in ["4", "5", "6", "7", "8", "9"] {
        small.press(keys);
        assert_eq!(small.model.focus, Pane::List);
        small.screen();
    }
}

#[test]
fn a_plan_and_a_customer_lead_to_their_instances() {
    let mut dash = Dash::picture(SIZE);
    dash.press("7 j");
    let plan = dash.model.lists.plans.selected.unwrap();
    let sold = dash.model.store.instances_of_plan(plan) as usize;
    dash.press("enter");
    assert_eq!(dash.model.lists.tab, Tab::All);
    assert_eq!(count(&dash, ListId::All), sold);
    dash.press("[");
    assert_eq!(dash.model.lists.tab, Tab::Plans);
    dash.press("8");
    dash.model.lists.customers.selected = Some(CustomerId(7));
    dash.press("enter");
    let theirs = dash.model.store.instances_of_customer(CustomerId(7)) as usize;
    // Names are not unique in this fleet's picture: all of that name.
    assert!(count(&dash, ListId::All) >= theirs && theirs > 0);
    dash.must_see("/customer=");
}

#[test]
fn back_and_forth_with_selection_and_filter() {
    let mut dash = Dash::picture(SIZE);
    dash.press("j enter j j");
    let there = dash.model.lists.here.selected;
    assert!(there.is_some());
    dash.press("5 j");
    let job = dash.model.lists.jobs.selected;
    dash.press("9 /").enter("bistro").press("enter [");
    assert_eq!((dash.model.lists.tab, dash.model.lists.jobs.selected), (Tab::Jobs, job));
    dash.press("[");
    assert_eq!(
        (dash.model.lists.tab, dash.model.lists.here.selected),
        (Tab::Here, there)
    );
    dash.press("[");
    assert_eq!(dash.model.focus, Pane::Servers);
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(2)));
    dash.press("[");
    dash.must_see("this is where you began");
    dash.press("] ] ]");
    assert_eq!(dash.model.lists.tab, Tab::All);
    dash.must_see("/bistro");
    dash.press("]");
    dash.must_see("nothing to go forth to");
}

#[test]
fn the_line_above_says_where_one_is() {
    let mut dash = Dash::picture((200, 50));
    dash.must_see("fleet › prod-1");
    dash.press("j enter");
    dash.must_see("fleet › prod-2 › ");
    dash.press("d");
    dash.must_see("› description");
    dash.press("esc 5");
    dash.must_see("jobs › job 42");
    dash.press("3");
    dash.must_see("jobs › log › job 42");
}

#[test]
fn the_palette_goes_to_servers_instances_and_jobs_by_name() {
    let mut dash = Dash::picture(SIZE);
    dash.press(":").enter("test1").press("enter");
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(3)));
    assert_eq!(dash.model.focus, Pane::Servers);
    dash.press(":").enter("client abc").press("enter");
    assert_eq!(dash.model.lists.instance(), Some(InstanceId(9042)));
    dash.press(":").enter("job 41").press("enter");
    assert_eq!(
        (dash.model.lists.tab, dash.model.lists.jobs.selected),
        (Tab::Jobs, Some(JobId(41)))
    );
    assert!(dash.effects().contains(&Effect::FollowLog(JobId(41))));
    // Pages by the shell's word for them too.
    dash.press(":").enter("audit").press("enter");
    assert_eq!(dash.model.lists.tab, Tab::Audit);
    // A filter that hides what is gone to is cleared.
    dash.press("1 /")
        .enter("prod")
        .press("enter :")
        .enter("test-1")
        .press("enter");
    assert_eq!(dash.model.lists.servers.selected, Some(ServerId(3)));
}

#[test]
fn the_palette_does_what_is_allowed_and_says_why_not() {
    let mut dash = Dash::picture(SIZE);
    dash.press(":").enter("maintenance").press("enter");
    dash.must_see("Put server prod-1 in maintenance?");
    dash.press("esc :").enter("deactivate");
    dash.must_see("not now: it has 48 instances");
    dash.press("enter");
    assert!(
        matches!(dash.model.layers.last(), Some(Layer::Palette(_))),
        "it stays open"
    );
    dash.must_see("deactivate: it has 48 instances");
    assert!(dash.effects().is_empty());
    dash.press("esc");
    assert!(dash.model.layers.is_empty());
    // Nothing destructive without its question.
    dash.press("2 :").enter("delete").press("enter");
    assert!(matches!(dash.model.layers.last(), Some(Layer::Confirm(_))));
}

#[test]
fn a_page_and_its_filter_at_once() {
    let mut dash = Dash::picture(SIZE);
    dash.press(":").enter("jobs /state=failed").press("enter");
    dash.must_see("1 of 3  /state=failed");
    dash.press("esc :").enter("jobs /state=purple");
    dash.must_see("not now: no state is \"purple\"");
    dash.press("enter");
    assert_eq!(count(&dash, ListId::Jobs), 3);
}

#[test]
fn a_fleet_that_is_large_is_looked_through_by_a_task_and_keys_never_wait() {
    let mut dash = Dash::new(SIZE);
    let mut large = fleet::large(20, 6_000);
    large.read_at = Some(fleet::noon());
    dash.load(large);
    dash.press("9 /");
    dash.effects();
    dash.enter("bistro");
    let effects = dash.effects();
    assert_eq!(effects.len(), 6, "one question a key: {effects:?}");
    assert_eq!(
        count(&dash, ListId::All),
        6_000,
        "the rows stay until there is an answer"
    );
    dash.must_see("…");
    let answers: Vec<Answer> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Find(request) => Answer::Found(Box::new(request.run(&|| false).unwrap())),
            other => panic!("{other:?}"),
        })
        .collect();
    // An answer to an older question means nothing.
    dash.answer(answers[2].clone());
    assert_eq!(count(&dash, ListId::All), 6_000);
    dash.answer(answers[5].clone());
    let found = count(&dash, ListId::All);
    assert!(found > 0 && found < 6_000, "{found}");
    // A question that nobody asks any more is given up.
    if let Effect::Find(request) = &effects[5] {
        assert!(request.run(&|| true).is_none());
    }
    // Typing on looks only through what was found, and finds the same.
    dash.enter(" nord");
    let Some(Effect::Find(request)) = dash.effects().pop() else {
        panic!()
    };
    dash.answer(Answer::Found(Box::new(request.run(&|| false).unwrap())));
    let narrowed = count(&dash, ListId::All);
    dash.press("enter / ctrl-u").enter("nord bistro");
    let Some(Effect::Find(request)) = dash.effects().pop() else {
        panic!()
    };
    dash.answer(Answer::Found(Box::new(request.run(&|| false).unwrap())));
    assert_eq!(count(&dash, ListId::All), narrowed);
    assert!(narrowed > 0 && narrowed < found);
}

#[test]
fn what_comes_and_goes_is_filtered_and_sorted_in() {
    let mut dash = Dash::picture(SIZE);
    dash.press("9 /").enter("state=failed").press("enter");
    assert_eq!(count(&dash, ListId::All), 1);
    dash.answer(Answer::Delta(Box::new(Delta {
        instances: vec![fleet::instance(3, 1, "Newly Broken", InstanceState::Failed)],
        ..Delta::default()
    })));
    assert_eq!(count(&dash, ListId::All), 2);
    dash.press("N I");
    assert_eq!(rows(&dash, ListId::All)[0], "Newly Broken");
    dash.answer(Answer::Delta(Box::new(Delta {
        gone_instances: vec![InstanceId(3)],
        ..Delta::default()
    })));
    assert_eq!(count(&dash, ListId::All), 1);
}

#[test]
fn an_age_filter_follows_the_time() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 /").enter("checked<5m").press("enter");
    assert_eq!(count(&dash, ListId::Servers), 4);
    dash.wait(4 * 60_000);
    assert_eq!(count(&dash, ListId::Servers), 0, "they were checked 7 minutes ago");
}

#[test]
fn hostile_names_in_palette_views_and_filters_are_harmless() {
    const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{202e}x\u{200b}";
    let mut dash = Dash::new(SIZE);
    let mut fleet = fleet::picture();
    for job in &mut fleet.jobs {
        job.title = SafeText::new(EVIL);
    }
    for plan in &mut fleet.plans {
        plan.code = EVIL.to_owned();
    }
    for customer in &mut fleet.customers {
        customer.email = Some(EVIL.to_owned());
    }
    dash.load(Fleet { ..fleet });
    dash.model.views.insert(
        EVIL.to_owned(),
        NamedView {
            list: EVIL.to_owned(),
            look: Look {
                filter: EVIL.to_owned(),
                sort: Some(EVIL.to_owned()),
                ..Look::default()
            },
        },
    );
    for keys in ["7", "8", "5", "9", "b", ": x", "7 enter", "/ x"] {
        dash.press("esc").press("esc").press(keys);
        dash.paste(EVIL);
        let screen = dash.screen();
        assert!(
            !screen.chars().any(|c| c.is_control() && c != '\n'),
            "{keys}: {screen:?}"
        );
        assert!(!screen.contains(['\u{202e}', '\u{200b}']), "{keys}: {screen}");
    }
}

#[test]
fn esc_loses_no_form() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 n").enter("Production 9").press("tab");
    dash.press("esc esc");
    assert!(dash.model.layers.is_empty());
    dash.must_see("what was typed is kept");
    dash.press("n");
    dash.must_see("Production 9");
    // Another form is another draft.
    dash.press("esc esc 2 n");
    assert!(!dash.sees("Production 9"));
    dash.press("esc 1 n");
    dash.must_see("Production 9");
}

fn happened(id: i64, action: &str, label: &str, refused: Option<&str>) -> vigie::domain::audit::AuditEntry {
    vigie::domain::audit::AuditEntry {
        id,
        at: fleet::noon() - jiff::SignedDuration::from_hours(10 - id),
        op_id: format!("op-{id}"),
        db_role: None,
        actor: vigie::domain::audit::Actor {
            os_user: "anna".to_owned(),
            host: "ops-1".to_owned(),
            via: if id == 2 { "sql" } else { "cli" }.to_owned(),
        },
        action: action.to_owned(),
        object: "server:1".to_owned(),
        label: label.to_owned(),
        from: None,
        to: Some(serde_json::json!({ "max_instances": 60 })),
        refused: refused.map(str::to_owned),
        hash: String::new(),
    }
}

#[test]
fn what_happened_is_filtered_sorted_and_gone_back_from_like_any_list() {
    let mut dash = Dash::picture(SIZE);
    dash.press("1 h");
    let Some(Effect::LoadAudit { seq, filter }) = dash.effects().pop() else {
        panic!()
    };
    assert_eq!(filter.object.as_deref(), Some("server:1"));
    let rows = vec![
        happened(5, "server.deactivate", "prod-1", Some("it has 48 instances")),
        happened(4, "server.edit", "prod-1", None),
        happened(2, "server.edit", "prod-2", None),
    ];
    dash.answer(Answer::Audit { seq, rows });
    dash.must_see("what happened to prod-1");
    dash.must_see("✖ server.deactivate");
    dash.must_see("▲ server.edit");
    dash.press("/").enter("refused!=none");
    assert_eq!(count(&dash, ListId::Audit), 1);
    dash.press("ctrl-u")
        .enter("via=sql OR age<6h what=*deact*")
        .press("enter");
    assert_eq!(count(&dash, ListId::Audit), 2);
    dash.press("N");
    dash.must_see("what↑");
    dash.press("d");
    dash.must_see("op-");
    dash.press("esc [");
    assert_eq!((dash.model.lists.tab, dash.model.focus), (Tab::Here, Pane::Servers));
    dash.press("]");
    dash.must_see("what happened to prod-1");
    // A word that every row must have is looked for in the registry too.
    dash.press("/ ctrl-u").enter("prod-2");
    let asked = dash.effects().pop();
    assert!(matches!(asked, Some(Effect::LoadAudit { filter, .. }) if filter.text.as_deref() == Some("prod-2")));
}
