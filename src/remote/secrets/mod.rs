//! From references to secrets: `env:`, `file:`, `command:` and `sealed:`. Every value that was
//! resolved or made here is known to the [`Redactor`], which takes it out of texts again.

mod keys;
mod redact;
mod store;

pub use redact::Redactor;
pub use store::KeyLock;

use crate::domain::{KeySource, Secret, SecretRef};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use store::KeyStore;
use tokio::io::AsyncReadExt;

/// For a command or a file that gives a secret.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes read from a command or file.
const MAX_BYTES: u64 = 64 * 1024;
/// No `0O1lI`: passwords are read out and typed. 55 characters, 5.8 bits each.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Characters of a generated password: over 115 bits.
const PASSWORD_CHARS: usize = 20;

/// Why a secret can't be had, sealed or made. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is no text.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// The file can't be read.
    #[error("the secret's file {path} can't be read: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read a file with a secret.
    #[error("{path} holds secrets and others may open it (mode {mode:04o})")]
    TooOpen {
        /// Which.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The command can't be run, or failed. What it wrote is not shown: it may be the secret.
    #[error("the secret's command {program} {why}")]
    Command {
        /// Its program.
        program: String,
        /// How it failed.
        why: String,
    },
    /// Nothing came.
    #[error("{0} gives an empty secret")]
    Empty(String),
    /// Not text, or too long.
    #[error("{0} gives no single line of text")]
    NotText(String),
    /// The key that sealed it is not in the key file.
    #[error("the value was sealed with the key {key_id}, which is not in {path}")]
    NoKey {
        /// Its id.
        key_id: String,
        /// The key file.
        path: String,
    },
    /// The value or the key was changed.
    #[error("the value sealed with the key {0} can't be opened: it was changed, or cut")]
    Tampered(String),
    /// The key file can't be read or written.
    #[error("the key file {path}: {why}")]
    KeyFile {
        /// Which.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The keys come from a vault's program, which is never written to.
    #[error("the keys come from {0}, where vigie can't write")]
    ReadOnlyKeys(String),
    /// The registry does not show it to the role one is connected as.
    #[error("the registry does not show this secret to your role")]
    Withheld,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

impl SecretError {
    /// Whether it may well work a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Command { .. })
    }

    /// The id of the key that is lacking here, where that is what is wrong.
    pub fn missing_key(&self) -> Option<&str> {
        match self {
            Self::NoKey { key_id, .. } => Some(key_id),
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoVariable(name) => format!("export {name} where vigie and its worker are started"),
            Self::File { .. } => "mend the path, or its owner".to_owned(),
            Self::TooOpen { path, .. } => format!("chmod 600 {path}"),
            Self::Command { program, .. } => format!("run {program} by hand, as this user and without a terminal"),
            Self::Empty(_) | Self::NotText(_) => "the secret is the first line of what the reference gives".to_owned(),
            Self::NoKey { path, .. } => {
                format!(
                    "get the key's line from a colleague's key file or a copy, and add it to {path}; or give the secret again"
                )
            }
            Self::Tampered(_) => "give the secret again".to_owned(),
            Self::KeyFile { path, .. } => format!("each line of {path} is a key's id and its base64; mode 0600"),
            Self::Withheld => "saas_manager and saas_worker may use it".to_owned(),
            Self::ReadOnlyKeys(_) => {
                "name a file with --new-key-file, and put what is written there in the vault".to_owned()
            }
            Self::Random(_) => "this is a fault of the system".to_owned(),
        }
    }
}

/// Resolves references and seals values. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    keys: Arc<KeyStore>,
    redactor: Redactor,
}

impl Keyring {
    /// A keyring with its key file `keys` in `config_dir`. Nothing is read or made before it is needed.
    pub fn new(config_dir: impl Into<PathBuf>) -> Self {
        Self::at(config_dir.into().join("keys"))
    }

    /// A keyring with keys from there. Nothing is read or made before it is needed.
    pub fn at(keys: impl Into<KeySource>) -> Self {
        Self {
            keys: Arc::new(KeyStore::new(keys.into())),
            redactor: Redactor::default(),
        }
    }

