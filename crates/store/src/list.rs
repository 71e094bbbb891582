//! List: a user's conversations with last message, unread, mentions and read position, in one call.
//!
//! Unread is computed from ordinals when asked, so it cannot drift.

use rusqlite::{Connection, Row};
use stonechat_wire::{
    Conversation, ConversationId, ConversationKind, ConversationTotals, Posting, PublicChannel, Role, Seq,
    Timestamp, UserId,
};

use crate::error::Result;
use crate::key::{kind_of, posting_of, role_of, seq, sql_seq, unsigned, uuid};
use crate::reader::View;
use crate::timeline::{self, Viewer};
use crate::{ConversationKey, UserKey};

/// Where a list page ended: activity, then key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPlace {
    pub updated_at: Timestamp,
    pub conversation: ConversationKey,
}

/// One page of a user's conversations, newest activity first, and where the next begins.
///
/// # Errors
/// A failure of the store.
pub fn page(
    sql: &Connection,
    viewer: Viewer,
    after: Option<ListPlace>,
    limit: usize,
) -> Result<(Vec<Conversation>, Option<ListPlace>)> {
    let after = after
        .unwrap_or(ListPlace { updated_at: Timestamp(i64::MAX), conversation: ConversationKey(u32::MAX) });
    let mut statement = sql.prepare_cached(concat_row!(
        "where m.user = ?1 and m.left_seq is null and (c.updated_at, c.key) < (?2, ?3) \
         order by c.updated_at desc, c.key desc limit ?4"
    ))?;
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query((viewer.user, after.updated_at.0, after.conversation, wanted))?;
    let (mut conversations, mut next) = (Vec::new(), None);
    let mut last = None;
    while let Some(row) = rows.next()? {
        if conversations.len() == limit {
            next = last;
            break;
        }
        let found = Found::read(row)?;
        last = Some(ListPlace { updated_at: found.updated_at, conversation: found.view.conversation });
        conversations.push(found.complete(sql, viewer)?);
    }
    Ok((conversations, next))
}

/// One conversation of a user; `None` where they are not a member.
///
/// # Errors
/// A failure of the store.
pub fn one(sql: &Connection, viewer: Viewer, conversation: ConversationKey) -> Result<Option<Conversation>> {
    let mut statement =
        sql.prepare_cached(concat_row!("where m.user = ?1 and m.left_seq is null and c.key = ?2"))?;
    let mut rows = statement.query((viewer.user, conversation))?;
    match rows.next()? {
        Some(row) => Ok(Some(Found::read(row)?.complete(sql, viewer)?)),
        None => Ok(None),
    }
}

/// What waits in all of a user's conversations; muted ones count as conversations only.
///
/// # Errors
/// A failure of the store.
pub fn totals(sql: &Connection, user: UserKey) -> Result<ConversationTotals> {
    let mut statement = sql.prepare_cached(
        "select count(*), coalesce(sum(case when m.muted then 0 else \
         (c.ordinal - m.read_ordinal) - (m.own_total - m.read_own) - case when c.last_tombstone_seq > m.read_seq then \
         (select count(*) from tombstones x where x.conversation = c.key and x.message_seq > m.read_seq \
         and x.thread is null and x.sender <> m.user) else 0 end end), 0) \
         from members m join conversations c on c.key = m.conversation where m.user = ?1 and m.left_seq is null",
    )?;
    let (conversations, unread): (i64, i64) =
        statement.query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = sql.prepare_cached(
        "select coalesce(sum((t.ordinal - f.read_ordinal) - (f.own_total - f.read_own) - \
         case when t.last_tombstone_seq > f.read_seq then (select count(*) from tombstones x \
         where x.conversation = t.conversation and x.message_seq > f.read_seq and x.thread = t.root_seq \
         and x.sender <> f.user) else 0 end), 0) \
         from follows f join threads t on t.conversation = f.conversation and t.root_seq = f.root_seq \
         join members m on m.conversation = f.conversation and m.user = f.user and m.left_seq is null and not m.muted \
         where f.user = ?1 and f.following = 1",
    )?;
    let in_threads: i64 = statement.query_row([user], |row| row.get(0))?;
    let mut statement = sql.prepare_cached(
        "select count(*) from members m join mentions n on n.conversation = m.conversation and n.user in (0, m.user) \
         left join follows f on f.user = m.user and f.conversation = n.conversation and f.root_seq = n.thread \
         and f.following = 1 \
         where m.user = ?1 and m.left_seq is null and not m.muted and n.sender <> m.user \
         and n.event_seq >= m.joined_seq and n.event_seq > coalesce(f.read_seq, m.read_seq)",
    )?;
    let mentions: i64 = statement.query_row([user], |row| row.get(0))?;
    Ok(ConversationTotals {
        conversations: unsigned(conversations),
        unread: unsigned(unread + in_threads),
        mentions: unsigned(mentions),
    })
}

