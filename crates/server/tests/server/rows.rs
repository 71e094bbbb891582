//! Rows: promises of docs/requirements.md that only the whole server shows: large conversations, every door alike, the
//! client across a restart, what was imported.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use stonechat_client::{
    Chat, ChatEvent, Jitter, MessagesQuery, Method, Options, PageQuery, Start, StoreAt, SyncQuery, Window,
};
use stonechat_server::import;
use stonechat_wire::{
    AcceptInvite, BatchSummary, ClientFrame, ClientId, Code, Control, ConversationId,
    CreateBenchConversations, CreateBenchUsers, CreateInvite, Event, EventBody, Message, MessageBody,
    Presence, PresenceCount, PresenceStatus, React, ReactionAction, Read, SendMessage, Seq, ServerFrame,
    SetPresence, Subscription, TimelineRow, Typing, TypingAction,
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

/// The messages among frames, with the events that brought them.
fn bodies(frames: &[ServerFrame]) -> Vec<(&Event, &MessageBody)> {
    let mut bodies = Vec::new();
    for frame in frames {
        if let ServerFrame::Event(event) = frame
            && let EventBody::Message(body) = &event.body
        {
            bodies.push((&**event, body));
        }
    }
    bodies
}

fn messages_in(frames: &[ServerFrame]) -> Vec<(Seq, String)> {
    bodies(frames).into_iter().map(|(event, body)| (event.seq, body.content.clone())).collect()
}

fn presence_told(frame: &ServerFrame) -> Option<(Vec<Presence>, Vec<PresenceCount>)> {
    let ServerFrame::Control(Control::Presence { presence, counts }) = frame else { return None };
    Some((presence.clone(), counts.clone()))
}

fn watch(people: &[&Person], rooms: &[ConversationId]) -> ClientFrame {
    let users = people.iter().map(|person| person.user_id).collect();
    let conversations = rooms.iter().map(|room| (*room).into()).collect();
    ClientFrame::Subscribe(Subscription { users, conversations })
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

fn written(rows: &[TimelineRow]) -> impl Iterator<Item = &Message> {
    rows.iter()
        .filter_map(|row| if let TimelineRow::Message(message) = row { Some(&**message) } else { None })
}

fn texts(rows: &[TimelineRow]) -> Vec<&str> {
    written(rows).map(|message| message.content.as_str()).collect()
}

/// R-RT-8, D-5, D-27, I9: in a conversation of more than 64 members, where recipients are a bitmap, every connection
/// of every member gets each message once and in order; strangers and the removed get none, the added what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_rt_8_a_large_conversation_reaches_every_connection_once() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 80).await;
    let members: Vec<_> = people[..79].iter().chain([&kit]).collect();
    let room = group_of(&kit, &members).await;
    let mut lives = join_all(people.iter().map(Person::live)).await;
    lives.extend([kit.live().await, host.sign_in("kit", "phone").await.live().await]);
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

/// R-DR-2, R-PF-3, D-27: above 200 members joins and reactions go out as sums that fill their places, by themselves
/// after 5 s or before a message; whoever resumes has every place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_dr_2_joins_and_reactions_of_a_large_conversation_are_summed_up() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 1_205).await;
    let room = group_of(&kit, &people[..205].iter().collect::<Vec<_>>()).await;
    let at = people[0].say(room, "vote").await.seq;
    let mut watcher = people[1].live().await;
    let cursor = watcher.cursor.clone();
    let began = Instant::now();
    for joining in people[205..].chunks(100) {
        let ids: Vec<_> = joining.iter().map(|person| person.user_id).collect();
        people[0].rest.add_members(room, &ids).await.unwrap();
    }
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
    assert_eq!(last, Seq(at.0 + 1_000 + 5 + 1));
    let (mut next, mut sum, mut batches) = (at.next(), BatchSummary::default(), 0);
    while next <= last {
        match watcher.frame().await {
            ServerFrame::Control(Control::Batch { conversation_id, from_seq, to_seq, summary }) => {
                assert_eq!((conversation_id, from_seq), (room, next));
                sum.joined += summary.joined;
                sum.reactions += summary.reactions;
                next = to_seq.next();
                batches += 1;
            }
            ServerFrame::Event(event) if event.seq > at => {
                assert_eq!(event.seq, next);
                assert!(matches!(event.body, EventBody::Message(_)), "{event:?}");
                next = next.next();
            }
            ServerFrame::Event(_) | ServerFrame::Control(_) => {}
        }
    }
    assert_eq!(sum, BatchSummary { joined: 1_000, left: 0, reactions: 5 });
    assert!(batches <= began.elapsed().as_secs() / 5 + 1, "{batches} sums in {:?}", began.elapsed());
    let alone = react(&people[8]).await;
    let placed = |frame: &ServerFrame| match frame {
        ServerFrame::Event(event) if event.seq > at => Some((event.seq, event.seq, false)),
        ServerFrame::Control(Control::Batch { from_seq, to_seq, .. }) => Some((*from_seq, *to_seq, true)),
        ServerFrame::Event(_) | ServerFrame::Control(_) => None,
    };
    assert_eq!(watcher.until(placed).await, (alone, alone, true));
    let mut next = at.next();
    for (from, to, _) in people[1].live_from(cursor).await.caught_up.iter().filter_map(placed) {
        assert_eq!(from, next);
        next = to.next();
    }
    assert_eq!(next, alone.next());
}

/// People come, and the watcher is told until `done`: in windows of half a second, not one by one.
async fn come(
    watcher: &mut Live,
    people: &[Person],
    mut done: impl FnMut(&[Presence], &[PresenceCount]) -> bool,
) -> Vec<Live> {
    let (began, mut told) = (Instant::now(), 0);
    let lives = join_all(people.iter().map(Person::live)).await;
    loop {
        let (presence, counts) = watcher.until(presence_told).await;
        told += 1;
        if done(&presence, &counts) {
            break;
        }
    }
    let windows = began.elapsed().as_millis() / 500;
    assert!(told <= windows + 2, "told {told} times in {windows} windows");
    assert!(told < people.len() as u128 / 2, "told {told} times of {} who came", people.len());
    lives
}

/// R-DR-2, Q3, D-27: of a conversation of more than 200 members only the number of those online is told, once in a
/// window however many come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q3_a_large_conversation_tells_how_many_are_online() {
    let host = Host::with(|settings| settings.batch_window_ms = 500).await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 205).await;
    let room = group_of(&kit, &people.iter().collect::<Vec<_>>()).await;
    let mut watcher = people[0].live().await;
    watcher.send(&watch(&[], &[room])).await;
    assert_eq!(watcher.until(presence_told).await.1[0].online, 1);
    let done = |presence: &[Presence], counts: &[PresenceCount]| {
        assert!(presence.is_empty(), "nobody is told by name: {presence:?}");
        assert!(counts.iter().all(|count| count.conversation_id == room));
        counts[0].online == 61
    };
    let _lives = come(&mut watcher, &people[1..61], done).await;
    let list = people[0].rest.conversation_presence(room).await.unwrap();
    assert_eq!((list.presence.len(), list.online_count), (0, Some(61)));
}

