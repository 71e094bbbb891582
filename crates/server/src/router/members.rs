//! Members: bitmaps of who is in the large conversations, loaded at their first event and kept by their changes.

use std::num::NonZeroUsize;

use lru::LruCache;
use roaring::RoaringBitmap;
use stonechat_store::ConversationKey;
use stonechat_store::commit::MemberChange;

/// Memory for bitmaps; the least recently used go first.
const MAX_BYTES: usize = 64 << 20;

pub(crate) struct Members {
    bitmaps: LruCache<ConversationKey, RoaringBitmap>,
    bytes: usize,
}

impl Members {
    pub(crate) fn new() -> Self {
        let entries = NonZeroUsize::MAX.min(NonZeroUsize::new(1 << 20).unwrap_or(NonZeroUsize::MIN));
        Self { bitmaps: LruCache::new(entries), bytes: 0 }
    }

    pub(crate) fn contains(&self, conversation: ConversationKey) -> bool {
        self.bitmaps.contains(&conversation)
    }

    pub(crate) fn get(&mut self, conversation: ConversationKey) -> Option<&RoaringBitmap> {
        self.bitmaps.get(&conversation)
    }

    pub(crate) fn insert(&mut self, conversation: ConversationKey, bitmap: RoaringBitmap) {
        self.bytes += bitmap.serialized_size();
        if let Some(before) = self.bitmaps.put(conversation, bitmap) {
            self.bytes = self.bytes.saturating_sub(before.serialized_size());
        }
        while self.bytes > MAX_BYTES && self.bitmaps.len() > 1 {
            let Some((_, oldest)) = self.bitmaps.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.serialized_size());
        }
    }

    pub(crate) fn change(&mut self, conversation: ConversationKey, change: MemberChange) {
        if let Some(bitmap) = self.bitmaps.peek_mut(&conversation) {
            match change {
                MemberChange::Joined(user) => bitmap.insert(user.0),
                MemberChange::Left(user) => bitmap.remove(user.0),
            };
        }
    }
}
