// Generated from crates/wire; do not edit. Everything that crosses the network, by its name on the wire.
//
// A field that the server leaves out, or that a request may leave out, is optional here; `null` stands only where
// the wire has it.

/** A person or a bot. */
export type UserId = string;

/** One signed-in client of a user: browser, terminal, phone, bot token. */
export type DeviceId = string;

/** A direct, group or channel conversation. */
export type ConversationId = string;

/** A message. It keeps its id through edits and deletion. */
export type MessageId = string;

/** The id a device gives each request that changes something; a repeat gets the first answer. */
export type ClientId = string;

/** One live connection, as told in `hello`. */
export type SessionId = string;

/** An invitation, as listed by those who may manage it. The token in its link is a secret, not this. */
export type InviteId = string;

/** An event's place in its conversation's log: 1, 2, 3 … without gaps; 0 stands before the first. */
export type Seq = number;

/** An opaque position of a device in everything its user may see. Only the server reads what is inside. */
export type Cursor = string;

/** How a request names a conversation: by id, or a channel by its handle (`ops`). */
export type ConversationRef = string;

/** A wall-clock time: milliseconds since the Unix epoch, on the wire ISO 8601 in UTC (`2026-03-01T09:30:00.125Z`). */
export type Timestamp = string;

/** Why a request was not done. Stable: programs may match on it. */
export type Code =
  | "bad_request"
  | "unauthenticated"
  | "wrong_credentials"
  | "refresh_reused"
  | "forbidden"
  | "posting_restricted"
  | "archived"
  | "blocked"
  | "edit_window_closed"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "idempotency_mismatch"
  | "handle_taken"
  | "last_owner"
  | "message_deleted"
  | "setup_finished"
  | "setup_key_expired"
  | "invite_expired"
  | "invite_used_up"
  | "invite_revoked"
  | "too_large"
  | "unsupported_media_type"
  | "invalid"
  | "password_too_short"
  | "password_too_long"
  | "password_too_common"
  | "version_ahead"
  | "rate_limited"
  | "setup_required"
  | "overloaded"
  | "unavailable"
  | "storage_full"
  | "internal";

/** A refusal or failure as a REST body (`application/problem+json`, RFC 9457). */
export type Problem = {
  /** A stable address of the code's documentation, relative to the server. */
  type: string;
  title: string;
  status: number;
  code: Code;
  params?: unknown;
  /** Finds the request in the server's log. */
  request_id: string;
  retry_after_ms?: number;
};

/** Which edits of a message a text has seen: per device, how many. */
export type Version = { [key in DeviceId]: number };

/** One entry of a conversation's log. */
export type Event = {
  conversation_id: ConversationId;
  seq: Seq;
  /** How many main-timeline messages the log holds up to here. */
  ordinal: number;
  /** Who did it. */
  from: UserId;
  /** With which device; absent where the server or an import did it. */
  sender_device?: DeviceId;
  /** The id the sender's device gave the request. */
  client_id?: ClientId;
  timestamp: Timestamp;
} & EventBody;

/** What happened. The wire's `type` is the variant's name in snake case. */
export type EventBody =
  | { "type": "message" } & MessageBody
  | { "type": "edit" } & EditBody
  | { "type": "delete", message_id: MessageId, message_seq: Seq }
  | { "type": "reaction", message_id: MessageId, message_seq: Seq, emoji: string, action: ReactionAction }
  | { "type": "pin", message_id: MessageId, message_seq: Seq, pinned: boolean }
  | { "type": "created", kind: ConversationKind, name?: string }
  | { "type": "member_joined", user_id: UserId, role: Role }
  | { "type": "member_left", user_id: UserId }
  | { "type": "role_changed", user_id: UserId, role: Role }
  | { "type": "renamed", name: string }
  | { "type": "topic_changed", topic: string }
  | { "type": "posting_changed", posting: Posting }
  | { "type": "archived", archived: boolean };

