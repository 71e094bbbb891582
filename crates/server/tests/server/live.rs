//! Live: the socket: order, acks, resume, own devices, endings.

use stonechat_client::{ConnectOptions, Connection};
use stonechat_wire::{ClientFrame, Connect, Control, EventBody, Read, SendMessage, Seq, ServerFrame};

use super::host::{Host, PATIENCE, message};

/// R-FR-1, R-CF-1, R-CF-2, R-RT-2, R-RT-5, R-RT-6, R-WS-1, R-WS-2, D-6: two people talk; the sender gets the ack, the
/// other the message, each once and in order.
#[tokio::test]
async fn r_fr_1_two_people_talk() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let (mut from, mut to) = (ana.live().await, bo.live().await);
    let hello = from.hello.clone().unwrap();
    assert_eq!((hello.user_id, hello.device_id), (ana.user_id, ana.device_id));
    assert_eq!(hello.heartbeat_interval_ms, 25_000);
    for n in 0..20 {
        from.say(room, &format!("m{n}")).await;
    }
    for n in 0..20_u64 {
        let ack = from.ack().await;
        assert_eq!((ack.seq, ack.conversation_id), (Seq(n + 2), room));
        let event = to.event().await;
        let EventBody::Message(body) = &event.body else { panic!("{event:?}") };
        assert_eq!((event.seq, body.content.clone()), (Seq(n + 2), format!("m{n}")));
        assert_eq!(Some(body.message_id), ack.message_id);
        assert_eq!((event.from, event.sender_device), (ana.user_id, Some(ana.device_id)));
        assert_eq!(event.client_id, Some(ack.client_id));
    }
    assert!(from.settle().await.iter().all(|frame| !matches!(frame, ServerFrame::Event(_))));
}

/// R-WS-1, D-13: the first message to a person opens the direct conversation, and both have it.
#[tokio::test]
async fn r_ws_1_writing_to_a_person_opens_the_conversation() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let (mut from, mut to) = (ana.live().await, bo.live().await);
    from.send(&ClientFrame::Message(SendMessage { to: Some(bo.user_id), ..message("hi") })).await;
    let ack = from.ack().await;
    assert_eq!(to.message().await, (Seq(2), "hi".into()));
    let row = bo.rest.conversation(ack.conversation_id).await.unwrap();
    assert_eq!((row.with, row.unread), (Some(ana.user_id), 1));
}

/// Q4, Q10, R-RT-3: the sender's other devices get the message as an event; every device of everybody gets it once.
#[tokio::test]
async fn r_rt_3_every_device_gets_it_once() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let phone = host.sign_in("ana", "phone").await;
    let (mut laptop, mut other) = (ana.live().await, phone.live().await);
    let (mut first, mut second) = (bo.live().await, host.sign_in("bo", "tablet").await.live().await);
    laptop.say(room, "once").await;
    laptop.ack().await;
    for live in [&mut other, &mut first, &mut second] {
        assert_eq!(live.message().await.1, "once");
        let rest = live.settle().await;
        assert!(!rest.iter().any(|frame| matches!(frame, ServerFrame::Event(_))), "{rest:?}");
    }
}

/// R-PF-2, Q1, Q19, R-SY-4, NET-05: a device that was away resumes at its cursor and gets what it missed, once.
#[tokio::test]
async fn r_pf_2_resume_from_the_cursor() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let away = bo.live().await;
    let cursor = away.cursor.clone();
    drop(away);
    for n in 0..50 {
        ana.say(room, &format!("m{n}")).await;
    }
    let back = bo.live_from(cursor).await;
    let texts: Vec<_> = back
        .caught_up
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event(event) => match &event.body {
                EventBody::Message(body) => Some(body.content.clone()),
                _ => None,
            },
            ServerFrame::Control(_) => None,
        })
        .collect();
    assert_eq!(texts, (0..50).map(|n| format!("m{n}")).collect::<Vec<_>>());
    let again = bo.live_from(back.cursor.clone()).await;
    assert!(again.caught_up.is_empty(), "{:?}", again.caught_up);
}

