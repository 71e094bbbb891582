//! Events: edits, deletions, reactions, pins, threads, mentions, as everybody sees them.

use std::collections::BTreeMap;

use stonechat_client::MessagesQuery;
use stonechat_wire::{
    ClientFrame, ClientId, Code, DeleteMessage, EditMessage, EventBody, PinMessage, React, ReactionAction,
    SendMessage, Seq, TimelineRow,
};

use super::host::{Host, Person, code, message};

fn edit(room: stonechat_wire::ConversationId, at: Seq, text: &str) -> EditMessage {
    EditMessage {
        client_id: Some(ClientId::new()),
        conversation_id: Some(room.into()),
        message_seq: Some(at),
        content: text.into(),
        content_type: None,
        metadata: None,
        version: BTreeMap::new(),
        edited_at: None,
    }
}

async fn row(person: &Person, room: stonechat_wire::ConversationId, at: Seq) -> stonechat_wire::Message {
    let page = person.rest.messages(room, &MessagesQuery::default()).await.unwrap();
    let found = page.messages.into_iter().find(|row| row.seq() == at).unwrap();
    let TimelineRow::Message(message) = found else { panic!("{found:?}") };
    *message
}

/// Q20, D-34, I15: edit and delete over the socket: acks to the editor, events to the other, one message id throughout.
#[tokio::test]
async fn q20_edit_and_delete_are_events_of_the_same_message() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let sent = ana.say(room, "frist").await;
    let (mut from, mut to) = (ana.live().await, bo.live().await);
    from.send(&ClientFrame::Edit(edit(room, sent.seq, "first"))).await;
    let ack = from.ack().await;
    assert_eq!((ack.seq, ack.message_id), (sent.seq.next(), sent.message_id));
    let EventBody::Edit(body) = to.event().await.body else { panic!("no edit") };
    assert_eq!(
        (body.content.as_str(), body.current, Some(body.message_id)),
        ("first", true, sent.message_id)
    );
    assert_eq!(body.version.get(&ana.device_id), Some(&1));
    let seen = row(&bo, room, sent.seq).await;
    assert!(seen.edited_at.is_some() && seen.content == "first" && seen.can_edit_until.is_none());
    assert!(row(&ana, room, sent.seq).await.can_edit_until.is_some());
    assert_eq!(bo.rest.conversation(room).await.unwrap().unread, 1);
    let history = bo.rest.history(room, sent.seq).await.unwrap().versions;
    assert_eq!(
        history.iter().map(|version| version.content.as_str()).collect::<Vec<_>>(),
        ["frist", "first"]
    );
    let ahead = EditMessage { version: BTreeMap::from([(ana.device_id, 7)]), ..edit(room, sent.seq, "x") };
    from.send(&ClientFrame::Edit(ahead)).await;
    assert_eq!(from.error().await.code, Code::VersionAhead);
    let delete =
        DeleteMessage { client_id: ClientId::new(), conversation_id: room.into(), message_seq: sent.seq };
    from.send(&ClientFrame::Delete(delete)).await;
    from.ack().await;
    assert!(
        matches!(to.event().await.body, EventBody::Delete { message_seq, .. } if message_seq == sent.seq)
    );
    let gone = row(&bo, room, sent.seq).await;
    assert!(gone.deleted && gone.content.is_empty() && Some(gone.message_id) == sent.message_id);
    assert_eq!(bo.rest.conversation(room).await.unwrap().unread, 0);
    assert!(
        bo.rest
            .history(room, sent.seq)
            .await
            .unwrap()
            .versions
            .iter()
            .all(|version| version.content.is_empty())
    );
}

/// Reactions and pins: once each, taken back, counted for the viewer; the same again changes nothing.
#[tokio::test]
async fn reactions_and_pins() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let at = ana.say(room, "vote").await.seq;
    let react = |action| React {
        client_id: Some(ClientId::new()),
        conversation_id: Some(room.into()),
        message_seq: Some(at),
        emoji: "👍".into(),
        action,
    };
    let (mut live, mut other) = (bo.live().await, ana.live().await);
    live.send(&ClientFrame::React(react(ReactionAction::Add))).await;
    let first = live.ack().await;
    assert!(matches!(other.event().await.body, EventBody::Reaction { .. }));
    live.send(&ClientFrame::React(react(ReactionAction::Add))).await;
    assert_eq!(live.ack().await.seq, first.seq);
    let seen = row(&ana, room, at).await;
    assert_eq!((seen.reactions[0].count, seen.reactions[0].me), (1, false));
    assert!(row(&bo, room, at).await.reactions[0].me);
    live.send(&ClientFrame::React(react(ReactionAction::Remove))).await;
    live.ack().await;
    assert!(row(&bo, room, at).await.reactions.is_empty());
    let pin = PinMessage {
        client_id: Some(ClientId::new()),
        conversation_id: None,
        message_seq: None,
        pinned: true,
    };
    bo.rest.pin(room, at, &pin).await.unwrap();
    assert!(row(&ana, room, at).await.pinned);
    assert_eq!(ana.rest.pins(room).await.unwrap().messages.len(), 1);
}

