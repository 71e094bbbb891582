create table if not exists state (
  key text primary key,
  value text not null
) without rowid;

create table if not exists outbox (
  place integer primary key,
  client_id blob not null unique,
  frame text not null,
  failed text
);

-- arrival is the order in which events were given out; message_seq is the message an event is about.
create table if not exists event (
  arrival integer primary key,
  conversation_id blob not null,
  seq integer not null,
  message_seq integer,
  frame text not null,
  unique (conversation_id, seq)
);

create table if not exists place (
  conversation_id blob primary key,
  next_seq integer,
  visible_from integer,
  last_seq integer
) without rowid;

create table if not exists account (
  key text primary key,
  value text not null
) without rowid;
