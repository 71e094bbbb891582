//! Password: Argon2id (RFC 9106) on a few threads, so that a flood of logins starves nobody.
//!
//! Parameters: 19 MiB, two passes, one lane (the OWASP minimum for interactive logins).

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use stonechat_store::error::Failure;
use stonechat_store::{Error, Result};
use stonechat_wire::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hashes at a time: each takes 19 MiB and a core for some tens of milliseconds.
const AT_A_TIME: usize = 2;
/// Requests that hash or wait to: some seconds of work; whoever comes then is told to come later.
const MAX_WAITING: usize = 256;
const MIN_CHARACTERS: usize = 10;
/// Checked before hashing: a long password must cost nothing.
const MAX_BYTES: usize = 256;
/// The most used passwords of ten characters and more.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

pub(super) struct Passwords {
    places: Arc<Semaphore>,
    slots: Arc<Semaphore>,
}

/// The right to hash one password after another.
pub(super) struct Turn {
    _slot: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// What is verified when there is no hash: the same work, never a match. Not made at the start: that would take and
/// keep 19 MiB of a server nobody signs in to.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$1rQ86eb2lbDxtzLcIfyW/w$MPA9u5LKRXtfoDww1Depc773yR9Q/ol3/nMbGm5ARWw";

impl Passwords {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_WAITING)), slots: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Waits for the right to hash.
    ///
    /// # Errors
    /// `overloaded` while too many wait.
    pub(super) async fn turn(&self) -> Result<Turn> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::refused(Code::Overloaded))?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| Failure::Stopped)?;
        Ok(Turn { _slot: slot, _place: place })
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// `password_too_short`, `password_too_long`, `password_too_common`; `overloaded`.
    pub(super) async fn hash(&self, password: &str) -> Result<String> {
        check(password)?;
        let password = password.to_owned();
        work(self.turn().await?, move || hash_now(&password)).await?
    }

    /// Whether a password is the one of a hash. Without a hash the work is done all the same.
    ///
    /// # Errors
    /// A failure of the work itself.
    pub(super) async fn verify(&self, turn: Turn, password: &str, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let fits = password.len() <= MAX_BYTES;
        let hash = hash.unwrap_or_else(|| DUMMY.to_owned());
        let password = if fits { password.to_owned() } else { String::new() };
        let matches = work(turn, move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(matches.await? && known && fits)
    }
}

/// The turn ends with the work, also when nobody waits for it any more.
async fn work<T: Send + 'static>(turn: Turn, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    done.await.map_err(|_| Failure::Corrupt("password hashing panicked").into())
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hash_now(password: &str) -> Result<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(Failure::Random)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| Failure::Corrupt("a salt could not be written"))?;
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| Failure::Corrupt("password hashing failed"))?.to_string())
}

fn check(password: &str) -> Result<()> {
    if password.len() > MAX_BYTES {
        return Err(Error::refused(Code::PasswordTooLong));
    }
    if password.chars().count() < MIN_CHARACTERS {
        return Err(Error::refused(Code::PasswordTooShort));
    }
    let plain = password.to_lowercase();
    let mut characters = plain.chars();
    let repeated = characters.next().is_some_and(|first| characters.all(|other| other == first));
    if repeated || COMMON.contains(plain.as_str()) {
        return Err(Error::refused(Code::PasswordTooCommon));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a1_fr_14_lengths_and_common_ones_are_refused_before_hashing() {
        for (password, code) in [
            ("short", Some(Code::PasswordTooShort)),
            ("ninechars", Some(Code::PasswordTooShort)),
            ("aaaaaaaaaaaa", Some(Code::PasswordTooCommon)),
            ("Password123", Some(Code::PasswordTooCommon)),
            ("1234567890", Some(Code::PasswordTooCommon)),
            ("correct horse battery", None),
            ("zehnzeiche", None),
        ] {
            assert_eq!(check(password).err().map(|error| error.code()), code, "{password}");
        }
        assert_eq!(check(&"x".repeat(257)).unwrap_err().code(), Code::PasswordTooLong);
    }

    /// A2: the hash that stands in for an unknown handle costs what a real one does.
    #[test]
    fn a2_the_dummy_has_the_parameters_of_a_real_hash() {
        let real = hash_now("correct horse battery").unwrap();
        let parameters = |hash: &str| PasswordHash::new(hash).unwrap().params.to_string();
        assert_eq!(parameters(DUMMY), parameters(&real));
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_alone() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery").await.unwrap();
        for (password, hash, matches) in [
            ("correct horse battery", Some(hash.clone()), true),
            ("correct horse batterz", Some(hash.clone()), false),
            (&"x".repeat(257), Some(hash), false),
            ("no password is this one", None, false),
        ] {
            let turn = passwords.turn().await.unwrap();
            assert_eq!(passwords.verify(turn, password, hash).await.unwrap(), matches, "{password}");
        }
    }

    /// A1: two hash, so many wait, the rest is refused; a turn that ends lets the next one in.
    #[test]
    fn a1_turns_are_bounded() {
        let passwords = Passwords::new();
        let mut asking: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(passwords.turn())).collect();
        let mut context = Context::from_waker(Waker::noop());
        let mut turns = Vec::new();
        for (n, turn) in asking.iter_mut().enumerate() {
            match turn.as_mut().poll(&mut context) {
                Poll::Ready(turn) => turns.push(turn.unwrap()),
                Poll::Pending => assert!(n >= AT_A_TIME, "turn {n} waits"),
            }
        }
        assert_eq!(turns.len(), AT_A_TIME);
        let Poll::Ready(refused) = pin!(passwords.turn()).poll(&mut context) else { panic!("it waits") };
        assert_eq!(refused.err().unwrap().code(), Code::Overloaded);
        turns.pop();
        let next = asking[AT_A_TIME].as_mut().poll(&mut context);
        assert!(next.is_ready());
        assert!(asking[AT_A_TIME + 1].as_mut().poll(&mut context).is_pending());
    }
}
