//! Keys, and what is sealed with them: one key a line, `ID BASE64`, the newest last. The newest seals;
//! all of them open.

use super::{SecretError, random};
use crate::domain::{Secret, SecretRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const NONCE_BYTES: usize = 24;

struct Key {
    id: String,
    value: Secret,
}

/// The keys of one key file, in its order.
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Where they are from, for messages.
    place: String,
}

impl Keys {
    pub(super) fn none(place: &str) -> Self {
        Self {
            keys: Vec::new(),
            place: place.to_owned(),
        }
    }

    /// Reads a key file's text. A line that is no key is named by its number, never repeated.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, SecretError> {
        let mut found = Self::none(place);
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(char::is_whitespace) {
                Some((id, value)) if !id.contains(':') && !value.trim().is_empty() => found.keys.push(Key {
                    id: id.to_owned(),
                    value: Secret::new(value.trim().to_owned()),
                }),
                _ => return Err(found.bad(format!("line {} is no key", at + 1))),
            }
        }
        Ok(found)
    }

    /// The file's text.
    pub(super) fn text(&self) -> Secret {
        let lines = self
            .keys
            .iter()
            .map(|key| format!("{} {}\n", key.id, key.value.expose()));
        Secret::new(lines.collect())
    }

    fn bad(&self, why: impl std::fmt::Display) -> SecretError {
        SecretError::KeyFile {
            path: self.place.clone(),
            why: why.to_string(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Their ids, the newest last.
    pub(super) fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.id.clone()).collect()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// Adds a new key, the newest from now on.
    pub(super) fn add(&mut self) -> Result<String, SecretError> {
        let id = format!("k{}", hex(&random::<4>()?));
        self.keys.push(Key {
            id: id.clone(),
            value: Secret::new(STANDARD.encode(random::<32>()?)),
        });
        Ok(id)
    }

    /// Drops all keys but these; the ids of those that went.
    pub(super) fn keep(&mut self, ids: &[String]) -> Vec<String> {
        let (kept, gone): (Vec<Key>, Vec<Key>) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|key| ids.contains(&key.id));
        self.keys = kept;
        gone.into_iter().map(|key| key.id).collect()
    }

    fn find(&self, id: &str) -> Result<&Key, SecretError> {
        self.keys
            .iter()
            .rev()
            .find(|key| key.id == id)
            .ok_or_else(|| SecretError::NoKey {
                key_id: id.to_owned(),
                path: self.place.clone(),
            })
    }

    fn cipher(&self, key: &Key) -> Result<XChaCha20Poly1305, SecretError> {
        let bytes = STANDARD
            .decode(key.value.expose())
            .map_err(|_| self.bad(format!("the key {} is not base64", key.id)))?;
        XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| self.bad(format!("the key {} is not 32 bytes", key.id)))
    }

    /// Seals with the newest key.
    pub(super) fn seal(&self, secret: &Secret) -> Result<SecretRef, SecretError> {
        self.seal_by(self.keys.last().ok_or_else(|| self.bad("holds no key"))?, secret)
    }

    /// Seals with the key of this id.
    pub(super) fn seal_with(&self, key_id: &str, secret: &Secret) -> Result<SecretRef, SecretError> {
        self.seal_by(self.find(key_id)?, secret)
    }

    fn seal_by(&self, key: &Key, secret: &Secret) -> Result<SecretRef, SecretError> {
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

    /// Opens what the key of this id sealed.
    pub(super) fn open(&self, key_id: &str, blob: &str) -> Result<Secret, SecretError> {
        let key = self.find(key_id)?;
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