/// Where a page of channels ended: name as it is sorted, then key.
pub type ChannelPlace = (String, ConversationKey);

/// Channels by name after a place; guests see none.
///
/// # Errors
/// A failure of the store.
pub fn public_channels(
    sql: &Connection,
    user: UserKey,
    query: &str,
    after: Option<ChannelPlace>,
    limit: usize,
) -> Result<(Vec<PublicChannel>, Option<ChannelPlace>)> {
    let mut statement = sql.prepare_cached(
        "select c.key, c.id, c.handle, c.name, c.topic, c.member_count, m.user is not null, \
         lower(coalesce(c.name, c.handle, '')) as sorted from conversations c \
         left join members m on m.conversation = c.key and m.user = ?1 and m.left_seq is null \
         where c.kind = 2 and c.archived_at is null and (sorted, c.key) > (?2, ?3) \
         and (?4 = '' or instr(sorted, ?4) > 0 or instr(coalesce(c.handle, ''), ?4) > 0) \
         order by sorted, c.key limit ?5",
    )?;
    let (name, key) = after.unwrap_or_default();
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query((user, name, key, query.to_lowercase(), wanted))?;
    let (mut channels, mut last, mut next) = (Vec::new(), None, None);
    while let Some(row) = rows.next()? {
        if channels.len() == limit {
            next = last;
            break;
        }
        last = Some((row.get("sorted")?, row.get(0)?));
        channels.push(PublicChannel {
            conversation_id: ConversationId(uuid(row.get_ref(1)?.as_blob().unwrap_or_default())),
            handle: row.get(2)?,
            name: row.get(3)?,
            topic: row.get(4)?,
            member_count: unsigned(row.get(5)?),
            joined: row.get(6)?,
        });
    }
    Ok((channels, next))
}

/// The columns of a list row before a condition.
macro_rules! concat_row {
    ($condition:literal) => {
        concat!(
            "select c.key, c.id, c.kind, c.handle, c.name, c.topic, c.posting, c.history_since_join, c.archived_at, ",
            "c.created_at, c.updated_at, c.member_count, c.last_seq, c.ordinal, c.last_message_seq, ",
            "m.role, m.joined_seq, m.read_generation, m.read_seq, m.muted, ",
            "(c.ordinal - m.read_ordinal) - (m.own_total - m.read_own) - case when c.last_tombstone_seq > m.read_seq ",
            "then (select count(*) from tombstones x where x.conversation = c.key and x.message_seq > m.read_seq ",
            "and x.thread is null and x.sender <> m.user) else 0 end as unread, ",
            "(select coalesce(sum((t.ordinal - f.read_ordinal) - (f.own_total - f.read_own) - ",
            "case when t.last_tombstone_seq > f.read_seq then (select count(*) from tombstones x ",
            "where x.conversation = t.conversation and x.message_seq > f.read_seq and x.thread = t.root_seq ",
            "and x.sender <> f.user) else 0 end), 0) ",
            "from follows f join threads t on t.conversation = f.conversation and t.root_seq = f.root_seq ",
            "where f.user = m.user and f.conversation = c.key and f.following = 1) as unread_in_threads, ",
            "(select count(*) from mentions n left join follows f on f.user = m.user ",
            "and f.conversation = n.conversation and f.root_seq = n.thread and f.following = 1 ",
            "where n.conversation = c.key and n.user in (0, m.user) and n.sender <> m.user ",
            "and n.event_seq >= m.joined_seq and n.event_seq > coalesce(f.read_seq, m.read_seq)) as mentions, ",
            "(select w.id from users w where w.key = case when c.direct_low = m.user then c.direct_high ",
            "else c.direct_low end) as with_user, ",
            "exists (select 1 from blocks b where c.kind = 0 and ((b.user = c.direct_low and b.blocked = c.direct_high) ",
            "or (b.user = c.direct_high and b.blocked = c.direct_low))) as blocked ",
            "from members m join conversations c on c.key = m.conversation ",
            $condition
        )
    };
}
use concat_row;

