//! Tests of the store: what a crash may not lose, and what a deletion may not leave.

use serde_json::json;
use serde_json::value::RawValue;
use stonechat_wire::{ConversationRef, MessageBody, MessageId, SendMessage, Timestamp};

use super::*;
use crate::outbox::identify;

fn message(conversation_id: ConversationId, seq: u64, content: &str) -> Arc<Event> {
    let body = MessageBody {
        message_id: MessageId::of(conversation_id, Seq(seq)),
        content: content.into(),
        content_type: "text/markdown".into(),
        metadata: Some(RawValue::from_string(r#"{"secret":  1}"#.into()).unwrap()),
        reply_to: None,
        thread: None,
        thread_ordinal: None,
        mentions: stonechat_wire::Mentions::default(),
        version: stonechat_wire::Version::new(),
        deleted: false,
    };
    event(conversation_id, seq, EventBody::Message(body))
}

fn event(conversation_id: ConversationId, seq: u64, body: EventBody) -> Arc<Event> {
    Arc::new(Event {
        conversation_id,
        seq: Seq(seq),
        ordinal: seq,
        from: UserId(Uuid::nil()),
        sender_device: None,
        client_id: None,
        timestamp: Timestamp(0),
        body,
    })
}

fn queued(content: &str) -> (ClientId, ClientFrame) {
    let mut frame = ClientFrame::Message(SendMessage {
        client_id: None,
        conversation_id: Some(ConversationRef::Handle("ops".into())),
        to: None,
        content: content.into(),
        content_type: None,
        metadata: Some(RawValue::from_string(r#"{"b": 1, "a":2}"#.into()).unwrap()),
        reply_to: None,
        thread: None,
        read_seq: None,
    });
    (identify(&mut frame).unwrap(), frame)
}

/// R-SY-5, TL-28: the outbox survives a restart, in order, with its ids and its text as written.
#[test]
fn r_sy_5_the_outbox_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let rows = [queued("one"), queued("two"), queued("three")];
    let mut store = Store::open(&path).unwrap();
    store.write(&Changes { queued: rows.to_vec(), ..Changes::default() }).unwrap();
    store
        .write(&Changes {
            settled: vec![rows[0].0],
            failed: vec![(rows[1].0, Some("unacknowledged".into()))],
            queued: vec![rows[2].clone()],
            ..Changes::default()
        })
        .unwrap();
    drop(store);
    let saved = Store::open(&path).unwrap().load().unwrap();
    let ids: Vec<_> = saved.outbox.iter().map(|(id, _, failed)| (*id, *failed)).collect();
    assert_eq!(ids, [(rows[1].0, true), (rows[2].0, false)]);
    assert_eq!(
        serde_json::to_string(&saved.outbox[1].1).unwrap(),
        serde_json::to_string(&rows[2].1).unwrap()
    );
}

/// R-PF-2: events, places and cursor are written together or not at all; a double changes nothing.
#[test]
fn r_pf_2_events_and_cursor_stand_together() {
    let mut store = Store::in_memory().unwrap();
    let id = ConversationId::new();
    let place = Place { next: Some(Seq(3)), joined: Some((Seq(1), Seq(2))) };
    let changes = Changes {
        events: vec![message(id, 1, "a"), message(id, 2, "b"), message(id, 2, "other")],
        places: vec![(id, Some(place))],
        cursor: Some(Cursor("c1".into())),
        ..Changes::default()
    };
    store.write(&changes).unwrap();
    let saved = store.load().unwrap();
    assert_eq!((saved.cursor, saved.places), (Some(Cursor("c1".into())), vec![(id, place)]));
    let events = store.events_after(id, Seq(0), 10).unwrap();
    let EventBody::Message(body) = &events[1].body else { panic!("not a message") };
    assert_eq!((events.len(), body.content.as_str()), (2, "b"));

    store
        .database
        .execute_batch("create trigger no before update on state begin select raise(abort, 'no'); end")
        .unwrap();
    store
        .database
        .execute_batch("create trigger nor before insert on state begin select raise(abort, 'no'); end")
        .unwrap();
    let changes = Changes {
        events: vec![message(id, 3, "c")],
        cursor: Some(Cursor("c2".into())),
        ..Changes::default()
    };
    assert!(store.write(&changes).is_err());
    assert_eq!(store.events_after(id, Seq(0), 10).unwrap().len(), 2, "the event went back with the cursor");
}

/// R-SY-1: a reset forgets everything but the outbox.
#[test]
fn r_sy_1_a_reset_keeps_the_outbox() {
    let mut store = Store::in_memory().unwrap();
    let id = ConversationId::new();
    let mut changes = Changes {
        events: vec![message(id, 1, "a")],
        account: vec![AccountEntry { key: "settings".into(), value: json!({"share_typing": false}) }],
        queued: vec![queued("kept")],
        listed: true,
        ..Changes::default()
    };
    store.write(&changes).unwrap();
    assert!(store.account("settings").unwrap().is_some());
    changes.start_anew(Cursor("s".into()));
    store.write(&changes).unwrap();
    let saved = store.load().unwrap();
    assert_eq!((saved.cursor, saved.listed, saved.outbox.len()), (Some(Cursor("s".into())), false, 1));
    assert!(store.events_after(id, Seq(0), 10).unwrap().is_empty());
    assert!(store.account("settings").unwrap().is_none());
}

/// A deletion takes the text out of the stored message.
#[test]
fn a_deletion_leaves_no_text() {
    let mut store = Store::in_memory().unwrap();
    let id = ConversationId::new();
    store.write(&Changes { events: vec![message(id, 1, "canary")], ..Changes::default() }).unwrap();
    let body = EventBody::Delete { message_id: MessageId::of(id, Seq(1)), message_seq: Seq(1) };
    store.write(&Changes { events: vec![event(id, 2, body)], ..Changes::default() }).unwrap();
    let events = store.events_after(id, Seq(0), 10).unwrap();
    let EventBody::Message(body) = &events[0].body else { panic!("not a message") };
    assert!(body.deleted && body.content.is_empty() && body.metadata.is_none());
}

#[test]
fn a_store_belongs_to_one_device_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let mut store = Store::open(&path).unwrap();
    let (user_id, device_id) = (UserId::new(), DeviceId::new());
    store.claim(user_id, device_id).unwrap();
    store.claim(user_id, device_id).unwrap();
    assert!(matches!(store.claim(user_id, DeviceId::new()), Err(Error::StoreOfAnother)));
    assert!(matches!(Store::open(&path), Err(Error::Store(_))));
}

/// Memory is bounded however long a process lives.
#[test]
fn a_store_in_memory_keeps_the_newest() {
    let mut store = Store::in_memory().unwrap();
    let id = ConversationId::new();
    let last = KEPT_IN_MEMORY as u64 + 5;
    let events = (1..=last).map(|seq| message(id, seq, "x")).collect();
    store.write(&Changes { events, ..Changes::default() }).unwrap();
    let oldest = store.events_after(id, Seq(0), 1).unwrap();
    assert_eq!(oldest[0].seq, Seq(6));
}