/// R-CL-7, R-DG-3, R-RE-5, R-PR-2: changes of many people are told together, once in a window, each at its last value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_cl_7_presence_is_told_in_windows() {
    let host = Host::with(|settings| settings.batch_window_ms = 500).await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 60).await;
    group_of(&kit, &people.iter().collect::<Vec<_>>()).await;
    let mut watcher = people[0].live().await;
    watcher.send(&watch(&people[1..].iter().collect::<Vec<_>>(), &[])).await;
    let (snapshot, _) = watcher.until(presence_told).await;
    assert_eq!(snapshot.len(), 59);
    assert!(snapshot.iter().all(|one| one.status == PresenceStatus::Offline));
    let mut online = BTreeSet::new();
    let done = |changes: &[Presence], _: &[PresenceCount]| {
        let ids: BTreeSet<_> = changes.iter().map(|one| one.user_id).collect();
        assert_eq!(ids.len(), changes.len(), "somebody is told twice in one window");
        assert!(changes.iter().all(|one| one.status == PresenceStatus::Online), "{changes:?}");
        online.extend(ids);
        online.len() == 59
    };
    come(&mut watcher, &people[1..], done).await;
}

/// R-GW-8, Q9, D-3: typing is relayed within a second; whoever blocked somebody, or was blocked, sees nothing of their
/// typing, also in a group of both.
#[tokio::test]
async fn r_gw_8_typing_of_the_blocked_is_left_out() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let room = ana.group(&[&bo, &kit]).await;
    let (mut writer, mut blocker, mut other) = (ana.live().await, bo.live().await, kit.live().await);
    let typing = |action| {
        ClientFrame::Typing(Typing { conversation_id: Some(room.into()), to: None, thread: None, action })
    };
    let typed = |frame: &ServerFrame| {
        if let ServerFrame::Control(Control::Typing { action, .. }) = frame { Some(*action) } else { None }
    };
    for live in [&mut blocker, &mut other, &mut writer] {
        live.send(&watch(&[], &[room])).await;
        live.settle().await;
    }
    for action in [TypingAction::Start, TypingAction::Stop] {
        let began = Instant::now();
        writer.send(&typing(action)).await;
        assert_eq!((blocker.until(typed).await, other.until(typed).await), (action, action));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    bo.rest.block(ana.user_id).await.unwrap();
    writer.send(&typing(TypingAction::Start)).await;
    assert_eq!(other.until(typed).await, TypingAction::Start);
    assert!(blocker.settle().await.iter().all(|frame| typed(frame).is_none()));
    blocker.send(&typing(TypingAction::Start)).await;
    assert_eq!(other.until(typed).await, TypingAction::Start);
    assert!(writer.settle().await.iter().all(|frame| typed(frame).is_none()));
}

