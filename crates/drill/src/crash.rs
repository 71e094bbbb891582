//! Crash: load with resends, `kill -9` of the server at random moments, restart, and the checker over all of it.
//!
//! With cuts of the power it is the same drill on a file system that loses what was not flushed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stonechat_client::Result;
use tokio::time::Instant;

use crate::checker::{Report, check};
use crate::history::History;
use crate::load::{Client, Load, observers, read_heads, read_log};
use crate::power::Disk;
use crate::process::{Server, ServerOptions};
use crate::stage::Stage;

/// What a drill is told.
#[derive(Clone, Debug)]
pub struct Plan {
    pub binary: PathBuf,
    /// Where data, or the file of the loop device, goes.
    pub base: PathBuf,
    pub faults: u32,
    pub seed: u64,
    /// Between two faults, at most.
    pub calm: Duration,
    pub clients: u32,
    pub conversations: u32,
    pub window: usize,
    /// Go on without faults until so many are acknowledged.
    pub at_least_acked: u64,
    pub durability: String,
    /// For the control: a server built to be caught.
    pub planted_fault: Option<String>,
}

/// How the server is ended.
enum Ending<'a> {
    Kill,
    Power(&'a mut Disk),
}

/// Kills the server at random moments.
///
/// # Errors
/// When a server does not come back, or its log cannot be read.
pub async fn crash(plan: &Plan) -> Result<Report> {
    run(plan, &plan.base, Ending::Kill).await
}

/// Cuts the power of the file system the data lies on. Root only: it mounts one.
///
/// # Errors
/// When it cannot be mounted, or as [`crash`].
pub async fn power(plan: &Plan) -> Result<Report> {
    let mut disk = Disk::create(&plan.base, 2 << 30)?;
    let mount = disk.mount_point().to_owned();
    run(plan, &mount, Ending::Power(&mut disk)).await
}

async fn run(plan: &Plan, base: &Path, mut ending: Ending<'_>) -> Result<Report> {
    let directory = base.join(format!("stonechat-drill-{}-{}", std::process::id(), plan.seed));
    std::fs::create_dir_all(&directory)?;
    let mut arguments =
        vec!["--limits".to_owned(), "bench".to_owned(), "--durability".to_owned(), plan.durability.clone()];
    if let Some(fault) = &plan.planted_fault {
        arguments.extend(["--planted-fault".to_owned(), fault.clone()]);
    }
    let options = ServerOptions {
        binary: plan.binary.clone(),
        data: directory.join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        arguments,
        environment: Vec::new(),
    };
    let mut stage = Stage::at(Server::start(options).await?).await?;
    let people = stage.people(plan.clients as usize).await?;
    let ids: Vec<_> = people.iter().map(|person| person.user_id).collect();
    let groups: Vec<_> = (0..plan.conversations).map(|_| ids.clone()).collect();
    let conversations = stage.groups(&groups).await?;
    if let Ending::Power(disk) = &ending {
        disk.flush()?;
    }
    let load = Load::new(&stage.url, conversations, people.len(), plan.window);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let mut clients = tokio::task::JoinSet::new();
    // Everybody stands somewhere before anybody writes: a device that starts anew walks no history.
    let mut ready = Vec::with_capacity(people.len());
    for (number, person) in (0..).zip(people) {
        let cursor = crate::bench::syncing::now(&stage.url, &person).await?;
        ready.push(Client::new(&load, number, person, cursor, plan.seed));
    }
    for client in ready {
        clients.spawn(client.run(finished.clone()));
    }
    let mut random = SmallRng::seed_from_u64(plan.seed);
    for _ in 0..plan.faults {
        let calm = plan.calm.mul_f64(random.random_range(0.2..1.0));
        tokio::time::sleep(calm).await;
        let server = stage.take_server()?;
        let options = server.options().clone();
        match &mut ending {
            Ending::Kill => server.kill().await?,
            Ending::Power(disk) => {
                disk.cut()?;
                server.kill().await?;
                disk.mount_again()?;
            }
        }
        stage.put_server(Server::start(options).await?);
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while load.acked() < plan.at_least_acked && Instant::now() < deadline {
        look.tick().await;
    }
    load.stop();
    let database = directory.join("data").join("chat.db");
    quiesce(&load, &database).await?;
    finish.send_replace(true);
    let mut history = History { faults: u64::from(plan.faults), ..History::default() };
    while let Some(recorded) = clients.join_next().await {
        let (attempts, deliveries) = recorded.map_err(std::io::Error::other)?;
        history.attempts.extend(attempts);
        history.deliveries.extend(deliveries);
    }
    history.observers = observers(&load, 2);
    read_log(&database, &load, &mut history).map_err(|error| std::io::Error::other(error.to_string()))?;
    stage.take_server()?.stop(Duration::from_secs(30)).await?;
    drop(std::fs::remove_dir_all(&directory));
    Ok(check(&history))
}

/// Waits until every client holds what the log holds, or nothing moves any more.
async fn quiesce(load: &Load, database: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| std::io::Error::other(error.to_string());
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut look = tokio::time::interval(Duration::from_millis(200));
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = Vec::new();
    while Instant::now() < deadline {
        look.tick().await;
        let heads = read_heads(database, load).map_err(failed)?;
        if heads == before && load.is_quiet(&heads) {
            return Ok(());
        }
        before = heads;
    }
    Ok(())
}
