//! Regressions: bugs that were found by tests and stay found.

use std::path::Path;

use stonechat_client::PageQuery;
use stonechat_server::import;
use stonechat_wire::{AcceptInvite, CreateInvite, PresenceStatus};

use super::host::{Host, PASSWORD};

const FORUM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/forum.ndjson");

/// The import, run again after one of its people was claimed, changes nothing: their messages stay theirs and once.
#[tokio::test]
async fn an_import_after_a_claim_changes_nothing() {
    for handle in ["old-tom", "tom"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        import::run(Path::new(FORUM), &data, None, true).await.unwrap();
        let mut host = Host::with(|settings| settings.data = data.clone()).await;
        let kit = host.admin().await;
        let people = kit.rest.users("", &PageQuery::default()).await.unwrap().users;
        let tom = people.iter().find(|user| user.handle == "old-tom").unwrap().user_id;
        let invite = CreateInvite { claims: Some(tom), ..CreateInvite::default() };
        let token = kit.rest.create_invite(&invite).await.unwrap().token.unwrap();
        let accept = AcceptInvite {
            name: Some("Tom".into()),
            handle: Some(handle.into()),
            password: Some(PASSWORD.into()),
            device_name: None,
        };
        host.rest().accept_invite(&token, &accept).await.unwrap();
        host.stop().await;
        let again = import::run(Path::new(FORUM), &data, None, true).await.unwrap();
        assert_eq!((again.messages, again.repeated), (6, 6), "as {handle}");
    }
}

/// R-PR-3, D-11: who was connected when the server stopped has a last seen afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_pr_3_a_stop_keeps_the_last_seen_of_those_who_were_there() {
    let mut host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    ana.group(&[&bo]).await;
    let _live = bo.live().await;
    host.restart().await;
    let shown = ana.rest.presence(bo.user_id).await.unwrap();
    assert_eq!(shown.status, PresenceStatus::Offline);
    assert!(shown.last_seen_at.is_some());
}
