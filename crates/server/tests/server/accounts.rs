//! Accounts: set-up, invitations, sign-in, tokens, devices.

use stonechat_client::ConnectOptions;
use stonechat_wire::{
    AcceptInvite, ChangePassword, Code, Control, ConversationRef, CreateBenchUsers, CreateInvite, Login,
    ServerFrame, ServerRole, Setup,
};

use super::host::{Host, PASSWORD, code};

fn setup(key: &str, handle: &str) -> Setup {
    Setup {
        key: key.into(),
        server_name: "S".into(),
        name: "N".into(),
        handle: handle.into(),
        password: PASSWORD.into(),
        device_name: None,
    }
}

/// A12, FR-04, FR-05: of a hundred first admins exactly one gets in; the key then works no more.
#[tokio::test(flavor = "multi_thread")]
async fn a12_the_first_admin_is_made_once() {
    let host = Host::start().await;
    assert_eq!(code(host.rest().setup(&setup("WRONG-KEY", "x")).await), Code::NotFound);
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..30 {
        let (rest, form) = (host.rest(), setup(&host.setup_key, &format!("a{n}")));
        tries.spawn(async move { rest.setup(&form).await });
    }
    let results = tries.join_all().await;
    let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].open, Some(ConversationRef::Handle("lobby".into())));
    assert_eq!(code(host.rest().setup(&setup(&host.setup_key, "late")).await), Code::SetupFinished);
    assert!(!host.rest().ready().await.unwrap().needs_setup);
}

/// A8: an invitation with three uses lets in exactly three of many; each end has its own code.
#[tokio::test(flavor = "multi_thread")]
async fn a8_an_invitation_lets_in_as_many_as_it_says() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let invite =
        kit.rest.create_invite(&CreateInvite { uses: Some(3), ..CreateInvite::default() }).await.unwrap();
    let token = invite.token.clone().unwrap();
    assert!(invite.url.unwrap().ends_with(&format!("/join/{token}")));
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (rest, token) = (host.rest(), token.clone());
        let form = AcceptInvite {
            name: Some("N".into()),
            handle: Some(format!("g{n}")),
            password: Some(PASSWORD.into()),
            device_name: None,
        };
        tries.spawn(async move { rest.accept_invite(&token, &form).await });
    }
    let results = tries.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(code(host.rest().invite_info(&token).await), Code::InviteUsedUp);
    assert_eq!(code(host.rest().invite_info("nothing").await), Code::NotFound);
    let revoked = kit.rest.create_invite(&CreateInvite::default()).await.unwrap();
    kit.rest.revoke_invite(revoked.invite_id).await.unwrap();
    assert_eq!(code(host.rest().invite_info(&revoked.token.unwrap()).await), Code::InviteRevoked);
}

/// A8: nobody invites to a role above their own; an invitation brings its conversations.
#[tokio::test]
async fn a8_invitations_carry_conversations_and_no_higher_role() {
    let host = Host::start().await;
    let (kit, ana, _) = host.three().await;
    let high = CreateInvite { role: ServerRole::Admin, ..CreateInvite::default() };
    assert_eq!(code(ana.rest.create_invite(&high).await), Code::Forbidden);
    let room = kit.channel("ops", &[]).await;
    let to_ops = CreateInvite { conversations: vec![room.into()], ..CreateInvite::default() };
    assert_eq!(code(ana.rest.create_invite(&to_ops).await), Code::NotFound);
    let cy = host.join_with(&kit, "cy", to_ops).await;
    let row = cy.rest.conversation(room).await.unwrap();
    assert_eq!((row.unread, row.visible_from.0), (0, 1));
}

/// A2, A3, SI-02: unknown handle and wrong password are told alike; ten failures make one wait.
#[tokio::test]
async fn a3_wrong_credentials_are_neutral_and_throttled() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let login = |handle: &str, password: &str| Login {
        handle: handle.into(),
        password: password.into(),
        device_name: None,
    };
    assert_eq!(code(host.rest().login(&login("kit", "wrong password")).await), Code::WrongCredentials);
    assert_eq!(code(host.rest().login(&login("nobody", "wrong password")).await), Code::WrongCredentials);
    for _ in 0..9 {
        assert_eq!(code(host.rest().login(&login("kit", "wrong password")).await), Code::WrongCredentials);
    }
    let refused = host.rest().login(&login("kit", PASSWORD)).await.err().unwrap();
    assert_eq!(refused.code(), Some(Code::RateLimited));
    assert!(refused.retry_after().is_some());
    // Whoever is in stays in.
    kit.rest.me().await.unwrap();
}

/// A5, R-SE-8: a refresh token works once; a lost answer may be asked for again; a copy ends the device.
#[tokio::test]
async fn a5_refresh_tokens_rotate_and_reuse_ends_the_device() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut live = kit.live().await;
    let second = host.rest().refresh(&kit.refresh_token).await.unwrap();
    let again = host.rest().refresh(&kit.refresh_token).await.unwrap();
    assert_eq!(second.refresh_token, again.refresh_token);
    let third = host.rest().refresh(&second.refresh_token).await.unwrap();
    assert_ne!(third.refresh_token, second.refresh_token);
    assert_eq!(code(host.rest().refresh(&kit.refresh_token).await), Code::RefreshReused);
    assert_eq!(code(host.rest().refresh(&third.refresh_token).await), Code::Unauthenticated);
    assert_eq!(code(kit.rest.me().await), Code::Unauthenticated);
    assert_eq!(live.closed().await, 4001);
    assert_eq!(code(host.rest().refresh("rt_nonsense").await), Code::Unauthenticated);
}

