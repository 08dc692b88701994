//! What making a dedicated instance would do: names by rule, ports that are free, every step's look.

use super::{Answer, Ops, shown};
use crate::domain::dedicated::{
    Branch, Build, DedicatedFacts, DedicatedSpec, DnsAccess, DnsMethod, Names, Ports, Purpose, Removal, Repository,
    RootDomain, Series, Source, TlsMethod,
};
use crate::domain::instance::InstanceSpec;
use crate::domain::names::{RemotePath, Subdomain};
use crate::domain::rights::Deed;
use crate::domain::server::Server;
use crate::domain::{PlanId, Problem, SafeText, SecretRef, ServerId};
use crate::jobs::{JobPlan, Request};
use crate::remote::host::Run;
use std::collections::BTreeSet;
use std::time::Duration;

/// What an operator asks of a new dedicated instance; what is not given is the settings'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedicatedRequest {
    /// Its name: one DNS label.
    pub name: String,
    /// Its server.
    pub server: ServerId,
    /// What it is for.
    pub purpose: Purpose,
    /// Where its certificate comes from.
    pub tls: Option<TlsMethod>,
    /// Who makes its name known.
    pub dns: Option<DnsMethod>,
    /// Odoo's version.
    pub version: Option<String>,
    /// Where Odoo's source comes from.
    pub source: Option<String>,
    /// Which branch or tag of a repository.
    pub branch: Option<String>,
    /// Whose it is, by name; added where not known.
    pub customer: Option<String>,
    /// The plan it is sold as.
    pub plan: Option<PlanId>,
    /// Its administrator's login; the settings' where not given.
    pub admin_login: Option<String>,
    /// Its administrator's password; made and sealed where not given.
    pub admin_password: Option<SecretRef>,
}

/// What making a dedicated instance would do.
#[derive(Debug, Clone, PartialEq)]
pub struct DedicatedPlan {
    /// What it would be made as.
    pub spec: InstanceSpec,
    /// Whether its administrator's password is made when it is queued.
    pub makes_password: bool,
    /// The customer by name, where one was given.
    pub customer: Option<SafeText>,
    /// The server, as it was when planned.
    pub server: Server,
    /// What is queued, with notes and warnings.
    pub job: JobPlan,
}

fn invalid(why: impl ToString) -> Problem {
    Problem::new("invalid_name", why.to_string())
}

fn unset(what: &str, setting: &str) -> Problem {
    Problem::new("not_configured", format!("{what} is not set")).hint(format!(
        "give {setting} in the section [dedicated] of the configuration"
    ))
}

