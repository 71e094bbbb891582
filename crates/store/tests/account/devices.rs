//! Devices: refresh tokens and their reuse, names, ends, push targets, when they were last used.

use std::io::Write;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;
use stonechat_store::commit::Entry;
use stonechat_store::device::{self, Refreshed, TokenHash};
use stonechat_store::{Actor, Result};
use stonechat_wire::{Code, DeviceId, Timestamp};

use super::world::{DAY_MS, World, code, in_days, new_device, token};

/// A new device of somebody with its first refresh token.
async fn sign_in(world: &World, handle: &str, name: &str) -> (Actor, TokenHash) {
    let new = new_device(name);
    let refresh = new.refresh_hash;
    (world.writer.sign_in(world.credentials(handle).unwrap(), new).await.unwrap(), refresh)
}

async fn refresh(world: &World, old: TokenHash, next: TokenHash) -> Result<Refreshed> {
    world.writer.refresh(old, next, in_days(90)).await
}

fn revoked(entries: &[Entry]) -> Vec<u32> {
    let devices = entries.iter().filter_map(|entry| match entry {
        Entry::Revoked { devices } => Some(devices.iter().map(|key| key.0)),
        _ => None,
    });
    devices.flatten().collect()
}

/// A5, R-SE-8: a token works once, a lost answer is answered again, and any other reuse ends the device.
#[tokio::test]
async fn a5_reuse_of_a_refresh_token_ends_the_device() {
    let (world, kit) = World::with_admin().await;
    let (phone, first) = sign_in(&world, "kit", "phone").await;
    let (second, third) = (token(), token());
    assert!(matches!(refresh(&world, first, second).await.unwrap(), Refreshed::Rotated(_)));
    assert!(matches!(refresh(&world, first, second).await.unwrap(), Refreshed::Again(_)));
    assert!(matches!(refresh(&world, second, third).await.unwrap(), Refreshed::Rotated(_)));
    world.committed();
    assert_eq!(code(refresh(&world, first, second).await), Code::RefreshReused);
    assert_eq!(revoked(&world.committed()), [phone.device.0]);
    assert!(world.device(phone.device_id).is_none());
    assert!(world.device(kit.device_id).is_some(), "only the device whose token was copied ends");
    for dead in [first, second, third, token()] {
        assert_eq!(code(refresh(&world, dead, token()).await), Code::Unauthenticated);
    }
    assert_eq!(code(world.writer.change_me(phone, None, None).await), Code::Unauthenticated);
}

/// A5: the grace for a lost answer ends after a minute.
#[tokio::test]
async fn a5_a_lost_answer_is_given_again_for_a_minute() {
    let (world, _) = World::with_admin().await;
    let (phone, first) = sign_in(&world, "kit", "phone").await;
    let second = token();
    refresh(&world, first, second).await.unwrap();
    world.age("update devices set refreshed_at = refreshed_at - ?1", 50_000);
    assert!(matches!(refresh(&world, first, second).await.unwrap(), Refreshed::Again(_)));
    world.age("update devices set refreshed_at = refreshed_at - ?1", 11_000);
    assert_eq!(code(refresh(&world, first, second).await), Code::RefreshReused);
    assert!(world.device(phone.device_id).is_none());
}

/// A device that does not come for ninety days is out; used tokens are remembered for as long, and no longer.
#[tokio::test]
async fn refresh_tokens_slide_and_are_forgotten() {
    let (world, _) = World::with_admin().await;
    let (phone, first) = sign_in(&world, "kit", "phone").await;
    let mut current = first;
    for _ in 0..4 {
        let next = token();
        world.age("update devices set refresh_expires_at = refresh_expires_at - ?1", 60 * DAY_MS);
        refresh(&world, current, next).await.unwrap();
        current = next;
    }
    assert_eq!(remembered(&world), 3);
    world.age("update used_refresh_tokens set used_at = used_at - ?1", 91 * DAY_MS);
    let next = token();
    refresh(&world, current, next).await.unwrap();
    assert_eq!(remembered(&world), 1);
    assert_eq!(code(refresh(&world, first, token()).await), Code::Unauthenticated);
    assert!(world.device(phone.device_id).is_some());
    world.age("update devices set refresh_expires_at = refresh_expires_at - ?1", 91 * DAY_MS);
    assert_eq!(code(refresh(&world, next, token()).await), Code::Unauthenticated);
    world.writer.revoke_by_refresh(next).await.unwrap();
    assert_eq!(remembered(&world), 0);
}

/// How many used refresh tokens the store remembers.
fn remembered(world: &World) -> i64 {
    let count = |sql: &Connection| {
        Ok(sql.query_row("select count(*) from used_refresh_tokens", [], |row| row.get(0))?)
    };
    world.read(count).unwrap()
}

/// A5 against a model: whatever a client and a thief do in whatever order, a token is taken while it is the current one
/// or the one just before it, and anything else that once worked ends the device.
#[tokio::test]
async fn a5_random_refreshes_follow_the_model() {
    let seed = rand::random();
    drop(writeln!(std::io::stderr().lock(), "seed {seed}"));
    let mut random = SmallRng::seed_from_u64(seed);
    let (world, _) = World::with_admin().await;
    let (mut rotated, mut again, mut reused) = (0, 0, 0);
    for round in 0..20 {
        let (device, first) = sign_in(&world, "kit", &format!("d{round}")).await;
        let mut given = vec![first];
        loop {
            let chosen = if random.random_ratio(3, 4) {
                given.len() - random.random_range(1..=2.min(given.len()))
            } else {
                random.random_range(0..given.len())
            };
            let age = given.len() - 1 - chosen;
            let next = if age == 0 { token() } else { given[chosen + 1] };
            let result = refresh(&world, given[chosen], next).await;
            match age {
                0 => {
                    assert!(matches!(result, Ok(Refreshed::Rotated(_))), "seed {seed}: {result:?}");
                    given.push(next);
                    rotated += 1;
                }
                1 => {
                    assert!(matches!(result, Ok(Refreshed::Again(_))), "seed {seed}: {result:?}");
                    again += 1;
                }
                _ => {
                    assert_eq!(code(result), Code::RefreshReused, "seed {seed}");
                    assert!(world.device(device.device_id).is_none(), "seed {seed}");
                    reused += 1;
                    break;
                }
            }
            assert!(world.device(device.device_id).is_some(), "seed {seed}");
        }
    }
    assert!(rotated > 20 && again > 0 && reused == 20, "seed {seed}: {rotated} {again} {reused}");
}

