//! How a command is put into words: what stands between ssh and the program, and nothing pasted. Texts
//! for a shell are constants; what varies are their arguments.

use super::run::Run;
use std::time::Duration;

/// Who a command runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The account one has there.
    Account,
    /// Root, by sudo.
    Sudo,
}

/// Carries an exit status through ssh as it is: 255 is ssh's own word for a cut, and so it says of a
/// program that a signal ended.
const KEEP_STATUS: &str = r#""$@"; exit $?"#;

/// Takes as many variables as its first argument says from standard input, a line each, so that they stand
/// in no command line; then becomes the program. `read` takes no byte more than its line.
const WITH_SECRETS: &str = r#"vigie_n=$1; shift
while [ "$vigie_n" -gt 0 ]; do
    IFS= read -r vigie_v || exit 125
    export "$1=$vigie_v"
    shift; vigie_n=$((vigie_n - 1))
done
unset vigie_n vigie_v
exec "$@""#;

/// The name under which the scripts above complain.
pub(super) const SCRIPT_NAME: &str = "vigie";

/// The words that run `argv` with its variables: `env`, then the script that becomes it.
pub(super) fn program(argv: &[&str], cwd: Option<&str>, env: &[(&str, &str)], secrets: &[&str]) -> Vec<String> {
    let mut words = vec!["env".to_owned()];
    if let Some(cwd) = cwd {
        words.push(format!("--chdir={cwd}"));
    }
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words.extend(["sh", "-c", WITH_SECRETS, SCRIPT_NAME].map(str::to_owned));
    words.push(secrets.len().to_string());
    words.extend(secrets.iter().map(|name| (*name).to_owned()));
    words.extend(argv.iter().map(|word| (*word).to_owned()));
    words
}

/// The words of a command for a machine elsewhere, or for root's here. It ends by itself, a little after
/// its limit, when nobody is there any more to end it.
pub(super) fn command(run: &Run<'_>, who: Who) -> Vec<String> {
    let mut words: Vec<String> = ["sh", "-c", KEEP_STATUS, SCRIPT_NAME].map(str::to_owned).into();
    if who == Who::Sudo {
        words.extend(["sudo", "-n", "--"].map(str::to_owned));
    }
    let seconds = seconds(run.limit).saturating_add(1).to_string();
    words.extend(["timeout", "-k", "5", &seconds].map(str::to_owned));
    let mut env = vec![("LC_ALL", "C")];
    env.extend(run.env);
    let secrets: Vec<&str> = run.secrets.iter().map(|(name, _)| *name).collect();
    words.extend(program(run.argv, run.cwd.map(|cwd| cwd.as_str()), &env, &secrets));
    words
}

/// What a program with these secrets reads: they first, a line each, then its own. `None`: nothing.
pub(super) fn input(secrets: &[(&str, &crate::domain::Secret)], stdin: Option<&[u8]>) -> Option<Vec<u8>> {
    if secrets.is_empty() && stdin.is_none() {
        return None;
    }
    let mut bytes = Vec::new();
    for (_, secret) in secrets {
        bytes.extend_from_slice(secret.expose().as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(stdin.unwrap_or_default());
    Some(bytes)
}

/// Why these variables can't be set. The values are not repeated.
pub(super) fn wrong_variable(env: &[(&str, &str)], secrets: &[(&str, &crate::domain::Secret)]) -> Option<String> {
    let named = |name: &str| {
        let plain = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
        !name.is_empty() && name.char_indices().all(plain)
    };
    let names = env
        .iter()
        .map(|(name, _)| *name)
        .chain(secrets.iter().map(|(name, _)| *name));
    if let Some(name) = names.into_iter().find(|name| !named(name)) {
        return Some(format!("{name:?} is no name of a variable"));
    }
    if let Some((name, _)) = env.iter().find(|(_, value)| value.contains('\0')) {
        return Some(format!("the value of {name} has a NUL in it"));
    }
    let lines = |(_, secret): &&(&str, &crate::domain::Secret)| secret.expose().contains(['\n', '\r', '\0']);
    let (name, _) = secrets.iter().find(lines)?;
    Some(format!(
        "the secret {name} has more than one line: hand it over by standard input"
    ))
}

/// Whole seconds, not fewer than asked.
pub(super) fn seconds(limit: Duration) -> u64 {
    limit.as_secs() + u64::from(limit.subsec_nanos() > 0)
}
