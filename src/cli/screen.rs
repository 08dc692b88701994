//! `vigie` alone: the dashboard, with what it is started with.

use super::args_view::ViewArgs;
use super::mistakes::{mistakes, places};
use super::open;
use super::reload;
use super::reload::Hearers;
use super::shell::Shell;
use super::themes;
use crate::config::{self, Ascii, Colours, Loaded, Notify, Origin, StartPane};
use crate::domain::log::{LogPlace, LogTarget};
use crate::domain::{Problem, SafeText};
use crate::ops::{Live, Ops, shared};
use crate::registry::postgres::Postgres;
use crate::tui::action::{KeyClash, Keymap, Ready, Wanted};
use crate::tui::dashboard::{self, Dashboard, DashboardError, Stage};
use crate::tui::model::{
    AlertSettings, ConfigFacts, Effect, Message, Notice, NoticeLevel, Osc, Pane, Remembered, Remembrance, UiSettings,
};
use crate::tui::run::Pace;
use crate::tui::task::{Door, LateDoor, LogDoor, Opening, OpsDoor, Post, Reply, memory};
use crate::tui::term::{Modes, is_terminal};
use crate::tui::theme::{Depth, Theme, ThemeSet};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Shows the dashboard, and ends with its status.
pub(super) fn run(loaded: Arc<Loaded>, unlock: Option<std::time::Duration>, shell: &Shell) -> ExitCode {
    dashboard::block_on(async {
        match show(loaded, unlock).await {
            Ok(status) => ExitCode::from(status),
            Err(problem) => {
                shell.problem(&problem);
                ExitCode::FAILURE
            }
        }
    })
}

/// Shows logs and nothing else, and ends with its status.
pub(super) fn run_view(loaded: Arc<Loaded>, args: ViewArgs, shell: &Shell) -> ExitCode {
    dashboard::block_on(async {
        match view(loaded, args).await {
            Ok(status) => ExitCode::from(status),
            Err(problem) => {
                shell.problem(&problem);
                ExitCode::FAILURE
            }
        }
    })
}

/// # Errors
/// When there is no terminal, a command is none, or the server is not known.
async fn view(loaded: Arc<Loaded>, ViewArgs { files, on }: ViewArgs) -> Result<u8, Problem> {
    needs_terminal()?;
    // Files of this machine need no registry: they can be looked at where there is none.
    let commands = files.iter().any(|file| file.trim_start().starts_with('!'));
    let ops = if on.is_some() || commands {
        Some(open::ops(Arc::clone(&loaded), "dashboard").await?)
    } else {
        None
    };
    let place = match (&on, &ops) {
        (Some(code), Some(ops)) => {
            let server = ops.server(code).await?;
            LogPlace::Server {
                id: server.id,
                code: server.spec.code.to_string(),
            }
        }
        _ => LogPlace::Here,
    };
    let mut targets = Vec::new();
    for file in &files {
        let target = LogTarget::parse(file, place.clone());
        targets.push(target.map_err(|error| Problem::new("usage", format!("{file:?}: {error}")))?);
    }
    let (mut dashboard, odd) = dashboard(&loaded);
    dashboard.ui.files = targets;
    let themes = dashboard.themes.clone();
    dashboard.ui.alerts = AlertSettings::default();
    if let Some(ops) = &ops {
        let ops = ops.clone();
        dashboard.redact = Arc::new(move |text| ops.redacted(text));
    }
    let mut watcher = None;
    let end = dashboard::show(dashboard, |post| {
        tell_odd(post, odd);
        watcher = themes::follow(&themes, &loaded, post);
        LogDoor::new(ops, loaded.places.data_dir.clone())
    })
    .await
    .map_err(|error| problem(&error))?;
    Ok(dashboard::status(end))
}

fn tell_odd(post: &Post, odd: Vec<String>) {
    for text in odd {
        post.send(Message::Notice(Notice::Flash {
            level: NoticeLevel::Warning,
            text: SafeText::new(&text),
            hint: Some("`:config` and `vigie config check` list all such things".to_owned()),
        }));
    }
}

/// # Errors
/// When there is no terminal to show a dashboard on.
pub(super) fn needs_terminal() -> Result<(), Problem> {
    if is_terminal() {
        return Ok(());
    }
    Err(problem(&DashboardError::NoTerminal))
}

