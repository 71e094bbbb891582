//! Token: what a device shows. Access tokens are EdDSA JWTs (RFC 8037) of ten minutes; the rest are random texts kept
//! as SHA-256.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stonechat_store::device::TokenHash;
use stonechat_store::error::Failure;
use stonechat_store::{Result, Writer};
use stonechat_wire::{DeviceId, Timestamp, UserId};

/// How long an access token lives: long enough to be refreshed rarely, short enough to be of little use when stolen.
const ACCESS_LIVES: Duration = Duration::from_secs(600);
/// Clocks may differ by so much.
const LEEWAY_S: u64 = 60;
const ISSUER: &str = "stonechat";
/// Begins every lasting token, so that scanners for leaked secrets find them.
const LASTING: &str = "dt_";

pub(super) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    header: Header,
    refresh_secret: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    dev: DeviceId,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// What a good access token says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    pub(super) user_id: UserId,
    pub(super) device_id: DeviceId,
    pub(super) expires_at: Timestamp,
}

impl Tokens {
    pub(super) async fn open(writer: &Writer) -> Result<Self> {
        let seed = writer.secret("access_token_key").await?;
        Ok(Self::new(&seed, writer.secret("refresh_token_key").await?))
    }

    fn new(seed: &[u8; 32], refresh_secret: [u8; 32]) -> Self {
        let (pkcs8, public) = ed25519(seed);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(URL_SAFE_NO_PAD.encode(&Sha256::digest(&public)[..6]));
        Self {
            encoding: EncodingKey::from_ed_der(&pkcs8),
            decoding: DecodingKey::from_ed_der(&public),
            validation,
            header,
            refresh_secret,
        }
    }

    pub(super) fn issue(&self, user_id: UserId, device_id: DeviceId) -> Result<(String, Duration)> {
        let iat = Timestamp::now().0 / 1_000;
        let exp = iat + i64::try_from(ACCESS_LIVES.as_secs()).unwrap_or(0);
        let claims =
            Claims { sub: user_id, dev: device_id, iat, exp, iss: ISSUER.to_owned(), aud: ISSUER.to_owned() };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.encoding);
        Ok((token.map_err(|_| Failure::Corrupt("an access token could not be signed"))?, ACCESS_LIVES))
    }

    /// `None` for everything but a whole, unexpired token of this server. The algorithm is ours, not the token's.
    pub(super) fn verify(&self, token: &str) -> Option<Verified> {
        if token.len() > 2_048 {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        let expires_at = Timestamp(claims.exp.checked_mul(1_000)?);
        Some(Verified { user_id: claims.sub, device_id: claims.dev, expires_at })
    }

    /// The refresh token that follows another: derived, so that whoever lost the answer gets the same one again and
    /// the server need not keep it.
    pub(super) fn successor(&self, refresh_token: &str) -> String {
        let mut bytes = [0; 32];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.refresh_secret) {
            mac.update(refresh_token.as_bytes());
            bytes.copy_from_slice(&mac.finalize().into_bytes());
        }
        format!("rt_{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// A key pair from its 32-byte seed: the private key as PKCS #8 (RFC 8410), the public one raw.
fn ed25519(seed: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed");
    // PrivateKeyInfo with the seed in an OCTET STRING inside an OCTET STRING (RFC 8410, section 7).
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    ([&PREFIX[..], &seed[..]].concat(), pair.public_key().as_ref().to_vec())
}

/// The SHA-256 under which a token is kept.
pub(super) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// The hash of a lasting token; `None` for a text that is none.
pub(super) fn lasting_hash(token: &str) -> Option<TokenHash> {
    (token.starts_with(LASTING) && token.len() < 128).then(|| hash(token))
}

pub(super) fn lasting() -> String {
    format!("{LASTING}{}", random::<32>())
}

pub(super) fn refresh() -> String {
    format!("rt_{}", random::<32>())
}

pub(super) fn invite() -> String {
    random::<16>()
}

pub(super) fn ticket() -> String {
    random::<16>()
}

/// Somebody types it once: no letters that look alike.
pub(super) fn temporary_password() -> String {
    readable(16)
}

/// 60 bits in three groups, as it stands in the setup link. It lasts 30 minutes, and guesses are throttled.
pub(super) fn setup_key() -> String {
    let letters = readable(12);
    format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..])
}

