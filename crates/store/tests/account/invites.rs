//! Invites: who comes in by a link, how often, and into what.

use stonechat_store::append::Target;
use stonechat_store::import::ImportChannel;
use stonechat_store::invite::{self, NewInvite};
use stonechat_store::{Actor, account};
use stonechat_wire::{Code, ConversationKind, ConversationRef, ServerRole, Timestamp};

use super::world::{World, code, in_days, invitation, newcomer, nobody, target, token};

/// A8: of a hundred redeems at once exactly as many succeed as there are uses.
#[tokio::test(flavor = "multi_thread")]
async fn a8_of_a_hundred_redeems_as_many_succeed_as_there_are_uses() {
    let (world, kit) = World::with_admin().await;
    for uses in [1_u32, 7] {
        let invite = world.invite(kit, NewInvite { uses: Some(uses), ..invitation() }).await.unwrap();
        let names: Vec<_> = (0..100).map(|n| format!("u{uses}-{n}")).collect();
        let results =
            futures_util::future::join_all(names.iter().map(|name| world.accept(invite, name))).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), uses as usize);
        let refused = results.into_iter().filter_map(Result::err);
        assert!(refused.map(|error| error.code()).all(|code| code == Code::InviteUsedUp));
    }
}

/// A8, FR-10: each end of an invitation has its own code; an unknown token is not there.
#[tokio::test]
async fn a8_every_end_has_its_code() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let ended = |token| {
        let told = world.read(|sql| invite::info(sql, &token, Timestamp::now()));
        told.err().map(|error| error.code())
    };
    assert_eq!(ended(token()), Some(Code::NotFound));
    let late = world.invite(kit, NewInvite { expires_at: Some(in_days(-1)), ..invitation() }).await.unwrap();
    assert_eq!(ended(late), Some(Code::InviteExpired));
    assert_eq!(code(world.accept(late, "late").await), Code::InviteExpired);
    let endless = NewInvite { expires_at: None, uses: None, ..invitation() };
    let endless = world.invite(kit, endless).await.unwrap();
    for n in 0..30 {
        world.accept(endless, &format!("n{n}")).await.unwrap();
    }
    assert_eq!(ended(endless), None);
    let new = NewInvite { token_hash: token(), ..invitation() };
    let by_ana = new.token_hash;
    let (id, _) = world.writer.create_invite(ana, new).await.unwrap();
    let bo = world.join(kit, "bo").await;
    assert_eq!(code(world.writer.revoke_invite(bo, id).await), Code::NotFound);
    world.writer.revoke_invite(kit, id).await.unwrap();
    assert_eq!(ended(by_ana), Some(Code::InviteRevoked));
    assert_eq!(code(world.accept(by_ana, "x").await), Code::InviteRevoked);
    assert_eq!(world.read(|sql| invite::list(sql, &ana, false)).unwrap().len(), 1);
    assert!(world.read(|sql| invite::list(sql, &kit, true)).unwrap().len() > 3);
}

/// A8: nobody gives what they have not: a role above their own, conversations they may not invite to. What they lose
/// later, their invitations lose too.
#[tokio::test]
async fn a8_an_invitation_gives_no_more_than_its_maker_has() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let guest = world.join_as(kit, "guest", ServerRole::Guest).await;
    let as_admin = NewInvite { role: ServerRole::Admin, ..invitation() };
    assert_eq!(code(world.invite(ana, as_admin).await), Code::Forbidden);
    assert_eq!(code(world.invite(guest, invitation()).await), Code::Forbidden);
    let group = world.create(kit, ConversationKind::Group, &[ana]).await;
    let into_group = || NewInvite { conversations: vec![group.into()], ..invitation() };
    assert_eq!(code(world.invite(ana, into_group()).await), Code::Forbidden);
    world.writer.change_role(kit, target(group), ana.user_id, stonechat_wire::Role::Admin).await.unwrap();
    let invite = world.invite(ana, into_group()).await.unwrap();
    let named = |token| world.read(|sql| invite::info(sql, &token, Timestamp::now())).unwrap().conversations;
    assert_eq!(named(invite), ["room"]);
    let early = world.accept(invite, "early").await.unwrap();
    assert!(world.is_in(early.device.actor, group));
    assert_eq!(early.open, Some(group));
    world.writer.remove_member(kit, target(group), ana.user_id).await.unwrap();
    assert!(named(invite).is_empty());
    let late = world.accept(invite, "late").await.unwrap();
    assert_eq!(late.open, None);
    assert!(!world.is_in(late.device.actor, group));
    let direct = world.create(kit, ConversationKind::Direct, &[ana]).await;
    let into_direct = NewInvite { conversations: vec![direct.into()], ..invitation() };
    assert_eq!(code(world.invite(kit, into_direct).await), Code::NotFound);
    world.writer.suspend(kit, ana.user_id, true).await.unwrap();
    assert_eq!(code(world.accept(invite, "x").await), Code::InviteRevoked);
}

