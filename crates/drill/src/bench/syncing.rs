//! Sync: what catching up costs: with nothing new among 10,000 conversations, and after a week away.

use std::time::Duration;

use stonechat_client::{Error, Rest, Result, SyncQuery};
use stonechat_wire::{ClientId, ConversationId, Cursor};
use tokio::time::Instant;

use super::TEXT_BYTES;
use super::people::{self, Person};
use super::wire_scan::{self, Kind};

/// Writes so many messages, spread over conversations, as fast as they are acknowledged.
///
/// # Errors
/// When the connection ends.
pub async fn fill(
    url: &str,
    n: usize,
    person: &Person,
    conversations: &[ConversationId],
    count: usize,
) -> Result<()> {
    const WINDOW: usize = 500;
    let (connection, _) = people::connect(url, n, person, None).await?;
    let (mut reader, writer) = connection.split();
    let text = "x".repeat(TEXT_BYTES);
    let (mut sent, mut acked) = (0, 0);
    while acked < count {
        while sent < count && sent - acked < WINDOW {
            let conversation = conversations[sent % conversations.len()];
            let client_id = ClientId::new();
            writer.queue_text(&format!(
                r#"{{"type":"message","client_id":"{client_id}","conversation_id":"{conversation}","content":"{text}"}}"#
            ))?;
            sent += 1;
        }
        writer.flush().await?;
        let mut refused = false;
        let ended = reader
            .recv_raw(|payload| match wire_scan::kind(payload) {
                Kind::Ack => acked += 1,
                Kind::Error => refused = true,
                _ => {}
            })
            .await?;
        if refused || ended.is_some() {
            return Err(Error::from(std::io::Error::other("the server refused to be filled")));
        }
    }
    Ok(())
}

/// Where a person stands now.
///
/// # Errors
/// What the server refused.
pub async fn now(url: &str, person: &Person) -> Result<Cursor> {
    let rest = Rest::new(url)?.with_token(&person.token);
    let query = SyncQuery { cursor: Some(Cursor("now".to_owned())), ..SyncQuery::default() };
    Ok(rest.sync(&query).await?.cursor)
}

/// How long one sync with nothing new takes; the frames it brought must be none.
///
/// # Errors
/// When it brought any.
pub async fn nothing_new(url: &str, person: &Person, cursor: &Cursor) -> Result<Duration> {
    let rest = Rest::new(url)?.with_token(&person.token);
    let query = SyncQuery { cursor: Some(cursor.clone()), ..SyncQuery::default() };
    let began = Instant::now();
    let page = rest.sync(&query).await?;
    let took = began.elapsed();
    if page.has_more || !page.frames.is_empty() {
        return Err(Error::from(std::io::Error::other("something was new after all")));
    }
    Ok(took)
}

/// What catching up took.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp {
    pub first_page: Duration,
    pub all: Duration,
    pub events: u64,
    pub pages: u64,
}

/// Catches up over a socket from a cursor.
///
/// # Errors
/// When the connection ends first.
pub async fn catch_up(url: &str, n: usize, person: &Person, cursor: Cursor) -> Result<CaughtUp> {
    let began = Instant::now();
    let mut connection = people::open(url, n, person, Some(cursor)).await?;
    let mut caught_up = CaughtUp { first_page: Duration::ZERO, all: Duration::ZERO, events: 0, pages: 0 };
    loop {
        let mut done = false;
        let ended = connection
            .recv_raw(|payload| match wire_scan::kind(payload) {
                Kind::Event => caught_up.events += 1,
                Kind::Cursor => {
                    caught_up.pages += 1;
                    if caught_up.pages == 1 {
                        caught_up.first_page = began.elapsed();
                    }
                    done |= wire_scan::contains(payload, br#""has_more":false"#);
                }
                _ => {}
            })
            .await?;
        if done {
            caught_up.all = began.elapsed();
            return Ok(caught_up);
        }
        if let Some(closed) = ended {
            return Err(Error::from(std::io::Error::other(format!("{} {}", closed.code, closed.reason))));
        }
    }
}
