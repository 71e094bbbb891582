//! The log: places, repeats, edits, deletions, membership.

use std::collections::BTreeMap;
use std::time::Duration;

use stonechat_wire::{Code, ConversationId, EventBody, Seq, Timestamp};

use super::world::World;
use crate::UserKey;
use crate::amend::{Change, Edit};
use crate::append::Target;
use crate::commit::Entry;
use crate::reader;
use crate::timeline::{self, Viewer};

fn edit(text: &str) -> Edit {
    Edit {
        content: text.into(),
        content_type: None,
        metadata: None,
        version: BTreeMap::new(),
        edited_at: None,
        mentioned: vec![],
        mentions_all: false,
    }
}

fn text_at(world: &World, user: u32, id: ConversationId, at: Seq) -> Option<String> {
    let viewer = Viewer { user: UserKey(user), edit_window: Duration::from_secs(900) };
    world
        .readers
        .read_now(|sql| {
            let key = reader::conversation_key(sql, &id.into())?.unwrap();
            let Some(view) = reader::view(sql, viewer.user, key)? else { return Ok(None) };
            Ok(timeline::message(sql, viewer, &view, at)?.map(|message| message.content))
        })
        .unwrap()
}

/// I4, R-OR-1: places are dense and in order, also when many write at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_seqs_are_dense_under_concurrent_senders() {
    let world = World::new(4);
    let room = world.group(&[1, 2, 3, 4]).await;
    let sends = (0..200).map(|n| world.append(world.message(1 + n % 4, room, "x")));
    let mut seqs: Vec<_> = futures_join(sends).await.into_iter().map(|ack| ack.unwrap().seq.0).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (2..=201).collect::<Vec<_>>());
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}

/// R-OR-3: pipelined messages of one device get their places in sending order.
#[tokio::test]
async fn r_or_3_one_device_is_first_in_first_out() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let mut answers = Vec::new();
    for _ in 0..100 {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let mut append = world.message(1, room, "x");
        append.reply = Some(reply);
        world.writer.append(append).await;
        answers.push(answer);
    }
    let mut last = Seq(0);
    for answer in answers {
        let seq = answer.await.unwrap().unwrap().seq;
        assert!(seq > last);
        last = seq;
    }
}

/// I3, Q12, D-33: a repeat gets the first ack; another body with the same id is refused.
#[tokio::test]
async fn i3_a_repeat_gets_the_first_ack_and_another_body_none() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let first = world.message(1, room, "once");
    let id = first.client_id;
    let ack = world.append(first).await.unwrap();
    let mut again = world.message(1, room, "once");
    again.client_id = id;
    let repeat = world.append(again).await.unwrap();
    assert_eq!((repeat.seq, repeat.message_id, repeat.timestamp), (ack.seq, ack.message_id, ack.timestamp));
    assert!(repeat.repeated);
    let mut other = world.message(1, room, "twice");
    other.client_id = id;
    assert_eq!(world.append(other).await.unwrap_err().code(), Code::IdempotencyMismatch);
    // The id is the device's own: another device may use it.
    let mut theirs = world.message(2, room, "mine");
    theirs.client_id = id;
    assert_eq!(world.append(theirs).await.unwrap().seq, ack.seq.next());
}

/// I3: whoever was removed still learns that what they wrote before stands.
#[tokio::test]
async fn i3_a_repeat_after_removal_still_gets_its_ack() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let message = world.message(2, room, "x");
    let id = message.client_id;
    let ack = world.append(message).await.unwrap();
    let them = world.actor(2).user_id;
    world.writer.remove_member(world.actor(1), Target::Conversation(room), them).await.unwrap();
    let mut again = world.message(2, room, "x");
    again.client_id = id;
    assert_eq!(world.append(again).await.unwrap().seq, ack.seq);
    assert_eq!(world.append(world.message(2, room, "new")).await.unwrap_err().code(), Code::NotFound);
}

/// R-ST-6, D-13: concurrent first messages of both make one direct conversation.
#[tokio::test]
async fn r_st_6_one_direct_conversation_per_pair() {
    let world = World::new(2);
    let both = (0..20).map(|n| {
        let (from, to) = if n % 2 == 0 { (1, 2) } else { (2, 1) };
        let mut append = world.message(from, ConversationId::new(), "hi");
        append.target = Target::Person(world.actor(to).user_id);
        world.append(append)
    });
    let mut acks: Vec<_> = futures_join(both).await.into_iter().map(Result::unwrap).collect();
    let first = acks.pop().unwrap().conversation_id;
    assert!(acks.iter().all(|ack| ack.conversation_id == first));
}

