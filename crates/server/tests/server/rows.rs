//! Rows: promises of docs/requirements.md that only the whole server shows: large conversations, every door alike, the
//! client across a restart, what was imported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use stonechat_client::{
    Chat, ChatEvent, Jitter, MessagesQuery, Method, Options, PageQuery, Start, StoreAt, SyncQuery, Window,
};
use stonechat_server::import;
use stonechat_wire::{
    AcceptInvite, BatchSummary, ClientFrame, ClientId, Code, Control, ConversationId, ConversationKind,
    CreateBenchConversations, CreateBenchUsers, CreateConversation, CreateInvite, EditMessage, EventBody,
    Mentions, PinMessage, PresenceStatus, React, ReactionAction, Read, SendMessage, Seq, ServerFrame,
    Subscription, TimelineRow, Typing, TypingAction,
};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::host::{Host, Live, PASSWORD, PATIENCE, Person, code, message};

/// People with device tokens, to be many at little cost.
async fn crowd(host: &Host, admin: &Person, count: u32) -> Vec<Person> {
    let wanted = CreateBenchUsers { count, prefix: "crowd".into() };
    let made = admin.rest.create_bench_users(&wanted).await.unwrap().users;
    made.into_iter()
        .map(|token| {
            let mut person = admin.clone();
            (person.user_id, person.device_id) = (token.user_id, token.device_id);
            person.rest = host.rest().with_token(&token.token);
            person.token = token.token;
            person
        })
        .collect()
}

/// A group of these people; the first is its owner.
async fn group_of(admin: &Person, people: &[&Person]) -> ConversationId {
    let ids = people.iter().map(|person| person.user_id).collect();
    let wanted = CreateBenchConversations { conversations: vec![ids] };
    admin.rest.create_bench_conversations(&wanted).await.unwrap().conversation_ids[0]
}

/// Places and texts of the messages among frames.
fn messages_in(frames: &[ServerFrame]) -> Vec<(Seq, String)> {
    let message = |frame: &ServerFrame| match frame {
        ServerFrame::Event(event) => match &event.body {
            EventBody::Message(body) => Some((event.seq, body.content.clone())),
            _ => None,
        },
        ServerFrame::Control(_) => None,
    };
    frames.iter().filter_map(message).collect()
}

/// Every row of a conversation, read in pages.
async fn history(person: &Person, room: ConversationId, limit: u32) -> Vec<TimelineRow> {
    let (mut rows, mut window) = (Vec::new(), Window::Newest);
    loop {
        let query = MessagesQuery { window, limit: Some(limit), ..MessagesQuery::default() };
        let page = person.rest.messages(room, &query).await.unwrap();
        let mut earlier = page.messages;
        earlier.append(&mut rows);
        rows = earlier;
        if !page.has_more_before {
            return rows;
        }
        window = Window::Before(rows[0].seq());
    }
}

fn texts(rows: &[TimelineRow]) -> Vec<&str> {
    let text = |row: &'_ TimelineRow| matches!(row, TimelineRow::Message(_));
    rows.iter()
        .filter(|row| text(row))
        .map(|row| match row {
            TimelineRow::Message(message) => message.content.as_str(),
            TimelineRow::System(_) => "",
        })
        .collect()
}

/// R-RT-8, D-5, D-27, I9: in a conversation of more than 64 members, where recipients are a bitmap, every connection
/// of every member gets each message once and in order; strangers and the removed get none, the added what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_rt_8_a_large_conversation_reaches_every_connection_once() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 80).await;
    let mut members: Vec<_> = people[..79].iter().collect();
    members.push(&kit);
    let room = group_of(&kit, &members).await;
    let mut lives = Vec::new();
    for person in &people {
        lives.push(person.live().await);
    }
    lives.push(kit.live().await);
    lives.push(host.sign_in("kit", "phone").await.live().await);
    let mut sender = lives.remove(0);
    for n in 0..10 {
        sender.say(room, &n.to_string()).await;
    }
    for _ in 0..10 {
        sender.ack().await;
    }
    assert!(messages_in(&sender.settle().await).is_empty(), "the sender has its acks");
    let expected: Vec<_> = (0..10).map(|n| (Seq(n + 2), n.to_string())).collect();
    // The last of the crowd is no member.
    let mut stranger = lives.remove(78);
    assert!(messages_in(&stranger.settle().await).is_empty());
    assert_eq!(lives.len(), 80);
    for live in &mut lives {
        assert_eq!(messages_in(&live.settle().await), expected);
    }
    people[0].rest.remove_member(room, people[1].user_id).await.unwrap();
    people[0].rest.add_members(room, &[people[79].user_id]).await.unwrap();
    sender.say(room, "after").await;
    sender.ack().await;
    assert!(messages_in(&lives[0].settle().await).is_empty(), "removed");
    assert_eq!(stranger.message().await.1, "after");
    for live in &mut lives[1..] {
        assert_eq!(messages_in(&live.settle().await).len(), 1);
    }
}

