//! Key: the dense number of a user, device or conversation inside, so that sets of them are bitmaps.
//!
//! Keys are given once and never reused; they never leave the server.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use stonechat_wire::{ConversationKind, DeviceId, Posting, Role, Seq, ServerRole, UserId};
use uuid::Uuid;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.0))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                u32::column_result(value).map(Self)
            }
        }
    };
}

key!(
    /// A user. 0 is nobody; in `mentions` it stands for everybody.
    UserKey
);
key!(DeviceKey);
key!(ConversationKey);

/// One run of one store writer: a random 64-bit id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub i64);

/// The number an origin gave a commit entry: 1, 2, 3 …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Who asks for a change, and with which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    pub user: UserKey,
    pub user_id: UserId,
    pub device: DeviceKey,
    pub device_id: DeviceId,
}

/// SQL's integer of a sequence number.
pub(crate) fn sql_seq(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn sql_u64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that is never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn seq(number: i64) -> Seq {
    Seq(unsigned(number))
}

/// A 16-byte column as an id.
pub(crate) fn uuid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap_or_default()
}

pub(crate) fn kind_number(kind: ConversationKind) -> i64 {
    match kind {
        ConversationKind::Direct => 0,
        ConversationKind::Group => 1,
        ConversationKind::Channel => 2,
    }
}

pub(crate) fn kind_of(number: i64) -> ConversationKind {
    match number {
        0 => ConversationKind::Direct,
        1 => ConversationKind::Group,
        _ => ConversationKind::Channel,
    }
}

pub(crate) fn role_number(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

pub(crate) fn role_of(number: i64) -> Role {
    match number {
        2 => Role::Owner,
        1 => Role::Admin,
        _ => Role::Member,
    }
}

pub(crate) fn server_role_number(role: ServerRole) -> i64 {
    match role {
        ServerRole::Guest => 0,
        ServerRole::Member => 1,
        ServerRole::Moderator => 2,
        ServerRole::Admin => 3,
    }
}

pub(crate) fn server_role_of(number: i64) -> ServerRole {
    match number {
        3 => ServerRole::Admin,
        2 => ServerRole::Moderator,
        1 => ServerRole::Member,
        _ => ServerRole::Guest,
    }
}

pub(crate) fn posting_number(posting: Posting) -> i64 {
    match posting {
        Posting::Everyone => 0,
        Posting::Admins => 1,
    }
}

pub(crate) fn posting_of(number: i64) -> Posting {
    match number {
        1 => Posting::Admins,
        _ => Posting::Everyone,
    }
}