/// The dashboard on this fleet until it ends; its exit status. Other profiles take its place when they
/// are asked for, without waiting for anything.
///
/// # Errors
/// When there is no terminal, or the registry can't be had.
pub(super) async fn show(loaded: Arc<Loaded>, unlock: Option<std::time::Duration>) -> Result<u8, Problem> {
    needs_terminal()?;
    let ops = open::ops(Arc::clone(&loaded), "dashboard").await?;
    let (arguments, environment) = (loaded.arguments.clone(), loaded.environment.clone());
    let mut first = stage(loaded, Some(ops));
    first.0.ui.unlock = unlock;
    let end = dashboard::show_profiles(first, |name| {
        let mut arguments = arguments.clone();
        arguments.profile = Some(name.to_owned());
        // Who asks for a profile means its registry, not the one that an argument named at the start.
        let mut own = arguments.clone();
        own.registry = None;
        let mut loaded = open::load_in(&own, &environment)?;
        if !matches!(loaded.origin("paths.registry"), Origin::Profile { .. }) {
            loaded = open::load_in(&arguments, &environment)?;
        }
        Ok(stage(Arc::new(loaded), None))
    })
    .await
    .map_err(|error| problem(&error))?;
    Ok(dashboard::status(end))
}

/// The dashboard of these settings, and what is behind it. Without operations they are opened later, for as
/// long as it takes.
fn stage(loaded: Arc<Loaded>, ops: Option<Ops>) -> Stage<'static> {
    let (mut dashboard, odd) = dashboard(&loaded);
    let themes = dashboard.themes.clone();
    let opened: Arc<Mutex<Option<Ops>>> = Arc::new(Mutex::new(ops.clone()));
    dashboard.redact = Arc::new({
        let opened = Arc::clone(&opened);
        move |text| match &*opened.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(ops) => ops.redacted(text),
            None => text.to_owned(),
        }
    });
    let door = Box::new(move |post: &Post| {
        tell_odd(post, odd);
        let live = Live::default();
        let hearers = Hearers {
            post: post.clone(),
            live: live.clone(),
        };
        let watcher = themes::follow(&themes, &loaded, post);
        let following = (reload::follow(Arc::clone(&loaded), hearers), watcher);
        let (file, noted) = (loaded.places.screen_file(), noted(&loaded));
        if let Some(ops) = ops {
            let door = OpsDoor::new(ops, post).remembering(file).noting(noted).under(live);
            return Box::new(Holding(door, following)) as Box<dyn Door>;
        }
        let teller = post.clone();
        let opening: Opening = Box::new(move || {
            let (loaded, opened, live) = (Arc::clone(&loaded), Arc::clone(&opened), live.clone());
            let (teller, file, noted) = (teller.clone(), file.clone(), noted.clone());
            async move {
                let ops = open::ops(loaded, "dashboard").await?;
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(ops.clone());
                let door = OpsDoor::new(ops, &teller).remembering(file).noting(noted).under(live);
                Ok(Arc::new(door) as Arc<dyn Door>)
            }
            .boxed()
        });
        Box::new(LateDoor::open(post, opening, Box::new(following)))
    });
    (dashboard, door)
}

/// A door, and what lives as long as it.
struct Holding<D, K>(D, K);

impl<D: Door, K: Send + Sync + 'static> Door for Holding<D, K> {
    fn carry_out(&self, effect: Effect, reply: Reply) -> BoxFuture<'static, ()> {
        self.0.carry_out(effect, reply)
    }
}

/// What the dashboard is started with, and what in the settings is odd and does not stop it.
pub(super) fn dashboard(loaded: &Loaded) -> (Dashboard, Vec<String>) {
    let settings = &loaded.settings;
    let screen = &settings.screen;
    let mut odd = loaded.warnings.clone();
    let mistakes = mistakes(loaded);
    odd.extend(mistakes.first().map(ToString::to_string));
    let (keymap, _) = keymap(loaded);
    let depth = depth(screen.colours);
    // The library that writes the colours looks at NO_COLOR too: what was decided here holds.
    crossterm::style::force_color_output(depth != Depth::None);
    let themes = ThemeSet::new(depth);
    odd.extend(themes::read_all(&themes, &loaded.places.themes_dir));
    let theme = theme(loaded)
        .map(|theme| theme.name().to_owned())
        .unwrap_or_else(|_| Theme::default().name().to_owned());
    let remembered = memory::load(&loaded.places.screen_file()).unwrap_or_else(|problem| {
        odd.push(problem.message);
        Remembered::default()
    });
    let dashboard = Dashboard {
        ui: UiSettings {
            remembered,
            profile: settings.fleet.name.clone(),
            alerts: alerts(loaded, &mut odd),
            config: ConfigFacts {
                profile: loaded.profile.clone(),
                profiles: loaded.profiles.clone(),
                mistakes: mistakes.iter().map(reload::shown).collect(),
                places: places(loaded),
                ..ConfigFacts::default()
            },
            commands: settings.command.iter().cloned().map(Arc::new).collect(),
            guard: crate::ops::guard_of(loaded),
            thresholds: settings.thresholds(),
            rules: settings.health_rules(),
            stale_after: settings.checks.stale_after.0,
            root_domain: settings.root_domain().map(str::to_owned),
            reserved: settings.reserved_names().to_vec(),
            admin_login: settings.fleet.admin_login.clone(),
            ascii: ascii(screen.ascii),
            theme,
            themes: themes.names(),
            mouse: screen.mouse,
            start: match screen.start {
                StartPane::Servers => Pane::Servers,
                StartPane::Instances => Pane::List,
            },
            keymap,
            log_paths: crate::ops::log_paths(&loaded.places.data_dir),
            files: Vec::new(),
            unlock: None,
            menu_delay: screen.menu_delay.0,
        },
        themes,
        modes: Modes {
            mouse: screen.mouse,
            keyboard: screen.keyboard_protocol,
        },
        pace: Pace {
            frame: screen.coalesce.0,
            ..Pace::default()
        },
        ..Dashboard::default()
    };
    (dashboard, odd)
}

