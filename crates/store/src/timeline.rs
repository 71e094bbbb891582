//! Timeline: messages as they stand now, by seq: pages before, after and around a place, threads, pins, history.
//!
//! Pages are read by key, never by offset. Invariant: nothing outside the viewer's interval is read.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};
use stonechat_wire::{
    ClientId, ConversationKind, DeviceId, Event, Message, MessageHistory, MessageId, MessageVersion,
    MessagesPage, Posting, Reaction, ReactionCount, ReadBy, Role, Seq, ThreadSummary, TimelineRow, Timestamp,
    UserId, Version,
};

use crate::UserKey;
use crate::error::Result;
use crate::event_row::{self, MessageDetail, Text, blob};
use crate::key::{seq, sql_seq, unsigned, uuid};
use crate::reader::View;

/// Who looks, and how long they may edit what they wrote.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    pub user: UserKey,
    pub edit_window: Duration,
}

/// Which part of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest rows before this one; from the end when it lies beyond.
    Before(Seq),
    /// The oldest rows after this one.
    After(Seq),
    /// Rows on both sides, this one among them.
    Around(Seq),
}

/// Rows of the main timeline, or with `thread` the root and its replies; oldest first.
///
/// # Errors
/// A failure of the store.
pub fn page(
    sql: &Connection,
    viewer: Viewer,
    view: &View,
    thread: Option<Seq>,
    place: Place,
    limit: usize,
) -> Result<MessagesPage> {
    let half = limit / 2;
    let (mut rows, mut has_more_before, mut has_more_after) = (Vec::new(), false, false);
    let (before, after) = match place {
        Place::Before(at) => (Some((at, limit)), None),
        Place::After(at) => (None, Some((at, limit))),
        Place::Around(at) => (Some((at, half)), Some((Seq(at.0.saturating_sub(1)), limit - half))),
    };
    if let Some((at, count)) = before {
        let mut found = seqs(sql, view, thread, at, count + 1, Direction::Back)?;
        has_more_before = found.len() > count;
        found.truncate(count);
        found.reverse();
        rows.extend(found);
    }
    if let Some((at, count)) = after {
        let mut found = seqs(sql, view, thread, at, count + 1, Direction::Forward)?;
        has_more_after = found.len() > count;
        found.truncate(count);
        rows.extend(found);
    }
    if let Place::After(at) = place {
        has_more_before = at >= view.visible_from;
    }
    if let (Place::Before(_), Some(last)) = (place, rows.last()) {
        has_more_after = !seqs(sql, view, thread, *last, 1, Direction::Forward)?.is_empty();
    }
    let mut messages = Vec::with_capacity(rows.len());
    for at in rows {
        messages.extend(timeline_row(sql, viewer, view, at)?);
    }
    Ok(MessagesPage { messages, has_more_before, has_more_after, as_of_seq: view.last_seq })
}

enum Direction {
    Back,
    Forward,
}

fn seqs(
    sql: &Connection,
    view: &View,
    thread: Option<Seq>,
    at: Seq,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Seq>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let floor = view.visible_from;
    let collect = |statement: &mut rusqlite::CachedStatement<'_>, parameters: &[&dyn rusqlite::ToSql]| {
        let rows = statement.query_map(parameters, |row| row.get(0).map(seq))?;
        Ok(rows.collect::<rusqlite::Result<Vec<Seq>>>()?)
    };
    let (conversation, at) = (view.conversation, sql_seq(at));
    match (thread, direction) {
        (None, Direction::Back) => collect(
            &mut sql.prepare_cached(
                "select seq from events where conversation = ?1 and seq < ?2 and seq >= ?3 \
                 and ((kind = 0 and thread is null) or kind = 5) order by seq desc limit ?4",
            )?,
            &[&conversation, &at, &sql_seq(floor), &limit],
        ),
        (None, Direction::Forward) => collect(
            &mut sql.prepare_cached(
                "select seq from events where conversation = ?1 and seq > ?2 and seq >= ?3 \
                 and ((kind = 0 and thread is null) or kind = 5) order by seq limit ?4",
            )?,
            &[&conversation, &at, &sql_seq(floor), &limit],
        ),
        (Some(root), Direction::Back) => collect(
            &mut sql.prepare_cached(
                "select seq from (select seq from events where conversation = ?1 and thread = ?5 and kind = 0 \
                 union all select ?5) where seq < ?2 and seq >= ?3 order by seq desc limit ?4",
            )?,
            &[&conversation, &at, &sql_seq(floor), &limit, &sql_seq(root)],
        ),
        (Some(root), Direction::Forward) => collect(
            &mut sql.prepare_cached(
                "select seq from (select seq from events where conversation = ?1 and thread = ?5 and kind = 0 \
                 union all select ?5) where seq > ?2 and seq >= ?3 order by seq limit ?4",
            )?,
            &[&conversation, &at, &sql_seq(floor), &limit, &sql_seq(root)],
        ),
    }
}

