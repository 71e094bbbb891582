//! Run: the benchmarks as commands: set the stage, measure, set the result beside this machine's bounds.

use std::path::PathBuf;
use std::time::Duration;

use stonechat_client::Result;
use stonechat_wire::UserId;
use tokio::time::Instant;

use super::{direct, fanout, idle, people, storm, syncing};
use crate::limits;
use crate::stage::Stage;
use crate::stats::{Usage, millis};
use crate::table::{Figures, medians};

/// What every benchmark is told.
#[derive(Clone, Debug)]
pub struct Common {
    /// The server's binary, for a server of our own.
    pub binary: PathBuf,
    /// Where its data goes, on the disk that is to be measured.
    pub base: PathBuf,
    /// A running server and an admin's token instead.
    pub running: Option<(String, String)>,
    /// Medians are taken over so many runs, each on fresh data.
    pub runs: usize,
    pub warm_up: Duration,
    pub measure: Duration,
    /// `full`, or `relaxed` for the control.
    pub durability: String,
}

impl Common {
    async fn stage(&self) -> Result<Stage> {
        match &self.running {
            Some((url, token)) => Stage::running(url, token),
            None => {
                let arguments = ["--limits", "bench", "--durability", &self.durability];
                Stage::own(&self.binary, &self.base, &arguments).await
            }
        }
    }

    fn stamp(&self, figures: &mut Figures) {
        figures.put("durability", self.durability.clone());
        figures.put("limits", "bench");
        figures.number("runs", self.runs as f64);
    }
}

/// What the server did in a measured time.
struct Watch {
    pid: Option<u32>,
    before: Usage,
    commits: f64,
    began: Instant,
}

impl Watch {
    async fn begin(stage: &Stage) -> Self {
        Self {
            pid: stage.pid,
            before: stage.pid.and_then(|pid| Usage::of(pid).ok()).unwrap_or_default(),
            commits: commits(stage).await,
            began: Instant::now(),
        }
    }

    async fn end(self, stage: &Stage, figures: &mut Figures) -> f64 {
        let seconds = self.began.elapsed().as_secs_f64();
        figures.number("fsyncs_per_s", (commits(stage).await - self.commits) / seconds);
        let Some(after) = self.pid.and_then(|pid| Usage::of(pid).ok()) else { return 0.0 };
        let cpu = after.cpu_s - self.before.cpu_s;
        figures.number("server_cpu_s", cpu);
        figures.number("server_rss_kib", after.rss_kib as f64);
        cpu
    }
}

async fn commits(stage: &Stage) -> f64 {
    let stats = stage.admin.raw(stonechat_client::Method::GET, "/admin/stats", &[], None).await;
    let body = stats.ok().and_then(|(_, _, body)| serde_json::from_str::<serde_json::Value>(&body).ok());
    body.and_then(|body| body["commits"].as_f64()).unwrap_or(0.0)
}

/// Messages the log holds beside those acknowledged: counted in the database of our own server.
fn rows_stored(stage: &Stage, figures: &mut Figures, acked: u64) {
    let Some(data) = stage.data() else { return };
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = rusqlite::Connection::open_with_flags(data.join("chat.db"), flags).and_then(|sql| {
        sql.query_row("select count(*) from events where kind = 0", [], |row| row.get::<_, i64>(0))
    });
    if let Ok(count) = count {
        figures.number("rows_stored", count as f64);
        figures.number("rows_stored_minus_acked", count as f64 - acked as f64);
    }
}

/// This machine's own bounds.
///
/// # Errors
/// When sockets or files cannot be opened.
pub fn limits(common: &Common, frame_bytes: usize, connections: usize) -> Result<Figures> {
    let mut figures = Figures::default();
    let failed = |error: rusqlite::Error| std::io::Error::other(error.to_string());
    figures.number("frame_bytes", frame_bytes as f64);
    figures.number("connections", connections as f64);
    figures.number("raw_one_write_deliveries_per_s", limits::raw_broadcast(connections, frame_bytes, 1)?);
    figures
        .number("raw_eight_per_write_deliveries_per_s", limits::raw_broadcast(connections, frame_bytes, 8)?);
    let (p50, p99) = limits::fdatasync(&common.base)?;
    figures.number("fdatasync_p50_ms", p50);
    figures.number("fdatasync_p99_ms", p99);
    for batch in [100, 1_000] {
        let rate = limits::bare_store(&common.base, batch).map_err(failed)?;
        figures.number(&format!("bare_store_batch_{batch}_messages_per_s"), rate);
    }
    Ok(figures)
}