/** The content of a `message` event. */
export type MessageBody = {
  message_id: MessageId;
  /** Markdown source as written, or what `content_type` says; empty once deleted. */
  content: string;
  /** `text/markdown` unless the sender said otherwise. */
  content_type: string;
  /** The sender's own JSON object, kept as written. */
  metadata?: unknown;
  /** The message this one quotes. */
  reply_to?: Seq;
  /** The root of the thread this message stands in; absent in the main timeline. */
  thread?: Seq;
  /** How many messages the thread holds up to here; with `thread`. */
  thread_ordinal?: number;
  mentions?: Mentions;
  version: Version;
  deleted?: boolean;
};

/** The content of an `edit` event. */
export type EditBody = {
  message_id: MessageId;
  message_seq: Seq;
  thread?: Seq;
  /** The text of this edit; empty once the message is deleted. */
  content: string;
  content_type: string;
  metadata?: unknown;
  mentions?: Mentions;
  version: Version;
  /** The time the edit counts with when it met another one: the device's clock, clamped by the server. */
  edited_at: Timestamp;
  /** Whether this text became the message's text. A concurrent edit that lost is kept in the history only. */
  current: boolean;
  deleted?: boolean;
};

/** Who is mentioned. */
export type Mentions = {
  users?: Array<UserId>;
  /** `@all`. */
  all?: boolean;
};

export type ReactionAction = "add" | "remove";

/** A message with its current text and all that hangs on it, as one viewer sees it. */
export type Message = {
  message_id: MessageId;
  conversation_id: ConversationId;
  seq: Seq;
  ordinal: number;
  from: UserId;
  sender_device?: DeviceId;
  client_id?: ClientId;
  content: string;
  content_type: string;
  metadata?: unknown;
  reply_to?: Seq;
  thread?: Seq;
  mentions?: Mentions;
  version: Version;
  timestamp: Timestamp;
  edited_at?: Timestamp;
  deleted?: boolean;
  pinned?: boolean;
  reactions?: Array<ReactionCount>;
  /** On a thread's root: what hangs under it. */
  thread_summary?: ThreadSummary;
  /** Until when the viewer may edit it; absent where they may not. */
  can_edit_until?: Timestamp;
  can_delete: boolean;
};

/** One emoji under a message. */
export type ReactionCount = {
  emoji: string;
  count: number;
  /** Whether the viewer is among them. */
  me: boolean;
};

/** A thread in short, as it stands on its root. */
export type ThreadSummary = {
  root_seq: Seq;
  /** Replies that are not deleted. */
  count: number;
  last_seq: Seq;
  last_timestamp: Timestamp;
  followed: boolean;
  /** Replies the viewer has not read; 0 unless followed. */
  unread: number;
  read_generation: number;
  read_seq: Seq;
};

/** A row of a timeline: a message, or what else happened in the conversation. */
export type TimelineRow = { "row": "message" } & Message | { "row": "event" } & Event;

/** Answer of `GET /conversations/{id}/messages`: rows in order of `seq`, oldest first. */
export type MessagesPage = {
  messages: Array<TimelineRow>;
  has_more_before: boolean;
  has_more_after: boolean;
  /** Events up to here are already in the rows. */
  as_of_seq: Seq;
};

/** One text a message had; answer of `GET /conversations/{id}/messages/{seq}/history`, oldest first. */
export type MessageVersion = {
  seq: Seq;
  content: string;
  content_type: string;
  version: Version;
  by_device: DeviceId | null;
  edited_at: Timestamp;
  /** Whether it is the message's text now. */
  current: boolean;
};

export type MessageHistory = {
  versions: Array<MessageVersion>;
};

export type Reaction = {
  emoji: string;
  user_id: UserId;
};

/** Answer of `GET /conversations/{id}/messages/{seq}/reactions`. */
export type ReactionList = {
  reactions: Array<Reaction>;
};

/** Answer of `GET /conversations/{id}/messages/{seq}/read-by`: members whose read position reached it. */
export type ReadBy = {
  user_ids: Array<UserId>;
  total: number;
};

export type ThreadRow = {
  root: Message;
};

/** Answer of `GET /conversations/{id}/threads`, newest activity first. */
export type ThreadsPage = {
  threads: Array<ThreadRow>;
  next?: string;
};

/** Answer of `GET /conversations/{id}/pins`, newest first. */
export type PinsPage = {
  messages: Array<Message>;
};