fn timeline_row(sql: &Connection, viewer: Viewer, view: &View, at: Seq) -> Result<Option<TimelineRow>> {
    if let Some(message) = message(sql, viewer, view, at)? {
        return Ok(Some(TimelineRow::Message(Box::new(message))));
    }
    Ok(event_at(sql, view, at)?.map(|event| TimelineRow::Event(Box::new(event))))
}

fn event_at(sql: &Connection, view: &View, at: Seq) -> Result<Option<Event>> {
    let mut statement = sql.prepare_cached(event_row::EVENTS_BETWEEN)?;
    let mut rows = statement.query((view.conversation, sql_seq(at), sql_seq(at), 1))?;
    match rows.next()? {
        Some(row) => event_row::event(row, view.id),
        None => Ok(None),
    }
}

/// A message with its current text; `None` where there is none at this place for the viewer.
///
/// # Errors
/// A failure of the store.
pub fn message(sql: &Connection, viewer: Viewer, view: &View, at: Seq) -> Result<Option<Message>> {
    if at < view.visible_from {
        return Ok(None);
    }
    let mut statement = sql.prepare_cached(
        "select e.seq, e.ordinal, e.sender, e.created_at, e.client_id, e.thread, e.detail, u.id as user_id, \
         d.id as device_id, v.content, v.content_type, v.metadata, s.current_vector, s.current_edited_at, s.mentions, \
         s.message_seq is not null as amended, \
         exists (select 1 from pins p where p.conversation = e.conversation and p.message_seq = e.seq) as pinned \
         from events e join users u on u.key = e.sender left join devices d on d.key = e.device \
         left join message_states s on s.conversation = e.conversation and s.message_seq = e.seq \
         left join versions v on v.id = coalesce(s.current_version, e.version) \
         where e.conversation = ?1 and e.seq = ?2 and e.kind = 0",
    )?;
    let mut rows = statement.query((view.conversation, sql_seq(at)))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut message = bare_message(row, viewer, view, at)?;
    if !message.deleted {
        message.reactions = reaction_counts(sql, viewer, view, at)?;
    }
    if message.thread.is_none() {
        message.thread_summary = thread_summary(sql, viewer.user, view, at)?;
    }
    Ok(Some(message))
}

fn bare_message(row: &Row<'_>, viewer: Viewer, view: &View, at: Seq) -> Result<Message> {
    let detail: Option<String> = row.get("detail")?;
    let detail: MessageDetail = detail.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    let text = Text::of(row)?;
    let sender: UserKey = row.get("sender")?;
    let timestamp = Timestamp(row.get("created_at")?);
    let json = |column: &str| -> Result<Option<String>> { Ok(row.get(column)?) };
    let version: Version =
        json("current_vector")?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    let amended: bool = row.get("amended")?;
    let mentions = if amended {
        json("mentions")?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    } else {
        detail.mentions
    };
    let own = sender == viewer.user;
    let moderates = view.role >= Role::Admin && view.kind != ConversationKind::Direct;
    let may_post = view.posting == Posting::Everyone || view.role >= Role::Admin;
    let can_edit = own && may_post && !view.archived && !text.deleted;
    Ok(Message {
        message_id: MessageId::of(view.id, at),
        conversation_id: view.id,
        seq: at,
        ordinal: unsigned(row.get("ordinal")?),
        from: UserId(uuid(row.get_ref("user_id")?.as_blob().unwrap_or_default())),
        sender_device: blob(row, "device_id")?.map(DeviceId),
        client_id: blob(row, "client_id")?.map(ClientId),
        content_type: text.content_type,
        metadata: text.metadata,
        reply_to: detail.reply_to,
        thread: row.get::<_, Option<i64>>("thread")?.map(seq),
        mentions: if text.deleted { Default::default() } else { mentions },
        version,
        timestamp,
        edited_at: row.get::<_, Option<i64>>("current_edited_at")?.filter(|_| !text.deleted).map(Timestamp),
        deleted: text.deleted,
        pinned: row.get("pinned")?,
        reactions: Vec::new(),
        thread_summary: None,
        can_edit_until: can_edit.then(|| timestamp.plus(viewer.edit_window)),
        can_delete: (own || moderates) && !view.archived && !text.deleted,
        content: text.content,
    })
}

