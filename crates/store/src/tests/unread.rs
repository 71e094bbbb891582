//! Unread and mentions: arithmetic against brute force.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use stonechat_wire::{ConversationId, ReadPosition, Seq};

use super::world::World;
use crate::amend::{Change, Edit};
use crate::append::Target;
use crate::commit::Correlation;
use crate::read_position::Reading;
use crate::timeline::Viewer;
use crate::{UserKey, list, reader};

const PEOPLE: u32 = 3;

/// A message as a person counting by hand would note it.
#[derive(Clone, Debug)]
struct Noted {
    seq: Seq,
    sender: u32,
    thread: Option<Seq>,
    deleted: bool,
    mentions: BTreeSet<u32>,
    /// Where each mention stands: the event that brought it.
    mentioned_at: Vec<(u32, Seq)>,
}

/// One person's hand-kept state of the conversation.
#[derive(Clone, Debug, Default)]
struct Reader {
    generation: u64,
    read: u64,
    /// Thread root → (read, generation).
    follows: std::collections::BTreeMap<Seq, (u64, u64)>,
}

#[derive(Clone, Debug)]
enum Step {
    Send { sender: u32, mention: Option<u32> },
    Reply { sender: u32, to: prop::sample::Index, mention: Option<u32> },
    Delete { which: prop::sample::Index },
    Edit { which: prop::sample::Index, mention: Option<u32> },
    Read { who: u32, to: prop::sample::Index },
    ReadThread { who: u32, thread: prop::sample::Index, to: prop::sample::Index },
    MarkUnread { who: u32, from: prop::sample::Index },
    StaleRead { who: u32, to: prop::sample::Index },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 1..=PEOPLE;
    let index = any::<prop::sample::Index>;
    let mention = || prop::option::of(1..=PEOPLE);
    prop_oneof![
        5 => (who.clone(), mention()).prop_map(|(sender, mention)| Step::Send { sender, mention }),
        4 => (who.clone(), index(), mention()).prop_map(|(sender, to, mention)| Step::Reply { sender, to, mention }),
        2 => index().prop_map(|which| Step::Delete { which }),
        2 => (index(), mention()).prop_map(|(which, mention)| Step::Edit { which, mention }),
        3 => (who.clone(), index()).prop_map(|(who, to)| Step::Read { who, to }),
        2 => (who.clone(), index(), index()).prop_map(|(who, thread, to)| Step::ReadThread { who, thread, to }),
        1 => (who.clone(), index()).prop_map(|(who, from)| Step::MarkUnread { who, from }),
        1 => (who, index()).prop_map(|(who, to)| Step::StaleRead { who, to }),
    ]
}

struct ByHand {
    world: World,
    room: ConversationId,
    head: Seq,
    messages: Vec<Noted>,
    readers: Vec<Reader>,
}

impl ByHand {
    async fn new() -> Self {
        let world = World::new(PEOPLE);
        let room = world.group(&[1, 2, 3]).await;
        let readers = vec![Reader { read: 1, ..Reader::default() }; PEOPLE as usize + 1];
        Self { world, room, head: Seq(1), messages: Vec::new(), readers }
    }

    fn roots(&self) -> Vec<Seq> {
        self.messages.iter().filter(|message| message.thread.is_none()).map(|message| message.seq).collect()
    }

