//! Idle: many connections that do nothing: what each costs, and how fast they come.

use std::time::Duration;

use stonechat_client::{Connection, Result};
use tokio::time::Instant;

use super::people::{self, Person};
use super::wire_scan::{self, Kind};

/// Connections that answer heartbeats until dropped.
pub struct Idle {
    pub connected_in: Duration,
    tasks: tokio::task::JoinSet<()>,
}

impl Idle {
    /// Opens one connection per person, so many at a time.
    ///
    /// # Errors
    /// The first that failed.
    pub async fn open(url: &str, people: &[Person], at_a_time: usize) -> Result<Self> {
        let began = Instant::now();
        let connections = people::connect_all(url, people, at_a_time).await?;
        let connected_in = began.elapsed();
        let mut tasks = tokio::task::JoinSet::new();
        for connection in connections {
            tasks.spawn(answer_heartbeats(connection));
        }
        Ok(Self { connected_in, tasks })
    }

    /// How many are still open.
    pub fn alive(&mut self) -> usize {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.len()
    }
}

async fn answer_heartbeats(mut connection: Connection) {
    loop {
        let mut heartbeat = false;
        let heard =
            connection.recv_raw(|payload| heartbeat |= wire_scan::kind(payload) == Kind::Heartbeat).await;
        if !matches!(heard, Ok(None))
            || heartbeat && connection.send_text(r#"{"type":"heartbeat"}"#).await.is_err()
        {
            return;
        }
    }
}
