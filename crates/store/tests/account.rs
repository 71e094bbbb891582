//! Account: people and their devices, as the store keeps them: the first admin, passwords, finding people.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use stonechat_store::account;
use stonechat_wire::{Code, ConversationKind, ServerRole, Settings};

#[path = "account/world.rs"]
mod world;
#[path = "account/invites.rs"]
mod invites;
#[path = "account/devices.rs"]
mod devices;
#[path = "account/bulk.rs"]
mod bulk;

use world::{World, code, first_admin, handles, in_days, new_device, nobody, token};

/// A12, FR-04, FR-05: of a hundred first admins exactly one is made, with the lobby; the key then works no more.
#[tokio::test(flavor = "multi_thread")]
async fn a12_of_a_hundred_first_admins_one_is_made() {
    let world = World::new();
    let key = token();
    assert!(world.writer.set_setup_key(key, in_days(1)).await.unwrap());
    let tries = (0..100).map(|n| world.writer.set_up(first_admin(key, &format!("a{n}"))));
    let results = futures_util::future::join_all(tries).await;
    let mut made = results.iter().filter_map(|result| result.as_ref().ok());
    let admin = *made.next().expect("one gets in");
    assert!(made.next().is_none());
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    assert_eq!(refused.filter(|error| error.code() == Code::SetupFinished).count(), 99);
    assert_eq!(admin.device.role, ServerRole::Admin);
    assert!(world.is_in(admin.device.actor, admin.open.expect("the lobby")));
    assert_eq!(world.read(account::server_name).unwrap(), "Test");
    let all = world.read(|sql| account::search(sql, admin.device.actor.user, false, "", "", 10)).unwrap();
    assert_eq!(all.len(), 1);
    assert!(!world.writer.set_setup_key(token(), in_days(1)).await.unwrap());
}

/// FR-05: a late key says so, a wrong one is not there, and a new key ends the one before.
#[tokio::test]
async fn fr_05_setup_keys_end() {
    let world = World::new();
    let (old, new) = (token(), token());
    assert_eq!(code(world.writer.set_up(first_admin(old, "kit")).await), Code::NotFound);
    world.writer.set_setup_key(old, in_days(-1)).await.unwrap();
    assert_eq!(code(world.writer.set_up(first_admin(old, "kit")).await), Code::SetupKeyExpired);
    assert_eq!(code(world.writer.set_up(first_admin(new, "kit")).await), Code::NotFound);
    world.writer.set_setup_key(new, in_days(1)).await.unwrap();
    assert_eq!(code(world.writer.set_up(first_admin(old, "kit")).await), Code::NotFound);
    world.writer.set_up(first_admin(new, "kit")).await.unwrap();
    assert_eq!(code(world.writer.set_up(first_admin(new, "kit")).await), Code::SetupFinished);
}

/// W9, I10: changing one's password ends the other devices; an admin's reset ends all of them.
#[tokio::test]
async fn w9_a_new_password_ends_other_devices() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let read_before = world.credentials("ana").unwrap();
    let other = world.writer.sign_in(read_before.clone(), new_device("other")).await.unwrap();
    world.committed();
    world.writer.change_password(ana, "new hash".into()).await.unwrap();
    assert!(world.device(ana.device_id).is_some());
    assert!(world.device(other.device_id).is_none());
    let told = world.told(ana);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].key.as_str(), told[0].value.is_null()),
        (&*format!("device/{}", other.device_id), true)
    );
    // I11: the old password was right when it was verified, but is not any more.
    assert_eq!(code(world.writer.sign_in(read_before, new_device("late")).await), Code::WrongCredentials);
    assert_eq!(code(world.writer.change_password(other, "stolen".into()).await), Code::Unauthenticated);
    world.writer.reset_password(kit, ana.user_id, "temporary".into()).await.unwrap();
    assert!(world.device(ana.device_id).is_none());
    assert!(world.device(kit.device_id).is_some());
}

/// A9: a password set by an admin signs in once, also when tried from many places at once, and must be changed.
#[tokio::test(flavor = "multi_thread")]
async fn a9_a_temporary_password_works_once() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    assert_eq!(code(world.writer.reset_password(ana, kit.user_id, "x".into()).await), Code::Forbidden);
    assert_eq!(code(world.writer.reset_password(kit, nobody(), "x".into()).await), Code::NotFound);
    world.writer.reset_password(kit, ana.user_id, "temporary".into()).await.unwrap();
    let found = world.credentials("ana").unwrap();
    let tries = (0..20).map(|_| world.writer.sign_in(found.clone(), new_device("phone")));
    let results = futures_util::future::join_all(tries).await;
    let mut signed_in = results.iter().filter_map(|result| result.as_ref().ok());
    let ana = *signed_in.next().expect("one signs in");
    assert!(signed_in.next().is_none());
    let must_change = || world.read(|sql| account::settings(sql, ana.user)).unwrap().1;
    assert!(must_change());
    world.writer.change_password(ana, "her own".into()).await.unwrap();
    assert!(!must_change());
    let found = world.credentials("ana").unwrap();
    for name in ["phone", "laptop"] {
        world.writer.sign_in(found.clone(), new_device(name)).await.unwrap();
    }
}

