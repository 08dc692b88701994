//! Password hashes as Odoo keeps them in `res_users.password` and in `admin_passwd`: passlib's
//! `pbkdf2_sha512`, `$pbkdf2-sha512$ROUNDS$SALT$DIGEST`. Salt and digest are passlib's own base64:
//! the standard alphabet with `.` in place of `+`, without padding.
//!
//! Pure: the salt is handed in, since randomness is an edge's business.

use super::Secret;
use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::pbkdf2;
use std::num::NonZeroU32;
use std::sync::OnceLock;

/// Rounds of Odoo 16 to 19: about a third of a second of one core a hash.
pub const ODOO_ROUNDS: u32 = 600_000;

/// A verify with more rounds than this is refused: a planted hash must not stall the program.
const MAX_ROUNDS: u32 = 10_000_000;

const DIGEST_BYTES: usize = 64;
const PREFIX: &str = "$pbkdf2-sha512$";

/// The hash of `password` as passlib writes it. `rounds` of 0 counts as 1.
pub fn hash(password: &Secret, salt: &[u8; 16], rounds: u32) -> String {
    let rounds = NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MIN);
    let mut digest = [0_u8; DIGEST_BYTES];
    // ring's is hardly slower in a debug build, where 600,000 rounds of generic code take seconds.
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        rounds,
        salt,
        password.expose().as_bytes(),
        &mut digest,
    );
    format!("{PREFIX}{rounds}${}${}", ab64().encode(salt), ab64().encode(digest))
}

/// Whether `hashed` is a hash of `password`. `None` where `hashed` is no hash of this kind (Odoo
/// also reads plain text and older kinds there).
pub fn verify(password: &Secret, hashed: &str) -> Option<bool> {
    let mut parts = hashed.strip_prefix(PREFIX)?.split('$');
    let rounds: u32 = parts.next()?.parse().ok()?;
    let salt = ab64().decode(parts.next()?).ok()?;
    let digest = ab64().decode(parts.next()?).ok()?;
    if parts.next().is_some() || digest.len() != DIGEST_BYTES || !(1..=MAX_ROUNDS).contains(&rounds) {
        return None;
    }
    let rounds = NonZeroU32::new(rounds)?;
    Some(
        pbkdf2::verify(
            pbkdf2::PBKDF2_HMAC_SHA512,
            rounds,
            &salt,
            password.expose().as_bytes(),
            &digest,
        )
        .is_ok(),
    )
}

/// passlib's `ab64`.
fn ab64() -> &'static GeneralPurpose {
    static ENGINE: OnceLock<GeneralPurpose> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./")
            .unwrap_or(base64::alphabet::STANDARD);
        let config = GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone);
        GeneralPurpose::new(&alphabet, config)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// Both lines were written by passlib 1.7.4 itself.
    const WRITTEN: [(&str, [u8; 16], u32, &str); 2] = [
        (
            "pässword",
            *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
            1000,
            "$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$y/eRj2FwHgs6A0d8wKheOWOR5PjlKZUVEID5K8lrpY3fVCUnILd/a7SvXHROar5bA9d3J9zVifnM9vYjy0q8ZQ",
        ),
        (
            "",
            *b"\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfex",
            25,
            "$pbkdf2-sha512$25$.//..//..//..//..//.eA$yC1s27omw0rl/wJLtgLnIDaXVxKvOK4.eel4HmFld5GuKoN1EsoI0Bv0wm5GQ1TRDqKtnYlW9CGK3bPVO9GHUQ",
        ),
    ];

    #[test]
    fn writes_and_reads_what_passlib_writes() {
        for (password, salt, rounds, written) in WRITTEN {
            assert_eq!(hash(&secret(password), &salt, rounds), written);
            assert_eq!(verify(&secret(password), written), Some(true));
            assert_eq!(verify(&secret("another"), written), Some(false));
        }
    }

    #[test]
    fn what_is_no_such_hash_is_not_guessed_at() {
        let good = hash(&secret("x"), &[7; 16], 1);
        for bad in [
            "",
            "plain",
            "$pbkdf2-sha512$",
            "$pbkdf2-sha512$0$AAAA$AAAA",
            "$pbkdf2-sha512$1$AAAA$AAAA",
            "$pbkdf2-sha512$99999999999$AAAA$AAAA",
            &good.replace("sha512", "sha256"),
            &format!("{good}$"),
            &format!("{good}="),
        ] {
            assert_eq!(verify(&secret("x"), bad), None, "{bad}");
        }
        assert_eq!(verify(&secret("x"), &good), Some(true));
    }
}
