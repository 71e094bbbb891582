-- The first schema. Old code sees: nothing.
-- Times are milliseconds since the epoch. Keys are dense and never reused; ids (16 bytes) are for the edges.

create table meta (
  name text primary key,
  value blob not null
) without rowid;

-- One run of one writer. `position` is the last number it gave; `closing` orders the finished ones.
create table origins (
  id integer primary key,
  position integer not null,
  closing integer unique,
  started_at integer not null
);

create table users (
  key integer primary key,
  id blob not null unique,
  handle text not null unique,
  name text not null,
  role integer not null,
  bot integer not null default 0,
  imported integer not null default 0,
  password_hash text,
  must_change_password integer not null default 0,  -- 1: temporary; 2: temporary and used
  created_at integer not null,
  disabled_at integer,
  last_seen_at integer,
  share_presence integer not null default 1,
  share_typing integer not null default 1,
  share_receipts integer not null default 1
);

create table devices (
  key integer primary key,
  id blob not null unique,
  user integer not null references users (key),
  name text not null,
  created_at integer not null,
  last_seen_at integer not null,
  revoked_at integer,
  token_hash blob unique,        -- of a token that does not expire (bots, load runs)
  refresh_hash blob unique,      -- of the refresh token that works now
  previous_refresh_hash blob,    -- of the one before it, until the current one is used
  refreshed_at integer,
  refresh_expires_at integer,
  push_token text
);
create index devices_by_user on devices (user);
create index devices_of_imports on devices (name) where token_hash is null and refresh_hash is null;
create index devices_by_previous_refresh on devices (previous_refresh_hash) where previous_refresh_hash is not null;
create index devices_by_push_token on devices (push_token) where push_token is not null;

-- Refresh tokens that were used up, so that a second use is recognised as theft. Kept for as long as one lives.
create table used_refresh_tokens (
  hash blob primary key,
  device integer not null,
  used_at integer not null
) without rowid;
create index used_refresh_tokens_by_device on used_refresh_tokens (device, used_at);

create table invites (
  key integer primary key,
  id blob not null unique,
  token_hash blob not null unique,
  created_by integer not null references users (key),
  created_at integer not null,
  expires_at integer,
  uses_left integer,
  revoked_at integer,
  role integer not null,
  claims integer references users (key),
  conversations text not null    -- JSON list of conversation keys
);

create table blocks (
  user integer not null,
  blocked integer not null,
  primary key (user, blocked)
) without rowid;

create table conversations (
  key integer primary key,
  id blob not null unique,
  kind integer not null,
  handle text unique,
  name text,
  topic text,
  posting integer not null default 0,
  encryption integer not null default 0,
  history_since_join integer not null,
  direct_low integer,
  direct_high integer,
  archived_at integer,
  created_at integer not null,
  updated_at integer not null,
  member_count integer not null,
  last_seq integer not null,
  ordinal integer not null,
  last_message_seq integer not null default 0,
  last_tombstone_seq integer not null default 0,
  head_origin integer not null,
  head_position integer not null,
  unique (direct_low, direct_high)
);
create index conversations_by_head on conversations (head_origin, head_position);

create table members (
  conversation integer not null,
  user integer not null,
  role integer not null,
  joined_seq integer not null,
  left_seq integer,
  joined_at integer not null,
  read_generation integer not null default 0,
  read_seq integer not null,
  read_ordinal integer not null,
  own_total integer not null default 0,
  read_own integer not null default 0,
  last_spoke_seq integer,
  muted integer not null default 0,
  primary key (conversation, user)
) without rowid;
create index members_by_user on members (user, conversation) where left_seq is null;

-- Intervals of seq in which somebody was a member and no longer is.
create table past_members (
  conversation integer not null,
  user integer not null,
  joined_seq integer not null,
  left_seq integer not null,
  primary key (conversation, user, joined_seq)
) without rowid;

-- The log. A row never changes. `target` is the message an edit, deletion, reaction or pin is about;
-- `version` the text a message or edit brought; `detail` what else the kind needs, as JSON.
create table events (
  conversation integer not null,
  seq integer not null,
  origin integer not null,
  position integer not null,
  kind integer not null,
  sender integer not null,
  device integer,
  client_id blob,
  created_at integer not null,
  ordinal integer not null,
  thread integer,
  thread_ordinal integer,
  target integer,
  version integer,
  detail text,
  primary key (conversation, seq)
) without rowid;
create index events_by_thread on events (conversation, thread, seq) where thread is not null;
create index events_by_sender on events (sender, created_at) where kind = 0;

-- Texts, appended. `content` is null once deleted.
create table versions (
  id integer primary key,
  conversation integer not null,
  message_seq integer not null,
  seq integer not null,
  content text,
  content_type text,
  metadata text
);
create index versions_of_edited on versions (conversation, message_seq, id) where seq <> message_seq;

-- What became of a message after it was sent; no row for most.
create table message_states (
  conversation integer not null,
  message_seq integer not null,
  current_version integer not null,  -- versions.id
  vector text not null,              -- the server's version vector, JSON
  current_vector text not null,      -- that of the current text
  current_edited_at integer,
  current_device integer,
  mentions text,                     -- of the current text, JSON
  deleted integer not null default 0,
  pinned_seq integer,
  primary key (conversation, message_seq)
) without rowid;

create table tombstones (
  conversation integer not null,
  message_seq integer not null,
  sender integer not null,
  thread integer,
  primary key (conversation, message_seq)
) without rowid;

-- Keyed by client_id first: version 7 UUIDs of all devices then meet on the last page, which a commit writes once.
create table requests (
  client_id blob not null,
  device integer not null,
  conversation integer not null,
  seq integer not null,
  message_seq integer,
  body_hash integer not null,
  created_at integer not null,
  primary key (client_id, device)
) without rowid;

create table reactions (
  conversation integer not null,
  message_seq integer not null,
  user integer not null,
  emoji text not null,
  seq integer not null,
  primary key (conversation, message_seq, emoji, user)
) without rowid;

create table pins (
  conversation integer not null,
  seq integer not null,
  message_seq integer not null,
  primary key (conversation, seq)
) without rowid;

-- `user` 0 stands for @all.
create table mentions (
  user integer not null,
  conversation integer not null,
  event_seq integer not null,
  message_seq integer not null,
  sender integer not null,
  thread integer,
  primary key (user, conversation, event_seq)
) without rowid;
create index mentions_by_message on mentions (conversation, message_seq);

create table threads (
  conversation integer not null,
  root_seq integer not null,
  ordinal integer not null,
  deleted integer not null default 0,
  last_seq integer not null,
  last_at integer not null,
  last_tombstone_seq integer not null default 0,
  primary key (conversation, root_seq)
) without rowid;
create index threads_by_activity on threads (conversation, last_seq);

create table follows (
  user integer not null,
  conversation integer not null,
  root_seq integer not null,
  following integer not null,
  read_generation integer not null default 0,
  read_seq integer not null,
  read_ordinal integer not null,
  own_total integer not null default 0,
  read_own integer not null default 0,
  primary key (user, conversation, root_seq)
) without rowid;

-- What a user's devices must agree on: one row per key, replaced in place, synced like events.
create table account_state (
  user integer not null,
  name text not null,
  value text not null,
  origin integer not null,
  position integer not null,
  primary key (user, name)
) without rowid;
create index account_state_by_position on account_state (user, origin, position);

-- Delivery acks: how far a device said it holds everything.
create table received (
  device integer primary key,
  cursor text not null,
  received_at integer not null
);