/// SI-09, R-SE-8, I10: the other devices hear of a sign-in, a new name and an end; the ended one's sockets close.
#[tokio::test]
async fn r_se_8_devices_are_told_named_and_ended() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    world.committed();
    let (phone, refresh_token) = sign_in(&world, "kit", "phone").await;
    let key = format!("device/{}", phone.device_id);
    let told = world.told(kit);
    assert_eq!((told.len(), &told[0].key), (1, &key));
    assert_eq!(told[0].value["name"], "phone");
    assert!(told[0].value["created_at"].is_string() || told[0].value["created_at"].is_number());
    world.writer.rename_device(kit, phone.device_id, "Kit's phone".into()).await.unwrap();
    assert_eq!(world.told(kit)[0].value["name"], "Kit's phone");
    let listed = world.read(|sql| device::devices(sql, &kit)).unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().find(|device| device.current).unwrap().device_id, kit.device_id);
    assert!(listed.iter().any(|device| device.name == "Kit's phone"));
    for id in [phone.device_id, DeviceId::new()] {
        assert_eq!(code(world.writer.revoke_device(ana, id).await), Code::NotFound);
        assert_eq!(code(world.writer.rename_device(ana, id, "x".into()).await), Code::NotFound);
    }
    assert!(world.device(phone.device_id).is_some());
    world.committed();
    world.writer.revoke_device(kit, phone.device_id).await.unwrap();
    let entries = world.committed();
    assert_eq!(revoked(&entries), [phone.device.0]);
    let gone = entries.iter().find_map(|entry| match entry {
        Entry::Account { entry, .. } => Some(entry),
        _ => None,
    });
    assert_eq!(gone.map(|entry| (&entry.key, entry.value.is_null())), Some((&key, true)));
    assert_eq!(code(refresh(&world, refresh_token, token()).await), Code::Unauthenticated);
    assert_eq!(code(world.writer.revoke_device(kit, phone.device_id).await), Code::NotFound);
    assert_eq!(world.read(|sql| device::devices(sql, &kit)).unwrap().len(), 1);
}

/// Signing out by the refresh token alone.
#[tokio::test]
async fn a_device_is_signed_out_by_its_refresh_token() {
    let (world, kit) = World::with_admin().await;
    let (phone, token_hash) = sign_in(&world, "kit", "phone").await;
    assert_eq!(code(world.writer.revoke_by_refresh(token()).await), Code::Unauthenticated);
    world.writer.revoke_by_refresh(token_hash).await.unwrap();
    assert!(world.device(phone.device_id).is_none());
    assert!(world.device(kit.device_id).is_some());
    assert_eq!(code(world.writer.revoke_by_refresh(token_hash).await), Code::Unauthenticated);
}

/// A11: a push target belongs to the device that showed it last, and to none once that is signed out.
#[tokio::test]
async fn a11_a_push_target_moves() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let has = |actor: Actor| {
        let devices = world.read(|sql| device::devices(sql, &actor)).unwrap();
        devices.iter().find(|device| device.current).unwrap().push_token == Some(true)
    };
    world.writer.set_push_token(kit, "target".into()).await.unwrap();
    assert_eq!((has(kit), has(ana)), (true, false));
    world.writer.set_push_token(ana, "target".into()).await.unwrap();
    assert_eq!((has(kit), has(ana)), (false, true));
    world.writer.revoke_device(ana, ana.device_id).await.unwrap();
    let left: i64 = world
        .read(|sql| {
            let query = "select count(*) from devices where push_token is not null";
            Ok(sql.query_row(query, [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(left, 0);
}

/// Q18: when a device was last used is kept and shown in steps of five minutes, and never goes back.
#[tokio::test]
async fn q18_last_use_goes_in_steps() {
    const STEP_MS: i64 = 5 * 60_000;
    let (world, kit) = World::with_admin().await;
    let (phone, refresh_token) = sign_in(&world, "kit", "phone").await;
    let last = |actor: Actor| world.device(actor.device_id).unwrap().last_seen_at;
    let before = Timestamp::now();
    world.age("update devices set last_seen_at = last_seen_at - ?1", DAY_MS);
    world.writer.devices_seen(vec![kit.device]).await.unwrap();
    assert_eq!(last(kit).0 % STEP_MS, 0);
    assert!(before.0 - last(kit).0 < STEP_MS);
    assert!(before.0 - last(phone).0 > DAY_MS / 2);
    refresh(&world, refresh_token, token()).await.unwrap();
    assert_eq!(last(phone).0 % STEP_MS, 0);
    world.age("update devices set last_seen_at = last_seen_at + ?1", DAY_MS);
    let ahead = last(kit);
    world.writer.devices_seen(vec![kit.device]).await.unwrap();
    assert_eq!(last(kit), ahead);
    let shown = world.read(|sql| device::devices(sql, &kit)).unwrap();
    assert!(shown.iter().all(|device| device.last_seen_at.0 % STEP_MS == 0));
}
