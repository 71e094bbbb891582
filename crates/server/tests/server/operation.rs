//! Operation: readiness, durability told truly, one process per directory, stopping and starting again.

use stonechat_server::config::{DurabilitySetting, Settings};
use stonechat_server::serve;
use stonechat_wire::{ClientFrame, Control, ServerFrame};

use super::host::{Host, PATIENCE};

/// OP-04: a second server on the same directory says which process holds it.
#[tokio::test]
async fn op_04_a_second_server_names_the_first() {
    let host = Host::start().await;
    let again = Settings { listen: ([127, 0, 0, 1], 0).into(), ..host.settings.clone() };
    let error = serve::start(again).await.err().expect("it must not start").to_string();
    assert!(error.contains(&std::process::id().to_string()) && error.contains("--data"), "{error}");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&host.settings.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// R-ARC-4: `/ready` tells the durability the database itself reports; relaxed shows in hello and ack as well.
#[tokio::test]
async fn ready_reads_the_durability_back() {
    let full = Host::start().await;
    let ready = full.rest().ready().await.unwrap();
    assert!(ready.needs_setup);
    assert_eq!(
        (ready.durability.as_str(), ready.synchronous.as_str(), ready.journal_mode.as_str()),
        ("full", "full", "wal")
    );
    let relaxed = Host::with(|settings| settings.durability = DurabilitySetting::Relaxed).await;
    let ready = relaxed.rest().ready().await.unwrap();
    assert_eq!((ready.durability.as_str(), ready.synchronous.as_str()), ("relaxed", "normal"));
    let kit = relaxed.admin().await;
    let mut live = kit.live().await;
    assert_eq!(live.hello.clone().unwrap().durability.as_deref(), Some("relaxed"));
    let room = kit.group(&[]).await;
    live.say(room, "x").await;
    assert_eq!(live.ack().await.durability.as_deref(), Some("relaxed"));
    assert_eq!(kit.say(room, "y").await.durability.as_deref(), Some("relaxed"));
}

/// R-PF-1, I22: a stop tells clients when to come back and answers what was asked; a start on the same data goes on,
/// and a cursor of before is good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i22_a_restart_loses_nothing() {
    let mut host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = bo.live().await;
    let cursor = live.cursor.clone();
    for n in 0..10 {
        ana.say(room, &n.to_string()).await;
    }
    let told = tokio::spawn(async move {
        let told = live
            .until(|frame| match frame {
                ServerFrame::Control(Control::GoingAway { retry_after_ms }) => Some(*retry_after_ms),
                _ => None,
            })
            .await;
        (told, live.closed().await)
    });
    host.restart().await;
    let (wait, code) = tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    assert!(wait <= 20_000);
    assert_eq!(code, 1012);
    ana.say(room, "after").await;
    let back = bo.live_from(cursor).await;
    let events = back.caught_up.iter().filter(|frame| matches!(frame, ServerFrame::Event(_))).count();
    assert_eq!(events, 11);
}

/// The binary itself: health, the page, its headers; the API outside its routes.
#[tokio::test]
async fn the_page_is_served_with_a_strict_policy() {
    let host = Host::start().await;
    host.rest().health().await.unwrap();
    for path in ["/", "/setup", "/join/x", "/c/lobby"] {
        let response = reqwest::get(format!("{}{path}", host.url)).await.unwrap();
        assert_eq!(response.status(), 200);
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let html = response.text().await.unwrap();
        // The web app, or the page in its place where it was not built.
        assert!(html.contains("/assets/") || html.contains("/page/app.js"), "{html}");
        assert!(!html.contains("http://") && !html.contains("https://"));
    }
}

/// Receipt of a cursor is taken; one that is not ours is refused.
#[tokio::test]
async fn delivery_acks_are_checked() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut live = kit.live().await;
    let cursor = live.cursor.clone().unwrap();
    live.send(&ClientFrame::Received { cursor }).await;
    live.settle().await;
    let second = host.sign_in("kit", "two").await;
    let mut other = second.live().await;
    other.send(&ClientFrame::Received { cursor: stonechat_wire::Cursor("forged".into()) }).await;
    assert_eq!(other.error().await.code, stonechat_wire::Code::Invalid);
}