/// I7, R-SY-1: resuming while somebody writes without pause: no hole and no repeat where catching up meets live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_catching_up_meets_live_without_a_seam() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut cursor = bo.live().await.cursor.clone();
    let writer = tokio::spawn(async move {
        let mut live = ana.live().await;
        for n in 0..2_000 {
            live.say(room, &n.to_string()).await;
            if n % 50 == 49 {
                for _ in 0..50 {
                    live.ack().await;
                }
            }
        }
        live
    });
    let mut next = 0;
    while next < 2_000 {
        let mut live = bo.live_from(cursor.clone()).await;
        let mut take = |frame: &ServerFrame| {
            if let ServerFrame::Event(event) = frame
                && let EventBody::Message(body) = &event.body
            {
                assert_eq!(body.content, next.to_string(), "at {}", event.seq);
                next += 1;
            }
        };
        live.caught_up.iter().for_each(&mut take);
        cursor = live.cursor.clone();
        // Some live ones as well; those after the stored cursor come again on the next connection.
        let stored = next;
        for _ in 0..5 {
            if next < 2_000 {
                let (_, text) = live.message().await;
                assert_eq!(text, next.to_string());
                next += 1;
            }
        }
        if next < 2_000 {
            next = stored;
        }
    }
    drop(writer.await.unwrap());
}

/// Q12, I3, P2: the same request again, also on another connection and over REST, gets the first ack.
#[tokio::test]
async fn q12_a_repeat_gets_the_first_ack_through_every_door() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = ana.live().await;
    let request = SendMessage { conversation_id: Some(room.into()), ..message("once") };
    live.send(&ClientFrame::Message(request.clone())).await;
    let first = live.ack().await;
    live.send(&ClientFrame::Message(request.clone())).await;
    let second = live.ack().await;
    assert_eq!((second.seq, second.timestamp, second.repeated), (first.seq, first.timestamp, true));
    drop(live);
    let third = ana.rest.send(room, &SendMessage { conversation_id: None, ..request.clone() }).await.unwrap();
    assert_eq!(third.seq, first.seq);
    let other = SendMessage { content: "twice".into(), ..request };
    let mut live = ana.live().await;
    live.send(&ClientFrame::Message(other)).await;
    let error = live.error().await;
    assert_eq!(error.code, stonechat_wire::Code::IdempotencyMismatch);
    assert_eq!(bo.rest.conversation(room).await.unwrap().unread, 1);
}

/// Q10, Q14, R-WS read: own devices agree at once; others get a receipt; a delayed read cannot undo marking unread.
#[tokio::test]
async fn q10_read_positions_follow_and_are_told() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let at = ana.say(room, "read me").await.seq;
    let phone = host.sign_in("bo", "phone").await;
    let (mut author, mut laptop, mut other) = (ana.live().await, bo.live().await, phone.live().await);
    let read = |read_generation, read_seq| {
        ClientFrame::Read(Read { conversation_id: room.into(), thread: None, read_generation, read_seq })
    };
    laptop.send(&read(0, at)).await;
    let account = |frame: &ServerFrame| match frame {
        ServerFrame::Control(Control::Account(entry)) if entry.key == format!("read/{room}") => {
            Some(entry.value.clone())
        }
        _ => None,
    };
    assert_eq!(other.until(account).await["read_seq"], at.0);
    let told = author
        .until(|frame| match frame {
            ServerFrame::Control(Control::Receipt { user_id, read_seq, .. }) => Some((*user_id, *read_seq)),
            _ => None,
        })
        .await;
    assert_eq!(told, (bo.user_id, at));
    assert_eq!(bo.rest.conversation(room).await.unwrap().unread, 0);
    let mark = stonechat_wire::MarkUnread { conversation_id: room.into(), thread: None, seq: at };
    bo.rest.mark_unread(&mark).await.unwrap();
    assert_eq!(other.until(account).await["read_generation"], 1);
    laptop.send(&read(0, at)).await;
    laptop.settle().await;
    let row = bo.rest.conversation(room).await.unwrap();
    assert_eq!((row.unread, row.read_generation, row.first_unread_seq), (1, 1, Some(at)));
    laptop.send(&read(9, at)).await;
    assert_eq!(laptop.error().await.code, stonechat_wire::Code::Invalid);
}

/// R-GW-2, close code 4009: a newer socket of the same device takes over.
#[tokio::test]
async fn a_newer_socket_of_a_device_replaces_the_older() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut older = kit.live().await;
    let _newer = kit.live().await;
    assert_eq!(older.closed().await, 4009);
}

