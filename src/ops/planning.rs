//! What making an instance would do: names derived and checked, a server found, every step's look.

use super::{Answer, Ops, shown};
use crate::domain::capacity::{self, NoServer, PassedOver, Placement};
use crate::domain::instance::{Instance, InstanceSpec};
use crate::domain::names::{suggest_database, suggest_subdomain};
use crate::domain::rights::Deed;
use crate::domain::server::Server;
use crate::domain::template::{Template, TemplateState};
use crate::domain::{DbName, PlanId, Problem, SafeText, SecretRef, ServerId, Subdomain, TemplateId};
use crate::jobs::{JobPlan, Request};

/// What an operator asks of a new instance; what is not given is derived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceRequest {
    /// Its name.
    pub name: String,
    /// The templates it may be cloned from; any ready one where empty. Several (a template that is kept
    /// on several servers) leave the choice to placement.
    pub templates: Vec<TemplateId>,
    /// Its server; the template's, or placement's choice where not given.
    pub server: Option<ServerId>,
    /// Its label; derived from the name.
    pub subdomain: Option<String>,
    /// Its database; derived from the subdomain.
    pub database: Option<String>,
    /// Whose it is, by name; added where not known.
    pub customer: Option<String>,
    /// The plan it is sold as.
    pub plan: Option<PlanId>,
    /// Its address; derived from the root domain or the server's URL.
    pub url: Option<String>,
    /// Its administrator's login; the settings' where not given.
    pub admin_login: Option<String>,
    /// Its administrator's password; made and sealed where not given.
    pub admin_password: Option<SecretRef>,
}

/// What making an instance would do.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePlan {
    /// What it would be made as.
    pub spec: InstanceSpec,
    /// Whether its administrator's password is made when it is queued.
    pub makes_password: bool,
    /// The customer by name, where one was given.
    pub customer: Option<SafeText>,
    /// The server, as it was when planned.
    pub server: Server,
    /// The template, as it was when planned.
    pub template: Template,
    /// Which servers were passed over, and why.
    pub passed_over: Vec<PassedOverServer>,
    /// What is queued, with notes and warnings. Its `expected` is what the plan was made on.
    pub job: JobPlan,
}

/// A server that can't take an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct PassedOverServer {
    /// Which.
    pub id: ServerId,
    /// Its code.
    pub code: String,
    /// Why.
    pub why: PassedOver,
}

/// Where the next instance goes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacementAnswer {
    /// The server.
    pub server: Server,
    /// Who can't take it, and why.
    pub passed_over: Vec<PassedOverServer>,
}

/// Names that were asked for or derived, and allowed.
struct Names {
    name: SafeText,
    subdomain: Subdomain,
    database: DbName,
    admin_login: String,
}

/// Where it goes and from what.
struct Place {
    server: Server,
    template: Template,
    passed_over: Vec<PassedOverServer>,
    note: Option<SafeText>,
}

impl Ops {
    /// The active server with the most free capacity, at least this share of its places (the
    /// settings' where not given).
    ///
    /// # Errors
    /// "No available server found", and why each was passed over.
    pub async fn placement(&self, min_free_percent: Option<u32>) -> Answer<PlacementAnswer> {
        let servers = self.servers().await?;
        let asked = min_free_percent.unwrap_or(self.settings().thresholds().placement_free_percent);
        let chosen = capacity::place(&servers, asked).map_err(|none| nowhere(&servers, &none))?;
        answer(servers, &chosen)
    }

    /// What making an instance would do. Nothing is changed; a refusal is written down.
    ///
    /// # Errors
    /// Why it can't be made.
    pub async fn plan_instance(&self, request: InstanceRequest) -> Answer<InstancePlan> {
        let label = SafeText::capped(&request.name, 200);
        self.allowed(Deed::CreateInstance, "instance.create", "instance", label.as_str())
            .await?;
        match self.make_plan(request).await {
            Ok(plan) => Ok(plan),
            Err(problem) => {
                self.refuse("instance.create", "instance", label.as_str(), problem)
                    .await
            }
        }
    }

    /// As [`Ops::plan_instance`], for a form that asks at every keystroke: a refusal is no attempt, and
    /// is not written down.
    ///
    /// # Errors
    /// Why it can't be made.
    pub async fn preview_instance(&self, request: InstanceRequest) -> Answer<InstancePlan> {
        self.make_plan(request).await
    }

