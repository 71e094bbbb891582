//! Bodies: one example of every REST body, requests and answers.

use stonechat_wire::*;

use super::{
    ANA, BO, DEVICE, LATER, LOBBY, REQUEST, TIME, both, cursor, event, id, metadata, plain_message, written,
};

fn message() -> Message {
    Message {
        message_id: MessageId::of(LOBBY, Seq(7)),
        conversation_id: LOBBY,
        seq: Seq(7),
        ordinal: 5,
        from: ANA,
        sender_device: Some(DEVICE),
        client_id: Some(REQUEST),
        content: "Hello".into(),
        content_type: "text/markdown".into(),
        metadata: None,
        reply_to: Some(Seq(3)),
        thread: None,
        mentions: Mentions { users: vec![BO], all: false },
        version: Version::from([(DEVICE, 1)]),
        timestamp: TIME,
        edited_at: Some(LATER),
        deleted: false,
        pinned: true,
        reactions: vec![ReactionCount { emoji: "👍".into(), count: 2, me: true }],
        thread_summary: Some(ThreadSummary {
            root_seq: Seq(7),
            count: 3,
            last_seq: Seq(12),
            last_timestamp: LATER,
            followed: true,
            unread: 1,
            read_generation: 0,
            read_seq: Seq(11),
        }),
        can_edit_until: Some(LATER),
        can_delete: true,
    }
}

fn bare_message() -> Message {
    Message {
        sender_device: None,
        client_id: None,
        reply_to: None,
        mentions: Mentions::default(),
        version: Version::new(),
        edited_at: None,
        pinned: false,
        reactions: Vec::new(),
        thread_summary: None,
        can_edit_until: None,
        can_delete: false,
        ..message()
    }
}

fn conversation() -> Conversation {
    Conversation {
        conversation_id: LOBBY,
        kind: ConversationKind::Channel,
        handle: Some("lobby".into()),
        name: Some("Lobby".into()),
        topic: Some("Everything".into()),
        with: None,
        posting: Posting::Everyone,
        archived: false,
        member_count: 12,
        created_at: TIME,
        updated_at: LATER,
        last_seq: Seq(10),
        ordinal: 5,
        as_of_seq: Seq(10),
        role: Role::Member,
        visible_from: Seq(1),
        read_generation: 0,
        read_seq: Seq(6),
        first_unread_seq: Some(Seq(7)),
        unread: 1,
        mentions: 1,
        muted: false,
        can_post: true,
        can_invite: true,
        can_manage: false,
        last_message: Some(Box::new(bare_message())),
    }
}

fn user() -> User {
    User {
        user_id: ANA,
        handle: "ana".into(),
        name: "Ana".into(),
        role: ServerRole::Admin,
        bot: false,
        imported: false,
    }
}

/// R-API-2, R-API-4: messages as they stand, and what hangs on them.
pub(super) fn message_bodies() -> String {
    let with_metadata = Message { metadata: metadata(), ..bare_message() };
    let version = MessageVersion {
        seq: Seq(8),
        content: "Hello".into(),
        content_type: "text/markdown".into(),
        version: Version::from([(DEVICE, 1)]),
        by_device: Some(DEVICE),
        edited_at: LATER,
        current: true,
    };
    let page = MessagesPage {
        messages: vec![
            TimelineRow::Message(Box::new(bare_message())),
            TimelineRow::Event(Box::new(event(EventBody::Message(plain_message())))),
        ],
        has_more_before: true,
        has_more_after: false,
        as_of_seq: Seq(10),
    };
    [
        both(&message()),
        both(&with_metadata),
        both(&page),
        both(&MessageHistory { versions: vec![version] }),
        both(&ReactionList { reactions: vec![Reaction { emoji: "👍".into(), user_id: BO }] }),
        both(&ReadBy { user_ids: vec![BO], total: 1 }),
        both(&ThreadsPage { threads: vec![ThreadRow { root: message() }], next: Some("12".into()) }),
        both(&PinsPage { messages: vec![bare_message()] }),
    ]
    .join("\n")
}

/// R-API-1, R-API-3: conversations and their members.
pub(super) fn conversation_bodies() -> String {
    let direct = Conversation {
        kind: ConversationKind::Direct,
        handle: None,
        name: None,
        topic: None,
        with: Some(BO),
        first_unread_seq: None,
        last_message: None,
        ..conversation()
    };
    let create = CreateConversation {
        kind: ConversationKind::Group,
        members: vec![BO],
        name: Some("Us".into()),
        handle: None,
        topic: None,
        posting: Some(Posting::Admins),
    };
    let channel = PublicChannel {
        conversation_id: LOBBY,
        handle: Some("lobby".into()),
        name: Some("Lobby".into()),
        topic: None,
        member_count: 12,
        joined: false,
    };
    let member = Member {
        user_id: BO,
        handle: "bo".into(),
        name: "Bo".into(),
        role: Role::Admin,
        joined_at: TIME,
        last_spoke_seq: Some(Seq(5)),
    };
    [
        both(&create),
        both(&ChangeConversation { archived: Some(true), ..ChangeConversation::default() }),
        both(&direct),
        both(&ConversationsPage {
            conversations: vec![conversation()],
            next: Some("WzEsMl0".into()),
            totals: ConversationTotals { conversations: 2, unread: 1, mentions: 1 },
        }),
        both(&PublicChannelsPage { channels: vec![channel], next: None }),
        both(&MembersPage { members: vec![member], next: None }),
        both(&AddMembers { user_ids: vec![BO] }),
        both(&ChangeMember { role: Role::Owner }),
        both(&SetMute { muted: true }),
        both(&SetFollow { thread: Seq(2), follow: false }),
    ]
    .join("\n")
}

