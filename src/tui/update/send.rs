//! From a form's texts to what is sent. Forms are checked before: an answer of `None` means that a
//! field is wrong, and nothing is sent.

use crate::domain::check::ServerUrl;
use crate::domain::server::{DbTls, ServerSpec, SshAccess};
use crate::domain::template::TemplateSpec;
use crate::domain::{Code, DbName, HostName, PlanId, RemotePath, SafeText, SecretRef, ServerId, Subdomain, TemplateId};
use crate::tui::model::{
    FieldId as Id, FieldKind, Form, InstanceDraft, SecretField, ServerDraft, TemplateDraft, TemplateWork, TypedSecret,
};

/// Words between blanks or commas.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn id(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

/// What a form says about a secret; `None` where it has no such field.
pub(super) fn secret(form: &Form, id: Id) -> Option<SecretField> {
    let field = form.field(id)?;
    let text = field.value();
    let FieldKind::Secret { stored } = field.kind else {
        return None;
    };
    Some(match text {
        "" => SecretField::Keep,
        "-" if stored => SecretField::Clear,
        "-" => SecretField::Keep,
        _ if field.is_masked() => SecretField::Typed(TypedSecret::new(text.to_owned())),
        _ => SecretField::Reference(SecretRef::parse(text.trim()).ok()?),
    })
}

/// A new instance, as far as the form has come.
pub(super) fn instance_draft(form: &Form) -> Option<InstanceDraft> {
    if !form.is_right() {
        return None;
    }
    Some(InstanceDraft {
        name: SafeText::new(form.value(Id::Name)),
        subdomain: Subdomain::parse(form.value(Id::Subdomain)).ok(),
        database: DbName::parse(form.value(Id::Database)).ok(),
        template: id(form.chosen(Id::Template)).map(TemplateId),
        server: id(form.chosen(Id::Server)).map(ServerId),
        plan: id(form.chosen(Id::Plan)).map(PlanId),
        customer: SafeText::new(form.value(Id::Customer)),
        admin_login: form.value(Id::AdminLogin).to_owned(),
        admin_password: secret(form, Id::AdminPassword)?,
    })
}

/// A server; `old` is what it was.
pub(super) fn server_draft(form: &Form, old: Option<&ServerSpec>) -> Option<ServerDraft> {
    let some = |id: Id| Some(form.value(id)).filter(|text| !text.is_empty());
    let number = |id: Id| some(id).and_then(|text| text.parse::<u32>().ok());
    let port = |id: Id| some(id).and_then(|text| text.parse::<u16>().ok());
    let host = |id: Id| some(id).and_then(|text| HostName::parse(text).ok());
    let spec = ServerSpec {
        name: SafeText::new(form.value(Id::Name)),
        code: Code::parse(form.value(Id::Code)).ok()?,
        description: SafeText::new(form.value(Id::Description)),
        server_url: ServerUrl::parse(form.value(Id::Url)).ok()?,
        server_ip: host(Id::Ip),
        port: port(Id::Port),
        ssh: host(Id::SshHost).map(|host| SshAccess {
            host,
            user: some(Id::SshUser).map(str::to_owned),
            port: port(Id::SshPort),
            identity: some(Id::SshIdentity).map(str::to_owned),
        }),
        db_host: host(Id::DbHost),
        db_port: port(Id::DbPort).unwrap_or(5432),
        db_user: some(Id::DbUser).map(str::to_owned),
        db_password: old.and_then(|spec| spec.db_password.clone()),
        db_tls: if form.chosen(Id::DbTls) == 1 {
            DbTls::VerifyFull
        } else {
            DbTls::Disable
        },
        master_password: old.and_then(|spec| spec.master_password.clone()),
        data_dir: some(Id::DataDir).and_then(|text| RemotePath::parse(text).ok()),
        max_instances: number(Id::MaxInstances)?,
        cpu_cores: number(Id::Cpu),
        memory_gb: number(Id::Memory),
        disk_gb: number(Id::Disk),
    };
    spec.validate().ok()?;
    Some(ServerDraft {
        spec,
        db_password: secret(form, Id::DbPassword)?,
        master_password: secret(form, Id::MasterPassword)?,
    })
}

/// A new template.
pub(super) fn template_draft(form: &Form) -> Option<TemplateDraft> {
    let then = match form.chosen(Id::Then) {
        1 => Some(TemplateWork::CreateDatabase),
        2 => Some(TemplateWork::Adopt),
        _ => None,
    };
    Some(TemplateDraft {
        spec: TemplateSpec {
            name: SafeText::new(form.value(Id::Name)),
            code: Code::parse(form.value(Id::Code)).ok()?,
            server_id: ServerId(form.chosen(Id::Server)),
            template_database: DbName::parse(form.value(Id::Database)).ok()?,
            base_modules: words(form.value(Id::Modules)),
            language: form.value(Id::Language).to_owned(),
        },
        then,
    })
}