/// R-GW-4: a bad token, no connect frame first, or another person's token on a live socket: 4001.
#[tokio::test]
async fn r_gw_4_authentication_failed_is_4001() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    for first in [
        r#"{"type":"connect","token":"nonsense"}"#,
        r#"{"type":"connect"}"#,
        r#"{"type":"connect","token":"dt_nonsense"}"#,
        r#"{"type":"heartbeat"}"#,
        "nonsense",
    ] {
        let mut connection = Connection::open(&host.url, &ConnectOptions::default()).await.unwrap();
        connection.send_text(first).await.unwrap();
        let received = tokio::time::timeout(PATIENCE, connection.recv()).await.unwrap().unwrap();
        assert!(format!("{received:?}").contains("4001"), "{first}: {received:?}");
    }
    let mut live = ana.live().await;
    let renew =
        |token: &str| ClientFrame::Connect(Connect { token: Some(token.into()), ticket: None, cursor: None });
    live.send(&renew(&ana.token)).await;
    live.settle().await;
    live.send(&renew(&bo.token)).await;
    assert_eq!(live.closed().await, 4001);
}

/// R-GW-5, D-2: after many abrupt ends nothing is left in the registry.
#[tokio::test(flavor = "multi_thread")]
async fn r_gw_5_abrupt_ends_leave_nothing_behind() {
    let host = Host::start().await;
    let kit = host.admin().await;
    for round in 0..10 {
        let mut opened = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let url = host.url.clone();
            let token = kit.token.clone();
            opened.spawn(async move {
                let connection = Connection::open(&url, &ConnectOptions::default()).await.unwrap();
                if round % 2 == 0 {
                    let connect = format!(r#"{{"type":"connect","token":"{token}"}}"#);
                    connection.send_text(&connect).await.unwrap();
                }
                drop(connection);
            });
        }
        opened.join_all().await;
    }
    // The end of a connection is seen when its task runs.
    let mut look = tokio::time::interval(std::time::Duration::from_millis(5));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while host.connections() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} sessions stayed", host.connections());
        look.tick().await;
    }
}

/// R-PR-6, W12: a client that falls silent is closed with 4005; one that answers is not.
#[tokio::test]
async fn r_pr_6_silence_is_closed_with_4005() {
    let host = Host::with(|settings| (settings.heartbeat_s, settings.heartbeat_timeout_s) = (1, 2)).await;
    let (_, ana, bo) = host.three().await;
    let (mut silent, mut alive) = (ana.live().await, bo.live().await);
    let answering = tokio::spawn(async move {
        // `frame` answers heartbeats; nothing else comes until the probe.
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(6);
        while tokio::time::timeout_at(until, alive.frame()).await.is_ok() {}
        alive.settle().await;
    });
    assert_eq!(silent.closed().await, 4005);
    answering.await.unwrap();
}

/// I18, D-5, Q: a reader that stops is closed with 4008, everybody else is served, and it resumes whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i18_a_slow_reader_is_closed_and_resumes_whole() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let options = ConnectOptions { receive_buffer_bytes: Some(4_096), ..ConnectOptions::default() };
    let mut stopped = Connection::open(&host.url, &options).await.unwrap();
    let token = host.sign_in("bo", "slow").await.token;
    stopped.send_text(&format!(r#"{{"type":"connect","token":"{token}"}}"#)).await.unwrap();
    let mut cursor = None;
    while cursor.is_none() {
        if let stonechat_client::Received::Frame(ServerFrame::Control(Control::Reset { cursor: at })) =
            stopped.recv().await.unwrap()
        {
            cursor = Some(at);
        }
    }
    let (mut from, mut reads) = (ana.live().await, bo.live().await);
    let text = "x".repeat(8_000);
    for _ in 0..150 {
        from.say(room, &text).await;
        from.ack().await;
        reads.message().await;
    }
    let mut last = 0;
    let code = loop {
        match tokio::time::timeout(PATIENCE, stopped.recv()).await.unwrap() {
            Ok(stonechat_client::Received::Closed(closed)) => break closed.code,
            Ok(stonechat_client::Received::Frame(ServerFrame::Event(event))) => last = event.seq.0,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(code, 4008);
    assert!(last < 151, "it was not slow at all");
    let slow = host.sign_in("bo", "slow").await;
    let back = slow.live_from(cursor).await;
    let seqs: Vec<_> = back
        .caught_up
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event(event) => Some(event.seq.0),
            ServerFrame::Control(_) => None,
        })
        .collect();
    assert_eq!(seqs, (2..=151).collect::<Vec<_>>());
}
