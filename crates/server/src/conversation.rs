//! Conversation: what people do in conversations, for both doors: shapes are checked here, rights in the store.
//!
//! Check, then do: everything that can be refused by its shape is refused before the writer hears of it. Sending without
//! mentions waits for nothing but the writer.

use std::time::Duration;

use stonechat_store::amend::{Amendment, Change, Edit};
use stonechat_store::append::{Append, Target};
use stonechat_store::commit::Correlation;
use stonechat_store::conversation::NewConversation;
use stonechat_store::key::Actor;
use stonechat_store::read_position::Reading;
use stonechat_store::timeline::Viewer;
use stonechat_store::{Durability, Error, Readers, Result, UserKey, Writer, people, reader};
use stonechat_wire::{
    Ack, ChangeConversation, ClientId, Code, ConversationId, ConversationKind, ConversationRef,
    CreateConversation, DeleteMessage, EditMessage, MarkUnread, PinMessage, Posting, React, Read,
    ReadPosition, SendMessage, Seq, UserId,
};
use tokio::sync::oneshot;

use crate::config::Settings;

mod mentions;
mod shape;

/// People who can be put into a conversation while it is made.
const MAX_FIRST_MEMBERS: usize = 1_000;
/// Devices that can have edited one message.
const MAX_VERSION_DEVICES: usize = 100;

/// Handle of the room: cheap to clone.
#[derive(Clone)]
pub(crate) struct Conversations {
    writer: Writer,
    readers: Readers,
    edit_window: Duration,
    relaxed: bool,
}

/// A message whose shape is right, on its way to the writer.
pub(crate) struct Draft {
    append: Append,
    /// Handles in the text that nobody looked up yet.
    handles: Vec<String>,
}

impl Draft {
    /// Whether the text names people who must be looked up first.
    pub(crate) fn needs_lookup(&self) -> bool {
        !self.handles.is_empty()
    }
}

/// What became of the wish for a conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made {
    New(ConversationId),
    /// The direct conversation that was there.
    Found(ConversationId),
}

impl Conversations {
    pub(crate) fn new(writer: Writer, readers: Readers, settings: &Settings) -> Self {
        let relaxed = settings.durability() == Durability::Relaxed;
        Self { writer, readers, edit_window: settings.edit_window(), relaxed }
    }

    /// How a member looks at messages.
    pub(crate) fn viewer(&self, user: UserKey) -> Viewer {
        Viewer { user, edit_window: self.edit_window }
    }

    /// Checks a message's shape. Waits for nothing: this is the hot path.
    ///
    /// # Errors
    /// `invalid`, `too_large`, naming the field.
    pub(crate) fn draft(
        &self,
        actor: Actor,
        message: SendMessage,
        correlation: Correlation,
    ) -> Result<Draft> {
        let client_id = message.client_id.ok_or_else(|| Error::invalid("client_id", "missing"))?;
        let target = match (message.conversation_id, message.to) {
            (Some(reference), None) => target(reference),
            (None, Some(person)) => Target::Person(person),
            _ => return Err(Error::invalid("conversation_id", "exactly one of conversation_id and to")),
        };
        shape::text(&message.content, message.content_type.as_deref(), message.metadata.as_deref())?;
        let found = mentions::find(&message.content);
        Ok(Draft {
            handles: found.handles,
            append: Append {
                content_type: message.content_type,
                metadata: message.metadata,
                reply_to: message.reply_to,
                thread: message.thread,
                read_seq: message.read_seq,
                mentions_all: found.all,
                correlation,
                ..Append::new(actor, client_id, target, message.content)
            },
        })
    }

    /// Looks up the people a message names.
    ///
    /// # Errors
    /// A failure of the store.
    pub(crate) async fn resolve(&self, mut draft: Draft) -> Result<Draft> {
        draft.append.mentioned = self.people(std::mem::take(&mut draft.handles)).await?;
        Ok(draft)
    }

    async fn people(&self, handles: Vec<String>) -> Result<Vec<(UserKey, UserId)>> {
        if handles.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.readers.read(move |sql| {
            let mut found = Vec::with_capacity(handles.len());
            for handle in &handles {
                found.extend(people::by_handle(sql, handle)?);
            }
            Ok(found)
        });
        read.await
    }

    /// Hands a message to the writer; its answer comes with the commit.
    pub(crate) async fn append(&self, draft: Draft) {
        self.writer.append(draft.append).await;
    }

