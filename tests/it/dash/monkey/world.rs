//! What stands outside of the dashboard while it is played with: a fleet that changes, and answers, late and in any
//! order, to what was asked.

use super::super::{fleet, happened, story};
use fleet::Dice;
use jiff::SignedDuration;
use vigie::domain::check::CheckReport;
use vigie::domain::instance::{Customer, Instance, InstanceSpec, InstanceState};
use vigie::domain::job::{JobState, LogLevel, Stream};
use vigie::domain::log::{Command, LogPlace, LogTarget};
use vigie::domain::server::Intent;
use vigie::domain::template::TemplateState;
use vigie::domain::{
    CustomerId, DbName, InstanceId, JobId, Problem, SafeText, SecretRef, ServerId, Subdomain, TemplateId,
};
use vigie::tui::model::{
    Act, Answer, Cleared, Delta, Effect, Ended, Enter, Expected, Fleet, Lend, Message, Model, Notice, PlanPreview,
    Target, Written,
};

/// Names that cost other programs their screens.
pub(super) const NAMES: &[&str] = &[
    "acme",
    "Bistro Nord",
    "東京都庁",
    "e\u{301}\u{301}\u{301}\u{302}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}",
    "\u{1b}]0;x\u{7}\u{1b}[2J",
    "\u{202e}gnp.exe",
    "👩‍👩‍👧‍👦👨🏽‍🚀",
    "",
    "a\nb\tc\0",
    "ｆｕｌｌ　ｗｉｄｔｈ",
    "very long name of a customer who could not stop typing, and of whom nobody knows why",
];

pub(super) struct World {
    pub(super) fleet: Fleet,
    next: i64,
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

impl World {
    /// The fleet of the picture, or one so large that its lists are looked through by tasks.
    pub(super) fn new(large: bool) -> Self {
        Self {
            fleet: if large {
                fleet::large(20, 4_000)
            } else {
                fleet::picture()
            },
            next: 20_000,
        }
    }