export type ConversationKind = "direct" | "group" | "channel";

/** A member's role in one conversation, weakest first. */
export type Role = "member" | "admin" | "owner";

/** Who may post. */
export type Posting = "everyone" | "admins";

/** Body of `POST /conversations`. */
export type CreateConversation = {
  kind: ConversationKind;
  /** The other person of a direct conversation, or who is in a group or channel from the start. */
  members?: Array<UserId>;
  name?: string;
  /** A channel's address: 1–64 characters, lower case letters, digits, `-`. */
  handle?: string;
  topic?: string;
  posting?: Posting;
};

/** Body of `PATCH /conversations/{id}`: what is absent stays. */
export type ChangeConversation = {
  name?: string;
  topic?: string;
  posting?: Posting;
  archived?: boolean;
};

/** A conversation as one member sees it in the list. */
export type Conversation = {
  conversation_id: ConversationId;
  kind: ConversationKind;
  handle?: string;
  name?: string;
  topic?: string;
  /** The other person of a direct conversation. */
  with?: UserId;
  posting: Posting;
  archived: boolean;
  member_count: number;
  created_at: Timestamp;
  /** When something last happened in it. */
  updated_at: Timestamp;
  last_seq: Seq;
  ordinal: number;
  /** Events up to here are already in this row. */
  as_of_seq: Seq;
  /** The viewer's own part. */
  role: Role;
  /** The first event the viewer may see. */
  visible_from: Seq;
  read_generation: number;
  read_seq: Seq;
  /** The oldest message in the main timeline that counts as unread. */
  first_unread_seq?: Seq;
  /** Main timeline and followed threads together. */
  unread: number;
  mentions: number;
  muted: boolean;
  can_post: boolean;
  can_invite: boolean;
  can_manage: boolean;
  last_message?: Message;
};

export type ConversationTotals = {
  conversations: number;
  unread: number;
  mentions: number;
};

/** Answer of `GET /conversations`, newest activity first. */
export type ConversationsPage = {
  conversations: Array<Conversation>;
  /** Give it back as `page=` for the rest; absent on the last page. */
  next?: string;
  /** Over all conversations, not this page: how many, and how much waits in them that are not muted. */
  totals: ConversationTotals;
};

/** A channel as somebody who has not joined it sees it. */
export type PublicChannel = {
  conversation_id: ConversationId;
  handle?: string;
  name?: string;
  topic?: string;
  member_count: number;
  joined: boolean;
};

/** Answer of `GET /conversations/public`, by name. */
export type PublicChannelsPage = {
  channels: Array<PublicChannel>;
  next?: string;
};

/** A member of a conversation. */
export type Member = {
  user_id: UserId;
  handle: string;
  name: string;
  role: Role;
  joined_at: Timestamp;
  /** The newest message they wrote here; ranks suggestions. */
  last_spoke_seq?: Seq;
};

/** Answer of `GET /conversations/{id}/members`, by handle. */
export type MembersPage = {
  members: Array<Member>;
  next?: string;
};

/** Body of `POST /conversations/{id}/members`: invite people, or join oneself with an empty list. */
export type AddMembers = {
  user_ids?: Array<UserId>;
};

/** Body of `PATCH /conversations/{id}/members/{user}`. */
export type ChangeMember = {
  role: Role;
};

/** Body of `PUT /conversations/{id}/mute`. */
export type SetMute = {
  muted: boolean;
};

/** Body of `PUT /conversations/{id}/follow`. */
export type SetFollow = {
  thread: Seq;
  follow: boolean;
};

/** Body of `PUT /conversations/{id}/read` and the `read` frame. A position is `(read_generation, read_seq)`, compared in that order; within a generation it only moves forward. */
export type Read = {
  conversation_id: ConversationRef;
  thread?: Seq;
  read_generation: number;
  read_seq: Seq;
};

/** The `mark_unread` frame: everything from `seq` on counts as unread again. Raises the generation. */
export type MarkUnread = {
  conversation_id: ConversationRef;
  thread?: Seq;
  seq: Seq;
};

/** A read position as devices of the same user exchange it (account state `read/<conversation_id>`). */
export type ReadPosition = {
  read_generation: number;
  read_seq: Seq;
};