/// Where alerts of this registry are remembered.
fn noted(loaded: &Loaded) -> PathBuf {
    let place = match &loaded.places.shared {
        Some(address) => {
            Postgres::place_of(address, shared::reach(loaded, "vigie")).unwrap_or_else(|_| config::masked(address))
        }
        None => loaded.places.registry.display().to_string(),
    };
    loaded.places.alerts_file(&place)
}

/// What the settings say of alerts, with what was remembered of them.
fn alerts(loaded: &Loaded, odd: &mut Vec<String>) -> AlertSettings {
    let settings = &loaded.settings.alerts;
    let actor = open::actor("dashboard");
    AlertSettings {
        rules: loaded.settings.alert_rules(),
        bell: settings.bell,
        notify: osc(settings.notify),
        command: !settings.command.is_empty(),
        snooze: settings.snooze.0,
        operator: SafeText::new(&format!("{}@{}", actor.os_user, actor.host)),
        remembered: memory::load_attention(&noted(loaded)).unwrap_or_else(|problem| {
            odd.push(problem.message);
            Remembrance::default()
        }),
    }
}

/// How this terminal is asked to notify the desktop.
fn osc(notify: Notify) -> Option<Osc> {
    let var = |name| std::env::var(name).unwrap_or_default();
    Some(match notify {
        Notify::Off => return None,
        Notify::Osc9 => Osc::Nine,
        Notify::Osc777 => Osc::Triple7,
        Notify::Both => Osc::Both,
        // Those that know OSC 777 alone; most others know OSC 9.
        Notify::Auto if !var("VTE_VERSION").is_empty() => Osc::Triple7,
        Notify::Auto if ["foot", "rxvt"].iter().any(|name| var("TERM").starts_with(name)) => Osc::Triple7,
        Notify::Auto => Osc::Nine,
    })
}

/// Whether only ASCII is drawn: as the settings say; by themselves where the locale has nothing else.
fn ascii(setting: Ascii) -> bool {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match setting {
        Ascii::Always(is) => is,
        Ascii::Auto => var("LC_ALL")
            .or_else(|| var("LC_CTYPE"))
            .or_else(|| var("LANG"))
            .is_some_and(|locale| !is_utf8(&locale)),
    }
}

/// Whether a locale's name says that its characters are UTF-8.
fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// How many colours the terminal shows: as the settings say, else as it says itself.
fn depth(setting: Colours) -> Depth {
    let var = |name| std::env::var(name).ok();
    if let Some(depth) = Depth::named(setting.name()) {
        return depth;
    }
    Depth::of(
        var("NO_COLOR").as_deref(),
        var("COLORTERM").as_deref(),
        var("TERM").as_deref(),
    )
}

/// The keys, and what in the settings could not be followed.
pub(super) fn keymap(loaded: &Loaded) -> (Keymap, Vec<KeyClash>) {
    let settings = &loaded.settings;
    let mut wanted = Vec::new();
    for (action, keys) in &settings.keys {
        wanted.extend(keys.lines().into_iter().map(|(place, keys)| Wanted {
            action: action.clone(),
            place: place.map(str::to_owned),
            keys: keys.to_vec(),
        }));
    }
    Keymap::made(Ready::named(settings.screen.keymap.name()).unwrap_or_default(), &wanted)
}

/// The theme: the operator's own file of that name before the one that is built in.
///
/// # Errors
/// Why it can't be had.
pub(super) fn theme(loaded: &Loaded) -> Result<Theme, String> {
    let name = loaded.settings.screen.theme.as_str();
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    let path = loaded.places.themes_dir.join(format!("{name}.toml"));
    if plain && path.is_file() {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        return Theme::parse(name, &text).map_err(|error| error.to_string());
    }
    Theme::built_in(name).ok_or_else(|| {
        let near = config::nearest(name, &Theme::BUILT_IN).map(|near| format!("; did you mean {near:?}?"));
        format!(
            "there is no theme {name:?}: built in are {}, your own belong in {}{}",
            Theme::BUILT_IN.join(", "),
            loaded.places.themes_dir.display(),
            near.unwrap_or_default()
        )
    })
}

fn problem(error: &DashboardError) -> Problem {
    let problem = Problem::new("no_terminal", error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