    fn new_id(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn some_server(&self, dice: &mut Dice) -> Option<usize> {
        (!self.fleet.servers.is_empty()).then(|| dice.below(self.fleet.servers.len()))
    }

    /// One thing changes outside, and is told.
    pub(super) fn change(&mut self, dice: &mut Dice) -> Message {
        let mut delta = Delta::default();
        match dice.below(20) {
            0..=3 => {
                if let Some(at) = self.some_server(dice) {
                    let server = &mut self.fleet.servers[at];
                    server.version += 1;
                    let mut now = match dice.below(4) {
                        0 => fleet::down(server.clone()),
                        1 => fleet::full(server.clone()),
                        _ => fleet::server(server.id.0, server.spec.code.as_str(), 50, 12),
                    };
                    now.version = server.version;
                    now.spec.name = SafeText::new(dice.pick(NAMES));
                    now.intent = [Intent::Active, Intent::Maintenance, Intent::Disabled, Intent::Draft][dice.below(4)];
                    *server = now.clone();
                    delta.servers.push(now);
                }
            }
            4 if self.fleet.servers.len() < 40 => {
                let id = self.new_id();
                let server = fleet::server(id, &format!("new-{id}"), 50, 0);
                self.fleet.servers.push(server.clone());
                self.fleet
                    .servers
                    .sort_by(|a, b| a.spec.code.as_str().cmp(b.spec.code.as_str()));
                delta.servers.push(server);
            }
            5 => {
                // Seldom the last of them: there is little to do on an empty fleet.
                if let Some(at) = self.some_server(dice)
                    && (self.fleet.servers.len() > 2 || dice.below(8) == 0)
                {
                    let id = self.fleet.servers.remove(at).id;
                    delta.gone_servers.push(id);
                    for row in self.fleet.instances.extract_if(.., |row| row.server == id) {
                        delta.gone_instances.push(row.id);
                    }
                }
            }
            6..=9 => {
                if let Some(at) = self.some_server(dice) {
                    let server = self.fleet.servers[at].id.0;
                    let count = [1, 1, 3, 40][dice.below(4)];
                    for _ in 0..count {
                        if self.fleet.instances.len() > 4_400 {
                            break;
                        }
                        let id = self.new_id();
                        let row = named(id, server, dice.pick(NAMES), dice);
                        self.fleet.instances.push(row.clone());
                        delta.instances.push(row);
                    }
                }
            }
            10..=11 => {
                for _ in 0..[1, 2, 30][dice.below(3)] {
                    if !self.fleet.instances.is_empty() {
                        let at = dice.below(self.fleet.instances.len());
                        delta.gone_instances.push(self.fleet.instances.remove(at).id);
                    }
                }
            }
            12..=13 => {
                let len = self.fleet.instances.len();
                if let Some(row) = self.fleet.instances.get_mut(dice.below(len)) {
                    let (id, server, version) = (row.id.0, row.server.0, row.version + 1);
                    *row = named(id, server, dice.pick(NAMES), dice);
                    row.version = version;
                    delta.instances.push(row.clone());
                }
            }
            14..=15 => {
                let id = if dice.below(2) == 0 {
                    self.new_id()
                } else {
                    38 + number(dice.below(9))
                };
                let state = [
                    JobState::Queued,
                    JobState::Running,
                    JobState::Running,
                    JobState::Undoing,
                    JobState::Done,
                    JobState::Failed,
                    JobState::Cancelled,
                    JobState::Stuck,
                ][dice.below(8)];
                let mut job = fleet::job(id, state, dice.below(8));
                job.title = SafeText::new(dice.pick(NAMES));
                self.fleet.jobs.retain(|old| old.id != job.id);
                self.fleet.jobs.push(job.clone());
                self.fleet.jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
                self.fleet.jobs.truncate(60);
                delta.jobs.push(job);
            }
            16 => {
                let state = [TemplateState::Ready, TemplateState::Draft][dice.below(2)];
                let id = 1 + number(dice.below(5));
                let mut template = fleet::template(id, &format!("template-{id}"), 1, state);
                template.version = number(dice.below(9));
                self.fleet.templates.retain(|old| old.id != template.id);
                if dice.below(3) == 0 {
                    delta.gone_templates.push(TemplateId(id));
                } else {
                    self.fleet.templates.push(template.clone());
                    delta.templates.push(template);
                }
            }
            17 => {
                let customers = (0..dice.below(50)).map(|n| Customer {
                    id: CustomerId(number(n) + 1),
                    name: SafeText::new(&format!("{} {n}", dice.pick(NAMES))),
                    email: None,
                });
                self.fleet.customers = customers.collect();
                let keep = dice.below(4);
                self.fleet.plans = fleet::plans();
                self.fleet.plans.truncate(keep);
                delta.catalog = Some((self.fleet.plans.clone(), self.fleet.customers.clone()));
            }
            18 => {
                self.fleet.workers = dice.below(3);
                delta.workers = Some(self.fleet.workers);
            }
            _ => return self.whole(dice),
        }
        self.fleet.read_at = Some(fleet::noon());
        delta.read_at = self.fleet.read_at;
        Message::Answer(Answer::Delta(Box::new(delta)))
    }

    /// Everything anew; sometimes a large fleet's first part.
    fn whole(&mut self, dice: &mut Dice) -> Message {
        let mut fleet = self.fleet.clone();
        match dice.below(8) {
            0 => {
                fleet = Fleet {
                    read_at: Some(fleet::noon()),
                    ..Fleet::default()
                }
            }
            1 => {
                fleet.partly = fleet.servers.first().map(|server| server.id);
                fleet.instances.retain(|row| Some(row.server) == fleet.partly);
            }
            _ => {}
        }
        Message::Answer(Answer::Fleet(Box::new(fleet)))
    }

    /// What comes back for an effect, well or not. Nothing where nothing would.
    pub(super) fn answer(&mut self, effect: Effect, model: &Model, dice: &mut Dice) -> Option<Message> {
        let fails = dice.below(12) == 0;
        let problem = || Problem::new("timeout", "no answer\u{1b}[2J").hint("look at it");
        let failed = |what: &str| {
            Some(Message::Answer(Answer::Failed {
                what: SafeText::new(what),
                problem: problem(),
            }))
        };
        let answer = match effect {
            Effect::LoadFleet if fails => return Some(Message::Notice(Notice::RegistryLost(problem()))),
            Effect::LoadFleet => return Some(self.whole(dice)),
            _ if fails && dice.below(2) == 0 => return failed("what happened"),
            Effect::LoadHistory(server) => Answer::History {
                server,
                points: fleet::history(),
            },
            Effect::LoadInstance(id) => Answer::Instance(Box::new(instance(id, dice))),
            Effect::FollowLog(job) => Answer::LogLines {
                job,
                lines: lines(1, 1 + dice.below(300), dice),
                end: 300,
            },
            Effect::LogBefore { job, before, limit } => {
                let from = (before - number(limit.min(60))).max(1);
                Answer::LogLines {
                    job,
                    lines: lines(from, usize::try_from((before - from).max(0)).unwrap(), dice),
                    end: 300,
                }
            }
            Effect::LoadAudit { seq, .. } => Answer::Audit {
                seq,
                rows: happened::rows().into_iter().skip(dice.below(3)).collect(),
            },
            Effect::OpenLog { .. } | Effect::ReadLog { .. } => {
                let text = model.log.text.as_ref()?;
                let seq = text.asking.as_ref().map(|asking| asking.seq);
                super::super::storm::of_a_file(dice, text.id, seq)
            }
            Effect::PlanInstance { seq, draft } => {
                let server = self.some_server(dice).map(|at| &self.fleet.servers[at]);
                let mut draft = *draft;
                draft.server = server.map(|server| server.id);
                Answer::Plan {
                    seq,
                    result: if fails {
                        Err(problem())
                    } else {
                        Ok(Box::new(PlanPreview {
                            draft,
                            steps: fleet::job(1, JobState::Queued, 0)
                                .steps
                                .into_iter()
                                .map(|step| step.planned)
                                .collect(),
                            url: SafeText::new("https://x.example.org"),
                            passed_over: vec![(ServerId(1), SafeText::new("full"))],
                            notes: vec![SafeText::new("cloned")],
                            warnings: vec![SafeText::new("open to the world")],
                            expected: Expected {
                                server: server.map(|server| (server.id, server.version)),
                                template: None,
                            },
                        }))
                    },
                }
            }
            Effect::Act { ticket, act } => Answer::Ended {
                ticket,
                result: if fails {
                    Err(problem())
                } else {
                    Ok(Box::new(self.ended(&act, dice)))
                },
            },
            Effect::Find(request) => Answer::Found(Box::new(request.run(&|| false)?)),
            Effect::Palette(request) => Answer::Palette {
                seq: request.seq,
                lines: request.run(&|| false)?,
            },
            Effect::Explain { seq, .. } => Answer::Explained {
                seq,
                result: if fails {
                    Err(problem())
                } else {
                    Ok(Box::new(story::explained()))
                },
            },
            Effect::Timeline { seq, .. } => Answer::Happened {
                seq,
                result: if fails { Err(problem()) } else { Ok(story::happened()) },
            },
            Effect::AlertCommand(_) => Answer::CommandEnded(if fails { Err(problem()) } else { Ok(()) }),
            Effect::Enter(enter) => Answer::Lend(Box::new(lend(match enter {
                Enter::Shell(_) => "ssh",
                Enter::Psql(_) => "psql",
                Enter::Config => "vi",
            }))),
            Effect::Lend(lend) => {
                return Some(Message::Lent {
                    title: lend.title,
                    ended: match dice.below(4) {
                        0 => Err("no such program".to_owned()),
                        1 => Ok(None),
                        n => Ok(Some(i32::try_from(n).unwrap() - 2)),
                    },
                });
            }
            Effect::Suspend => return Some(Message::Resumed),
            _ => return None,
        };
        Some(Message::Answer(answer))
    }

    fn ended(&mut self, act: &Act, dice: &mut Dice) -> Ended {
        let mut ended = Ended {
            text: SafeText::new(dice.pick(NAMES)),
            ..Ended::default()
        };
        match act {
            Act::AddServer(_) => {
                let id = self.new_id();
                self.fleet
                    .servers
                    .push(fleet::server(id, &format!("added-{id}"), 20, 0));
                ended.created = Some(Target::Server(ServerId(id)));
            }
            Act::CreateInstance { .. } | Act::DeleteInstance { .. } | Act::TemplateJob { .. } | Act::RetryJob(_) => {
                ended.job = Some(JobId(self.new_id()));
            }
            Act::AddTemplate(_) => ended.created = Some(Target::Template(TemplateId(1 + number(dice.below(5))))),
            Act::Test(_) | Act::Check(_) => {
                ended.report = Some(Box::new(CheckReport {
                    at: fleet::noon(),
                    latency_ms: 12,
                    failure: None,
                    warnings: Vec::new(),
                    version: None,
                    layers: Vec::new(),
                }));
            }
            Act::Command(_) => match dice.below(3) {
                0 => {
                    ended.output = Some(Box::new(Written {
                        command: SafeText::new("echo \u{1b}[2J"),
                        code: Some(0),
                        lines: NAMES.iter().map(|name| SafeText::new(name)).collect(),
                        dropped: dice.below(3),
                    }));
                }
                1 => ended.ready = Some(Box::new(Cleared::Terminal(lend("top")))),
                _ => {
                    ended.ready = Some(Box::new(Cleared::Log(LogTarget::Output {
                        place: LogPlace::Here,
                        command: Command::of(vec!["uptime".to_owned()]).unwrap(),
                    })));
                }
            },
            _ => {}
        }
        ended
    }
}

fn lend(program: &str) -> Lend {
    Lend {
        title: SafeText::new(program),
        argv: vec![program.to_owned()],
        env: Vec::new(),
        secrets: Vec::new(),
    }
}

fn named(id: i64, server: i64, name: &str, dice: &mut Dice) -> vigie::tui::model::InstanceRow {
    let states = [
        InstanceState::Active,
        InstanceState::Active,
        InstanceState::Suspended,
        InstanceState::Failed,
        InstanceState::Draft,
        InstanceState::Provisioning,
    ];
    vigie::tui::model::InstanceRow::new(
        InstanceId(id),
        ServerId(server),
        TemplateId(1),
        &SafeText::new(name),
        &format!("i{id}"),
        &format!("i{id}"),
    )
    .with(
        1,
        None,
        Some(CustomerId(1 + id % 40)),
        states[dice.below(states.len())],
        Some(u64::try_from(id).unwrap() << dice.below(40)),
        fleet::noon() - SignedDuration::from_mins(id),
    )
}

fn lines(from: i64, count: usize, dice: &mut Dice) -> Vec<vigie::domain::job::LogLine> {
    let levels = [LogLevel::Begin, LogLevel::Success, LogLevel::Error, LogLevel::Info];
    (from..from + number(count))
        .map(|seq| {
            let text = dice.pick(NAMES).repeat(1 + dice.below(6));
            let step = Some(dice.below(9)).filter(|step| *step < 8);
            let streams = [Stream::Engine, Stream::Stdout, Stream::Progress];
            fleet::line(seq, step, streams[dice.below(3)], levels[dice.below(4)], &text)
        })
        .collect()
}

fn instance(id: InstanceId, dice: &mut Dice) -> Instance {
    Instance {
        id,
        version: 1,
        spec: InstanceSpec {
            name: SafeText::new(dice.pick(NAMES)),
            customer_id: None,
            plan_id: None,
            template_id: Some(TemplateId(1)),
            server_id: ServerId(1),
            database_name: DbName::parse("acme").unwrap(),
            subdomain: Subdomain::parse("acme").unwrap(),
            url: "https://acme.example.org".to_owned(),
            admin_login: "admin".to_owned(),
            admin_password: SecretRef::parse("env:X").unwrap(),
            dedicated: None,
        },
        state: InstanceState::Active,
        database_oid: Some(7),
        database_uuid: None,
        size_bytes: Some(1),
        created_at: fleet::noon(),
    }
}