/// R-DR-2, R-PF-3, D-27: above 200 members, joins and reactions go out as sums that fill their places, before the next
/// message or by themselves after 5 s; whoever resumes has every place as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_dr_2_joins_and_reactions_of_a_large_conversation_are_summed_up() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 230).await;
    let room = group_of(&kit, &people[..205].iter().collect::<Vec<_>>()).await;
    let at = people[0].say(room, "vote").await.seq;
    let mut watcher = people[1].live().await;
    let cursor = watcher.cursor.clone();
    let joining: Vec<_> = people[205..225].iter().map(|person| person.user_id).collect();
    people[0].rest.add_members(room, &joining).await.unwrap();
    let react = |person: &Person| {
        let react = React {
            client_id: Some(ClientId::new()),
            conversation_id: None,
            message_seq: None,
            emoji: "👍".into(),
            action: ReactionAction::Add,
        };
        let rest = person.rest.clone();
        async move { rest.react(room, at, &react).await.unwrap().seq }
    };
    for person in &people[2..7] {
        react(person).await;
    }
    let last = people[0].say(room, "after").await.seq;
    assert_eq!(last, Seq(at.0 + 20 + 5 + 1));
    let (mut next, mut sum) = (at.next(), BatchSummary::default());
    while next <= last {
        match watcher.frame().await {
            ServerFrame::Control(Control::Batch { conversation_id, from_seq, to_seq, summary }) => {
                assert_eq!((conversation_id, from_seq), (room, next));
                sum.joined += summary.joined;
                sum.reactions += summary.reactions;
                next = to_seq.next();
            }
            ServerFrame::Event(event) => {
                assert_eq!(event.seq, next);
                assert!(matches!(event.body, EventBody::Message(_)), "{event:?}");
                next = next.next();
            }
            ServerFrame::Control(_) => {}
        }
    }
    assert_eq!(sum, BatchSummary { joined: 20, left: 0, reactions: 5 });
    let alone = react(&people[8]).await;
    let batch = watcher
        .until(|frame| match frame {
            ServerFrame::Control(Control::Batch { from_seq, to_seq, .. }) => Some((*from_seq, *to_seq)),
            ServerFrame::Event(event) => panic!("{event:?}"),
            ServerFrame::Control(_) => None,
        })
        .await;
    assert_eq!(batch, (alone, alone));
    let mut next = at.next();
    for frame in &people[1].live_from(cursor).await.caught_up {
        let (from, to) = match frame {
            ServerFrame::Event(event) => (event.seq, event.seq),
            ServerFrame::Control(Control::Batch { from_seq, to_seq, .. }) => (*from_seq, *to_seq),
            ServerFrame::Control(_) => continue,
        };
        assert_eq!(from, next);
        next = to.next();
    }
    assert_eq!(next, alone.next());
}

/// R-DR-2, Q3, D-27: of a conversation of more than 200 members only the number of those online is told, once in a
/// window however many come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q3_a_large_conversation_tells_how_many_are_online() {
    let window = Duration::from_millis(500);
    let host = Host::with(|settings| settings.batch_window_ms = 500).await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 205).await;
    let room = group_of(&kit, &people.iter().collect::<Vec<_>>()).await;
    let mut watcher = people[0].live().await;
    let wanted = Subscription { users: vec![], conversations: vec![room.into()] };
    watcher.send(&ClientFrame::Subscribe(wanted)).await;
    let online = |frame: &ServerFrame| match frame {
        ServerFrame::Control(Control::Presence { presence, counts }) => {
            assert!(presence.is_empty(), "nobody is told by name: {presence:?}");
            assert!(counts.iter().all(|count| count.conversation_id == room));
            counts.first().map(|count| count.online)
        }
        _ => None,
    };
    assert_eq!(watcher.until(online).await, 1);
    let began = Instant::now();
    let mut lives = Vec::new();
    for person in &people[1..61] {
        lives.push(person.live().await);
    }
    let mut told = 0;
    while watcher.until(online).await != 61 {
        told += 1;
    }
    let windows = began.elapsed().as_millis() / window.as_millis();
    assert!(told <= windows + 1, "told {told} times in {windows} windows");
    assert!(told < 30, "told {told} times of 60 who came");
    let list = people[0].rest.conversation_presence(room).await.unwrap();
    assert_eq!((list.presence.len(), list.online_count), (0, Some(61)));
}

