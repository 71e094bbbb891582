//! Error: the closed list of codes the product answers with, and the problem document of REST (RFC 9457).
//!
//! Adding a code is an API change: it needs a line in `docs/protocol.md` and a test.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// Why a request was not done. Stable: programs may match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as written on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that carries this code.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// One sentence for people: what happened, and what to do where there is something to do.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", 400, "The request could not be understood; `params.reason` says where.";
    Unauthenticated = "unauthenticated", 401, "Sign in first, or refresh the access token.";
    WrongCredentials = "wrong_credentials", 401, "Handle or password is wrong.";
    RefreshReused = "refresh_reused", 401, "This refresh token was used before; the device was signed out. Sign in again.";
    Forbidden = "forbidden", 403, "You may see this, but not do that.";
    PostingRestricted = "posting_restricted", 403, "Only owners and admins may post here.";
    Archived = "archived", 403, "This conversation is archived; nothing can be added to it.";
    Blocked = "blocked", 403, "One of you has blocked the other.";
    EditWindowClosed = "edit_window_closed", 403, "The time in which this message could be edited is over.";
    NotFound = "not_found", 404, "There is no such thing, or not for you.";
    MethodNotAllowed = "method_not_allowed", 405, "This address does not take that method.";
    Conflict = "conflict", 409, "The state has changed; read it again.";
    IdempotencyMismatch = "idempotency_mismatch", 409, "This client_id was used for another request.";
    HandleTaken = "handle_taken", 409, "This handle is taken; choose another.";
    LastOwner = "last_owner", 409, "A conversation needs an owner; make somebody else owner first.";
    MessageDeleted = "message_deleted", 409, "This message was deleted.";
    SetupFinished = "setup_finished", 410, "Setup is finished; sign in instead.";
    SetupKeyExpired = "setup_key_expired", 410, "This setup link is no longer valid; `stonechat admin setup-link` prints a new one.";
    InviteExpired = "invite_expired", 410, "This invitation has expired; ask whoever sent it for a new one.";
    InviteUsedUp = "invite_used_up", 410, "This invitation has been used up; ask whoever sent it for a new one.";
    InviteRevoked = "invite_revoked", 410, "This invitation was withdrawn; ask whoever sent it.";
    TooLarge = "too_large", 413, "This is larger than the server takes; `params.limit` says how much.";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be application/json.";
    Invalid = "invalid", 422, "A value is not allowed; `params.field` and `params.reason` say which and why.";
    PasswordTooShort = "password_too_short", 422, "A password has at least 10 characters.";
    PasswordTooLong = "password_too_long", 422, "A password has at most 256 bytes.";
    PasswordTooCommon = "password_too_common", 422, "This password is on the list of the most used ones.";
    VersionAhead = "version_ahead", 422, "The version vector names versions the server does not have.";
    RateLimited = "rate_limited", 429, "Too many requests; wait `retry_after_ms`.";
    SetupRequired = "setup_required", 503, "This server is not set up yet. Open the setup link printed in the server's terminal.";
    Overloaded = "overloaded", 503, "The server is busy; wait `retry_after_ms` and try again with the same client_id.";
    Unavailable = "unavailable", 503, "The server is stopping or its store does not answer; try again with the same client_id.";
    StorageFull = "storage_full", 507, "The server's disk is full; reading works, writing does not.";
    Internal = "internal", 500, "Something broke on the server; `request_id` finds it in the log.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal or failure as a REST body (`application/problem+json`, RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Problem {
    /// A stable address of the code's documentation, relative to the server.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub params: Value,
    /// Finds the request in the server's log.
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// The document for a code.
    pub fn new(code: Code, params: Value, request_id: String) -> Self {
        Self {
            kind: format!("/api/docs/errors#{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            params,
            request_id,
            retry_after_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_spelled_once() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), Value::from(code.as_str()));
            assert_eq!(Code::ALL.iter().filter(|other| other.as_str() == code.as_str()).count(), 1);
        }
    }
}