    /// Where the keys are.
    pub fn source(&self) -> &KeySource {
        self.keys.source()
    }

    /// What takes every value that passed through here out of texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The value behind a reference.
    ///
    /// # Errors
    /// Why it can't be had.
    pub async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let secret = match reference {
            SecretRef::Env(name) => {
                let value = std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?;
                first_line(value.into_bytes(), reference)?
            }
            SecretRef::File(path) => read_file(path, reference).await?,
            SecretRef::Command(argv) => run_command(argv, reference).await?,
            SecretRef::Sealed { key_id, blob } => {
                let (keys, key_id, blob) = (Arc::clone(&self.keys), key_id.clone(), blob.clone());
                apart(move || keys.open(&key_id, &blob)).await?
            }
            SecretRef::Withheld => return Err(SecretError::Withheld),
        };
        self.redactor.add(&secret);
        Ok(secret)
    }

    /// Seals a value with the newest key, making the key file where there is none. Blocks.
    ///
    /// # Errors
    /// When the key file can't be made or read, or is open to others.
    pub fn seal(&self, secret: &Secret) -> Result<SecretRef, SecretError> {
        self.redactor.add(secret);
        self.keys.seal(secret)
    }

    /// Opens many sealed values with one look at the keys; what is not sealed is an error. Blocks.
    ///
    /// # Errors
    /// The first that can't be opened: which, and why.
    pub fn open_all(&self, sealed: &[SecretRef]) -> Result<Vec<Secret>, (usize, SecretError)> {
        let keys = self.keys.fresh().map_err(|error| (0, error))?;
        let open = |(at, reference): (usize, &SecretRef)| match reference {
            SecretRef::Sealed { key_id, blob } => keys.open(key_id, blob).map_err(|error| (at, error)),
            other => Err((at, SecretError::NotText(other.shown()))),
        };
        sealed.iter().enumerate().map(open).collect()
    }

    /// Seals many values with the key of this id. Blocks.
    ///
    /// # Errors
    /// When it isn't among the keys, or they can't be read.
    pub fn seal_all(&self, values: &[Secret], key_id: &str) -> Result<Vec<SecretRef>, SecretError> {
        let keys = self.keys.fresh()?;
        values.iter().map(|value| keys.seal_with(key_id, value)).collect()
    }

    /// Adds a key to the key file, which seals from now on; older ones still open what they sealed. Its id.
    /// Blocks.
    ///
    /// # Errors
    /// As [`Keyring::seal`]; [`SecretError::ReadOnlyKeys`] where a vault has the keys.
    pub fn rotate(&self) -> Result<String, SecretError> {
        let _lock = self.keys.lock()?;
        self.keys.add()
    }

    /// Holds off other processes that would change the key file, for as long as the answer lives. Blocks.
    ///
    /// # Errors
    /// When another one holds it for too long.
    pub fn lock(&self) -> Result<KeyLock, SecretError> {
        self.keys.lock()
    }

    /// As [`Keyring::rotate`], for who has the lock already.
    ///
    /// # Errors
    /// As [`Keyring::rotate`].
    pub fn add_key(&self, _held: &KeyLock) -> Result<String, SecretError> {
        self.keys.add()
    }

    /// Takes all keys but these out of the key file; the ids of those that went. Blocks.
    ///
    /// # Errors
    /// As [`Keyring::rotate`].
    pub fn keep_keys(&self, _held: &KeyLock, ids: &[String]) -> Result<Vec<String>, SecretError> {
        self.keys.keep(ids)
    }

    /// The ids of all keys as they are at this moment, the newest (which seals) last. Blocks.
    ///
    /// # Errors
    /// When the key file can't be read, or is open to others.
    pub fn key_ids(&self) -> Result<Vec<String>, SecretError> {
        Ok(self.keys.fresh()?.ids())
    }

    /// Whether this key is here by now. Blocks.
    ///
    /// # Errors
    /// As [`Keyring::key_ids`].
    pub fn has_key(&self, key_id: &str) -> Result<bool, SecretError> {
        self.keys.has(key_id)
    }

    /// Writes a key file's text to a new file, mode 0600, for whoever puts it in a vault: all keys with a
    /// new one behind them, or with `keep` only those. The id of the new one, where there is one. Blocks.
    ///
    /// # Errors
    /// When the file exists or can't be written, or the keys can't be read.
    pub fn write_copy(&self, to: &Path, keep: Option<&[String]>) -> Result<Option<String>, SecretError> {
        self.keys.write_copy(to, keep)
    }

    /// A new random password: 20 characters that can be read out, over 115 bits.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate_password(&self) -> Result<Secret, SecretError> {
        let mut password = String::with_capacity(PASSWORD_CHARS);
        while password.len() < PASSWORD_CHARS {
            for byte in random::<32>()? {
                // Values past the last whole run of the alphabet would make its first letters likelier.
                let whole = 256 - 256 % ALPHABET.len();
                if usize::from(byte) < whole && password.len() < PASSWORD_CHARS {
                    password.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
                }
            }
        }
        let secret = Secret::new(password);
        self.redactor.add(&secret);
        Ok(secret)
    }
}