/// I14, Q14: two devices read to 100 and to 99 at once, again and again: the position never goes back for anybody who
/// looks, and ends at the highest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i14_crossing_reads_never_go_back() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut author = ana.live().await;
    for n in 2..=101 {
        author.say(room, &n.to_string()).await;
    }
    for _ in 2..=101 {
        author.ack().await;
    }
    let (phone, tablet) = (host.sign_in("bo", "phone").await, host.sign_in("bo", "tablet").await);
    let (mut first, mut second, mut observer) = (bo.live().await, phone.live().await, tablet.live().await);
    let read = |read_seq| {
        let conversation_id = room.into();
        ClientFrame::Read(Read { conversation_id, thread: None, read_generation: 0, read_seq: Seq(read_seq) })
    };
    for high in (10..=100).step_by(10) {
        let (higher, lower) = (read(high), read(high - 1));
        let (one, other) = if high % 20 == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        tokio::join!(one.send(&higher), other.send(&lower));
    }
    first.settle().await;
    second.settle().await;
    let position = |frame: &ServerFrame| match frame {
        ServerFrame::Control(Control::Account(entry)) if entry.key == format!("read/{room}") => {
            entry.value["read_seq"].as_u64()
        }
        _ => None,
    };
    let receipt = |frame: &ServerFrame| {
        if let ServerFrame::Control(Control::Receipt { read_seq, .. }) = frame {
            Some(read_seq.0)
        } else {
            None
        }
    };
    for (live, told) in [(&mut observer, &position as &dyn Fn(&_) -> _), (&mut author, &receipt)] {
        let mut seen = vec![live.until(told).await];
        while seen.last() != Some(&100) {
            seen.push(live.until(told).await);
        }
        seen.extend(live.settle().await.iter().filter_map(told));
        assert!(seen.is_sorted() && seen.last() == Some(&100), "{seen:?}");
    }
    let row = bo.rest.conversation(room).await.unwrap();
    assert_eq!((row.read_seq, row.unread, row.first_unread_seq), (Seq(100), 1, Some(Seq(101))));
}