/// W9: a closed account signs in nowhere and changes nothing, until it is opened again.
#[tokio::test]
async fn w9_a_suspended_account_does_nothing() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let found = world.credentials("ana").unwrap();
    assert_eq!(code(world.writer.suspend(ana, kit.user_id, true).await), Code::Forbidden);
    assert_eq!(code(world.writer.suspend(kit, kit.user_id, true).await), Code::NotFound);
    world.writer.suspend(kit, ana.user_id, true).await.unwrap();
    assert!(world.device(ana.device_id).is_none());
    assert!(world.credentials("ana").is_none());
    assert_eq!(code(world.writer.sign_in(found.clone(), new_device("x")).await), Code::WrongCredentials);
    assert_eq!(code(world.writer.change_me(ana, Some("A".into()), None).await), Code::Unauthenticated);
    let find = || world.read(|sql| account::search(sql, kit.user, false, "ana", "", 10)).unwrap().len();
    assert_eq!(find(), 0);
    world.writer.suspend(kit, ana.user_id, false).await.unwrap();
    assert_eq!(find(), 1);
    assert!(world.device(ana.device_id).is_none(), "devices stay signed out");
    world.writer.sign_in(found, new_device("phone")).await.unwrap();
}

/// SI, UX 7: name and settings reach the person's own devices through the account state.
#[tokio::test]
async fn name_and_settings_are_account_state() {
    let (world, kit) = World::with_admin().await;
    world.committed();
    let settings = Settings { share_typing: false, ..Settings::default() };
    world.writer.change_me(kit, Some("Kit B".into()), Some(settings)).await.unwrap();
    let told = world.told(kit);
    assert_eq!(told.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["profile", "settings"]);
    assert_eq!(told[0].value["name"], "Kit B");
    assert_eq!(told[1].value["share_typing"], false);
    assert_eq!(world.read(|sql| account::settings(sql, kit.user)).unwrap(), (settings, false));
    assert_eq!(world.read(|sql| account::user(sql, kit.user)).unwrap().unwrap().name, "Kit B");
}

/// O5, O10: people are found by the beginning of a handle or of a word of their name, in any script, in pages.
#[tokio::test]
async fn o10_people_are_found_by_beginnings() {
    let (world, kit) = World::with_admin().await;
    for (handle, name) in [("oe", "Ömer Åberg"), ("ol", "Olga van Dam"), ("x_y", "100% Ann"), ("xay", "B")]
    {
        let actor = world.join(kit, handle).await;
        world.writer.change_me(actor, Some(name.into()), None).await.unwrap();
    }
    let find = |text: &str, after: &str, limit| {
        let users = world.read(|sql| account::search(sql, kit.user, false, text, after, limit)).unwrap();
        handles(&users).join(" ")
    };
    for (text, expected) in [
        ("", "kit oe ol x_y xay"),
        ("o", "oe ol"),
        ("öm", "oe"),
        ("ÅB", "oe"),
        ("dam", "ol"),
        ("van d", "ol"),
        ("am", ""),
        ("x_", "x_y"),
        ("%", ""),
        ("100%", "x_y"),
        ("' or 1=1 --", ""),
    ] {
        assert_eq!(find(text, "", 10), expected, "{text}");
    }
    assert_eq!(find("", "", 2), "kit oe");
    assert_eq!(find("", "oe", 2), "ol x_y");
    assert_eq!(find("", "x_y", 2), "xay");
}

/// O10: guests find those they share a conversation with; nobody finds whoever blocked them.
#[tokio::test]
async fn o10_guests_and_the_blocked_find_fewer() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let bo = world.join(kit, "bo").await;
    let guest = world.join_as(kit, "guest", ServerRole::Guest).await;
    let room = world.create(kit, ConversationKind::Group, &[guest, ana]).await;
    let find = |viewer: stonechat_store::Actor, guest| {
        let users = world.read(|sql| account::search(sql, viewer.user, guest, "", "", 10)).unwrap();
        handles(&users).join(" ")
    };
    assert_eq!(find(guest, true), "ana guest kit");
    world.writer.remove_member(kit, world::target(room), ana.user_id).await.unwrap();
    assert_eq!(find(guest, true), "guest kit");
    world.writer.block(ana, bo.user_id, true).await.unwrap();
    assert_eq!(find(bo, false), "bo guest kit");
    assert_eq!(find(ana, false), "ana bo guest kit");
    assert_eq!(world.read(|sql| account::blocked(sql, ana.user)).unwrap(), [bo.user_id]);
    world.writer.block(ana, bo.user_id, false).await.unwrap();
    assert_eq!(find(bo, false), "ana bo guest kit");
}