/// Off the threads that others wait for: keys may have to be asked of a vault.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SecretError> + Send + 'static,
) -> Result<T, SecretError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(SecretError::KeyFile {
            path: "the keys".to_owned(),
            why: "looking for one was interrupted".to_owned(),
        }),
    }
}

/// Bytes from the system's generator.
///
/// # Errors
/// When it gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|e| SecretError::Random(e.to_string()))?;
    Ok(bytes)
}

/// Refuses a file that group or others may read or write.
fn refuse_open_to_others(path: &Path, meta: &std::fs::Metadata) -> Result<(), SecretError> {
    let mode = meta.permissions().mode() & 0o7777;
    if meta.is_file() && mode & 0o066 != 0 {
        return Err(SecretError::TooOpen {
            path: path.display().to_string(),
            mode,
        });
    }
    Ok(())
}

fn first_line(bytes: Vec<u8>, reference: &SecretRef) -> Result<Secret, SecretError> {
    let mut text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(reference.shown()))?;
    let end = text.find('\n').unwrap_or(text.len());
    text.truncate(end);
    if text.ends_with('\r') {
        text.pop();
    }
    if text.is_empty() {
        return Err(SecretError::Empty(reference.shown()));
    }
    Ok(Secret::new(text))
}

async fn read_file(path: &str, reference: &SecretRef) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let read = async {
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        refuse_open_to_others(Path::new(path), &file.metadata().await.map_err(failed)?)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).await.map_err(failed)?;
        Ok(bytes)
    };
    let bytes = super::deadline(path, RESOLVE_LIMIT, read)
        .await
        .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))??;
    first_line(bytes, reference)
}

async fn run_command(argv: &[String], reference: &SecretRef) -> Result<Secret, SecretError> {
    let program = argv.first().map_or("", String::as_str);
    let failed = |why: String| SecretError::Command {
        program: program.to_owned(),
        why,
    };
    let mut child = tokio::process::Command::new(program)
        .args(&argv[1.min(argv.len())..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("can't be started: {e}")))?;
    let group = child.id();
    let stdout = child.stdout.take();
    let run = async {
        let mut bytes = Vec::new();
        if let Some(out) = stdout {
            out.take(MAX_BYTES).read_to_end(&mut bytes).await?;
        }
        Ok::<_, std::io::Error>((bytes, child.wait().await?))
    };
    match super::deadline(program, RESOLVE_LIMIT, run).await {
        Err(_) => {
            kill_group(group);
            Err(failed(format!("gave nothing within {} s", RESOLVE_LIMIT.as_secs())))
        }
        Ok(Err(e)) => Err(failed(format!("failed: {e}"))),
        Ok(Ok((_, status))) if !status.success() => Err(failed(format!("failed: {status}"))),
        Ok(Ok((bytes, _))) => first_line(bytes, reference),
    }
}

/// Ends a child's whole process group: its own children would live on otherwise.
pub(crate) fn kill_group(leader: Option<u32>) {
    if let Some(pid) = leader
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw)
    {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