/// Where Odoo's source comes from, as it is written: a path on the server, or a repository.
fn source_of(text: &str, branch: &str, series: Series) -> Answer<Source> {
    if text.is_empty() {
        return Err(unset("Odoo's source", "source"));
    }
    if !text.starts_with('/') {
        let branch = match branch {
            "" => format!("{}.0", series.0),
            given => given.to_owned(),
        };
        return Ok(Source::Git {
            repository: Repository::parse(text).map_err(invalid)?,
            branch: Branch::parse(&branch).map_err(invalid)?,
        });
    }
    let path = RemotePath::parse(text).map_err(invalid)?;
    let packed = [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2"];
    Ok(if packed.iter().any(|end| text.ends_with(end)) {
        Source::Tarball(path)
    } else {
        Source::Folder(path)
    })
}

impl Ops {
    /// What making a dedicated instance would do. Nothing is changed; a refusal is written down.
    ///
    /// # Errors
    /// Why it can't be made.
    pub async fn plan_dedicated(&self, request: DedicatedRequest) -> Answer<DedicatedPlan> {
        let label = SafeText::capped(&request.name, 200);
        let words = ("instance.create", "instance", label.as_str());
        self.allowed(Deed::CreateInstance, words.0, words.1, words.2).await?;
        match self.make_dedicated_plan(request).await {
            Ok(plan) => Ok(plan),
            Err(problem) => self.refuse(words.0, words.1, words.2, problem).await,
        }
    }

    /// As [`Ops::plan_dedicated`], for a form that asks at every keystroke: a refusal is not written down.
    ///
    /// # Errors
    /// Why it can't be made.
    pub async fn preview_dedicated(&self, request: DedicatedRequest) -> Answer<DedicatedPlan> {
        self.make_dedicated_plan(request).await
    }

    /// Queues a plan as it was shown; refused when its world has changed since. Where another took one
    /// of its ports meanwhile, it gets the next that is free.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn create_dedicated(&self, plan: DedicatedPlan) -> Answer<crate::domain::job::Job> {
        self.create_made(plan.job, plan.spec, plan.makes_password, plan.customer)
            .await
    }

    fn dedicated_root(&self) -> Answer<RootDomain> {
        let settings = self.settings();
        match (&settings.dedicated.root_domain, settings.root_domain()) {
            (Some(root), _) => Ok(root.clone()),
            (None, Some(root)) => RootDomain::parse(root).map_err(invalid),
            (None, None) => Err(unset("the root domain", "root_domain (or that of [fleet])")),
        }
    }

    fn dedicated_names(&self, request: &DedicatedRequest, root: &RootDomain, version: &str) -> Answer<Names> {
        let settings = self.settings();
        let more = [settings.reserved_names(), &settings.dedicated.reserved_names].concat();
        let name: Subdomain = Names::allowed(request.name.trim(), root, &more).map_err(|error| {
            invalid(error).hint("lowercase letters, digits and '-'; names of the zone's own (www, mail, …) are kept")
        })?;
        Names::of(name, request.purpose, version, root, &settings.dedicated.naming()).map_err(invalid)
    }

    async fn make_dedicated_plan(&self, request: DedicatedRequest) -> Answer<DedicatedPlan> {
        let settings = self.settings();
        let given = &settings.dedicated;
        let root = self.dedicated_root()?;
        let version = request.version.clone().unwrap_or_else(|| given.odoo_version.clone());
        let series = Series::of(&version).ok_or_else(|| invalid(format!("{version:?} is no version of Odoo")))?;
        let names = self.dedicated_names(&request, &root, &version)?;
        let tls = request.tls.unwrap_or(given.tls);
        let dns = request.dns.unwrap_or(given.dns);
        let server = self.registry.server(request.server).await.map_err(shown)?;
        let build = self
            .dedicated_build(&request, &server, root, series, (tls, dns))
            .await?;
        let held = self.registry.instances(Some(server.id)).await.map_err(shown)?;
        let reserved: BTreeSet<u16> = held
            .iter()
            .filter(|row| row.state.takes_place())
            .filter_map(|row| row.spec.dedicated())
            .flat_map(|other| [other.ports.http, other.ports.gevent])
            .collect();
        let ports: Ports = build
            .ranges
            .pick(&reserved, &build.listening)
            .map_err(|none| Problem::new("no_port", none.to_string()).hint("widen http_ports or gevent_ports"))?;
        self.dedicated_not_taken(&names, &server).await?;
        let apps = given
            .apps_dir
            .as_ref()
            .ok_or_else(|| unset("the folder of instances", "apps_dir"))?;
        let folder = apps.join(names.instance.as_str()).map_err(invalid)?;
        let scheme = if tls == TlsMethod::None { "http" } else { "https" };
        let login = request.admin_login.filter(|login| !login.is_empty());
        let admin_login = login.unwrap_or_else(|| settings.fleet.admin_login.clone());
        if admin_login.trim().is_empty() || admin_login.len() > 200 || admin_login.chars().any(char::is_control) {
            return Err(invalid(
                "the administrator's login is 1 to 200 bytes without control characters",
            ));
        }
        let makes_password = request.admin_password.is_none();
        // Stands for a password that is made only when the plan is queued: looking makes no secret.
        let pending = || SecretRef::Sealed {
            key_id: "to be made".to_owned(),
            blob: "-".to_owned(),
        };
        let spec = InstanceSpec {
            name: SafeText::new(names.name.as_str()),
            customer_id: None,
            plan_id: request.plan,
            template_id: None,
            server_id: server.id,
            database_name: names.database.clone(),
            subdomain: names.name.clone(),
            url: format!("{scheme}://{}", names.domain),
            admin_login,
            admin_password: request.admin_password.unwrap_or_else(pending),
            dedicated: Some(Box::new(DedicatedSpec {
                purpose: request.purpose,
                names,
                series,
                ports,
                folder,
                tls,
                dns,
                facts: DedicatedFacts::default(),
            })),
        };
        let customer = request
            .customer
            .as_deref()
            .map(|name| SafeText::capped(name.trim(), 200));
        let asked = Request::DedicatedCreate(Box::new(spec.clone()), Box::new(build));
        let thresholds = settings.thresholds();
        let job = crate::jobs::plan(self.registry.as_ref(), &self.tools, asked, &thresholds).await?;
        Ok(DedicatedPlan {
            spec,
            makes_password,
            customer: customer.filter(|name| !name.as_str().is_empty()),
            server,
            job,
        })
    }

    async fn dedicated_build(
        &self,
        request: &DedicatedRequest,
        server: &Server,
        root: RootDomain,
        series: Series,
        (tls, dns): (TlsMethod, DnsMethod),
    ) -> Answer<Build> {
        let settings = self.settings();
        let given = &settings.dedicated;
        let source = request.source.as_deref().unwrap_or(&given.source);
        let branch = request.branch.as_deref().unwrap_or(&given.branch);
        let python = given.python.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
        if python.is_empty() || python.starts_with('-') || !python.chars().all(plain) {
            return Err(invalid(format!(
                "the interpreter {python:?}: a program's name or path is needed"
            )));
        }
        let certificate = match (tls, &given.certificate, &given.certificate_key) {
            (TlsMethod::File, Some(chain), Some(key)) => Some((chain.clone(), key.clone())),
            (TlsMethod::File, ..) => return Err(unset("the certificate", "certificate and certificate_key")),
            _ => None,
        };
        if !matches!(tls, TlsMethod::None | TlsMethod::File) {
            return Err(
                Problem::new("not_built", format!("certificates by {} are not made yet", tls.word()))
                    .hint("take --tls none or --tls file"),
            );
        }
        Ok(Build {
            source: source_of(source, branch, series)?,
            python: python.to_owned(),
            modules: given.modules.clone(),
            ranges: given.ranges(),
            listening: self.listening(server).await,
            sizing: None,
            floor: given.floor(),
            address: given.dns_address,
            zone: self.dedicated_zone(&root, dns)?,
            certificate,
            mail: None,
            acme: None,
            body_mib: given.body_mb.get(),
            tracking: given.tracking_dir.clone(),
            root,
        })
    }

    fn dedicated_zone(&self, root: &RootDomain, dns: DnsMethod) -> Answer<Option<DnsAccess>> {
        if dns == DnsMethod::None {
            return Ok(None);
        }
        let settings = self.settings();
        let given = &settings.dedicated;
        let token = given
            .dns_token
            .0
            .clone()
            .ok_or_else(|| unset("the token of the DNS", "dns_token"))?;
        Ok(Some(DnsAccess {
            zone: given.dns_zone.clone().unwrap_or_else(|| root.clone()),
            token,
            api: None,
        }))
    }

    /// What the removal of a dedicated instance needs besides.
    pub(super) fn dedicated_removal(&self, dedicated: &DedicatedSpec) -> Answer<Removal> {
        let settings = self.settings();
        let given = &settings.dedicated;
        let backups = given
            .backup_dir
            .clone()
            .ok_or_else(|| unset("the folder of last backups", "backup_dir"))?;
        let zone = match dedicated.dns {
            DnsMethod::None => None,
            dns => self.dedicated_zone(&self.dedicated_root()?, dns)?,
        };
        Ok(Removal {
            backups,
            zone,
            tracking: given.tracking_dir.clone(),
        })
    }

    /// Ports that have a listener on the server; none where it can't be asked, which the steps say.
    async fn listening(&self, server: &Server) -> BTreeSet<u16> {
        let Ok(host) = self.remote.read_only().host(&server.spec) else {
            return BTreeSet::new();
        };
        let argv = ["ss", "-Hltn"];
        let listed = host
            .run(&Run::reading(&argv, Duration::from_secs(20)), &|_, _| {})
            .await;
        let text = listed.map(|output| output.text()).unwrap_or_default();
        let port = |line: &str| line.split_whitespace().nth(3)?.rsplit(':').next()?.parse().ok();
        text.lines().filter_map(port).collect()
    }

    /// The registry has the last word when the job is queued; this says it before.
    async fn dedicated_not_taken(&self, names: &Names, server: &Server) -> Answer<()> {
        for word in [names.name.as_str(), names.database.as_str()] {
            for other in self.registry.instances_called(word).await.map_err(shown)? {
                let same = other.spec.subdomain == names.name
                    || other.spec.server_id == server.id && other.spec.database_name == names.database;
                if same && other.state.takes_place() {
                    let state = other.state.word();
                    let message = format!("{word:?} is taken already by {} ({state})", other.spec.name);
                    return Err(Problem::new("taken", message).hint("choose another"));
                }
            }
        }
        Ok(())
    }
}