    /// Sends a message and waits for its ack.
    ///
    /// # Errors
    /// What the shape or the store refused.
    pub(crate) async fn send(&self, actor: Actor, message: SendMessage) -> Result<Ack> {
        let draft = self.draft(actor, message, Correlation(0))?;
        let mut draft = if draft.needs_lookup() { self.resolve(draft).await? } else { draft };
        let (reply, answer) = oneshot::channel();
        draft.append.reply = Some(reply);
        self.append(draft).await;
        let ack = answer.await.map_err(|_| stonechat_store::error::Failure::Stopped)??;
        Ok(self.stamped(ack))
    }

    /// # Errors
    /// What the shape or the store refused.
    pub(crate) async fn edit(
        &self,
        actor: Actor,
        edit: EditMessage,
        correlation: Correlation,
    ) -> Result<Ack> {
        shape::text(&edit.content, edit.content_type.as_deref(), edit.metadata.as_deref())?;
        if edit.version.len() > MAX_VERSION_DEVICES {
            return Err(Error::invalid("version", "too many devices"));
        }
        let amendment =
            amendment(actor, edit.client_id, edit.conversation_id, edit.message_seq, correlation)?;
        let found = mentions::find(&edit.content);
        let change = Change::Edit(Edit {
            mentioned: self.people(found.handles).await?,
            mentions_all: found.all,
            content: edit.content,
            content_type: edit.content_type,
            metadata: edit.metadata,
            version: edit.version,
            edited_at: edit.edited_at,
        });
        self.amend(amendment, change).await
    }

    /// # Errors
    /// What the store refused.
    pub(crate) async fn delete(
        &self,
        actor: Actor,
        delete: DeleteMessage,
        correlation: Correlation,
    ) -> Result<Ack> {
        let DeleteMessage { client_id, conversation_id, message_seq } = delete;
        let amendment =
            amendment(actor, Some(client_id), Some(conversation_id), Some(message_seq), correlation)?;
        self.amend(amendment, Change::Delete).await
    }

    /// # Errors
    /// What the shape or the store refused.
    pub(crate) async fn react(&self, actor: Actor, react: React, correlation: Correlation) -> Result<Ack> {
        let emoji = react.emoji;
        shape::emoji(&emoji)?;
        let amendment =
            amendment(actor, react.client_id, react.conversation_id, react.message_seq, correlation)?;
        self.amend(amendment, Change::React { emoji, action: react.action }).await
    }

    /// # Errors
    /// What the store refused.
    pub(crate) async fn pin(&self, actor: Actor, pin: PinMessage, correlation: Correlation) -> Result<Ack> {
        let amendment = amendment(actor, pin.client_id, pin.conversation_id, pin.message_seq, correlation)?;
        self.amend(amendment, Change::Pin { pinned: pin.pinned }).await
    }

    async fn amend(&self, amendment: Amendment, change: Change) -> Result<Ack> {
        Ok(self.stamped(self.writer.amend(amendment, change).await?))
    }

    /// Relaxed durability shows in every ack.
    fn stamped(&self, ack: Ack) -> Ack {
        Ack { durability: self.relaxed.then(|| "relaxed".to_owned()), ..ack }
    }

    /// # Errors
    /// `overloaded` while too much waits; what the store refuses comes with the commit.
    pub(crate) fn read(&self, actor: Actor, read: Read, correlation: Correlation) -> Result<()> {
        let position = ReadPosition { read_generation: read.read_generation, read_seq: read.read_seq };
        let reading = Reading {
            actor,
            target: target(read.conversation_id),
            thread: read.thread,
            position,
            correlation,
        };
        if self.writer.read(reading) { Ok(()) } else { Err(Error::refused(Code::Overloaded)) }
    }

    /// # Errors
    /// What the store refused.
    pub(crate) async fn read_and_wait(&self, actor: Actor, read: Read) -> Result<()> {
        let position = ReadPosition { read_generation: read.read_generation, read_seq: read.read_seq };
        let reading = Reading {
            actor,
            target: target(read.conversation_id),
            thread: read.thread,
            position,
            correlation: Correlation(0),
        };
        self.writer.read_and_wait(reading).await
    }

    /// # Errors
    /// What the store refused.
    pub(crate) async fn mark_unread(&self, actor: Actor, mark: MarkUnread) -> Result<()> {
        self.writer.mark_unread(actor, target(mark.conversation_id), mark.thread, mark.seq).await
    }