/// R-SE-8, I10, W9: a revoked device's socket closes with 4001 and its tokens are dead; the others hear of it.
#[tokio::test]
async fn r_se_8_revoking_a_device_closes_its_socket() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut first = kit.live().await;
    let phone = host.sign_in("kit", "phone").await;
    let notice = first
        .until(|frame| match frame {
            ServerFrame::Control(Control::Account(entry)) => Some(entry.clone()),
            _ => None,
        })
        .await;
    assert_eq!(notice.key, format!("device/{}", phone.device_id));
    assert_eq!(notice.value["name"], "phone");
    let mut stolen = phone.live().await;
    let devices = kit.rest.devices().await.unwrap().devices;
    assert_eq!(devices.len(), 2);
    assert_eq!(devices.iter().filter(|device| device.current).count(), 1);
    let began = tokio::time::Instant::now();
    kit.rest.revoke_device(phone.device_id).await.unwrap();
    assert_eq!(stolen.closed().await, 4001);
    assert!(began.elapsed().as_secs_f64() < 1.0);
    assert_eq!(code(phone.rest.me().await), Code::Unauthenticated);
    assert_eq!(code(host.rest().refresh(&phone.refresh_token).await), Code::Unauthenticated);
    assert_eq!(kit.rest.devices().await.unwrap().devices.len(), 1);
    // Somebody else's device is not there for them.
    let ana = host.join(&kit, "ana").await;
    assert_eq!(code(ana.rest.revoke_device(kit.device_id).await), Code::NotFound);
}

/// W9: a password change signs out the other devices; an admin's reset signs out all.
#[tokio::test]
async fn w9_password_changes_sign_others_out() {
    let host = Host::start().await;
    let (kit, ana, _) = host.three().await;
    let other = host.sign_in("ana", "other").await;
    let mut socket = other.live().await;
    let wrong =
        ChangePassword { current_password: "not that one".into(), new_password: "another good one".into() };
    assert_eq!(code(ana.rest.change_password(&wrong).await), Code::WrongCredentials);
    let right = ChangePassword { current_password: PASSWORD.into(), new_password: "another good one".into() };
    ana.rest.change_password(&right).await.unwrap();
    assert_eq!(socket.closed().await, 4001);
    ana.rest.me().await.unwrap();
    assert_eq!(code(ana.rest.reset_password(kit.user_id).await), Code::Forbidden);
    let temporary = kit.rest.reset_password(ana.user_id).await.unwrap().temporary_password;
    assert_eq!(code(ana.rest.me().await), Code::Unauthenticated);
    let login = Login { handle: "ana".into(), password: temporary, device_name: None };
    let back = host.rest().login(&login).await.unwrap();
    let me = host.rest().with_token(&back.access_token).me().await.unwrap();
    assert!(me.must_change_password);
}

/// W2, R-GW-3, D-1: header, subprotocol ticket and first frame all let in; a ticket works once.
#[tokio::test]
async fn r_gw_3_three_ways_to_say_who_one_is() {
    let host = Host::start().await;
    let kit = host.admin().await;
    kit.live().await;
    let mut by_header =
        stonechat_client::Connection::open(&host.url, &ConnectOptions::with_token(&kit.token)).await.unwrap();
    by_header.send_text(r#"{"type":"connect"}"#).await.unwrap();
    assert!(format!("{:?}", by_header.recv().await.unwrap()).contains("Hello"));
    let ticket = kit.rest.ws_ticket().await.unwrap().ticket;
    for works in [true, false] {
        let options = ConnectOptions { ticket: Some(ticket.clone()), ..ConnectOptions::default() };
        let mut by_ticket = stonechat_client::Connection::open(&host.url, &options).await.unwrap();
        by_ticket.send_text(r#"{"type":"connect"}"#).await.unwrap();
        let first = format!("{:?}", by_ticket.recv().await.unwrap());
        assert_eq!(first.contains("Hello"), works, "{first}");
        assert_eq!(first.contains("4001"), !works, "{first}");
    }
}

/// Bench people are for admins; their tokens sign in.
#[tokio::test]
async fn bench_people_have_tokens() {
    let host = Host::start().await;
    let (kit, ana, _) = host.three().await;
    let wanted = CreateBenchUsers { count: 3, prefix: "load".into() };
    assert_eq!(code(ana.rest.create_bench_users(&wanted).await), Code::Forbidden);
    let made = kit.rest.create_bench_users(&wanted).await.unwrap().users;
    assert_eq!(made.len(), 3);
    let me = host.rest().with_token(&made[2].token).me().await.unwrap();
    assert_eq!(me.user.handle, "load-2");
}

/// SI: signing out ends the device; settings reach the other devices.
#[tokio::test]
async fn settings_follow_and_signing_out_ends() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let phone = host.sign_in("kit", "phone").await;
    let mut live = phone.live().await;
    let settings = stonechat_wire::Settings { share_presence: false, ..Default::default() };
    let change = stonechat_wire::ChangeMe { name: Some("Kit B".into()), settings: Some(settings) };
    assert_eq!(kit.rest.change_me(&change).await.unwrap().user.name, "Kit B");
    let mut keys = Vec::new();
    while keys.len() < 2 {
        keys.push(
            live.until(|frame| match frame {
                ServerFrame::Control(Control::Account(entry)) => Some(entry.key.clone()),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(keys, ["profile", "settings"]);
    phone.rest.logout().await.unwrap();
    assert_eq!(live.closed().await, 4001);
}