/// Pairs in a closed loop with `window` messages on their way in all, then at 70 % of that peak and at a calm 100/s.
///
/// # Errors
/// When the server or a socket fails.
pub async fn direct(common: &Common, pairs: usize, window: usize, rate: Option<f64>) -> Result<Figures> {
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        runs.push(direct_once(common, pairs, window, rate).await?);
    }
    let mut figures = medians(&runs);
    common.stamp(&mut figures);
    Ok(figures)
}

async fn direct_once(common: &Common, pairs: usize, window: usize, rate: Option<f64>) -> Result<Figures> {
    let mut stage = common.stage().await?;
    let everybody = stage.people(pairs * 2).await?;
    let pairs: Vec<_> = everybody.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let plan = |press| direct::Plan {
        url: stage.url.clone(),
        pairs: pairs.clone(),
        press,
        warm_up: common.warm_up,
        measure: common.measure,
    };
    let mut figures = Figures::default();
    figures.number("pairs", pairs.len() as f64);
    let mut acked = 0;
    if let Some(rate) = rate {
        let seen = direct::run(plan(direct::Press::Rate(rate))).await?;
        acked += seen.acked_total;
        put_direct(&mut figures, "", &seen);
    } else {
        figures.number("in_flight", window as f64);
        let watch = Watch::begin(&stage).await;
        let closed = direct::run(plan(direct::Press::Window((window / pairs.len()).max(1)))).await?;
        watch.end(&stage, &mut figures).await;
        let peak = closed.acked as f64 / closed.measured.as_secs_f64();
        put_direct(&mut figures, "", &closed);
        let loaded = direct::run(plan(direct::Press::Rate(peak * 0.7))).await?;
        put_direct(&mut figures, "at_70_percent_", &loaded);
        let calm = direct::run(plan(direct::Press::Rate(100.0))).await?;
        put_direct(&mut figures, "at_100_per_s_", &calm);
        acked += closed.acked_total + loaded.acked_total + calm.acked_total;
        let (_, fdatasync_p99) = limits::fdatasync(&common.base)?;
        figures.number("fdatasync_p99_ms", fdatasync_p99);
        let batch = u32::try_from(window).unwrap_or(1_000).max(1);
        let bare = limits::bare_store(&common.base, batch)
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        figures.number("bare_store_messages_per_s", bare);
        figures.number("ratio_to_bare_store", peak / bare);
    }
    rows_stored(&stage, &mut figures, acked);
    Ok(figures)
}

fn put_direct(figures: &mut Figures, prefix: &str, seen: &direct::Seen) {
    let mut put = |key: &str, value: f64| figures.number(&format!("{prefix}{key}"), value);
    put("durable_messages_per_s", seen.acked as f64 / seen.measured.as_secs_f64());
    put("ack_p50_ms", millis(&seen.ack_us, 0.5));
    put("ack_p99_ms", millis(&seen.ack_us, 0.99));
    put("p50_ms", millis(&seen.delivery_us, 0.5));
    put("p99_ms", millis(&seen.delivery_us, 0.99));
    put("lost", seen.acked_total.saturating_sub(seen.received_total) as f64);
    put("violations", seen.violations as f64);
    put("errors", seen.errors as f64);
}

/// One sender and many recipients: as fast as the last one keeps up, and at 100 messages a second.
///
/// # Errors
/// When the server or a socket fails.
pub async fn fanout(common: &Common, recipients: usize, in_flight: u64) -> Result<Figures> {
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        let mut stage = common.stage().await?;
        let everybody = stage.people(recipients + 1).await?;
        let ids = everybody.iter().map(|person| person.user_id).collect();
        let conversation = stage.groups(&[ids]).await?[0];
        let plan = |rate| fanout::Plan {
            url: stage.url.clone(),
            sender: everybody[recipients].clone(),
            recipients: everybody[..recipients].to_vec(),
            conversation,
            in_flight,
            rate,
            warm_up: common.warm_up,
            measure: common.measure,
        };
        let mut figures = Figures::default();
        figures.number("recipients", recipients as f64);
        figures.number("in_flight", in_flight as f64);
        let watch = Watch::begin(&stage).await;
        let full = fanout::run(plan(None)).await?;
        let cpu = watch.end(&stage, &mut figures).await;
        let rate = full.deliveries as f64 / full.measured.as_secs_f64();
        figures.number("deliveries_per_s", rate);
        figures.number("last_recipient_p50_ms", millis(&full.last_recipient_us, 0.5));
        figures.number("last_recipient_p99_ms", millis(&full.last_recipient_us, 0.99));
        figures
            .number("server_cpu_s_per_million_deliveries", cpu * 1e6 / full.deliveries_total.max(1) as f64);
        figures.number("violations", (full.violations + full.incomplete) as f64);
        let calm = fanout::run(plan(Some(100.0))).await?;
        figures.number("at_100_per_s_last_recipient_p50_ms", millis(&calm.last_recipient_us, 0.5));
        figures.number("at_100_per_s_last_recipient_p99_ms", millis(&calm.last_recipient_us, 0.99));
        figures.number("at_100_per_s_violations", (calm.violations + calm.incomplete) as f64);
        figures.number("frame_bytes", full.frame_bytes as f64);
        let frame_bytes = usize::try_from(full.frame_bytes).unwrap_or(500);
        let raw = limits::raw_broadcast(recipients, frame_bytes, 1)?;
        figures.number("raw_one_write_deliveries_per_s", raw);
        figures.number("ratio_to_raw_loop", rate / raw);
        runs.push(figures);
    }
    let mut figures = medians(&runs);
    common.stamp(&mut figures);
    Ok(figures)
}