fn reaction_counts(sql: &Connection, viewer: Viewer, view: &View, at: Seq) -> Result<Vec<ReactionCount>> {
    let mut statement = sql.prepare_cached(
        "select emoji, count(*), max(user = ?3) from reactions where conversation = ?1 and message_seq = ?2 \
         group by emoji order by min(seq)",
    )?;
    let counts = statement.query_map((view.conversation, sql_seq(at), viewer.user), |row| {
        Ok(ReactionCount { emoji: row.get(0)?, count: unsigned(row.get(1)?), me: row.get(2)? })
    })?;
    Ok(counts.collect::<rusqlite::Result<_>>()?)
}

/// The thread under a root, and what of it is unread to the viewer.
pub(crate) fn thread_summary(
    sql: &Connection,
    user: UserKey,
    view: &View,
    root: Seq,
) -> Result<Option<ThreadSummary>> {
    let mut statement = sql.prepare_cached(
        "select t.ordinal - t.deleted, t.last_seq, t.last_at, coalesce(f.following, 0), f.read_generation, f.read_seq, \
         (t.ordinal - f.read_ordinal) - (f.own_total - f.read_own) - case when t.last_tombstone_seq > f.read_seq then \
         (select count(*) from tombstones x where x.conversation = t.conversation and x.message_seq > f.read_seq \
         and x.thread = t.root_seq and x.sender <> ?3) else 0 end \
         from threads t left join follows f on f.user = ?3 and f.conversation = t.conversation \
         and f.root_seq = t.root_seq and f.following = 1 where t.conversation = ?1 and t.root_seq = ?2",
    )?;
    let summary = statement.query_row((view.conversation, sql_seq(root), user), |row| {
        Ok(ThreadSummary {
            root_seq: root,
            count: unsigned(row.get(0)?),
            last_seq: seq(row.get(1)?),
            last_timestamp: Timestamp(row.get(2)?),
            followed: row.get(3)?,
            read_generation: row.get::<_, Option<i64>>(4)?.map_or(0, unsigned),
            read_seq: row.get::<_, Option<i64>>(5)?.map_or(Seq(0), seq),
            unread: row.get::<_, Option<i64>>(6)?.map_or(0, unsigned),
        })
    });
    Ok(summary.optional()?)
}

/// Every text a message had, oldest first.
///
/// # Errors
/// A failure of the store.
pub fn history(sql: &Connection, view: &View, at: Seq) -> Result<Option<MessageHistory>> {
    if at < view.visible_from {
        return Ok(None);
    }
    let mut statement = sql.prepare_cached(
        "select e.seq, e.created_at, e.detail, e.kind, d.id as device_id, v.content, v.content_type, v.metadata, \
         v.id = coalesce(s.current_version, first.version) as current \
         from events first join versions v on v.id = first.version or (v.conversation = ?1 and v.message_seq = ?2 \
         and v.seq <> v.message_seq) \
         join events e on e.conversation = ?1 and e.seq = v.seq left join devices d on d.key = e.device \
         left join message_states s on s.conversation = ?1 and s.message_seq = ?2 \
         where first.conversation = ?1 and first.seq = ?2 and first.kind = 0 order by e.seq",
    )?;
    let mut rows = statement.query((view.conversation, sql_seq(at)))?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let text = Text::of(row)?;
        let detail: Option<String> = row.get("detail")?;
        let edit = (row.get::<_, i64>("kind")? == 1)
            .then(|| detail.and_then(|json| serde_json::from_str::<event_row::EditDetail>(&json).ok()))
            .flatten();
        let created_at = Timestamp(row.get("created_at")?);
        versions.push(MessageVersion {
            seq: seq(row.get("seq")?),
            content: text.content,
            content_type: text.content_type,
            edited_at: edit.as_ref().map_or(created_at, |edit| edit.edited_at),
            version: edit.map(|edit| edit.version).unwrap_or_default(),
            by_device: blob(row, "device_id")?.map(DeviceId),
            current: row.get("current")?,
        });
    }
    Ok((!versions.is_empty()).then_some(MessageHistory { versions }))
}

