//! Batches: in large conversations, membership and reaction events of a few seconds go live as one summary.
//!
//! A message flushes the summary before it, so that places stay in order.

use hashbrown::HashMap;
use stonechat_store::commit::EventEntry;
use stonechat_store::{ConversationKey, Position};
use stonechat_wire::{BatchSummary, Control, ConversationId, EventBody, ReactionAction, Seq};

/// Above so many members single joins and reactions are noise.
const LARGE: u64 = 200;
/// How long events are gathered, in ticks of the router (seconds).
const WINDOW_TICKS: u32 = 5;

#[derive(Default)]
pub(crate) struct Batches {
    pending: HashMap<ConversationKey, Pending>,
}

struct Pending {
    conversation_id: ConversationId,
    from_seq: Seq,
    to_seq: Seq,
    first: Position,
    last: Position,
    summary: BatchSummary,
    age_ticks: u32,
}

impl Batches {
    /// Takes an event into its conversation's summary. `false`: it goes out by itself.
    pub(crate) fn take(&mut self, entry: &EventEntry) -> bool {
        let (conversation, member_count, event) = (entry.conversation, entry.member_count, &entry.event);
        if member_count <= LARGE || !is_noise(&event.body) {
            return false;
        }
        let pending = self.pending.entry(conversation).or_insert_with(|| Pending {
            conversation_id: event.conversation_id,
            from_seq: event.seq,
            to_seq: event.seq,
            first: entry.position,
            last: entry.position,
            summary: BatchSummary::default(),
            age_ticks: 0,
        });
        pending.to_seq = event.seq;
        pending.last = entry.position;
        match &event.body {
            EventBody::MemberJoined { .. } => pending.summary.joined += 1,
            EventBody::MemberLeft { .. } => pending.summary.left += 1,
            EventBody::Reaction { action: ReactionAction::Add, .. } => pending.summary.reactions += 1,
            _ => {}
        }
        true
    }

    /// The summary that must go out before the conversation's next event.
    /// With the position of its last event.
    pub(crate) fn flush(&mut self, conversation: ConversationKey) -> Option<(Position, Control)> {
        if self.pending.is_empty() {
            return None;
        }
        self.pending.remove(&conversation).map(|pending| (pending.last, pending.into_control()))
    }

    /// Conversations whose window is over.
    pub(crate) fn tick(&mut self) -> Vec<ConversationKey> {
        let mut due = Vec::new();
        for (conversation, pending) in &mut self.pending {
            pending.age_ticks += 1;
            if pending.age_ticks >= WINDOW_TICKS {
                due.push(*conversation);
            }
        }
        due
    }

    /// The position of the oldest event that no session was told of yet: a cursor must stop before it.
    pub(crate) fn oldest(&self) -> Option<Position> {
        self.pending.values().map(|pending| pending.first).min()
    }
}

impl Pending {
    fn into_control(self) -> Control {
        Control::Batch {
            conversation_id: self.conversation_id,
            from_seq: self.from_seq,
            to_seq: self.to_seq,
            summary: self.summary,
        }
    }
}

fn is_noise(body: &EventBody) -> bool {
    matches!(body, EventBody::MemberJoined { .. } | EventBody::MemberLeft { .. } | EventBody::Reaction { .. })
}