/// MA-06: replies stand in their thread; root shows count, last and unread; author and mentioned follow.
#[tokio::test]
async fn threads_are_followed_and_summed_up_on_the_root() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let room = ana.channel("talk", &[&bo, &kit]).await;
    let root = ana.say(room, "root").await.seq;
    bo.reply(room, root, "one").await;
    let two = bo.reply(room, root, "two, @kit").await;
    let page = ana.rest.messages(room, &MessagesQuery::default()).await.unwrap();
    assert!(page.messages.iter().all(|row| row.seq() <= root), "replies are not in the main timeline");
    let summary = row(&ana, room, root).await.thread_summary.unwrap();
    assert_eq!((summary.count, summary.last_seq, summary.unread, summary.followed), (2, two.seq, 2, true));
    assert_eq!(ana.rest.conversation(room).await.unwrap().unread, 2);
    // Kit was named in the second reply and follows from there, with the root unread beside it.
    let kit_row = kit.rest.conversation(room).await.unwrap();
    assert_eq!((kit_row.unread, kit_row.mentions), (2, 1));
    let replies = MessagesQuery { thread: Some(root), ..MessagesQuery::default() };
    assert_eq!(bo.rest.messages(room, &replies).await.unwrap().messages.len(), 3);
    let stop = stonechat_wire::SetFollow { thread: root, follow: false };
    ana.rest.follow(room, &stop).await.unwrap();
    bo.reply(room, root, "three").await;
    assert_eq!(ana.rest.conversation(room).await.unwrap().unread, 0);
    ana.reply(room, root, "I am back").await;
    bo.reply(room, root, "four").await;
    assert_eq!(ana.rest.conversation(room).await.unwrap().unread, 1);
    let read = stonechat_wire::Read {
        conversation_id: room.into(),
        thread: Some(root),
        read_generation: 0,
        read_seq: Seq(100),
    };
    ana.rest.read(&read).await.unwrap();
    assert_eq!(ana.rest.conversation(room).await.unwrap().unread, 0);
    let nested = SendMessage { thread: Some(two.seq), ..message("no") };
    assert_eq!(code(ana.rest.send(room, &nested).await), Code::Invalid);
    assert_eq!(
        ana.rest.threads(room, &stonechat_client::PageQuery::default()).await.unwrap().threads.len(),
        1
    );
}

/// Mentions count for those named and for all; code and addresses name nobody; edits move them.
#[tokio::test]
async fn mentions_follow_the_text() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    ana.say(room, "`@bo` and bo@example.org").await;
    assert_eq!(bo.rest.conversation(room).await.unwrap().mentions, 0);
    let named = ana.say(room, "hey @bo").await;
    ana.say(room, "@all listen").await;
    assert_eq!(bo.rest.conversation(room).await.unwrap().mentions, 2);
    assert_eq!(ana.rest.conversation(room).await.unwrap().mentions, 0);
    ana.rest.edit(room, named.seq, &edit(room, named.seq, "hey you")).await.unwrap();
    assert_eq!(bo.rest.conversation(room).await.unwrap().mentions, 1);
    assert_eq!(row(&bo, room, named.seq).await.mentions.users, []);
}

/// R-ST-1: source, content type and metadata are kept as written.
#[tokio::test]
async fn r_st_1_texts_are_kept_as_written() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let text = "# *not* <b>html</b>\n\n```rust\nlet x = 1;\n```\n$e^{i\\pi}$ \u{1F600}\t";
    let metadata = serde_json::value::RawValue::from_string(r#"{ "b":1,  "a":[2.50] }"#.into()).unwrap();
    let sent =
        SendMessage { content_type: Some("text/x-org".into()), metadata: Some(metadata), ..message(text) };
    let mut live = bo.live().await;
    let at = ana.rest.send(room, &sent).await.unwrap().seq;
    let seen = row(&bo, room, at).await;
    assert_eq!((seen.content.as_str(), seen.content_type.as_str()), (text, "text/x-org"));
    assert_eq!(seen.metadata.unwrap().get(), r#"{ "b":1,  "a":[2.50] }"#);
    assert_eq!(live.message().await.1, text);
}
