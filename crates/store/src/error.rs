//! Error: a refusal is the asker's matter, a failure is ours.

use serde_json::{Value, json};
use stonechat_wire::Code;

pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    #[error("the store failed")]
    Failed(#[from] Failure),
}

/// What the asker may not have, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: Code,
    pub params: Value,
}

/// What broke on our side.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("SQLite")]
    Sqlite(#[from] rusqlite::Error),
    #[error("JSON in the store")]
    Json(#[from] serde_json::Error),
    #[error("file")]
    File(#[from] std::io::Error),
    #[error("random numbers are not to be had: {0}")]
    Random(getrandom::Error),
    #[error("the store's writer has stopped")]
    Stopped,
    #[error("{0}")]
    Corrupt(&'static str),
}

impl Error {
    /// A refusal with nothing to add.
    pub fn refused(code: Code) -> Self {
        Self::Refused(Refusal { code, params: Value::Null })
    }

    /// A refusal that names the field and the reason.
    pub fn invalid(field: &str, reason: &str) -> Self {
        Self::Refused(Refusal { code: Code::Invalid, params: json!({"field": field, "reason": reason}) })
    }

    /// The code the asker gets.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Failed(Failure::Sqlite(error)) if is_full(error) => Code::StorageFull,
            Self::Failed(Failure::Stopped) => Code::Unavailable,
            Self::Failed(_) => Code::Internal,
        }
    }

    pub fn params(&self) -> Value {
        match self {
            Self::Refused(refusal) => refusal.params.clone(),
            Self::Failed(_) => Value::Null,
        }
    }

    /// The error and what caused it, in one line for the log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

/// A unique constraint spoke: the judge of uniqueness is the database.
pub(crate) fn violates(error: &rusqlite::Error, constraint: &str) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(message)) => {
            code.code == rusqlite::ErrorCode::ConstraintViolation && message.contains(constraint)
        }
        _ => false,
    }
}
