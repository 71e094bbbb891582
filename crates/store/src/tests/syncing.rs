//! Sync: pages between cursors hold everything, once and in order.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use stonechat_wire::{Control, ConversationId, Seq, ServerFrame};

use super::world::World;
use crate::append::Target;

/// What a device holds after taking frames: the last seq per conversation, and whether any was skipped.
#[derive(Default)]
struct Held {
    last: HashMap<ConversationId, Seq>,
    events: usize,
}

impl Held {
    fn take(&mut self, frames: &[ServerFrame]) {
        for frame in frames {
            match frame {
                ServerFrame::Event(event) => {
                    self.events += 1;
                    let last = self.last.entry(event.conversation_id).or_insert(Seq(event.seq.0 - 1));
                    assert_eq!(event.seq, last.next(), "a hole or a repeat in {}", event.conversation_id);
                    *last = event.seq;
                }
                ServerFrame::Control(Control::Account(entry)) => {
                    if let Some(id) = entry.key.strip_prefix("conversation/") {
                        self.last.remove(&id.parse().unwrap());
                    }
                }
                ServerFrame::Control(Control::Gap { conversation_id, from_seq, to_seq, .. }) => {
                    let last = self.last.entry(*conversation_id).or_insert(Seq(from_seq.0 - 1));
                    assert_eq!(*from_seq, last.next());
                    *last = *to_seq;
                }
                ServerFrame::Control(_) => {}
            }
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// I7, R-SY-1, R-CL-4, D-20: whatever the page size, and with writes between pages and restarts between walks,
    /// a device sees every event after its cursor once and in order.
    #[test]
    fn i7_no_page_size_skips_or_repeats(
        steps in prop::collection::vec((0_usize..4, 1_u32..4, 0_u32..12), 1..60),
        limit in 1_usize..8,
    ) {
        runtime().block_on(async {
            let mut world = World::new(3);
            let rooms = [
                world.group(&[1, 2, 3]).await,
                world.channel(&[1, 2]).await,
                world.group(&[2, 3]).await,
                world.channel(&[1, 2, 3]).await,
            ];
            let (_, mut cursor) = world.walk(1, None, 10);
            let mut held = Held::default();
            let mut sent: BTreeMap<ConversationId, usize> = BTreeMap::new();
            for (room, sender, action) in steps {
                let id = rooms[room];
                match action {
                    0 => world = world.restart(),
                    1 => {
                        let (frames, next) = world.walk(1, Some(&cursor), limit);
                        held.take(&frames);
                        cursor = next;
                    }
                    _ => {
                        if world.append(world.message(sender, id, "x")).await.is_ok() {
                            *sent.entry(id).or_default() += 1;
                        }
                    }
                }
            }
            let (frames, cursor) = world.walk(1, Some(&cursor), limit);
            held.take(&frames);
            let expected: usize = [0, 1, 3].iter().map(|room| sent.get(&rooms[*room]).copied().unwrap_or(0)).sum();
            assert_eq!(held.events, expected);
            let (frames, _) = world.walk(1, Some(&cursor), limit);
            assert!(frames.is_empty(), "caught up means nothing more");
        });
    }
}

/// I28, DESIGN 4: a cursor that lies ahead of the database, as after a restored backup, starts anew.
#[tokio::test]
async fn a_cursor_ahead_of_the_database_is_reset() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let (_, cursor) = world.walk(1, None, 10);
    let mut ahead = world.store.sealer().open(&cursor).unwrap();
    ahead.vector.open[0].1.0 += 5;
    world.send(2, room, "x").await;
    let (frames, _) = world.walk(1, Some(&world.store.sealer().seal(&ahead)), 10);
    assert!(matches!(frames[..], [ServerFrame::Control(Control::Reset { .. })]), "{frames:?}");
    let mut unknown = world.store.sealer().open(&cursor).unwrap();
    unknown.vector.open[0].0.0 ^= 1;
    let (frames, _) = world.walk(1, Some(&world.store.sealer().seal(&unknown)), 10);
    assert!(matches!(frames[..], [ServerFrame::Control(Control::Reset { .. })]), "{frames:?}");
}

/// F33: a row this version cannot read is skipped with a gap, and what follows still comes.
#[tokio::test]
async fn f33_a_poison_row_stops_nobody() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let (_, cursor) = world.walk(1, None, 10);
    let bad = world.send(2, room, "x").await;
    let good = world.send(2, room, "y").await;
    let sql = world.store.writing().unwrap();
    sql.execute("update events set kind = 77, detail = '{' where seq = ?1", [bad.0]).unwrap();
    let (frames, _) = world.walk(1, Some(&cursor), 10);
    let mut held = Held::default();
    held.last.insert(room, Seq(bad.0 - 1));
    held.take(&frames);
    assert_eq!(held.last[&room], good);
}

/// A window gives the newest events and names what it left out.
#[tokio::test]
async fn a_window_gives_the_newest_and_a_gap() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let (_, cursor) = world.walk(1, None, 10);
    for _ in 0..10 {
        world.send(2, room, "x").await;
    }
    let request = crate::sync::SyncRequest {
        user: crate::UserKey(1),
        cursor: world.store.sealer().open(&cursor),
        limit: 100,
        first: None,
        window: Some(3),
        target: None,
    };
    let page = world.readers.read_now(|sql| crate::sync::page(sql, world.store.sealer(), &request)).unwrap();
    assert_eq!(page.frames.len(), 4);
    assert!(matches!(
        page.frames[0],
        ServerFrame::Control(Control::Gap { from_seq: Seq(2), to_seq: Seq(8), .. })
    ));
}

/// A channel joined later is started anew at the join; its past is read by windows, not walked.
#[tokio::test]
async fn joining_a_channel_does_not_walk_its_past() {
    let world = World::new(2);
    let room = world.channel(&[1]).await;
    for _ in 0..5 {
        world.send(1, room, "past").await;
    }
    let (_, cursor) = world.walk(2, None, 10);
    world.writer.join(world.actor(2), Target::Conversation(room)).await.unwrap();
    let after = world.send(1, room, "after").await;
    let (frames, _) = world.walk(2, Some(&cursor), 10);
    let mut held = Held::default();
    held.take(&frames);
    assert_eq!((held.events, held.last[&room]), (2, after));
}