/// Groups that give each of `people` so many memberships of their own.
fn memberships(people: &[people::Person], each: usize) -> Vec<Vec<UserId>> {
    const SIZE: usize = 10;
    let mut groups = Vec::new();
    for round in 0..each {
        // Another step each round, so that no two people share all their groups.
        let step = 1 + round * 7;
        for start in 0..people.len().div_ceil(SIZE) {
            let ids = (0..SIZE).map(|n| people[(start * SIZE + n * step) % people.len()].user_id);
            let mut ids: Vec<UserId> = ids.collect();
            ids.sort_unstable();
            ids.dedup();
            groups.push(ids);
        }
    }
    groups
}

/// Idle connections: what each costs before and after traffic, and how fast they come.
///
/// # Errors
/// When the server or a socket fails.
pub async fn idle(common: &Common, connections: usize, at_a_time: usize) -> Result<Figures> {
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        let mut stage = common.stage().await?;
        let people = stage.people(connections).await?;
        stage.groups(&memberships(&people, 20)).await?;
        let everybody = people.iter().map(|person| person.user_id);
        let lobby = stage.groups(&[everybody.collect()]).await?[0];
        // The people are made: begin again, so that the empty server is an empty one.
        let server = stage.take_server()?;
        let options = server.options().clone();
        server.stop(Duration::from_secs(30)).await?;
        stage.put_server(crate::process::Server::start(options).await?);
        let pid = stage.pid.unwrap_or_default();
        let mut figures = Figures::default();
        figures.number("connections", connections as f64);
        let empty = settled(pid).await?;
        figures.number("empty_server_rss_kib", empty);
        let mut open = idle::Idle::open(&stage.url, &people, at_a_time).await?;
        figures.number("connects_per_s", connections as f64 / open.connected_in.as_secs_f64());
        let full = settled(pid).await?;
        figures.number("rss_kib_per_connection", (full - empty) / connections as f64);
        // One message to everybody, twenty times, and what it needed is given back.
        let sender = people[0].clone();
        syncing::fill(&stage.url, connections, &sender, &[lobby], 20).await?;
        let after = settled(pid).await?;
        figures.number("rss_kib_per_connection_after_traffic", (after - empty) / connections as f64);
        figures.number("alive", open.alive() as f64);
        runs.push(figures);
    }
    let mut figures = medians(&runs);
    common.stamp(&mut figures);
    Ok(figures)
}

/// The resident memory once it has not moved by more than one percent for two seconds.
async fn settled(pid: u32) -> Result<f64> {
    let mut look = tokio::time::interval(Duration::from_millis(500));
    let (mut last, mut still) = (0.0_f64, 0);
    for _ in 0..120 {
        look.tick().await;
        let now = Usage::of(pid)?.rss_kib as f64;
        still = if (now - last).abs() < last * 0.01 { still + 1 } else { 0 };
        last = now;
        if still == 4 {
            break;
        }
    }
    Ok(last)
}