/// FR-11: whoever is in joins without a form, and a second click takes no use.
#[tokio::test]
async fn fr_11_somebody_signed_in_joins_once() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let lobby = vec![ConversationRef::Handle("lobby".into())];
    let invite = NewInvite { uses: Some(2), conversations: lobby, ..invitation() };
    let invite = world.invite(kit, invite).await.unwrap();
    for _ in 0..3 {
        let open = world.writer.join_by_invite(ana, invite).await.unwrap().expect("the lobby");
        assert!(world.is_in(ana, open));
    }
    world.accept(invite, "bo").await.unwrap();
    assert_eq!(code(world.accept(invite, "cy").await), Code::InviteUsedUp);
    assert_eq!(code(world.writer.join_by_invite(ana, token()).await), Code::NotFound);
}

/// FR-02: a taken handle is told and takes no use.
#[tokio::test]
async fn a_taken_handle_takes_no_use() {
    let (world, kit) = World::with_admin().await;
    let invite = world.invite(kit, NewInvite { uses: Some(1), ..invitation() }).await.unwrap();
    assert_eq!(code(world.accept(invite, "kit").await), Code::HandleTaken);
    world.accept(invite, "ana").await.unwrap();
}

async fn import(world: &World, handle: &str) -> Actor {
    let people = world.writer.import_people(vec![handle.to_owned()]).await.unwrap();
    let channel = ImportChannel { name: "Old".into(), handle: "old".into(), people: vec![handle.to_owned()] };
    let actor = people[handle];
    world.writer.import_channel(channel, people).await.unwrap();
    actor
}

/// R-FR-2, imported people: whoever accepts becomes that very person, once, and nobody acts for them any more.
#[tokio::test]
async fn an_imported_person_is_claimed_once() {
    let (world, kit) = World::with_admin().await;
    let tom = import(&world, "old-tom").await;
    let played = token();
    world.writer.create_import_devices(kit, vec![(tom.user_id, played)]).await.unwrap();
    let ana = world.join(kit, "ana").await;
    for (by, claims, refusal) in [
        (ana, tom.user_id, Code::Forbidden),
        (kit, ana.user_id, Code::Invalid),
        (kit, nobody(), Code::NotFound),
    ] {
        let new = NewInvite { claims: Some(claims), ..invitation() };
        assert_eq!(code(world.invite(by, new).await), refusal);
    }
    let claim = || NewInvite { claims: Some(tom.user_id), role: ServerRole::Moderator, ..invitation() };
    let (first, second) =
        (world.invite(kit, claim()).await.unwrap(), world.invite(kit, claim()).await.unwrap());
    let told = world.read(|sql| invite::info(sql, &first, Timestamp::now())).unwrap();
    assert_eq!(told.claims.unwrap().handle, "old-tom");
    assert_eq!(code(world.writer.join_by_invite(ana, first).await), Code::Invalid);
    assert_eq!(code(world.accept(first, "ana").await), Code::HandleTaken);
    let arrived = world.accept(first, "tom").await.unwrap();
    assert_eq!((arrived.device.actor.user_id, arrived.device.role), (tom.user_id, ServerRole::Moderator));
    let user = world.read(|sql| account::user(sql, tom.user)).unwrap().unwrap();
    assert_eq!((user.handle.as_str(), user.name.as_str(), user.imported), ("tom", "TOM", false));
    let by_token = world.read(|sql| account::device_by_token(sql, &played)).unwrap();
    assert!(by_token.is_none(), "the replay's token ends with the claim");
    for again in [first, second] {
        assert_eq!(code(world.writer.accept_invite(again, newcomer("tim")).await), Code::InviteUsedUp);
    }
    assert_eq!(
        code(world.writer.create_import_devices(kit, vec![(tom.user_id, token())]).await),
        Code::Invalid
    );
    // What was theirs is theirs: the channel, and the device their messages were sent with.
    let old = world.writer.join(arrived.device.actor, Target::Channel("old".into())).await.unwrap();
    assert!(world.is_in(arrived.device.actor, old));
    assert_eq!(import(&world, "old-tom").await, tom);
}

/// The device imported messages were sent with, which their `sender_device` names, is not the claimer's to end or name:
/// the next import knows its people by it.
#[tokio::test]
async fn the_device_of_an_import_is_nobodys() {
    let (world, kit) = World::with_admin().await;
    let tom = import(&world, "old-tom").await;
    let claim = NewInvite { claims: Some(tom.user_id), ..invitation() };
    let claim = world.invite(kit, claim).await.unwrap();
    let claimed = world.accept(claim, "tom").await.unwrap().device.actor;
    let renamed = world.writer.rename_device(claimed, tom.device_id, "mine".into()).await;
    assert_eq!(code(renamed), Code::NotFound);
    assert_eq!(code(world.writer.revoke_device(claimed, tom.device_id).await), Code::NotFound);
    assert_eq!(import(&world, "old-tom").await, tom);
}