/** A person's role on the server, weakest first. */
export type ServerRole = "guest" | "member" | "moderator" | "admin";

/** Body of `POST /setup`: makes the first admin. The key comes from the link's fragment and is never in a URL that reaches the server. */
export type Setup = {
  key: string;
  server_name: string;
  name: string;
  handle: string;
  password: string;
  device_name?: string;
};

/** Body of `POST /auth/login`. */
export type Login = {
  handle: string;
  password: string;
  device_name?: string;
};

/** Body of `POST /auth/refresh`. A browser leaves the token out: its cookie carries it. */
export type Refresh = {
  refresh_token?: string;
};

/** Answer of `setup`, `auth/login`, `auth/refresh` and `invites/{token}/accept`. */
export type SignedIn = {
  user_id: UserId;
  device_id: DeviceId;
  access_token: string;
  /** How long the access token lives. */
  expires_in_ms: number;
  /** Each works once; the answer to its use carries the next. */
  refresh_token: string;
  /** The conversation to open first. */
  open?: ConversationRef;
};

/** Body of `PUT /auth/password`. Signs out the user's other devices. */
export type ChangePassword = {
  current_password: string;
  new_password: string;
};

/** Answer of `POST /admin/users/{id}/reset-password`: a one-use password the person must change. */
export type PasswordReset = {
  temporary_password: string;
};

/** Answer of `POST /ws-ticket`: opens one socket within 30 s, as `Sec-WebSocket-Protocol: stonechat.v1, ticket.<ticket>`. */
export type WsTicket = {
  ticket: string;
  expires_in_ms: number;
};

/** A person as others see them. */
export type User = {
  user_id: UserId;
  handle: string;
  name: string;
  role: ServerRole;
  bot?: boolean;
  /** Came with an import; nobody signs in as them until an invitation is claimed. */
  imported?: boolean;
};

export type UsersPage = {
  users: Array<User>;
  next?: string;
};

/** What a person decided about what others see of them. */
export type Settings = {
  share_presence: boolean;
  share_typing: boolean;
  share_receipts: boolean;
};

/** Answer of `GET /me`. */
export type Me = {
  device_id: DeviceId;
  settings: Settings;
  /** The password was set by an admin and must be changed. */
  must_change_password?: boolean;
  blocked: Array<UserId>;
  /** How this server is called, as its admin said at setup; empty from servers that do not tell. */
  server_name: string;
  user_id: UserId;
  handle: string;
  name: string;
  role: ServerRole;
  bot?: boolean;
  /** Came with an import; nobody signs in as them until an invitation is claimed. */
  imported?: boolean;
};

/** Body of `PATCH /me`: what is absent stays. */
export type ChangeMe = {
  name?: string;
  settings?: Settings;
};

/** One of the viewer's own devices. */
export type Device = {
  device_id: DeviceId;
  name: string;
  created_at: Timestamp;
  /** In steps of five minutes. */
  last_seen_at: Timestamp;
  current: boolean;
  push_token?: boolean;
};

export type DevicesPage = {
  devices: Array<Device>;
};

/** Body of `POST /devices`: registers the calling device's push target; of `PATCH /devices/{id}`: its name. */
export type ChangeDevice = {
  name?: string;
  push_token?: string;
};

/** Body of `POST /invites`. */
export type CreateInvite = {
  /** Seven days unless given; `null` never expires. */
  expires_in_s?: number | null;
  /** 25 unless given; `null` is without limit. */
  uses?: number | null;
  /** Conversations to join at once. */
  conversations?: Array<ConversationRef>;
  role?: ServerRole;
  /** The imported person that whoever accepts becomes; such an invitation has one use. */
  claims?: UserId;
};

/** An invitation; `token` only in the answer to its creation. */
export type Invite = {
  invite_id: InviteId;
  token?: string;
  /** `<server>/join/<token>`; only in the answer to its creation. */
  url?: string;
  created_by: UserId;
  created_at: Timestamp;
  expires_at?: Timestamp;
  uses_left?: number;
  revoked: boolean;
  role: ServerRole;
  claims?: UserId;
};

export type InvitesPage = {
  invites: Array<Invite>;
};