    async fn send(&mut self, sender: u32, thread: Option<Seq>, mention: Option<u32>) {
        let mut append = self.world.message(sender, self.room, "x");
        append.thread = thread;
        append.mentioned =
            mention.map(|key| (UserKey(key), self.world.actor(key).user_id)).into_iter().collect();
        let seq = self.world.append(append).await.unwrap().seq;
        assert_eq!(seq, self.head.next());
        self.head = seq;
        let mentions: BTreeSet<u32> = mention.into_iter().collect();
        if let Some(root) = thread {
            let first = !self.messages.iter().any(|message| message.thread == Some(root));
            let author = self.messages.iter().find(|message| message.seq == root).unwrap().sender;
            let mut joining: BTreeSet<u32> = mentions.clone();
            if first {
                joining.insert(author);
            }
            joining.insert(sender);
            for who in joining {
                self.readers[who as usize].follows.entry(root).or_insert((seq.0 - 1, 0));
            }
        }
        let mentioned_at = mentions.iter().map(|who| (*who, seq)).collect();
        self.messages.push(Noted { seq, sender, thread, deleted: false, mentions, mentioned_at });
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Send { sender, mention } => self.send(sender, None, mention).await,
            Step::Reply { sender, to, mention } => {
                let roots = self.roots();
                if !roots.is_empty() {
                    self.send(sender, Some(*to.get(&roots)), mention).await;
                }
            }
            Step::Delete { which } => {
                let alive: Vec<usize> =
                    (0..self.messages.len()).filter(|at| !self.messages[*at].deleted).collect();
                if alive.is_empty() {
                    return;
                }
                let at = *which.get(&alive);
                let (sender, seq) = (self.messages[at].sender, self.messages[at].seq);
                let ack = self.world.amend(sender, self.room, seq, Change::Delete).await.unwrap();
                self.head = ack.seq;
                self.messages[at].deleted = true;
                self.messages[at].mentioned_at.clear();
            }
            Step::Edit { which, mention } => {
                let alive: Vec<usize> =
                    (0..self.messages.len()).filter(|at| !self.messages[*at].deleted).collect();
                if alive.is_empty() {
                    return;
                }
                let at = *which.get(&alive);
                let (sender, seq) = (self.messages[at].sender, self.messages[at].seq);
                // Edits of one device in a row: each has seen the one before.
                let edits = self.edits(sender, seq);
                let edit = Edit {
                    content: "y".into(),
                    content_type: None,
                    metadata: None,
                    version: edits,
                    edited_at: None,
                    mentioned: mention
                        .map(|key| (UserKey(key), self.world.actor(key).user_id))
                        .into_iter()
                        .collect(),
                    mentions_all: false,
                };
                let ack = self.world.amend(sender, self.room, seq, Change::Edit(edit)).await.unwrap();
                self.head = ack.seq;
                let now: BTreeSet<u32> = mention.into_iter().collect();
                let message = &mut self.messages[at];
                message.mentioned_at.retain(|(who, _)| now.contains(who));
                for who in now.difference(&message.mentions) {
                    message.mentioned_at.push((*who, ack.seq));
                }
                message.mentions = now;
            }
            Step::Read { who, to } => {
                let to = 1 + to.index(self.head.0 as usize + 1) as u64;
                let generation = self.readers[who as usize].generation;
                self.read(who, None, generation, to).await;
                let reader = &mut self.readers[who as usize];
                reader.read = reader.read.max(to.min(self.head.0));
            }
            Step::ReadThread { who, thread, to } => {
                let roots = self.roots();
                if roots.is_empty() {
                    return;
                }
                let root = *thread.get(&roots);
                let to = 1 + to.index(self.head.0 as usize) as u64;
                let generation = self.readers[who as usize].follows.get(&root).map_or(0, |follow| follow.1);
                self.read(who, Some(root), generation, to).await;
                if let Some(follow) = self.readers[who as usize].follows.get_mut(&root) {
                    follow.0 = follow.0.max(to);
                }
            }
            Step::MarkUnread { who, from } => {
                let from = Seq(1 + from.index(self.head.0 as usize) as u64);
                self.world
                    .writer
                    .mark_unread(self.world.actor(who), Target::Conversation(self.room), None, from)
                    .await
                    .unwrap();
                let reader = &mut self.readers[who as usize];
                reader.generation += 1;
                reader.read = from.0 - 1;
            }
            Step::StaleRead { who, to } => {
                let generation = self.readers[who as usize].generation;
                if generation > 0 {
                    let to = 1 + to.index(self.head.0 as usize) as u64;
                    self.read(who, None, generation - 1, to).await;
                }
            }
        }
    }

    fn edits(&self, _sender: u32, seq: Seq) -> stonechat_wire::Version {
        let viewer = Viewer { user: UserKey(1), edit_window: Duration::from_secs(900) };
        self.world
            .readers
            .read_now(|sql| {
                let key = reader::conversation_key(sql, &self.room.into())?.unwrap();
                let view = reader::view(sql, viewer.user, key)?.unwrap();
                Ok(crate::timeline::message(sql, viewer, &view, seq)?.unwrap().version)
            })
            .unwrap()
    }

    async fn read(&self, who: u32, thread: Option<Seq>, read_generation: u64, read_seq: u64) {
        let reading = Reading {
            actor: self.world.actor(who),
            target: Target::Conversation(self.room),
            thread,
            position: ReadPosition { read_generation, read_seq: Seq(read_seq) },
            correlation: Correlation(0),
        };
        assert!(self.world.writer.read(reading));
        // A rare operation after it is committed after it: low operations of a batch run after the high ones, so ask
        // twice.
        for _ in 0..2 {
            self.world.writer.last_seen(vec![]).await.unwrap();
        }
    }

    fn unread(&self, who: u32) -> (u64, u64) {
        let reader = &self.readers[who as usize];
        let counts = |message: &&Noted| !message.deleted && message.sender != who;
        let timeline = self
            .messages
            .iter()
            .filter(|message| message.thread.is_none() && message.seq.0 > reader.read)
            .filter(counts)
            .count();
        let threads: usize = reader
            .follows
            .iter()
            .map(|(root, (read, _))| {
                self.messages
                    .iter()
                    .filter(|message| message.thread == Some(*root) && message.seq.0 > *read)
                    .filter(counts)
                    .count()
            })
            .sum();
        let mentions = self
            .messages
            .iter()
            .filter(|message| message.sender != who)
            .flat_map(|message| {
                message.mentioned_at.iter().map(move |(whom, at)| (message.thread, *whom, *at))
            })
            .filter(|(thread, whom, at)| {
                let read =
                    thread.and_then(|root| reader.follows.get(&root)).map_or(reader.read, |follow| follow.0);
                *whom == who && at.0 > read
            })
            .count();
        ((timeline + threads) as u64, mentions as u64)
    }

    fn check(&self) {
        for who in 1..=PEOPLE {
            let viewer = Viewer { user: UserKey(who), edit_window: Duration::from_secs(900) };
            let (row, totals) = self
                .world
                .readers
                .read_now(|sql| {
                    let key = reader::conversation_key(sql, &self.room.into())?.unwrap();
                    Ok((list::one(sql, viewer, key)?.unwrap(), list::totals(sql, viewer.user)?))
                })
                .unwrap();
            let expected = self.unread(who);
            assert_eq!((row.unread, row.mentions), expected, "row of {who}: {:#?}", self.messages);
            assert_eq!((totals.unread, totals.mentions), expected, "totals of {who}");
            let reader = &self.readers[who as usize];
            assert_eq!((row.read_generation, row.read_seq.0), (reader.generation, reader.read));
            let first = self.messages.iter().find(|message| {
                message.thread.is_none()
                    && message.seq.0 > reader.read
                    && !message.deleted
                    && message.sender != who
            });
            assert_eq!(row.first_unread_seq, first.map(|message| message.seq));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// I14, D-8, Q14, Q20: unread, mentions and positions equal what a person counts by hand, after any mixture of
    /// sends, replies, edits, deletions, reads, late reads and marking unread.
    #[test]
    fn i14_unread_equals_brute_force(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut by_hand = ByHand::new().await;
            for step in steps {
                by_hand.run(step).await;
                by_hand.check();
            }
        });
    }
}
