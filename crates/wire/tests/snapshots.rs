//! Snapshots: one example of every wire type as it is written, one JSON a line, so that no spelling changes unnoticed.
//!
//! A changed line is a change of the protocol: it belongs in `docs/protocol.md` too. Types that clients read back are
//! also read and written again. Lists of variants are complete, or a test says that one is missing.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use stonechat_wire::*;
use uuid::Uuid;

#[path = "snapshots/bodies.rs"]
mod bodies;

/// A fixed UUID with `n` in its last places.
fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_0000 + n)
}

const ANA: UserId = UserId(Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_000a));
const BO: UserId = UserId(Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_000b));
const LOBBY: ConversationId = ConversationId(Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_000c));
const DEVICE: DeviceId = DeviceId(Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_000d));
const REQUEST: ClientId = ClientId(Uuid::from_u128(0x0198_c2de_0000_7000_8000_0000_0000_0001));
const TIME: Timestamp = Timestamp(1_772_357_400_125);
const LATER: Timestamp = Timestamp(1_772_357_460_000);

fn cursor() -> Cursor {
    Cursor("AQAAAAEAAQ".to_owned())
}

fn metadata() -> Option<Box<RawValue>> {
    Some(RawValue::from_string(r#"{ "z": 1,  "a": [true] }"#.to_owned()).expect("JSON"))
}

/// A value as the wire carries it.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("wire types are JSON")
}

/// The same for a type that is also read; reading loses nothing.
fn both<T: Serialize + DeserializeOwned>(value: &T) -> String {
    let text = written(value);
    let read: T = serde_json::from_str(&text).expect("what is written can be read");
    assert_eq!(written(&read), text, "reading lost something");
    text
}

fn client_frames() -> Vec<ClientFrame> {
    let client_id = Some(REQUEST);
    let conversation_id = Some(ConversationRef::Id(LOBBY));
    let message_seq = Some(Seq(7));
    let watched =
        Subscription { users: vec![BO], conversations: vec![ConversationRef::Handle("lobby".into())] };
    let plain = SendMessage {
        client_id,
        conversation_id: None,
        to: Some(BO),
        content: "Only for you".into(),
        content_type: None,
        metadata: None,
        reply_to: None,
        thread: None,
        read_seq: None,
    };
    vec![
        ClientFrame::Connect(Connect { token: Some("eyJ".into()), ticket: None, cursor: Some(cursor()) }),
        ClientFrame::Connect(Connect { token: None, ticket: Some("t".into()), cursor: None }),
        ClientFrame::Message(SendMessage {
            conversation_id: Some(ConversationRef::Handle("lobby".into())),
            to: None,
            content: "Hello, **all**\n\"quoted\" ü".into(),
            content_type: Some("text/plain".into()),
            metadata: metadata(),
            reply_to: Some(Seq(3)),
            thread: Some(Seq(2)),
            read_seq: Some(Seq(6)),
            ..plain.clone()
        }),
        ClientFrame::Message(plain),
        ClientFrame::Edit(EditMessage {
            client_id,
            conversation_id: conversation_id.clone(),
            message_seq,
            content: "Hello".into(),
            content_type: None,
            metadata: metadata(),
            version: Version::from([(DEVICE, 1)]),
            edited_at: Some(LATER),
        }),
        ClientFrame::Delete(DeleteMessage {
            client_id: REQUEST,
            conversation_id: LOBBY.into(),
            message_seq: Seq(7),
        }),
        ClientFrame::React(React {
            client_id,
            conversation_id: conversation_id.clone(),
            message_seq,
            emoji: "👍".into(),
            action: ReactionAction::Add,
        }),
        ClientFrame::Pin(PinMessage {
            client_id,
            conversation_id: conversation_id.clone(),
            message_seq,
            pinned: true,
        }),
        ClientFrame::Read(Read {
            conversation_id: LOBBY.into(),
            thread: Some(Seq(2)),
            read_generation: 1,
            read_seq: Seq(9),
        }),
        ClientFrame::MarkUnread(MarkUnread { conversation_id: LOBBY.into(), thread: None, seq: Seq(8) }),
        ClientFrame::Received { cursor: cursor() },
        ClientFrame::Typing(Typing { conversation_id, to: None, thread: None, action: TypingAction::Start }),
        ClientFrame::Typing(Typing {
            conversation_id: None,
            to: Some(BO),
            thread: None,
            action: TypingAction::Stop,
        }),
        ClientFrame::Presence(SetPresence { status: PresenceStatus::Away }),
        ClientFrame::Subscribe(watched.clone()),
        ClientFrame::Unsubscribe(watched),
        ClientFrame::Heartbeat {},
    ]
}

fn place_of_client_frame(frame: &ClientFrame) -> usize {
    match frame {
        ClientFrame::Connect(_) => 0,
        ClientFrame::Message(_) => 1,
        ClientFrame::Edit(_) => 2,
        ClientFrame::Delete(_) => 3,
        ClientFrame::React(_) => 4,
        ClientFrame::Pin(_) => 5,
        ClientFrame::Read(_) => 6,
        ClientFrame::MarkUnread(_) => 7,
        ClientFrame::Received { .. } => 8,
        ClientFrame::Typing(_) => 9,
        ClientFrame::Presence(_) => 10,
        ClientFrame::Subscribe(_) => 11,
        ClientFrame::Unsubscribe(_) => 12,
        ClientFrame::Heartbeat {} => 13,
    }
}

fn account(key: String, value: &impl Serialize) -> Control {
    Control::Account(AccountEntry { key, value: serde_json::to_value(value).expect("JSON") })
}

fn controls() -> Vec<Control> {
    let (conversation_id, user_id) = (LOBBY, BO);
    let gap = |reason| Control::Gap { conversation_id, from_seq: Seq(1), to_seq: Seq(950), reason };
    let ack = Ack {
        client_id: REQUEST,
        message_id: Some(MessageId::of(LOBBY, Seq(7))),
        conversation_id,
        seq: Seq(7),
        timestamp: TIME,
        durability: None,
        repeated: false,
    };
    vec![
        Control::Hello(Hello {
            session_id: SessionId(id(5)),
            user_id: ANA,
            device_id: DEVICE,
            heartbeat_interval_ms: 25_000,
            server_time: TIME,
            server_version: "0.1.0".into(),
            durability: Some("relaxed".into()),
            max_content_bytes: 16_384,
        }),
        Control::Ack(ack.clone()),
        Control::Ack(Ack { message_id: None, durability: Some("relaxed".into()), repeated: true, ..ack }),
        Control::Error(ErrorFrame {
            code: Code::Invalid,
            params: serde_json::json!({"field": "content", "reason": "empty"}),
            retry_after_ms: None,
            client_id: Some(REQUEST),
        }),
        Control::Error(ErrorFrame {
            code: Code::RateLimited,
            params: serde_json::Value::Null,
            retry_after_ms: Some(1_000),
            client_id: None,
        }),
        account(format!("read/{LOBBY}"), &ReadPosition { read_generation: 0, read_seq: Seq(9) }),
        account(
            format!("conversation/{LOBBY}"),
            &Membership::ConversationJoined { visible_from: Seq(1), last_seq: Seq(7) },
        ),
        account(format!("conversation/{LOBBY}"), &Membership::ConversationLeft { seq: Seq(8) }),
        account("settings".to_owned(), &Settings::default()),
        account(format!("device/{DEVICE}"), &()),
        gap(GapReason::Hidden),
        gap(GapReason::Pruned),
        gap(GapReason::Skipped),
        Control::Batch {
            conversation_id,
            from_seq: Seq(20),
            to_seq: Seq(41),
            summary: BatchSummary { joined: 20, left: 1, reactions: 1 },
        },
        Control::Cursor { cursor: cursor(), has_more: false },
        Control::Reset { cursor: cursor() },
        Control::Receipt { conversation_id, user_id, read_seq: Seq(9) },
        Control::Typing { conversation_id, user_id, thread: Some(Seq(2)), action: TypingAction::Start },
        Control::Presence {
            presence: vec![
                Presence { user_id, status: PresenceStatus::Online, last_seen_at: None },
                Presence { user_id: ANA, status: PresenceStatus::Offline, last_seen_at: Some(TIME) },
            ],
            counts: vec![PresenceCount { conversation_id, online: 812 }],
        },
        Control::Heartbeat {},
        Control::GoingAway { retry_after_ms: 7_310 },
    ]
}

fn place_of_control(control: &Control) -> usize {
    match control {
        Control::Hello(_) => 0,
        Control::Ack(_) => 1,
        Control::Error(_) => 2,
        Control::Account(_) => 3,
        Control::Gap { .. } => 4,
        Control::Batch { .. } => 5,
        Control::Cursor { .. } => 6,
        Control::Reset { .. } => 7,
        Control::Receipt { .. } => 8,
        Control::Typing { .. } => 9,
        Control::Presence { .. } => 10,
        Control::Heartbeat {} => 11,
        Control::GoingAway { .. } => 12,
    }
}

fn plain_message() -> MessageBody {
    MessageBody {
        message_id: MessageId::of(LOBBY, Seq(7)),
        content: "Hello, @bo".into(),
        content_type: "text/markdown".into(),
        metadata: None,
        reply_to: None,
        thread: None,
        thread_ordinal: None,
        mentions: Mentions::default(),
        version: Version::new(),
        deleted: false,
    }
}

fn event_bodies() -> Vec<EventBody> {
    let (message_id, message_seq) = (MessageId::of(LOBBY, Seq(7)), Seq(7));
    vec![
        EventBody::Message(plain_message()),
        EventBody::Message(MessageBody {
            metadata: metadata(),
            reply_to: Some(Seq(3)),
            thread: Some(Seq(2)),
            thread_ordinal: Some(4),
            mentions: Mentions { users: vec![BO], all: true },
            ..plain_message()
        }),
        EventBody::Message(MessageBody { content: String::new(), deleted: true, ..plain_message() }),
        EventBody::Edit(EditBody {
            message_id,
            message_seq,
            thread: Some(Seq(2)),
            content: "Hello".into(),
            content_type: "text/markdown".into(),
            metadata: metadata(),
            mentions: Mentions { users: vec![BO], all: false },
            version: Version::from([(DEVICE, 1)]),
            edited_at: LATER,
            current: true,
            deleted: false,
        }),
        EventBody::Delete { message_id, message_seq },
        EventBody::Reaction { message_id, message_seq, emoji: "👍".into(), action: ReactionAction::Remove },
        EventBody::Pin { message_id, message_seq, pinned: true },
        EventBody::Created { kind: ConversationKind::Channel, name: Some("Lobby".into()) },
        EventBody::MemberJoined { user_id: BO, role: Role::Member },
        EventBody::MemberLeft { user_id: BO },
        EventBody::RoleChanged { user_id: BO, role: Role::Owner },
        EventBody::Renamed { name: "Hall".into() },
        EventBody::TopicChanged { topic: "Everything".into() },
        EventBody::PostingChanged { posting: Posting::Admins },
        EventBody::Archived { archived: true },
    ]
}

fn place_of_event(body: &EventBody) -> usize {
    match body {
        EventBody::Message(_) => 0,
        EventBody::Edit(_) => 1,
        EventBody::Delete { .. } => 2,
        EventBody::Reaction { .. } => 3,
        EventBody::Pin { .. } => 4,
        EventBody::Created { .. } => 5,
        EventBody::MemberJoined { .. } => 6,
        EventBody::MemberLeft { .. } => 7,
        EventBody::RoleChanged { .. } => 8,
        EventBody::Renamed { .. } => 9,
        EventBody::TopicChanged { .. } => 10,
        EventBody::PostingChanged { .. } => 11,
        EventBody::Archived { .. } => 12,
    }
}

fn event(body: EventBody) -> Event {
    Event {
        conversation_id: LOBBY,
        seq: Seq(7),
        ordinal: 5,
        from: ANA,
        sender_device: Some(DEVICE),
        client_id: Some(REQUEST),
        timestamp: TIME,
        body,
    }
}

fn assert_all(places: impl Iterator<Item = usize>, count: usize) {
    assert_eq!(places.collect::<BTreeSet<_>>(), (0..count).collect(), "a variant has no example");
}

/// R-WS-1, R-CF-1: every frame of a client, as sent, and as the server reads it.
#[test]
fn every_client_frame() {
    let frames = client_frames();
    assert_all(frames.iter().map(place_of_client_frame), 14);
    let lines: Vec<_> = frames.iter().map(written).collect();
    for line in &lines {
        let read = ClientFrame::decode(line).unwrap();
        assert_eq!(&written(&read), line, "reading lost something");
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// R-WS-2, R-WS-3, R-WS-4, R-WS-5: every frame of the server that is not an event.
#[test]
fn every_control_frame() {
    let controls = controls();
    assert_all(controls.iter().map(place_of_control), 13);
    insta::assert_snapshot!(controls.iter().map(both).collect::<Vec<_>>().join("\n"));
}

/// R-RT-6: every event, as a frame.
#[test]
fn every_event_body() {
    let bodies = event_bodies();
    assert_all(bodies.iter().map(place_of_event), 13);
    let mut lines: Vec<_> = bodies.into_iter().map(|body| written(&ServerFrame::from(event(body)))).collect();
    // Done by the server itself: no device, no request.
    let own = Event { sender_device: None, client_id: None, ..event(EventBody::MemberLeft { user_id: BO }) };
    lines.push(both(&own));
    insta::assert_snapshot!(lines.join("\n"));
}

/// R-API-2, R-API-4: messages as they stand, and what hangs on them.
#[test]
fn every_message_body() {
    insta::assert_snapshot!(bodies::message_bodies());
}

/// R-API-1, R-API-3: conversations and their members.
#[test]
fn every_conversation_body() {
    insta::assert_snapshot!(bodies::conversation_bodies());
}

/// R-ARC-8: people, devices and invitations.
#[test]
fn every_account_body() {
    insta::assert_snapshot!(bodies::account_bodies());
}

/// R-PR-5, R-API-8: presence, sync, what admins ask for, how the server is, and problems.
#[test]
fn every_other_body() {
    insta::assert_snapshot!(bodies::other_bodies());
}

/// A `connect` that is printed for a log shows no secret.
#[test]
fn connect_hides_its_secrets() {
    let secret = Some("secret".to_owned());
    let connect = Connect { token: secret.clone(), ticket: secret, cursor: Some(cursor()) };
    assert!(!format!("{connect:?}").contains("secret"));
}

/// The derived id of a message is part of the protocol: it must never change.
#[test]
fn message_ids_are_derived() {
    insta::assert_snapshot!(MessageId::of(LOBBY, Seq(7)).to_string());
    assert_ne!(MessageId::of(LOBBY, Seq(7)), MessageId::of(LOBBY, Seq(8)));
    assert_ne!(MessageId::of(LOBBY, Seq(7)), MessageId::of(ConversationId(id(0xe)), Seq(7)));
}

/// The table of codes in `docs/protocol.md` is that of `Code`.
#[test]
fn the_protocol_lists_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once("<!-- codes:").unwrap();
    let (_, rows) = section.split_once("|---|---|---|\n").unwrap();
    let table: Vec<_> = rows.lines().take_while(|line| line.starts_with('|')).collect();
    let row = |code: &Code| format!("| `{code}` | {} | {} |", code.status(), code.title());
    assert_eq!(table, Code::ALL.iter().map(row).collect::<Vec<_>>());
}