/// I15, D-34: an edit keeps the message; a deletion blanks every text of it on every path.
#[tokio::test]
async fn i15_deletion_blanks_every_version() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let (_, cursor) = world.walk(2, None, 100);
    let at = world.send(1, room, "canary one").await;
    world.amend(1, room, at, Change::Edit(edit("canary two"))).await.unwrap();
    assert_eq!(text_at(&world, 2, room, at).unwrap(), "canary two");
    world.amend(1, room, at, Change::Delete).await.unwrap();
    assert_eq!(text_at(&world, 2, room, at).unwrap(), "");
    let (frames, _) = world.walk(2, Some(&cursor), 1);
    let seen = serde_json::to_string(&frames).unwrap();
    assert!(seen.contains("delete") && !seen.contains("canary"), "{seen}");
    let refused = world.amend(1, room, at, Change::Edit(edit("back"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::MessageDeleted);
    let raw: i64 = world
        .readers
        .read_now(|sql| {
            Ok(sql
                .query_row("select count(*) from versions where content like '%canary%'", [], |r| r.get(0))?)
        })
        .unwrap();
    assert_eq!(raw, 0);
}

/// I8, R-SY-3, R-CL-5: concurrent edits from two devices: one winner, the same for everybody, both kept.
#[tokio::test]
async fn r_sy_3_concurrent_edits_converge_in_either_order() {
    let mut winners = Vec::new();
    for swapped in [false, true] {
        let world = World::new(2);
        let sql = world.store.writing().unwrap();
        let second = stonechat_wire::DeviceId::new();
        sql.execute(
            "insert into devices (key, id, user, name, created_at, last_seen_at) values (9, ?1, 1, 'e', 0, 0)",
            [second.0.as_bytes().as_slice()],
        )
        .unwrap();
        let room = world.group(&[1, 2]).await;
        let at = world.send(1, room, "start").await;
        let now = Timestamp::now();
        let mut edits = [(1, "earlier", now), (9, "later", Timestamp(now.0 + 1))];
        if swapped {
            edits.reverse();
        }
        // The server's clock bounds what a device claims.
        tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(3)).await;
        for (device, text, edited_at) in edits {
            let mut actor = world.actor(1);
            if device == 9 {
                (actor.device, actor.device_id) = (crate::DeviceKey(9), second);
            }
            let amendment = crate::amend::Amendment {
                actor,
                client_id: stonechat_wire::ClientId::new(),
                target: Target::Conversation(room),
                message_seq: at,
                correlation: crate::commit::Correlation(0),
            };
            let change = Edit { edited_at: Some(edited_at), ..edit(text) };
            world.writer.amend(amendment, Change::Edit(change)).await.unwrap();
        }
        winners.push(text_at(&world, 2, room, at).unwrap());
        let history = world
            .readers
            .read_now(|sql| {
                let key = reader::conversation_key(sql, &room.into())?.unwrap();
                let view = reader::view(sql, UserKey(2), key)?.unwrap();
                Ok(timeline::history(sql, &view, at)?.unwrap())
            })
            .unwrap();
        assert_eq!(history.versions.len(), 3);
        assert_eq!(history.versions.iter().filter(|version| version.current).count(), 1);
    }
    assert_eq!(winners, ["later", "later"]);
}

/// I9, I11: after the removal's seq nothing is theirs, and rejoining shows what comes from then on.
#[tokio::test]
async fn i9_removal_ends_the_interval_at_its_seq() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let (_, cursor) = world.walk(2, None, 100);
    let before = world.send(1, room, "before").await;
    let them = world.actor(2).user_id;
    let removed = world.writer.remove_member(world.actor(1), Target::Conversation(room), them).await.unwrap();
    let between = world.send(1, room, "between").await;
    assert_eq!(text_at(&world, 2, room, before), None);
    let (frames, cursor) = world.walk(2, Some(&cursor), 100);
    let seen = serde_json::to_string(&frames).unwrap();
    assert!(
        seen.contains("conversation_left") && !seen.contains("before") && !seen.contains("between"),
        "{seen}"
    );
    for entry in world.committed.lock().iter() {
        if let Entry::Event(event) = entry
            && event.event.seq >= removed
            && let crate::Recipients::Few(users) = &event.recipients
        {
            assert!(!users.contains(&UserKey(2)), "offered at {}", event.event.seq);
        }
    }
    world.writer.add_members(world.actor(1), Target::Conversation(room), vec![them]).await.unwrap();
    let after = world.send(1, room, "after").await;
    assert_eq!(text_at(&world, 2, room, between), None);
    assert_eq!(text_at(&world, 2, room, after).unwrap(), "after");
    let (frames, _) = world.walk(2, Some(&cursor), 100);
    let events: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            stonechat_wire::ServerFrame::Event(event) => Some(event.seq),
            stonechat_wire::ServerFrame::Control(_) => None,
        })
        .collect();
    assert_eq!(events, [between.next(), after]);
}

/// R-PF-1: everything is there after the writer stopped and another began; places go on.
#[tokio::test]
async fn a_new_run_goes_on_where_the_last_one_ended() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let at = world.send(1, room, "x").await;
    let world = world.restart();
    assert_eq!(world.send(2, room, "y").await, at.next());
}

/// The edit window is judged when the edit is committed.
#[tokio::test]
async fn an_edit_after_the_window_is_refused() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let mut old = world.message(1, room, "old");
    old.sent_at = Some(Timestamp(Timestamp::now().0 - 901_000));
    let at = world.append(old).await.unwrap().seq;
    let refused = world.amend(1, room, at, Change::Edit(edit("new"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::EditWindowClosed);
    let theirs = world.send(2, room, "theirs").await;
    let refused = world.amend(1, room, theirs, Change::Edit(edit("mine"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Forbidden);
}

/// Events that reach consumers are those of the log.
#[tokio::test]
async fn entries_carry_what_the_log_holds() {
    let world = World::new(2);
    let room = world.group(&[1, 2]).await;
    let at = world.send(1, room, "hello").await;
    let committed = world.committed.lock();
    let found = committed.iter().any(|entry| {
        matches!(entry, Entry::Event(event) if event.event.seq == at
            && matches!(&event.event.body, EventBody::Message(body) if body.content == "hello"))
    });
    assert!(found);
}