/// I15, Q20: once a message is deleted no path has any text of it: list, history, threads, pins, own messages, sync,
/// stream, socket; before, all of them had.
#[tokio::test]
async fn i15_a_deleted_text_is_on_no_path() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let cursor = bo.live().await.cursor.clone().unwrap();
    let at = ana.say(room, "canary one").await.seq;
    bo.reply(room, at, "a reply in its thread").await;
    let quote = SendMessage { reply_to: Some(at), ..message("a quote") };
    bo.rest.send(room, &quote).await.unwrap();
    let change = async |method, path: &str, body| {
        let path = format!("/conversations/{room}/messages/{at}{path}");
        let id = ClientId::new().to_string();
        let headers = [("content-type", "application/json"), ("idempotency-key", &id)];
        ana.rest.raw(method, &path, &headers, Some(body)).await.unwrap().0
    };
    assert_eq!(change(Method::PATCH, "", r#"{"content":"canary two","version":{}}"#).await, 200);
    assert_eq!(change(Method::PUT, "/pin", r#"{"pinned":true}"#).await, 200);
    let own = ana.say(room, "canary three, the newest").await.seq;
    let paths = [
        "/conversations".to_owned(),
        format!("/conversations/{room}"),
        format!("/conversations/{room}/messages"),
        format!("/conversations/{room}/messages?thread={at}"),
        format!("/conversations/{room}/messages?around={at}"),
        format!("/conversations/{room}/messages/{at}"),
        format!("/conversations/{room}/messages/{at}/history"),
        format!("/conversations/{room}/pins"),
        format!("/conversations/{room}/threads"),
        "/me/messages".to_owned(),
        format!("/sync?cursor={}", cursor.0),
        format!("/sync?cursor={}&limit=1", cursor.0),
    ];
    let look = async || {
        let mut found = BTreeMap::new();
        for path in &paths {
            let (status, _, text) = ana.rest.raw(Method::GET, path, &[], None).await.unwrap();
            assert_eq!(status, 200, "{path}: {text}");
            found.insert(path.clone(), text);
        }
        found.insert("/events".into(), stream(&host, &bo, &cursor.0).await);
        let frames = bo.live_from(Some(cursor.clone())).await.caught_up;
        found.insert("/ws".into(), serde_json::to_string(&frames).unwrap());
        found
    };
    for (path, text) in look().await {
        // The first page of one event is the one before it.
        assert!(text.contains("canary") || path.contains("limit=1"), "{path} never had it: {text}");
    }
    for seq in [at, own] {
        ana.rest.delete(room, seq, ClientId::new()).await.unwrap();
    }
    for (path, text) in look().await {
        assert!(!text.contains("canary"), "{path}: {text}");
    }
}

/// What the stream of server-sent events brings until it is caught up.
async fn stream(host: &Host, person: &Person, cursor: &str) -> String {
    let url = format!("{}/api/v1/events?cursor={cursor}", host.url);
    let request = reqwest::Client::new().get(url).bearer_auth(&person.token);
    let mut response = request.send().await.unwrap();
    let mut text = String::new();
    while !text.contains(r#""has_more":false"#) {
        let chunk = tokio::time::timeout(PATIENCE, response.chunk()).await.unwrap().unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    text
}

/// R-ST-9, R-ST-11, D-15: a page of ten, then of fifty, then after an edit and for somebody who sees less: none is an
/// earlier answer given again.
#[tokio::test]
async fn r_st_11_a_page_is_never_an_earlier_answer() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    for n in 0..60 {
        ana.say(room, &n.to_string()).await;
    }
    let page = async |person: &Person, limit| {
        let query = MessagesQuery { limit: Some(limit), ..MessagesQuery::default() };
        person.rest.messages(room, &query).await.unwrap()
    };
    for limit in [10, 50, 10, 50] {
        let rows = page(&bo, limit).await.messages;
        assert_eq!((rows.len(), rows[0].seq()), (limit as usize, Seq(62 - u64::from(limit))));
    }
    ana.rest.delete(room, Seq(61), ClientId::new()).await.unwrap();
    let rows = page(&bo, 10).await.messages;
    assert!(rows.iter().any(|row| matches!(row, TimelineRow::Message(message) if message.deleted)));
    assert!(!texts(&rows).contains(&"59"));
    ana.rest.add_members(room, &[kit.user_id]).await.unwrap();
    assert!(texts(&page(&kit, 50).await.messages).is_empty(), "who comes later sees nothing of before");
    let (_, headers, _) =
        ana.rest.raw(Method::GET, &format!("/conversations/{room}"), &[], None).await.unwrap();
    assert_eq!(headers["cache-control"], "private, no-store");
}

/// R-OR-2, I5: three people answer what they just saw; nobody sees an answer before what it answers, live, on
/// resuming, or in pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_or_2_an_answer_never_comes_before_what_it_answers() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let observer = host.join(&kit, "olga").await;
    let room = ana.group(&[&bo, &kit, &observer]).await;
    let mut watching = observer.live().await;
    let cursor = watching.cursor.clone();
    let mut answering = tokio::task::JoinSet::new();
    for person in [&ana, &bo, &kit] {
        let mut live = person.live().await;
        answering.spawn(async move {
            for _ in 0..30 {
                let (seen, _) = live.message().await;
                let conversation_id = Some(room.into());
                let answer = SendMessage { conversation_id, reply_to: Some(seen), ..message("answer") };
                live.send(&ClientFrame::Message(answer)).await;
            }
            live
        });
    }
    let first = observer.say(room, "first").await.seq;
    let answers = |frames: &[ServerFrame]| -> Vec<(Seq, Option<Seq>)> {
        bodies(frames).into_iter().map(|(event, body)| (event.seq, body.reply_to)).collect()
    };
    let causal = |seen: &[(Seq, Option<Seq>)]| {
        let mut known = BTreeSet::from([first]);
        for (seq, parent) in seen {
            assert!(parent.is_none_or(|parent| known.contains(&parent)), "{seq} before {parent:?}");
            known.insert(*seq);
        }
    };
    let mut live = Vec::new();
    while live.len() < 91 {
        live.extend(answers(&[watching.frame().await]));
    }
    causal(&live);
    assert_eq!(live.iter().filter(|(_, parent)| parent.is_some()).count(), 90);
    drop(answering.join_all().await);
    assert_eq!(answers(&observer.live_from(cursor).await.caught_up), live);
    let rows = history(&observer, room, 7).await;
    let read = written(&rows).map(|message| (message.seq, message.reply_to));
    assert_eq!(read.collect::<Vec<_>>(), live);
}

/// R-OR-1, R-OR-3, I4, I5: devices that send at once and without waiting, into two conversations by turns: places are
/// dense, every reader has each device's messages in sending order, and each conversation's acks come in that order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_or_3_pipelined_over_a_socket() {
    const EACH: usize = 200;
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let rooms = [ana.group(&[&bo, &kit]).await, ana.group(&[&bo, &kit]).await];
    let phone = host.sign_in("ana", "phone").await;
    let mut sending = tokio::task::JoinSet::new();
    for (name, person) in [("ana", &ana), ("phone", &phone), ("bo", &bo)] {
        let mut live = person.live().await;
        sending.spawn(async move {
            let mut sent = [Vec::new(), Vec::new()];
            for n in 0..EACH {
                sent[n % 2].push(live.say(rooms[n % 2], &format!("{name} {n}")).await);
            }
            let mut acked = [Vec::new(), Vec::new()];
            for _ in 0..EACH {
                let ack = live.ack().await;
                acked[usize::from(ack.conversation_id == rooms[1])].push(ack.client_id);
            }
            assert_eq!(acked, sent);
        });
    }
    sending.join_all().await;
    for (at, room) in rooms.into_iter().enumerate() {
        let rows = history(&kit, room, 100).await;
        let seqs: Vec<_> = rows.iter().map(|row| row.seq().0).collect();
        assert_eq!(seqs, (1..=3 * EACH as u64 / 2 + 1).collect::<Vec<_>>());
        for name in ["ana ", "phone ", "bo "] {
            let numbers =
                texts(&rows).into_iter().filter_map(|text| text.strip_prefix(name)?.parse::<usize>().ok());
            let expected: Vec<usize> = (at..EACH).step_by(2).collect();
            assert_eq!(numbers.collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

/// I4, I5, R-API-2: what was acknowledged is at once in every read of that device, and every door gives the same
/// place, id, sender and text.
#[tokio::test]
async fn i4_every_door_tells_the_same_at_once() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let (mut live, mut other) = (ana.live().await, bo.live().await);
    let cursor = other.cursor.clone().unwrap();
    let told = |frame: &ServerFrame| {
        let (event, body) = bodies(std::slice::from_ref(frame)).pop()?;
        Some((event.seq, body.message_id, event.from, event.client_id, body.content.clone()))
    };
    let (mut pushed, mut acked) = (Vec::new(), Vec::new());
    for n in 0..30 {
        live.say(room, &n.to_string()).await;
        let ack = live.ack().await;
        acked.push((ack.seq, ack.message_id.unwrap()));
        let row = ana.rest.conversation(room).await.unwrap();
        assert_eq!((row.last_seq, row.last_message.unwrap().seq), (ack.seq, ack.seq));
        let page = ana.rest.messages(room, &MessagesQuery::default()).await.unwrap();
        assert_eq!(page.messages.last().map(TimelineRow::seq), Some(ack.seq));
        pushed.push(other.until(told).await);
    }
    assert_eq!(pushed.iter().map(|(seq, id, ..)| (*seq, *id)).collect::<Vec<_>>(), acked);
    assert_eq!(acked.iter().map(|(seq, _)| seq.0).collect::<Vec<_>>(), (2..=31).collect::<Vec<_>>());
    let members = bo.rest.members(room, &PageQuery::default()).await.unwrap().members;
    assert_eq!(members.iter().map(|member| member.last_spoke_seq).max(), Some(Some(Seq(31))));
    let resumed = bo.live_from(Some(cursor.clone())).await.caught_up;
    assert_eq!(resumed.iter().filter_map(told).collect::<Vec<_>>(), pushed);
    let query = SyncQuery { cursor: Some(cursor.clone()), ..SyncQuery::default() };
    let synced = bo.rest.sync(&query).await.unwrap().frames;
    assert_eq!(synced.iter().filter_map(told).collect::<Vec<_>>(), pushed);
    let streamed = stream(&host, &bo, &cursor.0).await;
    let data = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
    let streamed = data.filter_map(|data| told(&stonechat_client::decode(data).ok()??));
    assert_eq!(streamed.collect::<Vec<_>>(), pushed);
    let rows = history(&bo, room, 8).await;
    let read = written(&rows).map(|row| (row.seq, row.message_id, row.from, row.content.clone()));
    let without_client_id = pushed.iter().map(|(seq, id, from, _, text)| (*seq, *id, *from, text.clone()));
    assert_eq!(read.collect::<Vec<_>>(), without_client_id.collect::<Vec<_>>());
}

/// A way to the server that tears connections after some bytes of answers, or all of them when told to.
struct Tearing {
    url: String,
    /// Closed ways tear what is open and let nobody through.
    open: watch::Sender<bool>,
}

impl Tearing {
    /// `budgets`: after so many bytes from the server the first connections are torn, one each; later ones stay.
    async fn start(to: &str, budgets: Vec<u64>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = to.trim_start_matches("http://").to_owned();
        let (open, closing) = watch::channel(true);
        tokio::spawn(async move {
            let mut budgets = budgets.into_iter();
            while let Ok((client, _)) = listener.accept().await {
                let mut closing = closing.clone();
                if !*closing.borrow_and_update() {
                    continue;
                }
                let Ok(server) = tokio::net::TcpStream::connect(&to).await else { continue };
                let budget = budgets.next().unwrap_or(u64::MAX);
                tokio::spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    let (from_server, mut to_server) = server.into_split();
                    let mut answers = from_server.take(budget);
                    tokio::select! {
                        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                        _ = tokio::io::copy(&mut answers, &mut to_client) => {}
                        _ = closing.changed() => {}
                    }
                });
            }
        });
        Self { url, open }
    }
}

/// Q13, R-SY-5, R-CL-3, R-OR-3, I3, P2: the client's outbox against the real server, over connections torn at random
/// bytes (also between commit and ack) and across a restart of the server: every message once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_sy_5_the_outbox_survives_torn_connections_and_a_restart() {
    const COUNT: usize = 300;
    let seed = ClientId::new().0.as_u128() as u64;
    writeln!(std::io::stderr(), "seed {seed}").unwrap();
    let budgets = (0..4).map(|n| 600 + (seed >> (8 * n)) % 12_000).collect();
    let mut host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let way = Tearing::start(&host.url, budgets).await;
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        store: StoreAt::File(folder.path().join("device.db")),
        start: Start::Now,
        jitter: Jitter::Off,
        start_offline: true,
        ..Options::default()
    };
    let chat = Chat::connect_with(&way.url, &ana.token, options).await.unwrap();
    let mut events = chat.events();
    let sending = {
        let chat = chat.clone();
        tokio::spawn(async move {
            let mut seqs = Vec::new();
            // No more at a time than there are places, so that they are taken in the order of the calls.
            for start in (0..COUNT).step_by(50) {
                let sends = (start..start + 50).map(|n| chat.send(room, n.to_string()));
                let acks = tokio::task::unconstrained(join_all(sends)).await;
                seqs.extend(acks.into_iter().map(|ack| ack.unwrap().seq));
            }
            seqs
        })
    };
    let mut acked = 0;
    while acked < 125 {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        acked += usize::from(matches!(&*event, ChatEvent::Acked(_)));
    }
    way.open.send_replace(false);
    host.restart().await;
    way.open.send_replace(true);
    let seqs = tokio::time::timeout(PATIENCE * 2, sending).await.unwrap().unwrap();
    assert_eq!(seqs, (2..COUNT as u64 + 2).map(Seq).collect::<Vec<_>>());
    assert!(chat.unsent().await.unwrap().is_empty());
    let rows = history(&bo, room, 100).await;
    assert_eq!(texts(&rows), (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(bo.rest.conversation(room).await.unwrap().unread, COUNT as u64);
}

/// R-API-1, R-ST-4, R-CL-4: somebody in 10,000 conversations walks the list by pages, each once, and is told at once
/// that nothing is new; a message brings its conversation to the top.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_api_1_ten_thousand_conversations() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let people = crowd(&host, &kit, 2).await;
    let both = vec![people[0].user_id, people[1].user_id];
    let mut made = BTreeSet::new();
    for _ in 0..2 {
        let wanted = CreateBenchConversations { conversations: vec![both.clone(); 5_000] };
        made.extend(kit.rest.create_bench_conversations(&wanted).await.unwrap().conversation_ids);
    }
    let cursor = Some(people[1].rest.sync(&SyncQuery::default()).await.unwrap().cursor);
    let quiet =
        people[1].rest.sync(&SyncQuery { cursor: cursor.clone(), ..SyncQuery::default() }).await.unwrap();
    assert!(quiet.frames.is_empty() && !quiet.has_more);
    let chosen = *made.iter().nth(5_000).unwrap();
    people[0].say(chosen, "up").await;
    let news = people[1].rest.sync(&SyncQuery { cursor, ..SyncQuery::default() }).await.unwrap();
    assert_eq!(messages_in(&news.frames), [(Seq(2), "up".to_owned())]);
    let mut page = PageQuery { limit: Some(200), ..PageQuery::default() };
    let mut seen = Vec::new();
    loop {
        let answer = people[1].rest.conversations(&page).await.unwrap();
        assert_eq!((answer.totals.conversations, answer.totals.unread), (10_000, 1));
        seen.extend(answer.conversations.iter().map(|row| row.conversation_id));
        let Some(next) = answer.next else { break };
        page.page = Some(next);
    }
    assert_eq!((seen.len(), seen[0]), (10_000, chosen));
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
}

const FORUM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/forum.ndjson");

/// The import: topics are threads, times and texts stand as written; a second run changes nothing; an imported person
/// is claimed by invitation, once, and is then the author of what was imported.
#[tokio::test]
async fn imported_people_are_claimed_and_a_second_import_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = import::run(Path::new(FORUM), &data, None, true).await.unwrap();
    assert_eq!((first.channels, first.threads, first.people), (2, 3, 3));
    assert_eq!((first.messages, first.repeated, first.skipped), (6, 0, 1));
    let second = import::run(Path::new(FORUM), &data, None, true).await.unwrap();
    assert_eq!((second.messages, second.repeated), (6, 6));
    let host = Host::with(|settings| settings.data = data).await;
    let kit = host.admin().await;
    let people = kit.rest.users("", &PageQuery::default()).await.unwrap().users;
    let imported: Vec<_> = people.iter().filter(|user| user.imported).collect();
    assert_eq!(
        imported.iter().map(|user| user.handle.as_str()).collect::<Vec<_>>(),
        ["mara", "old-tom", "zo-"]
    );
    let tom = imported[1].user_id;
    let invite = CreateInvite { claims: Some(tom), ..CreateInvite::default() };
    let token = kit.rest.create_invite(&invite).await.unwrap().token.unwrap();
    assert_eq!(host.rest().invite_info(&token).await.unwrap().claims.unwrap().user_id, tom);
    let accept = AcceptInvite {
        name: Some("Tom".into()),
        handle: Some("tom".into()),
        password: Some(PASSWORD.into()),
        device_name: None,
    };
    let signed_in = host.rest().accept_invite(&token, &accept).await.unwrap();
    assert_eq!(signed_in.user_id, tom);
    assert_eq!(code(host.rest().accept_invite(&token, &accept).await), Code::InviteUsedUp);
    let rest = host.rest().with_token(&signed_in.access_token);
    assert!(!rest.me().await.unwrap().user.imported);
    let page = rest.messages("help", &MessagesQuery::default()).await.unwrap();
    assert_eq!(texts(&page.messages), ["It **does not** start.\n\n    error 7", "Mine starts."]);
    let root = written(&page.messages).next().unwrap();
    assert_eq!((root.from, root.timestamp.to_string().as_str()), (tom, "2019-03-02T10:00:00.000Z"));
    assert_eq!(root.thread_summary.as_ref().unwrap().count, 2);
    let thread = MessagesQuery { thread: Some(root.seq), ..MessagesQuery::default() };
    let replies = rest.messages("help", &thread).await.unwrap();
    assert_eq!(texts(&replies.messages)[1..], ["Did you read the log? 😀", "It was the log."]);
    let (_, _, own) = rest.raw(Method::GET, "/me/messages", &[], None).await.unwrap();
    assert!(own.contains("Glad to be here.") && !own.contains("Mine starts."), "{own}");
    assert_eq!(rest.conversation("help").await.unwrap().unread, 0);
}