    async fn make_plan(&self, request: InstanceRequest) -> Answer<InstancePlan> {
        let names = self.names(&request)?;
        let place = self.place(&request).await?;
        self.not_taken(&names, &place.server).await?;
        let url = self.url(&request, &names.subdomain, &place.server)?;
        // Stands for a password that is made only when the plan is queued: looking makes no secret.
        let pending = || SecretRef::Sealed {
            key_id: "to be made".to_owned(),
            blob: "-".to_owned(),
        };
        let makes_password = request.admin_password.is_none();
        let spec = InstanceSpec {
            name: names.name,
            customer_id: None,
            plan_id: request.plan,
            template_id: Some(place.template.id),
            server_id: place.server.id,
            database_name: names.database,
            subdomain: names.subdomain,
            url,
            admin_login: names.admin_login,
            admin_password: request.admin_password.unwrap_or_else(pending),
            dedicated: None,
        };
        let customer = request
            .customer
            .as_deref()
            .map(|name| SafeText::capped(name.trim(), 200))
            .filter(|name| !name.as_str().is_empty());
        let thresholds = self.settings().thresholds();
        let asked = Request::InstanceCreate(Box::new(spec.clone()));
        let mut job = crate::jobs::plan(self.registry.as_ref(), &self.tools, asked, &thresholds).await?;
        job.notes.extend(place.note);
        Ok(InstancePlan {
            spec,
            makes_password,
            customer,
            server: place.server,
            template: place.template,
            passed_over: place.passed_over,
            job,
        })
    }

    fn names(&self, request: &InstanceRequest) -> Answer<Names> {
        let invalid = |why: String| Problem::new("invalid_name", why);
        let settings = self.settings();
        let name = SafeText::capped(request.name.trim(), 200);
        if name.as_str().is_empty() {
            return Err(invalid("the instance's name is empty".to_owned()));
        }
        let subdomain = match &request.subdomain {
            Some(text) => Subdomain::parse(text).map_err(|error| invalid(error.to_string()))?,
            None => suggest_subdomain(name.as_str())
                .ok_or_else(|| invalid(format!("no subdomain can be made of {:?}", name.as_str())))
                .map_err(|problem| problem.hint("give one: --subdomain"))?,
        };
        let reserved = |error: crate::domain::NameError| {
            Problem::new("reserved_name", error.to_string()).hint("choose another; [fleet] reserved_names lists them")
        };
        let subdomain = subdomain
            .allowed(settings.reserved_names(), settings.root_domain())
            .map_err(reserved)?;
        let database = match &request.database {
            Some(text) => DbName::parse(text).map_err(|error| invalid(error.to_string()))?,
            None => suggest_database(&subdomain)
                .ok_or_else(|| invalid(format!("no database name can be made of {:?}", subdomain.as_str())))
                .map_err(|problem| problem.hint("give one: --database"))?,
        };
        let same = |word: &String| word.eq_ignore_ascii_case(database.as_str());
        if settings.reserved_names().iter().any(same) {
            return Err(reserved(crate::domain::NameError::Reserved {
                what: "the database name",
                name: database.to_string(),
            }));
        }
        let admin_login = request
            .admin_login
            .clone()
            .filter(|login| !login.is_empty())
            .unwrap_or_else(|| settings.fleet.admin_login.clone());
        if admin_login.trim().is_empty() || admin_login.len() > 200 || admin_login.chars().any(char::is_control) {
            return Err(invalid(
                "the administrator's login is 1 to 200 bytes without control characters".to_owned(),
            ));
        }
        Ok(Names {
            name,
            subdomain,
            database,
            admin_login,
        })
    }

