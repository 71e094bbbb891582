//! Naming: what calls take where a conversation is meant: `"ops"`, an id, or a reference.

use stonechat_wire::{ConversationId, ConversationRef};

/// Something that names a conversation.
pub trait IntoConversationRef {
    /// The reference the wire carries.
    fn into_conversation_ref(self) -> ConversationRef;
}

impl IntoConversationRef for &str {
    fn into_conversation_ref(self) -> ConversationRef {
        ConversationRef::from(self.to_owned())
    }
}

impl IntoConversationRef for String {
    fn into_conversation_ref(self) -> ConversationRef {
        ConversationRef::from(self)
    }
}

impl IntoConversationRef for ConversationId {
    fn into_conversation_ref(self) -> ConversationRef {
        ConversationRef::Id(self)
    }
}

impl IntoConversationRef for ConversationRef {
    fn into_conversation_ref(self) -> ConversationRef {
        self
    }
}

impl IntoConversationRef for &ConversationRef {
    fn into_conversation_ref(self) -> ConversationRef {
        self.clone()
    }
}