/// Who reacted with what, in the order it happened.
///
/// # Errors
/// A failure of the store.
pub fn reactions(sql: &Connection, view: &View, at: Seq) -> Result<Vec<Reaction>> {
    let mut statement = sql.prepare_cached(
        "select r.emoji, u.id from reactions r join users u on u.key = r.user \
         where r.conversation = ?1 and r.message_seq = ?2 order by r.seq limit 1000",
    )?;
    let reactions = statement.query_map((view.conversation, sql_seq(at.max(view.visible_from))), |row| {
        Ok(Reaction { emoji: row.get(0)?, user_id: UserId(uuid(row.get_ref(1)?.as_blob()?)) })
    })?;
    Ok(reactions.collect::<rusqlite::Result<_>>()?)
}

/// Members whose read position reached a message and who share that, the sender left out.
///
/// # Errors
/// A failure of the store.
pub fn read_by(sql: &Connection, view: &View, at: Seq) -> Result<ReadBy> {
    let mut statement = sql.prepare_cached(
        "select u.id from members m join users u on u.key = m.user where m.conversation = ?1 and m.left_seq is null \
         and m.read_seq >= ?2 and u.share_receipts = 1 \
         and m.user <> (select sender from events where conversation = ?1 and seq = ?2) order by m.user",
    )?;
    let ids = statement
        .query_map((view.conversation, sql_seq(at)), |row| Ok(UserId(uuid(row.get_ref(0)?.as_blob()?))))?;
    let mut user_ids: Vec<UserId> = ids.collect::<rusqlite::Result<_>>()?;
    let total = user_ids.len() as u64;
    user_ids.truncate(200);
    Ok(ReadBy { user_ids, total })
}

/// Pinned messages, the last pinned first.
///
/// # Errors
/// A failure of the store.
pub fn pins(sql: &Connection, viewer: Viewer, view: &View) -> Result<Vec<Message>> {
    let mut statement = sql.prepare_cached(
        "select message_seq from pins where conversation = ?1 and message_seq >= ?2 order by seq desc limit 100",
    )?;
    let rows =
        statement.query_map((view.conversation, sql_seq(view.visible_from)), |row| row.get(0).map(seq))?;
    messages_at(sql, viewer, view, rows.collect::<rusqlite::Result<_>>()?)
}

/// Threads whose last reply lies before `before`, newest first; with `followed` only those the viewer follows.
///
/// # Errors
/// A failure of the store.
pub fn threads(
    sql: &Connection,
    viewer: Viewer,
    view: &View,
    followed: bool,
    before: Option<Seq>,
    limit: usize,
) -> Result<Vec<Message>> {
    let mut statement = sql.prepare_cached(
        "select t.root_seq from threads t where t.conversation = ?1 and t.last_seq < ?2 and t.root_seq >= ?3 \
         and (?4 = 0 or exists (select 1 from follows f where f.user = ?5 and f.conversation = t.conversation \
         and f.root_seq = t.root_seq and f.following = 1)) order by t.last_seq desc limit ?6",
    )?;
    let rows = statement.query_map(
        (
            view.conversation,
            before.map_or(i64::MAX, sql_seq),
            sql_seq(view.visible_from),
            followed,
            viewer.user,
            i64::try_from(limit).unwrap_or(i64::MAX),
        ),
        |row| row.get(0).map(seq),
    )?;
    messages_at(sql, viewer, view, rows.collect::<rusqlite::Result<_>>()?)
}

fn messages_at(sql: &Connection, viewer: Viewer, view: &View, places: Vec<Seq>) -> Result<Vec<Message>> {
    let mut messages = Vec::with_capacity(places.len());
    for at in places {
        messages.extend(message(sql, viewer, view, at)?);
    }
    Ok(messages)
}

/// What a user wrote, newest first, in conversations they are still in.
///
/// # Errors
/// A failure of the store.
pub fn by_sender(
    sql: &Connection,
    viewer: Viewer,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Message>> {
    let mut statement = sql.prepare_cached(
        "select conversation, seq from events where sender = ?1 and kind = 0 and created_at < ?2 \
         order by created_at desc limit ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let places = statement.query_map((viewer.user, before.map_or(i64::MAX, |at| at.0), limit), |row| {
        Ok((row.get(0)?, seq(row.get(1)?)))
    })?;
    let mut messages = Vec::new();
    for place in places {
        let (conversation, at) = place?;
        if let Some(view) = crate::reader::view(sql, viewer.user, conversation)? {
            messages.extend(message(sql, viewer, &view, at)?);
        }
    }
    Ok(messages)
}