struct Found {
    view: View,
    updated_at: Timestamp,
    conversation: Conversation,
    last_message_seq: Seq,
    unread_in_timeline: u64,
}

impl Found {
    fn read(row: &Row<'_>) -> Result<Self> {
        let joined_seq = seq(row.get("joined_seq")?);
        let view = View {
            conversation: row.get("key")?,
            id: ConversationId(uuid(row.get_ref("id")?.as_blob().unwrap_or_default())),
            kind: kind_of(row.get("kind")?),
            role: role_of(row.get("role")?),
            posting: posting_of(row.get("posting")?),
            archived: row.get::<_, Option<i64>>("archived_at")?.is_some(),
            visible_from: if row.get("history_since_join")? { joined_seq } else { Seq(1) },
            joined_seq,
            last_seq: seq(row.get("last_seq")?),
            read_seq: seq(row.get("read_seq")?),
            member_count: unsigned(row.get("member_count")?),
        };
        let updated_at = Timestamp(row.get("updated_at")?);
        let unread_in_timeline = unsigned(row.get("unread")?);
        let blocked: bool = row.get("blocked")?;
        let managed = view.role >= Role::Admin && view.kind != ConversationKind::Direct;
        let with: Option<Vec<u8>> = row.get("with_user")?;
        let conversation = Conversation {
            conversation_id: view.id,
            kind: view.kind,
            handle: row.get("handle")?,
            name: row.get("name")?,
            topic: row.get("topic")?,
            with: with.filter(|_| view.kind == ConversationKind::Direct).map(|id| UserId(uuid(&id))),
            posting: view.posting,
            archived: view.archived,
            member_count: view.member_count,
            created_at: Timestamp(row.get("created_at")?),
            updated_at,
            last_seq: view.last_seq,
            ordinal: unsigned(row.get("ordinal")?),
            as_of_seq: view.last_seq,
            role: view.role,
            visible_from: view.visible_from,
            read_generation: unsigned(row.get("read_generation")?),
            read_seq: view.read_seq,
            first_unread_seq: None,
            unread: unread_in_timeline + unsigned(row.get("unread_in_threads")?),
            mentions: unsigned(row.get("mentions")?),
            muted: row.get("muted")?,
            can_post: !view.archived
                && !blocked
                && (view.posting == Posting::Everyone || view.role >= Role::Admin),
            can_invite: !view.archived && (view.kind == ConversationKind::Channel || managed),
            can_manage: managed,
            last_message: None,
        };
        let last_message_seq = seq(row.get("last_message_seq")?);
        Ok(Self { view, updated_at, conversation, last_message_seq, unread_in_timeline })
    }

    fn complete(mut self, sql: &Connection, viewer: Viewer) -> Result<Conversation> {
        if self.last_message_seq >= self.view.visible_from {
            let message = timeline::message(sql, viewer, &self.view, self.last_message_seq)?;
            self.conversation.last_message = message.map(Box::new);
        }
        if self.unread_in_timeline > 0 {
            self.conversation.first_unread_seq = first_unread(sql, viewer.user, &self.view)?;
        }
        Ok(self.conversation)
    }
}

/// The oldest message of the main timeline after the read position that is not one's own and not deleted.
fn first_unread(sql: &Connection, user: UserKey, view: &View) -> Result<Option<Seq>> {
    let mut statement = sql.prepare_cached(
        "select e.seq from events e where e.conversation = ?1 and e.seq > ?2 and e.kind = 0 and e.thread is null \
         and e.sender <> ?3 and not exists (select 1 from tombstones x where x.conversation = ?1 \
         and x.message_seq = e.seq) order by e.seq limit 1",
    )?;
    let after = view.read_seq.0.max(view.visible_from.0.saturating_sub(1));
    let mut rows = statement.query((view.conversation, sql_seq(Seq(after)), user))?;
    Ok(match rows.next()? {
        Some(row) => Some(seq(row.get(0)?)),
        None => None,
    })
}