    async fn place(&self, request: &InstanceRequest) -> Answer<Place> {
        let servers = self.servers().await?;
        let code = |id: ServerId| {
            let server = servers.iter().find(|s| s.id == id);
            server.map_or_else(|| format!("#{id}"), |s| s.spec.code.to_string())
        };
        let mut templates = self.templates().await?;
        if request.templates.is_empty() {
            templates.retain(|t| t.state == TemplateState::Ready);
            if templates.is_empty() {
                return Err(Problem::new("no_template", "no template is ready")
                    .hint("`vigie template list` shows them; `vigie template create-database CODE` makes one ready"));
            }
        } else {
            templates.retain(|t| request.templates.contains(&t.id));
        }
        if let Some(wanted) = request.server {
            let elsewhere: Vec<String> = templates
                .iter()
                .map(|t| format!("{} is on {}", t.spec.code, code(t.spec.server_id)))
                .collect();
            templates.retain(|t| t.spec.server_id == wanted);
            if templates.is_empty() {
                let message = format!("no such template on {}: {}", code(wanted), elsewhere.join(", "));
                return Err(Problem::new("template_elsewhere", message).hint(
                    "an instance is cloned on its template's server: leave --server out, or make a template there",
                ));
            }
        }
        let hosts: Vec<Server> = servers
            .iter()
            .filter(|s| templates.iter().any(|t| t.spec.server_id == s.id))
            .cloned()
            .collect();
        let thresholds = self.settings().thresholds();
        // A server that is given, or the only one there is, needs what provisioning needs; a choice among
        // several leaves more room, as long as one has it.
        let searched = if hosts.len() > 1 {
            capacity::place(&hosts, thresholds.placement_free_percent)
        } else {
            capacity::place(&hosts, thresholds.provision_free_percent)
        };
        let chosen = searched
            .or_else(|_| capacity::place(&hosts, thresholds.provision_free_percent))
            .map_err(|none| nowhere(&hosts, &none))?;
        let PlacementAnswer { server, passed_over } = answer(hosts, &chosen)?;
        templates.retain(|t| t.spec.server_id == server.id);
        let others: Vec<String> = templates.iter().skip(1).map(|t| t.spec.code.to_string()).collect();
        let template = templates
            .into_iter()
            .next()
            .ok_or_else(|| Problem::new("not_found", "the template is gone"))?;
        let note = (!others.is_empty()).then(|| {
            let code = &template.spec.code;
            SafeText::new(&format!(
                "template {code} was chosen; there are also: {}",
                others.join(", ")
            ))
        });
        if template.state != TemplateState::Ready {
            let (code, state) = (&template.spec.code, template.state.word());
            let problem = Problem::new(
                "template_not_ready",
                format!("the template {code} is {state}, not ready"),
            );
            return Err(problem.hint(format!(
                "`vigie template create-database {code}` or `vigie template adopt {code}` makes it ready"
            )));
        }
        Ok(Place {
            server,
            template,
            passed_over,
            note,
        })
    }

    /// Names are kept from others by those that take a place. The registry has the last word when the
    /// job is queued; this says it before.
    async fn not_taken(&self, names: &Names, server: &Server) -> Answer<()> {
        let taken = |what: &str, word: &str, by: &Instance| {
            let message = format!(
                "{what} {word:?} is taken already by {} ({})",
                by.spec.name,
                by.state.word()
            );
            Err(Problem::new("taken", message).hint("choose another"))
        };
        let subdomain = names.subdomain.as_str();
        let database = names.database.as_str();
        for other in self.registry.instances_called(subdomain).await.map_err(shown)? {
            if other.state.takes_place() && other.spec.subdomain.as_str() == subdomain {
                return taken("the subdomain", subdomain, &other);
            }
        }
        for other in self.registry.instances_called(database).await.map_err(shown)? {
            let same = other.spec.server_id == server.id && other.spec.database_name.as_str() == database;
            if same && other.state.takes_place() {
                return taken("the database", database, &other);
            }
        }
        Ok(())
    }

    fn url(&self, request: &InstanceRequest, subdomain: &Subdomain, server: &Server) -> Answer<String> {
        let Some(url) = &request.url else {
            return Ok(match self.settings().root_domain() {
                Some(root) => format!("https://{subdomain}.{root}"),
                None => server.spec.server_url.to_string(),
            });
        };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let plain = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()) && !rest.contains('@');
        match rest {
            Some(rest) if plain(rest) && url.len() <= 255 => Ok(url.trim_end_matches('/').to_owned()),
            _ => {
                let problem = Problem::new(
                    "invalid_value",
                    "the instance's URL must start with http:// or https://",
                );
                Err(problem.hint("for instance https://client-abc.example.org"))
            }
        }
    }
}

fn answer(servers: Vec<Server>, chosen: &Placement) -> Answer<PlacementAnswer> {
    let passed_over = passed(&servers, &chosen.passed_over);
    let server = servers
        .into_iter()
        .find(|s| s.id == chosen.server)
        .ok_or_else(|| Problem::new("not_found", "the chosen server is gone"))?;
    Ok(PlacementAnswer { server, passed_over })
}

fn passed(servers: &[Server], over: &[(ServerId, PassedOver)]) -> Vec<PassedOverServer> {
    let code = |id: ServerId| servers.iter().find(|s| s.id == id).map(|s| s.spec.code.to_string());
    over.iter()
        .map(|(id, why)| PassedOverServer {
            id: *id,
            code: code(*id).unwrap_or_default(),
            why: *why,
        })
        .collect()
}

fn nowhere(servers: &[Server], none: &NoServer) -> Problem {
    let reasons: Vec<String> = passed(servers, &none.passed_over)
        .iter()
        .map(|p| format!("{} {}", p.code, p.why))
        .collect();
    if reasons.is_empty() {
        return Problem::new("no_server", format!("{none}: none is registered"))
            .hint("add one with `vigie server add`");
    }
    Problem::new("no_server", format!("{none}: {}", reasons.join("; ")))
        .hint("activate another server, raise a limit (max_instances), or ask for less free capacity")
}