/** Answer of `GET /invites/{token}`: what somebody without an account may know. */
export type InviteInfo = {
  server_name: string;
  inviter: string;
  /** Name and handle of the person this claims. */
  claims?: User;
  /** Names of the conversations that will be joined. */
  conversations: Array<string>;
};

/** Body of `POST /invites/{token}/accept`. Somebody signed in sends none of it but joins the conversations. */
export type AcceptInvite = {
  name?: string;
  handle?: string;
  password?: string;
  device_name?: string;
};

/** What others see of somebody's being there. */
export type PresenceStatus = "online" | "away" | "busy" | "offline" | "unknown";

/** One person's presence, blurred before it leaves the server. */
export type Presence = {
  user_id: UserId;
  status: PresenceStatus;
  /** In steps of five minutes; absent while online and for those who do not share it. */
  last_seen_at?: Timestamp;
};

/** Answer of `GET /presence?user_id=…&user_id=…` and of `GET /conversations/{id}/presence`. */
export type PresenceList = {
  presence: Array<Presence>;
  /** How many are online; in a conversation of more than 200 members the only thing told. */
  online_count?: number;
};

/** Body of `PUT /presence` and the `presence` frame of a client. */
export type SetPresence = {
  /** `online`, `away`, `busy`, or `offline` to appear offline. */
  status: PresenceStatus;
};

/** One row of the account state, replaced in place. */
export type AccountEntry = {
  /** `read/<conversation>`, `read/<conversation>/<root seq>`, `conversation/<id>`, `mute/<conversation>`, `follow/<conversation>/<root seq>`, `block/<user>`, `settings`, `profile`, `device/<id>`. */
  key: string;
  /** `null` where the thing is gone. */
  value: unknown;
};

/** Value of the account state's `conversation/<id>`. */
export type Membership =
  | { "type": "conversation_joined", visible_from: Seq, last_seq: Seq }
  | { "type": "conversation_left", seq: Seq };

/** Answer of `GET /sync`: the frames a socket would have brought, in order. */
export type SyncPage = {
  frames: Array<ServerFrame>;
  cursor: Cursor;
  /** False: caught up. */
  has_more: boolean;
};

/** Body of `POST /admin/bench-users`: people with device tokens, for load runs. */
export type CreateBenchUsers = {
  count: number;
  /** Handles are `<prefix>-<n>`. */
  prefix: string;
};

/** Body of `POST /admin/bench-conversations`: groups of the given people, without events of their joining for each. */
export type CreateBenchConversations = {
  conversations: Array<Array<UserId>>;
};

export type BenchConversations = {
  conversation_ids: Array<ConversationId>;
};

/** People with tokens that sign in as a device of theirs. */
export type DeviceTokens = {
  users: Array<DeviceToken>;
};

export type DeviceToken = {
  user_id: UserId;
  handle: string;
  device_id: DeviceId;
  token: string;
};

/** Body of `POST /admin/device-tokens`: for people who came with an import, and nobody else. */
export type CreateDeviceTokens = {
  /** All imported people when empty. */
  user_ids?: Array<UserId>;
};

/** Answer of `GET /ready`. */
export type Ready = {
  ready: boolean;
  version: string;
  store: string;
  /** `full`, or `relaxed`: acknowledged messages may be lost with the power. */
  durability: string;
  /** What the database itself says it does. */
  synchronous: string;
  journal_mode: string;
  needs_setup: boolean;
};

/** What a client says. */
export type ClientFrame =
  | { "type": "connect" } & Connect
  | { "type": "message" } & SendMessage
  | { "type": "edit" } & EditMessage
  | { "type": "delete" } & DeleteMessage
  | { "type": "react" } & React
  | { "type": "pin" } & PinMessage
  | { "type": "read" } & Read
  | { "type": "mark_unread" } & MarkUnread
  | { "type": "received", cursor: Cursor }
  | { "type": "typing" } & Typing
  | { "type": "presence" } & SetPresence
  | { "type": "subscribe" } & Subscription
  | { "type": "unsubscribe" } & Subscription
  | { "type": "heartbeat" };