    /// Makes a conversation, or finds the direct one there is.
    ///
    /// # Errors
    /// What the shape or the store refused.
    pub(crate) async fn create(&self, actor: Actor, create: CreateConversation) -> Result<Made> {
        if create.members.len() > MAX_FIRST_MEMBERS {
            return Err(Error::invalid("members", "at most 1,000 at once"));
        }
        let name = create.name.as_deref().map(shape::name).transpose()?;
        let topic = create.topic.as_deref().map(shape::topic).transpose()?;
        let (handle, posting) = match create.kind {
            ConversationKind::Direct => {
                if name.is_some() || create.handle.is_some() {
                    return Err(Error::invalid("name", "direct conversations have none"));
                }
                (None, Posting::Everyone)
            }
            ConversationKind::Group => {
                if create.handle.is_some() {
                    return Err(Error::invalid("handle", "only channels have one"));
                }
                (None, create.posting.unwrap_or(Posting::Everyone))
            }
            ConversationKind::Channel => {
                let name = name.as_ref().ok_or_else(|| Error::invalid("name", "a channel has one"))?;
                let handle = create.handle.clone().map_or_else(|| handle_of(name), Ok)?;
                (Some(check_channel_handle(&handle)?), create.posting.unwrap_or(Posting::Everyone))
            }
        };
        let new =
            NewConversation { kind: create.kind, name, handle, topic, posting, members: create.members };
        let found = self.finds_direct(actor.user, &new).await?;
        let id = self.writer.create_conversation(actor, new).await?;
        Ok(if found { Made::Found(id) } else { Made::New(id) })
    }

    /// Whether what is to be made is a direct conversation that is there already. Only the answer's status hangs on
    /// it: of two who begin at the same moment both may hear that it is new.
    async fn finds_direct(&self, user: UserKey, new: &NewConversation) -> Result<bool> {
        let (ConversationKind::Direct, &[other]) = (new.kind, new.members.as_slice()) else {
            return Ok(false);
        };
        self.readers.read(move |sql| Ok(people::direct_of(sql, user, other)?.is_some())).await
    }

    /// # Errors
    /// What the shape or the store refused.
    pub(crate) async fn change(
        &self,
        actor: Actor,
        reference: ConversationRef,
        change: ChangeConversation,
    ) -> Result<()> {
        let change = ChangeConversation {
            name: change.name.as_deref().map(shape::name).transpose()?,
            topic: change.topic.as_deref().map(shape::topic).transpose()?,
            ..change
        };
        self.writer.change_conversation(actor, target(reference), change).await
    }

    /// The conversation as its member sees it, for reading.
    ///
    /// # Errors
    /// `not_found` for everybody else; `forbidden` where they could join.
    pub(crate) fn view(
        sql: &rusqlite::Connection,
        actor: &Actor,
        guest: bool,
        reference: &ConversationRef,
    ) -> Result<reader::View> {
        let key = reader::conversation_key(sql, reference)?.ok_or_else(|| Error::refused(Code::NotFound))?;
        if let Some(view) = reader::view(sql, actor.user, key)? {
            return Ok(view);
        }
        let joinable = !guest && reader::is_open_channel(sql, key)?;
        Err(Error::refused(if joinable { Code::Forbidden } else { Code::NotFound }))
    }
}

/// A reference on the wire as the store takes it.
pub(crate) fn target(reference: ConversationRef) -> Target {
    match reference {
        ConversationRef::Id(id) => Target::Conversation(id),
        ConversationRef::Handle(handle) => Target::Channel(handle),
    }
}

fn amendment(
    actor: Actor,
    client_id: Option<ClientId>,
    conversation: Option<ConversationRef>,
    message_seq: Option<Seq>,
    correlation: Correlation,
) -> Result<Amendment> {
    let missing = |field| move || Error::invalid(field, "missing");
    Ok(Amendment {
        actor,
        client_id: client_id.ok_or_else(missing("client_id"))?,
        target: target(conversation.ok_or_else(missing("conversation_id"))?),
        message_seq: message_seq.ok_or_else(missing("message_seq"))?,
        correlation,
    })
}

fn check_channel_handle(handle: &str) -> Result<String> {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let reserved = handle == "public" || handle.parse::<uuid::Uuid>().is_ok();
    if handle.is_empty() || handle.len() > 64 || !handle.chars().all(right) || reserved {
        return Err(Error::invalid("handle", "1 to 64 of a-z, 0-9, '-'; not `public`"));
    }
    Ok(handle.to_owned())
}

/// A channel's address made from its name.
pub(crate) fn handle_of(name: &str) -> Result<String> {
    let mut handle = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            handle.push(c);
        } else if !handle.ends_with('-') && !handle.is_empty() {
            handle.push('-');
        }
    }
    handle.truncate(64);
    let handle = handle.trim_end_matches('-');
    if handle.is_empty() {
        return Err(Error::invalid("handle", "give one: the name has no letters it could be made from"));
    }
    Ok(handle.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_handles() {
        assert_eq!(handle_of("Is there code for X?").unwrap(), "is-there-code-for-x");
        assert!(handle_of("???").is_err());
        for bad in ["public", "", "A", "a b", "0198c2de-1111-7111-8111-111111111111"] {
            assert!(check_channel_handle(bad).is_err(), "{bad}");
        }
    }
}
