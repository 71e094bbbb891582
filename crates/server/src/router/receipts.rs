//! Receipts: how far others have read, gathered over a window and told to the members of small conversations.
//!
//! Never in the log; own devices hear of it at once by the account state.

use std::sync::Arc;

use hashbrown::HashMap;
use stonechat_store::commit::Recipients;
use stonechat_store::{Readers, UserKey};
use stonechat_wire::{Control, ConversationId, Seq, UserId};

use super::{Router, encode};

#[derive(Default)]
pub(crate) struct Receipts {
    pending: HashMap<(ConversationId, UserKey), Receipt>,
}

struct Receipt {
    user_id: UserId,
    read_seq: Seq,
    recipients: Arc<[UserKey]>,
}

/// Beyond so many waiting, the window's receipts are dropped: clients read positions with the conversation anyway.
const MAX_PENDING: usize = 50_000;

impl Receipts {
    pub(crate) fn add(
        &mut self,
        conversation: ConversationId,
        user: UserKey,
        user_id: UserId,
        read_seq: Seq,
        recipients: &Recipients,
    ) {
        if let Recipients::Few(recipients) = recipients
            && self.pending.len() < MAX_PENDING
        {
            let receipt = Receipt { user_id, read_seq, recipients: recipients.clone() };
            self.pending.insert((conversation, user), receipt);
        }
    }

    /// Tells the window's receipts of those who share them.
    pub(crate) async fn flush(&mut self, router: &Router, readers: &Readers) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let users: Vec<UserKey> = pending.keys().map(|(_, user)| *user).collect();
        let Ok(sharing) =
            readers.read(move |sql| stonechat_store::people::sharing_receipts(sql, &users)).await
        else {
            return;
        };
        let registry = router.shared.registry.read();
        for ((conversation_id, user), receipt) in pending {
            if !sharing.contains(user.0) {
                continue;
            }
            let control =
                Control::Receipt { conversation_id, user_id: receipt.user_id, read_seq: receipt.read_seq };
            let frame = encode::control(&control);
            for other in receipt.recipients.iter().filter(|other| **other != user) {
                for session in registry.sessions_of(*other) {
                    session.outbound.push(frame.clone(), 1);
                }
            }
        }
    }
}
