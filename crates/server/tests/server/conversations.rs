//! Conversations: making, joining, leaving, rights, the list.

use stonechat_client::{MessagesQuery, PageQuery, Window};
use stonechat_wire::{
    ChangeConversation, Code, Control, ConversationKind, CreateConversation, CreateInvite, Posting, Role,
    Seq, ServerFrame, ServerRole, TimelineRow,
};

use super::host::{Host, code, message};

/// R-FR-2, R-API-3, D-3: create, invite, join, leave; membership is judged on reading, writing and watching.
#[tokio::test]
async fn r_fr_2_membership_is_enforced_everywhere() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let cy = host.join(&ana, "cy").await;
    let room = ana.group(&[&bo]).await;
    ana.say(room, "secret").await;
    // Absent to strangers, whatever they try.
    assert_eq!(code(cy.rest.conversation(room).await), Code::NotFound);
    assert_eq!(code(cy.rest.messages(room, &MessagesQuery::default()).await), Code::NotFound);
    assert_eq!(code(cy.rest.send(room, &message("x")).await), Code::NotFound);
    assert_eq!(code(cy.rest.members(room, &PageQuery::default()).await), Code::NotFound);
    assert_eq!(code(cy.rest.join(room).await), Code::NotFound);
    assert_eq!(code(cy.rest.conversation_presence(room).await), Code::NotFound);
    let mut live = cy.live().await;
    live.say(room, "x").await;
    assert_eq!(live.error().await.code, Code::NotFound);
    // Members of a group cannot invite; its owner can.
    assert_eq!(code(bo.rest.add_members(room, &[cy.user_id]).await), Code::Forbidden);
    ana.rest.add_members(room, &[cy.user_id]).await.unwrap();
    assert_eq!(cy.rest.conversation(room).await.unwrap().visible_from, Seq(3));
    let page = cy.rest.messages(room, &MessagesQuery::default()).await.unwrap();
    assert_eq!(page.messages.iter().map(TimelineRow::seq).collect::<Vec<_>>(), [Seq(3)]);
    bo.rest.remove_member(room, bo.user_id).await.unwrap();
    assert_eq!(code(bo.rest.messages(room, &MessagesQuery::default()).await), Code::NotFound);
}

/// R-API-2: a channel somebody could join is forbidden, not absent; guests do not learn that it is there.
#[tokio::test]
async fn r_api_2_channels_are_found_and_joined() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let ops = ana.channel("ops", &[]).await;
    ana.say(ops, "old").await;
    let guest = host
        .join_with(&kit, "gus", CreateInvite { role: ServerRole::Guest, ..CreateInvite::default() })
        .await;
    assert_eq!(code(bo.rest.messages("ops", &MessagesQuery::default()).await), Code::Forbidden);
    assert_eq!(code(guest.rest.messages("ops", &MessagesQuery::default()).await), Code::NotFound);
    assert_eq!(code(guest.rest.join("ops").await), Code::NotFound);
    assert!(guest.rest.public_channels(&PageQuery::default()).await.unwrap().channels.is_empty());
    assert!(
        guest
            .rest
            .users("", &PageQuery::default())
            .await
            .unwrap()
            .users
            .iter()
            .all(|user| user.handle == "gus")
    );
    let found = bo.rest.public_channels(&PageQuery::default()).await.unwrap().channels;
    assert_eq!(found.iter().filter(|channel| channel.conversation_id == ops && !channel.joined).count(), 1);
    let mut live = bo.live().await;
    bo.rest.join("ops").await.unwrap();
    let joined = live
        .until(|frame| match frame {
            ServerFrame::Control(Control::Account(entry)) => Some(entry.clone()),
            _ => None,
        })
        .await;
    assert_eq!(joined.key, format!("conversation/{ops}"));
    assert_eq!(joined.value["type"], "conversation_joined");
    let row = bo.rest.conversation("ops").await.unwrap();
    assert_eq!((row.unread, row.visible_from, row.can_post), (0, Seq(1), true));
    bo.rest.join("ops").await.unwrap();
    assert_eq!(bo.rest.conversation("ops").await.unwrap().member_count, 2);
}

/// Roles: owner, admin, member; read-only posting; archive; the last owner stays.
#[tokio::test]
async fn roles_decide_who_may_what() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.channel("news", &[&bo]).await;
    let quiet = ChangeConversation { posting: Some(Posting::Admins), ..ChangeConversation::default() };
    assert_eq!(code(bo.rest.change_conversation(room, &quiet).await), Code::Forbidden);
    assert!(!ana.rest.change_conversation(room, &quiet).await.unwrap().archived);
    assert_eq!(code(bo.rest.send(room, &message("x")).await), Code::PostingRestricted);
    assert!(!bo.rest.conversation(room).await.unwrap().can_post);
    assert_eq!(code(ana.rest.remove_member(room, ana.user_id).await), Code::LastOwner);
    ana.rest.change_member(room, bo.user_id, Role::Admin).await.unwrap();
    bo.say(room, "now I may").await;
    assert_eq!(code(bo.rest.change_member(room, bo.user_id, Role::Owner).await), Code::Forbidden);
    assert_eq!(code(bo.rest.remove_member(room, ana.user_id).await), Code::Forbidden);
    let rename =
        ChangeConversation { name: Some("Newer".into()), topic: Some("t".into()), ..Default::default() };
    assert_eq!(bo.rest.change_conversation(room, &rename).await.unwrap().name.as_deref(), Some("Newer"));
    let archive = ChangeConversation { archived: Some(true), ..ChangeConversation::default() };
    ana.rest.change_conversation(room, &archive).await.unwrap();
    assert_eq!(code(ana.rest.send(room, &message("x")).await), Code::Archived);
    let back = ChangeConversation { archived: Some(false), ..ChangeConversation::default() };
    ana.rest.change_conversation(room, &back).await.unwrap();
    ana.say(room, "back").await;
}