/// R-CL-7, R-DG-3, R-RE-5, R-PR-2: changes of many people are told together, once in a window, each at its last value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_cl_7_presence_is_told_in_windows() {
    let window = Duration::from_millis(500);
    let host = Host::with(|settings| settings.batch_window_ms = 500).await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 60).await;
    group_of(&kit, &people.iter().collect::<Vec<_>>()).await;
    let mut watcher = people[0].live().await;
    let users: Vec<_> = people[1..].iter().map(|person| person.user_id).collect();
    watcher.send(&ClientFrame::Subscribe(Subscription { users, conversations: vec![] })).await;
    let told = |frame: &ServerFrame| match frame {
        ServerFrame::Control(Control::Presence { presence, .. }) => Some(presence.clone()),
        _ => None,
    };
    let snapshot = watcher.until(told).await;
    assert_eq!(snapshot.len(), 59);
    assert!(snapshot.iter().all(|one| one.status == PresenceStatus::Offline));
    let began = Instant::now();
    let mut lives = Vec::new();
    for person in &people[1..] {
        lives.push(person.live().await);
    }
    let (mut online, mut frames) = (BTreeSet::new(), 0);
    while online.len() < 59 {
        let changes = watcher.until(told).await;
        frames += 1;
        let ids: BTreeSet<_> = changes.iter().map(|one| one.user_id).collect();
        assert_eq!(ids.len(), changes.len(), "somebody is told twice in one window");
        online.extend(changes.iter().filter(|one| one.status == PresenceStatus::Online).map(|one| one.user_id));
    }
    let windows = began.elapsed().as_millis() / window.as_millis();
    assert!(frames <= windows + 2, "{frames} frames in {windows} windows");
    assert!(frames < 30, "{frames} frames for 59 who came");
}

/// R-GW-8, D-3: whoever blocked somebody, or was blocked, sees nothing of their typing, also in a group of both.
#[tokio::test]
async fn r_gw_8_typing_of_the_blocked_is_left_out() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let room = ana.group(&[&bo, &kit]).await;
    let (mut writer, mut blocker, mut other) = (ana.live().await, bo.live().await, kit.live().await);
    let subscribe = ClientFrame::Subscribe(Subscription { users: vec![], conversations: vec![room.into()] });
    let typing = |action| {
        ClientFrame::Typing(Typing { conversation_id: Some(room.into()), to: None, thread: None, action })
    };
    let typed = |frame: &ServerFrame| match frame {
        ServerFrame::Control(Control::Typing { action, .. }) => Some(*action),
        _ => None,
    };
    for live in [&mut blocker, &mut other, &mut writer] {
        live.send(&subscribe).await;
        live.settle().await;
    }
    writer.send(&typing(TypingAction::Start)).await;
    assert_eq!(blocker.until(typed).await, TypingAction::Start);
    assert_eq!(other.until(typed).await, TypingAction::Start);
    writer.send(&typing(TypingAction::Stop)).await;
    assert_eq!(blocker.until(typed).await, TypingAction::Stop);
    assert_eq!(other.until(typed).await, TypingAction::Stop);
    bo.rest.block(ana.user_id).await.unwrap();
    writer.send(&typing(TypingAction::Start)).await;
    assert_eq!(other.until(typed).await, TypingAction::Start);
    assert!(blocker.settle().await.iter().all(|frame| typed(frame).is_none()));
    blocker.send(&typing(TypingAction::Start)).await;
    assert_eq!(other.until(typed).await, TypingAction::Start);
    assert!(writer.settle().await.iter().all(|frame| typed(frame).is_none()));
}
