//! Presence and typing: told to those who asked and may know.

use stonechat_wire::{
    ClientFrame, Code, Control, PresenceStatus, ServerFrame, SetPresence, Settings, Subscription, Typing,
    TypingAction, UserId,
};

use super::host::{Host, Live, Person, code};

fn watch(users: &[&Person]) -> ClientFrame {
    let users = users.iter().map(|person| person.user_id).collect();
    ClientFrame::Subscribe(Subscription { users, conversations: vec![] })
}

async fn status(live: &mut Live, of: UserId, wanted: PresenceStatus) {
    live.until(|frame| match frame {
        ServerFrame::Control(Control::Presence { presence, .. }) => {
            presence.iter().any(|one| one.user_id == of && one.status == wanted).then_some(())
        }
        _ => None,
    })
    .await;
}

/// R-FR-3, R-PR-2, R-PR-7, R-RT-1, R-WS-4, D-10, D-11: a snapshot, then changes; offline when the last device leaves.
#[tokio::test]
async fn r_fr_3_presence_snapshot_and_changes() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    ana.group(&[&bo]).await;
    let mut watcher = ana.live().await;
    watcher.send(&watch(&[&bo])).await;
    status(&mut watcher, bo.user_id, PresenceStatus::Offline).await;
    let phone = host.sign_in("bo", "phone").await;
    let (first, second) = (bo.live().await, phone.live().await);
    status(&mut watcher, bo.user_id, PresenceStatus::Online).await;
    drop(first);
    second.send(&ClientFrame::Presence(SetPresence { status: PresenceStatus::Busy })).await;
    status(&mut watcher, bo.user_id, PresenceStatus::Busy).await;
    drop(second);
    status(&mut watcher, bo.user_id, PresenceStatus::Offline).await;
    let shown = ana.rest.presence(bo.user_id).await.unwrap();
    assert_eq!(shown.status, PresenceStatus::Offline);
    let seen = shown.last_seen_at.expect("last seen is kept");
    assert_eq!(seen.0 % 300_000, 0, "in steps of five minutes");
}

/// O10, R-PR-5: strangers and those who do not share it are offline to whoever asks; watching strangers is refused.
#[tokio::test]
async fn o10_presence_of_strangers_is_not_told() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let _there = (bo.live().await, kit.live().await);
    let both = ana.rest.presence_of(&[bo.user_id, kit.user_id]).await.unwrap().presence;
    assert!(both.iter().all(|one| one.status == PresenceStatus::Offline), "{both:?}");
    let mut live = ana.live().await;
    live.send(&watch(&[&bo])).await;
    assert_eq!(live.error().await.code, Code::NotFound);
    let room = ana.group(&[&bo, &kit]).await;
    let both = ana.rest.presence_of(&[bo.user_id, kit.user_id]).await.unwrap().presence;
    assert!(both.iter().all(|one| one.status == PresenceStatus::Online), "{both:?}");
    let hidden = stonechat_wire::ChangeMe {
        name: None,
        settings: Some(Settings { share_presence: false, ..Settings::default() }),
    };
    bo.rest.change_me(&hidden).await.unwrap();
    assert_eq!(ana.rest.presence(bo.user_id).await.unwrap().status, PresenceStatus::Offline);
    let list = ana.rest.conversation_presence(room).await.unwrap();
    assert_eq!(list.presence.len(), 3);
    let unknown = SetPresence { status: PresenceStatus::Unknown };
    assert_eq!(code(ana.rest.set_presence(&unknown).await), Code::Invalid);
}

fn typing(room: stonechat_wire::ConversationId, action: TypingAction) -> ClientFrame {
    ClientFrame::Typing(Typing { conversation_id: Some(room.into()), to: None, thread: None, action })
}

fn typed(frame: &ServerFrame) -> Option<(UserId, TypingAction)> {
    match frame {
        ServerFrame::Control(Control::Typing { user_id, action, .. }) => Some((*user_id, *action)),
        _ => None,
    }
}

/// Q9, R-RT-9, R-GW-7, R-GW-8, R-WS-3, R-WS-6, D-3: typing reaches members who asked, expires by itself, is never
/// stored, and nobody else may watch or signal.
#[tokio::test]
async fn q9_typing_is_told_to_members_who_asked_and_expires() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let cy = host.join(&ana, "cy").await;
    let room = ana.group(&[&bo]).await;
    let (mut writer, mut watcher, mut stranger) = (ana.live().await, bo.live().await, cy.live().await);
    let subscribe = ClientFrame::Subscribe(Subscription { users: vec![], conversations: vec![room.into()] });
    stranger.send(&subscribe).await;
    assert_eq!(stranger.error().await.code, Code::NotFound);
    stranger.send(&typing(room, TypingAction::Start)).await;
    assert_eq!(stranger.error().await.code, Code::NotFound);
    watcher.send(&subscribe).await;
    watcher.settle().await;
    let before = bo.rest.conversation(room).await.unwrap().last_seq;
    writer.send(&typing(room, TypingAction::Start)).await;
    assert_eq!(watcher.until(typed).await, (ana.user_id, TypingAction::Start));
    writer.send(&typing(room, TypingAction::Stop)).await;
    assert_eq!(watcher.until(typed).await, (ana.user_id, TypingAction::Stop));
    let began = tokio::time::Instant::now();
    writer.send(&typing(room, TypingAction::Start)).await;
    assert_eq!(watcher.until(typed).await.1, TypingAction::Start);
    assert_eq!(watcher.until(typed).await.1, TypingAction::Stop);
    assert!((5.5..8.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(bo.rest.conversation(room).await.unwrap().last_seq, before);
    // Whoever leaves hears no more.
    ana.rest.remove_member(room, bo.user_id).await.unwrap();
    writer.send(&typing(room, TypingAction::Start)).await;
    writer.settle().await;
    assert!(watcher.settle().await.iter().all(|frame| typed(frame).is_none()));
}
