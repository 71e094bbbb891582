//! Bulk: people and conversations for load runs, and tokens for imported people.

use stonechat_store::account::{self, NewUser};
use stonechat_store::commit::Entry;
use stonechat_store::{Actor, bench};
use stonechat_wire::{Code, EventBody, ServerRole, UserId};

use super::world::{World, code, nobody, token};

fn people(prefix: &str, count: usize) -> Vec<(NewUser, [u8; 32])> {
    let person = |n| {
        let handle = format!("{prefix}-{n}");
        let name = handle.clone();
        NewUser { handle, name, role: ServerRole::Member, password_hash: None, imported: false }
    };
    (0..count).map(|n| (person(n), token())).collect()
}

/// A12: many people with tokens in one transaction, for admins alone; none of them where one handle is taken.
#[tokio::test]
async fn a12_bench_people_are_made_at_once() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    assert_eq!(code(world.writer.create_bench_users(ana, people("load", 2)).await), Code::Forbidden);
    let wanted = people("load", 5_000);
    let made = world.writer.create_bench_users(kit, wanted.clone()).await.unwrap();
    assert_eq!(made.len(), 5_000);
    for n in [0, 4_999] {
        let found = world.read(|sql| account::device_by_token(sql, &wanted[n].1)).unwrap().unwrap();
        assert_eq!((found.actor.user_id, found.actor.device_id), (made[n].user_id, made[n].device_id));
        assert_eq!(made[n].handle, format!("load-{n}"));
    }
    let mut clash = people("more", 3);
    clash[2].0.handle = "load-7".into();
    assert_eq!(code(world.writer.create_bench_users(kit, clash.clone()).await), Code::HandleTaken);
    assert!(world.read(|sql| account::device_by_token(sql, &clash[0].1)).unwrap().is_none());
    assert!(world.credentials("load-0").unwrap().password_hash.is_none(), "nobody signs in by a password");
}

/// Groups of the given people: one `created` event each, a row in each member's account state.
#[tokio::test]
async fn bench_conversations_begin_with_their_members() {
    let (world, kit) = World::with_admin().await;
    let made = world.writer.create_bench_users(kit, people("load", 6)).await.unwrap();
    let ids: Vec<UserId> = made.iter().map(|person| person.user_id).collect();
    world.committed();
    let groups = vec![ids[..3].to_vec(), ids[2..].to_vec()];
    let rooms = world.writer.create_bench_conversations(kit, groups).await.unwrap();
    assert_eq!(rooms.len(), 2);
    let (mut created, mut told) = (0, 0);
    for entry in world.committed() {
        match entry {
            Entry::Event(event) => {
                assert!(matches!(event.event.body, EventBody::Created { .. }));
                created += 1;
            }
            Entry::Account { entry, .. } => {
                assert!(rooms.iter().any(|room| entry.key == format!("conversation/{room}")));
                told += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((created, told), (2, 7));
    let actor = |n: usize| world.device(made[n].device_id).unwrap().actor;
    let is_in = |n, room: usize| world.is_in(actor(n), rooms[room]);
    assert!(is_in(0, 0) && !is_in(0, 1) && is_in(2, 0) && is_in(2, 1) && is_in(5, 1));
    assert!(!world.is_in(kit, rooms[0]), "whoever makes them is not in them");
    for (group, why) in [(vec![ids[0], nobody()], "unknown"), (vec![ids[0], ids[1], ids[0]], "twice")] {
        let refused = world.writer.create_bench_conversations(kit, vec![ids.clone(), group]).await;
        assert_eq!(code(refused), Code::Invalid, "{why}");
    }
    assert_eq!(world.committed().len(), 0, "a refusal leaves nothing behind");
    let refused = world.writer.create_bench_conversations(actor(0), vec![ids]).await;
    assert_eq!(code(refused), Code::Forbidden);
}

/// Tokens without end are for imported people, never for ordinary ones.
#[tokio::test]
async fn a12_only_imported_people_get_tokens() {
    let (world, kit) = World::with_admin().await;
    let ana = world.join(kit, "ana").await;
    let imported = world.writer.import_people(vec!["mara".into(), "tom".into()]).await.unwrap();
    let all = world.read(bench::imported).unwrap();
    assert_eq!(all.len(), 2);
    let give = |by: Actor, ids: &[UserId]| {
        let people = ids.iter().map(|id| (*id, token())).collect();
        world.writer.create_import_devices(by, people)
    };
    assert_eq!(code(give(kit, &[all[0], ana.user_id]).await), Code::Invalid);
    assert_eq!(code(give(ana, &all).await), Code::Forbidden);
    let made = give(kit, &all).await.unwrap();
    assert_eq!(made.len(), 2);
    for person in &made {
        let device = world.device(person.device_id).unwrap();
        assert_eq!(device.actor.user_id, imported[&person.handle].user_id);
    }
}