/** Always the first frame, within 10 s; sent again it renews the token. */
export type Connect = {
  token?: string;
  ticket?: string;
  /** Where this device stands; without one it starts anew (`reset`). */
  cursor?: Cursor;
};

/** Sends a message to a conversation, or `to` a person (which opens the direct conversation). */
export type SendMessage = {
  /** May come as the `Idempotency-Key` header instead on REST. */
  client_id?: ClientId;
  conversation_id?: ConversationRef;
  to?: UserId;
  content: string;
  content_type?: string;
  metadata?: unknown;
  reply_to?: Seq;
  thread?: Seq;
  /** The newest event the device had on screen. */
  read_seq?: Seq;
};

/** Gives a message another text. */
export type EditMessage = {
  client_id?: ClientId;
  conversation_id?: ConversationRef;
  message_seq?: Seq;
  content: string;
  content_type?: string;
  metadata?: unknown;
  /** The versions the editor saw. */
  version: Version;
  /** The device's clock when the edit was made. */
  edited_at?: Timestamp;
};

export type DeleteMessage = {
  client_id: ClientId;
  conversation_id: ConversationRef;
  message_seq: Seq;
};

export type React = {
  client_id?: ClientId;
  conversation_id?: ConversationRef;
  message_seq?: Seq;
  emoji: string;
  action: ReactionAction;
};

export type PinMessage = {
  client_id?: ClientId;
  conversation_id?: ConversationRef;
  message_seq?: Seq;
  pinned: boolean;
};

/** Somebody started or stopped typing. Never stored; expires 6 s after the last start. */
export type Typing = {
  conversation_id?: ConversationRef;
  to?: UserId;
  thread?: Seq;
  action: TypingAction;
};

export type TypingAction = "start" | "stop";

/** Whose presence and which conversations' typing a client wants. Durable events come without asking. */
export type Subscription = {
  users?: Array<UserId>;
  conversations?: Array<ConversationRef>;
};

/** What the server says. */
export type ServerFrame = Control | Event;

/** Frames that are not events of a log. */
export type Control =
  | { "type": "hello" } & Hello
  | { "type": "ack" } & Ack
  | { "type": "error" } & ErrorFrame
  | { "type": "account" } & AccountEntry
  | { "type": "gap", conversation_id: ConversationId, from_seq: Seq, to_seq: Seq, reason: GapReason }
  | { "type": "batch", conversation_id: ConversationId, from_seq: Seq, to_seq: Seq, summary: BatchSummary }
  | { "type": "cursor", cursor: Cursor, has_more: boolean }
  | { "type": "reset", cursor: Cursor }
  | { "type": "receipt", conversation_id: ConversationId, user_id: UserId, read_seq: Seq }
  | { "type": "typing", conversation_id: ConversationId, user_id: UserId, thread?: Seq, action: TypingAction }
  | { "type": "presence", presence?: Array<Presence>, /** Conversations of more than 200 members: only how many are online. */ counts?: Array<PresenceCount> }
  | { "type": "heartbeat" }
  | { "type": "going_away", retry_after_ms: number };

export type Hello = {
  session_id: SessionId;
  user_id: UserId;
  device_id: DeviceId;
  /** A client answers each `heartbeat`; it may give up on the connection after this and 10 s of silence. */
  heartbeat_interval_ms: number;
  server_time: Timestamp;
  server_version: string;
  /** Present when acknowledged messages may be lost with the power. */
  durability?: string;
  max_content_bytes: number;
};

/** The event is on disk at this place. */
export type Ack = {
  client_id: ClientId;
  message_id?: MessageId;
  conversation_id: ConversationId;
  seq: Seq;
  timestamp: Timestamp;
  /** `relaxed` where the operator gave up durability. */
  durability?: string;
  /** Whether this answers a repeat. */
  repeated?: boolean;
};

/** A request was refused or failed. */
export type ErrorFrame = {
  code: Code;
  params?: unknown;
  retry_after_ms?: number;
  /** The request this answers, when it had one. */
  client_id?: ClientId;
};

export type GapReason = "hidden" | "pruned" | "skipped";

export type BatchSummary = {
  joined: number;
  left: number;
  reactions: number;
};

export type PresenceCount = {
  conversation_id: ConversationId;
  online: number;
};