/// Everybody is cut and comes back while messages flow.
///
/// # Errors
/// When the server or a socket fails.
pub async fn storm(common: &Common, clients: usize, jitter: bool) -> Result<Figures> {
    const GROUP: usize = 10;
    const SENDERS: usize = 50;
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        let mut stage = common.stage().await?;
        let people = stage.people(clients + SENDERS).await?;
        let (clients, senders) = people.split_at(clients);
        let mut groups: Vec<Vec<UserId>> =
            clients.chunks(GROUP).map(|some| some.iter().map(|person| person.user_id).collect()).collect();
        for (n, group) in groups.iter_mut().enumerate() {
            group.push(senders[n % SENDERS].user_id);
        }
        let conversations = stage.groups(&groups).await?;
        let of =
            |sender: usize| conversations.iter().copied().skip(sender).step_by(SENDERS).collect::<Vec<_>>();
        let plan = storm::Plan {
            url: stage.url.clone(),
            clients: clients
                .iter()
                .cloned()
                .enumerate()
                .map(|(n, one)| (one, conversations[n / GROUP]))
                .collect(),
            senders: senders
                .iter()
                .cloned()
                .enumerate()
                .map(|(n, one)| (one, of(n)))
                .filter(|one| !one.1.is_empty())
                .collect(),
            messages_per_s: 500.0,
            jitter,
            calm: Duration::from_secs(2),
            deadline: Duration::from_secs(60),
        };
        let mut figures = Figures::default();
        figures.number("clients", clients.len() as f64);
        figures.put("jitter", if jitter { "full" } else { "off" });
        let watch = Watch::begin(&stage).await;
        let seen = storm::run(plan).await?;
        watch.end(&stage, &mut figures).await;
        figures.number("all_back_s", seen.all_back.map_or(f64::INFINITY, |all| all.as_secs_f64()));
        figures.number("back_p50_ms", millis(&seen.back_us, 0.5));
        figures.number("back_p99_ms", millis(&seen.back_us, 0.99));
        figures.number("sender_ack_p99_ms", millis(&seen.sender_ack_us, 0.99));
        figures.number("retries", seen.retries as f64);
        figures.number("acked", seen.acked as f64);
        // Each message has ten clients.
        figures.number("lost", (seen.acked * GROUP as u64).saturating_sub(seen.received) as f64);
        figures.number("violations", seen.violations as f64);
        runs.push(figures);
    }
    let mut figures = medians(&runs);
    common.stamp(&mut figures);
    Ok(figures)
}

/// Catching up: nothing new among many conversations, and a week away.
///
/// # Errors
/// When the server or a socket fails.
pub async fn sync(common: &Common, conversations: usize, elsewhere: usize, missed: usize) -> Result<Figures> {
    const MISSED_IN: usize = 200;
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        let mut stage = common.stage().await?;
        let people = stage.people(12).await?;
        let (reader, writer) = (people[0].clone(), people[1].clone());
        let mine: Vec<_> =
            (0..conversations).map(|n| vec![reader.user_id, people[2 + n % 10].user_id]).collect();
        stage.groups(&mine).await?;
        let theirs: Vec<_> = (0..1_000).map(|n| vec![writer.user_id, people[2 + n % 10].user_id]).collect();
        let theirs = stage.groups(&theirs).await?;
        let shared: Vec<_> = (0..MISSED_IN).map(|_| vec![writer.user_id, reader.user_id]).collect();
        let shared = stage.groups(&shared).await?;
        let cursor = syncing::now(&stage.url, &reader).await?;
        syncing::fill(&stage.url, 1, &writer, &theirs, elsewhere).await?;
        let mut figures = Figures::default();
        figures.number("conversations", conversations as f64);
        figures.number("messages_elsewhere", elsewhere as f64);
        let mut nothing = Vec::new();
        for _ in 0..20 {
            nothing.push(syncing::nothing_new(&stage.url, &reader, &cursor).await?.as_secs_f64() * 1_000.0);
        }
        figures.number("nothing_new_ms", crate::stats::median(&nothing));
        syncing::fill(&stage.url, 1, &writer, &shared, missed).await?;
        let before = stage.pid.map(Usage::of).transpose()?;
        let caught_up = syncing::catch_up(&stage.url, 0, &reader, cursor).await?;
        let after = stage.pid.map(Usage::of).transpose()?;
        figures.number("missed", missed as f64);
        figures.number("missed_received", caught_up.events as f64);
        figures.number("first_page_ms", caught_up.first_page.as_secs_f64() * 1_000.0);
        figures.number("everything_s", caught_up.all.as_secs_f64());
        figures.number("pages", caught_up.pages as f64);
        if let (Some(before), Some(after)) = (before, after) {
            figures.number("rss_growth_kib", after.rss_kib as f64 - before.rss_kib as f64);
        }
        runs.push(figures);
    }
    let mut figures = medians(&runs);
    common.stamp(&mut figures);
    Ok(figures)
}