/// I9: a removed member's live socket gets nothing of the conversation after its removal, and learns that it left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_a_removed_member_gets_nothing_more() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = bo.live().await;
    let writing = {
        let ana = ana.clone();
        tokio::spawn(async move {
            let mut live = ana.live().await;
            for n in 0..300 {
                live.say(room, &n.to_string()).await;
                live.ack().await;
            }
        })
    };
    live.message().await;
    ana.rest.remove_member(room, bo.user_id).await.unwrap();
    writing.await.unwrap();
    let mut left = None;
    for frame in live.settle().await {
        match frame {
            ServerFrame::Control(Control::Account(entry)) if entry.key == format!("conversation/{room}") => {
                left = entry.value["seq"].as_u64();
            }
            ServerFrame::Event(event) => assert!(left.is_none(), "an event at {} after leaving", event.seq),
            ServerFrame::Control(_) => {}
        }
    }
    assert!(left.is_some());
}

/// R-API-1, R-ST-4, Q5, Q17, R-CL-4: the list is by activity and paged without holes; totals are over all of it.
#[tokio::test]
async fn r_api_1_the_list_is_paged_by_activity() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let mut rooms = Vec::new();
    for _ in 0..7 {
        rooms.push(ana.group(&[&bo]).await);
    }
    for room in &rooms {
        ana.say(*room, "x").await;
    }
    // Activity is told in milliseconds: within one, the later conversation comes first.
    let last = ana.say(rooms[6], "x").await.timestamp;
    while stonechat_wire::Timestamp::now() <= last {
        tokio::task::yield_now().await;
    }
    ana.say(rooms[2], "newest").await;
    bo.rest.mute(rooms[0], true).await.unwrap();
    let mut seen = Vec::new();
    let mut page = PageQuery { limit: Some(3), ..PageQuery::default() };
    loop {
        let answer = bo.rest.conversations(&page).await.unwrap();
        assert_eq!(answer.totals.unread, 8);
        seen.extend(answer.conversations);
        match answer.next {
            Some(next) => page.page = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[0].conversation_id, rooms[2]);
    assert_eq!(seen[0].unread, 2);
    assert_eq!(seen[0].last_message.as_ref().unwrap().content, "newest");
    assert!(seen.windows(2).all(|pair| pair[0].updated_at >= pair[1].updated_at));
    assert!(seen.iter().find(|row| row.conversation_id == rooms[0]).unwrap().muted);
}

/// R-ST-10, D-9, D-16, Q17, R-ST-2: pages before, after and around a place, by seq, with no row lost or twice.
#[tokio::test]
async fn r_st_10_history_pages_meet() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    for n in 0..25 {
        ana.say(room, &n.to_string()).await;
    }
    let read = |window: Window, limit| {
        let rest = bo.rest.clone();
        async move {
            let query = MessagesQuery { window, limit: Some(limit), ..MessagesQuery::default() };
            rest.messages(room, &query).await.unwrap()
        }
    };
    let mut seqs = Vec::new();
    let mut page = read(Window::Newest, 10).await;
    loop {
        let mut rows: Vec<_> = page.messages.iter().map(|row| row.seq().0).collect();
        let first = rows[0];
        rows.extend(seqs);
        seqs = rows;
        if !page.has_more_before {
            break;
        }
        page = read(Window::Before(Seq(first)), 10).await;
    }
    assert_eq!(seqs, (1..=26).collect::<Vec<_>>());
    let after = read(Window::After(Seq(10)), 5).await;
    assert_eq!(after.messages.iter().map(|row| row.seq().0).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    assert!(after.has_more_before && after.has_more_after);
    let around = read(Window::Around(Seq(13)), 6).await;
    assert_eq!(around.messages.iter().map(|row| row.seq().0).collect::<Vec<_>>(), [10, 11, 12, 13, 14, 15]);
    assert_eq!(around.as_of_seq, Seq(26));
}

/// Blocking: no direct messages either way; the block is no secret to the one who made it.
#[tokio::test]
async fn blocked_people_cannot_write() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let direct = CreateConversation {
        kind: ConversationKind::Direct,
        members: vec![bo.user_id],
        name: None,
        handle: None,
        topic: None,
        posting: None,
    };
    let room = ana.rest.create_conversation(&direct).await.unwrap().conversation_id;
    assert_eq!(ana.rest.create_conversation(&direct).await.unwrap().conversation_id, room);
    ana.say(room, "hi").await;
    bo.rest.block(ana.user_id).await.unwrap();
    assert_eq!(code(ana.rest.send(room, &message("x")).await), Code::Blocked);
    assert_eq!(code(bo.rest.send(room, &message("x")).await), Code::Blocked);
    assert_eq!(bo.rest.me().await.unwrap().blocked, [ana.user_id]);
    bo.rest.unblock(ana.user_id).await.unwrap();
    ana.say(room, "again").await;
}

/// R-ST-3: what one wrote, newest first, bounded.
#[tokio::test]
async fn r_st_3_my_messages() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    for n in 0..5 {
        ana.say(room, &n.to_string()).await;
        bo.say(room, "not mine").await;
    }
    let (_, _, text) = ana.rest.raw(reqwest::Method::GET, "/me/messages?limit=3", &[], None).await.unwrap();
    assert!(
        text.contains(r#""content":"4""#) && !text.contains("not mine") && !text.contains(r#""content":"1""#),
        "{text}"
    );
}