/// R-ST-6, R-ST-7, D-13: first messages of both to each other, all at once, stand in one direct conversation, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_st_6_first_messages_at_once_open_one_conversation() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let (mut first, mut second) = (ana.live().await, bo.live().await);
    for _ in 0..10 {
        let to_bo = ClientFrame::Message(SendMessage { to: Some(bo.user_id), ..message("hi") });
        let to_ana = ClientFrame::Message(SendMessage { to: Some(ana.user_id), ..message("ho") });
        tokio::join!(first.send(&to_bo), second.send(&to_ana));
    }
    let mut opened = BTreeSet::new();
    for _ in 0..10 {
        opened.extend([first.ack().await.conversation_id, second.ack().await.conversation_id]);
    }
    assert_eq!(opened.len(), 1);
    for person in [&ana, &bo] {
        assert_eq!(history(person, *opened.first().unwrap(), 50).await.len(), 21);
        assert_eq!(person.rest.conversation(*opened.first().unwrap()).await.unwrap().unread, 10);
    }
}

/// R-PR-3, R-API-6, D-11: presence is set over REST; when somebody was last here outlives every lease, even the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_pr_3_last_seen_outlives_the_server() {
    let mut host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    ana.group(&[&bo]).await;
    let live = bo.live().await;
    for status in [PresenceStatus::Away, PresenceStatus::Offline, PresenceStatus::Online] {
        bo.rest.set_presence(&SetPresence { status }).await.unwrap();
        assert_eq!(ana.rest.presence(bo.user_id).await.unwrap().status, status);
    }
    let mut watcher = ana.live().await;
    watcher.send(&watch(&[&bo], &[])).await;
    assert_eq!(watcher.until(presence_told).await.0[0].status, PresenceStatus::Online);
    drop(live);
    assert_eq!(watcher.until(presence_told).await.0[0].status, PresenceStatus::Offline);
    host.restart().await;
    let shown = ana.rest.presence(bo.user_id).await.unwrap();
    assert!(shown.status == PresenceStatus::Offline && shown.last_seen_at.is_some(), "{shown:?}");
}