fn readable(length: usize) -> String {
    // Crockford's base 32.
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut bytes = vec![0; length];
    fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

fn random<const N: usize>() -> String {
    let mut bytes = [0; N];
    fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random numbers, or nothing here is safe");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&[7; 32], [8; 32])
    }

    #[test]
    fn a4_only_our_own_whole_tokens_verify() {
        let (user, device) = (UserId::new(), DeviceId::new());
        let (token, _) = tokens().issue(user, device).unwrap();
        let verified = tokens().verify(&token).unwrap();
        assert_eq!((verified.user_id, verified.device_id), (user, device));
        let mut parts: Vec<&str> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let hs = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"../../etc/passwd"}"#);
        let jku = URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","jku":"https://evil.example/keys","jwk":{}}"#);
        for header in [none.as_str(), hs.as_str(), jku.as_str()] {
            parts[0] = header;
            assert!(tokens().verify(&parts.join(".")).is_none());
            assert!(tokens().verify(&format!("{}.{}.", parts[0], parts[1])).is_none());
        }
        assert!(tokens().verify(&token[..token.len() - 2]).is_none());
        assert!(tokens().verify("").is_none());
        assert!(Tokens::new(&[9; 32], [8; 32]).verify(&token).is_none());
    }

    #[test]
    fn a4_expired_and_foreign_claims_do_not_verify() {
        let tokens = tokens();
        let now = Timestamp::now().0 / 1_000;
        let good = || Claims {
            sub: UserId::new(),
            dev: DeviceId::new(),
            iat: now,
            exp: now + 60,
            iss: ISSUER.into(),
            aud: ISSUER.into(),
        };
        let sign = |claims: &Claims| jsonwebtoken::encode(&tokens.header, claims, &tokens.encoding).unwrap();
        assert!(tokens.verify(&sign(&good())).is_some());
        for claims in [
            Claims { exp: now - 61, ..good() },
            Claims { iss: "other".into(), ..good() },
            Claims { aud: "other".into(), ..good() },
        ] {
            assert!(tokens.verify(&sign(&claims)).is_none());
        }
        let good = serde_json::to_value(good()).unwrap();
        for (nbf, verifies) in [(now - 10, true), (now + 600, false)] {
            let mut claims = good.clone();
            claims["nbf"] = nbf.into();
            let token = jsonwebtoken::encode(&tokens.header, &claims, &tokens.encoding).unwrap();
            assert_eq!(tokens.verify(&token).is_some(), verifies, "nbf {nbf}");
        }
    }

    /// A4: an HMAC under the public key is the classic forgery; the algorithm is not the token's to choose.
    #[test]
    fn a4_an_hmac_under_the_public_key_does_not_verify() {
        let (_, public) = ed25519(&[7; 32]);
        let now = Timestamp::now().0 / 1_000;
        let claims = Claims {
            sub: UserId::new(),
            dev: DeviceId::new(),
            iat: now,
            exp: now + 60,
            iss: ISSUER.into(),
            aud: ISSUER.into(),
        };
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            part(br#"{"alg":"HS256","typ":"JWT"}"#),
            part(&serde_json::to_vec(&claims).unwrap())
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
        mac.update(signed.as_bytes());
        let forged = format!("{signed}.{}", part(&mac.finalize().into_bytes()));
        assert!(tokens().verify(&forged).is_none());
    }

    #[test]
    fn a_successor_is_the_same_each_time_and_differs_for_each_token() {
        assert_eq!(tokens().successor("a"), tokens().successor("a"));
        assert_ne!(tokens().successor("a"), tokens().successor("b"));
    }
}