/// R-ARC-8: people, devices and invitations.
pub(super) fn account_bodies() -> String {
    let (name, handle) = (String::from("Ana"), String::from("ana"));
    let password = String::from("a long enough password");
    let setup = Setup {
        key: "K".into(),
        server_name: "Home".into(),
        name: name.clone(),
        handle: handle.clone(),
        password: password.clone(),
        device_name: Some("Laptop".into()),
    };
    let signed_in = SignedIn {
        user_id: ANA,
        device_id: DEVICE,
        access_token: "eyJ".into(),
        expires_in_ms: 600_000,
        refresh_token: "rt_x".into(),
        open: Some(ConversationRef::Handle("lobby".into())),
    };
    let me = Me {
        user: user(),
        device_id: DEVICE,
        settings: Settings::default(),
        must_change_password: true,
        blocked: vec![BO],
        server_name: "Acme".into(),
    };
    let device = Device {
        device_id: DEVICE,
        name: "Laptop".into(),
        created_at: TIME,
        last_seen_at: LATER,
        current: true,
        push_token: Some(false),
    };
    let invite = Invite {
        invite_id: InviteId(id(6)),
        token: Some("t".into()),
        url: Some("http://127.0.0.1:8440/join/t".into()),
        created_by: ANA,
        created_at: TIME,
        expires_at: Some(LATER),
        uses_left: Some(25),
        revoked: false,
        role: ServerRole::Guest,
        claims: Some(BO),
    };
    let info = InviteInfo {
        server_name: "Home".into(),
        inviter: "Ana".into(),
        claims: Some(User { imported: true, role: ServerRole::Member, ..user() }),
        conversations: vec!["Lobby".into()],
    };
    let accept = AcceptInvite {
        name: Some(name),
        handle: Some(handle.clone()),
        password: Some(password.clone()),
        device_name: None,
    };
    let change =
        ChangePassword { current_password: password.clone(), new_password: "another long one".into() };
    let connect =
        Connect { token: Some("secret".into()), ticket: Some("secret".into()), cursor: Some(cursor()) };
    assert!(!format!("{connect:?}").contains("secret"));
    [
        both(&setup),
        both(&Login { handle, password, device_name: None }),
        both(&Refresh { refresh_token: Some("rt_x".into()) }),
        both(&signed_in),
        both(&change),
        both(&PasswordReset { temporary_password: "ABCD".into() }),
        both(&WsTicket { ticket: "t".into(), expires_in_ms: 30_000 }),
        both(&UsersPage { users: vec![User { bot: true, ..user() }], next: Some("ana".into()) }),
        both(&me),
        both(&ChangeMe { name: Some("Ana B.".into()), settings: None }),
        both(&DevicesPage { devices: vec![device] }),
        both(&ChangeDevice { name: Some("Phone".into()), push_token: None }),
        both(&CreateInvite::default()),
        both(&InvitesPage { invites: vec![invite] }),
        both(&info),
        both(&accept),
    ]
    .join("\n")
}

/// An invitation for ever is not one without a word about it.
#[test]
fn invitations_without_a_limit_say_so() {
    let usual: CreateInvite = serde_json::from_str("{}").unwrap();
    assert_eq!((usual.expires_in_s, usual.uses, usual.role), (Some(604_800), Some(25), ServerRole::Member));
    let open: CreateInvite = serde_json::from_str(r#"{"expires_in_s":null,"uses":null}"#).unwrap();
    assert_eq!((open.expires_in_s, open.uses), (None, None));
}

/// R-PR-5, R-API-8: presence, sync, what admins ask for, and how the server is.
pub(super) fn other_bodies() -> String {
    let presence = Presence { user_id: BO, status: PresenceStatus::Unknown, last_seen_at: None };
    let sync = SyncPage {
        frames: vec![
            event(EventBody::Archived { archived: false }).into(),
            Control::Cursor { cursor: cursor(), has_more: true }.into(),
        ],
        cursor: cursor(),
        has_more: true,
    };
    let token = DeviceToken { user_id: BO, handle: "load-0".into(), device_id: DEVICE, token: "dt_x".into() };
    let ready = Ready {
        ready: true,
        version: "0.1.0".into(),
        store: "sqlite".into(),
        durability: "full".into(),
        synchronous: "full".into(),
        journal_mode: "wal".into(),
        needs_setup: false,
    };
    let mut problem = Problem::new(Code::RateLimited, serde_json::Value::Null, id(7).to_string());
    problem.retry_after_ms = Some(1_000);
    let invalid = serde_json::json!({"field": "content", "reason": "empty"});
    [
        both(&PresenceList { presence: vec![presence], online_count: Some(1) }),
        both(&SetPresence { status: PresenceStatus::Busy }),
        written(&sync),
        both(&CreateBenchUsers { count: 2, prefix: "load".into() }),
        both(&DeviceTokens { users: vec![token] }),
        both(&CreateBenchConversations { conversations: vec![vec![ANA, BO]] }),
        both(&BenchConversations { conversation_ids: vec![LOBBY] }),
        both(&CreateDeviceTokens { user_ids: vec![BO] }),
        both(&ready),
        both(&Problem::new(Code::Invalid, invalid, id(7).to_string())),
        both(&problem),
    ]
    .join("\n")
}
