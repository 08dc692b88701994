//! The operator's key file: one key a line, `ID BASE64`, the newest last.

use super::{SecretError, random, refuse_open_to_others};
use crate::domain::{Secret, SecretRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

const NONCE_BYTES: usize = 24;

pub(super) struct KeyFile {
    path: PathBuf,
}

struct Key {
    id: String,
    value: Secret,
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn bad(&self, why: impl std::fmt::Display) -> SecretError {
        SecretError::KeyFile {
            path: self.shown(),
            why: why.to_string(),
        }
    }

    /// All keys, the newest last; none where there is no file.
    fn read(&self) -> Result<Vec<Key>, SecretError> {
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(self.bad(e)),
        };
        refuse_open_to_others(&self.path, &file.metadata().map_err(|e| self.bad(e))?)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).map_err(|e| self.bad(e))?;
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(' ') {
                Some((id, value)) if !id.is_empty() => keys.push(Key {
                    id: id.to_owned(),
                    value: Secret::new(value.trim().to_owned()),
                }),
                _ => return Err(self.bad(format!("line {} is no key", at + 1))),
            }
        }
        Ok(keys)
    }

    fn cipher(&self, key: &Key) -> Result<XChaCha20Poly1305, SecretError> {
        let bytes = STANDARD
            .decode(key.value.expose())
            .map_err(|_| self.bad(format!("the key {} is not base64", key.id)))?;
        XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| self.bad(format!("the key {} is not 32 bytes", key.id)))
    }

    /// Writes the file whole, aside and then in place. `first`: another process that made one
    /// meanwhile wins.
    fn write(&self, keys: &[Key], first: bool) -> Result<(), SecretError> {
        let folder = self.path.parent().ok_or_else(|| self.bad("has no folder"))?;
        if !folder.exists() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|e| self.bad(e))?;
        }
        let aside = self.path.with_extension(format!("new-{}", hex(&random::<8>()?)));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            for key in keys {
                writeln!(file, "{} {}", key.id, key.value.expose())?;
            }
            file.sync_all()?;
            if first {
                match std::fs::hard_link(&aside, &self.path) {
                    Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                    other => other,
                }
            } else {
                std::fs::rename(&aside, &self.path)
            }
        };
        let done = write();
        let _ = std::fs::remove_file(&aside);
        done.map_err(|e| self.bad(e))
    }

    fn fresh() -> Result<Key, SecretError> {
        Ok(Key {
            id: format!("k{}", hex(&random::<4>()?)),
            value: Secret::new(STANDARD.encode(random::<32>()?)),
        })
    }

    pub(super) fn rotate(&self) -> Result<String, SecretError> {
        let mut keys = self.read()?;
        let first = keys.is_empty() && !self.path.exists();
        let key = Self::fresh()?;
        let id = key.id.clone();
        keys.push(key);
        self.write(&keys, first)?;
        Ok(id)
    }

    pub(super) fn seal(&self, secret: &Secret) -> Result<SecretRef, SecretError> {
        let mut keys = self.read()?;
        if keys.is_empty() {
            self.rotate()?;
            // Read back: another process may have been first.
            keys = self.read()?;
        }
        let key = keys.last().ok_or_else(|| self.bad("holds no key"))?;
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: secret.expose().as_bytes(),
            aad: &associated(&key.id),
        };
        let sealed = self
            .cipher(key)?
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| self.bad("the value can't be sealed"))?;
        let mut blob = nonce.to_vec();
        blob.extend_from_slice(&sealed);
        Ok(SecretRef::Sealed {
            key_id: key.id.clone(),
            blob: STANDARD.encode(blob),
        })
    }

    pub(super) fn open(&self, key_id: &str, blob: &str) -> Result<Secret, SecretError> {
        let keys = self.read()?;
        let key = keys
            .iter()
            .rev()
            .find(|k| k.id == key_id)
            .ok_or_else(|| SecretError::NoKey {
                key_id: key_id.to_owned(),
                path: self.shown(),
            })?;
        let tampered = || SecretError::Tampered(key_id.to_owned());
        let bytes = STANDARD.decode(blob).map_err(|_| tampered())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(tampered)?;
        let payload = Payload {
            msg: sealed,
            aad: &associated(key_id),
        };
        let opened = self
            .cipher(key)?
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| tampered())?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| tampered())
    }
}

/// Bound to the sealed bytes, so that a blob can't be passed off as another key's or format's.
fn associated(key_id: &str) -> Vec<u8> {
    format!("vigie sealed 1 {key_id}").into_bytes()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
