//! Bench: the benchmarks as verbs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use hashbrown::HashMap;
use stonechat_client::{MessagesQuery, PageQuery, Window};
use stonechat_drill::bench::people::Person;
use stonechat_drill::bench::replay::{self, Line, Plan};
use stonechat_drill::bench::run::{self as benches, Common};
use stonechat_drill::process::{Server, ServerOptions};
use stonechat_drill::stage::Stage;
use stonechat_drill::stats::{Usage, millis};
use stonechat_drill::table::Figures;
use stonechat_server::import as forum;
use stonechat_wire::{CreateDeviceTokens, Seq, TimelineRow};

#[derive(Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    scenario: Scenario,
    /// One JSON object with units in its keys instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Medians over so many runs.
    #[arg(long, global = true, default_value_t = 1)]
    runs: usize,
    /// Seconds before measuring.
    #[arg(long, global = true, default_value_t = 2.0)]
    warm_up_s: f64,
    /// Seconds of measuring.
    #[arg(long, global = true, default_value_t = 8.0)]
    measure_s: f64,
    /// Where the data of our own server goes: on the disk that is to be measured.
    #[arg(long, global = true, default_value = ".")]
    base: PathBuf,
    /// A running server (`--limits bench`) instead of one of our own.
    #[arg(long, global = true, requires = "token")]
    url: Option<String>,
    /// An admin's token for `--url`.
    #[arg(long, global = true, env = "STONECHAT_TOKEN")]
    token: Option<String>,
    /// The control: `relaxed` may lose what it acknowledged.
    #[arg(long, global = true, default_value = "full")]
    durability: Durability,
}

#[derive(Clone, Copy, ValueEnum)]
enum Durability {
    Full,
    Relaxed,
}

#[derive(Subcommand)]
enum Scenario {
    /// Connections that do nothing: memory each, connects a second.
    Idle {
        #[arg(long, default_value_t = 15_000)]
        connections: usize,
        /// Opened at a time.
        #[arg(long, default_value_t = 64)]
        at_a_time: usize,
    },
    /// Pairs of people: durable messages a second, latency at the peak, at 70 % of it and at 100/s.
    Direct {
        #[arg(long, default_value_t = 50)]
        pairs: usize,
        /// Messages on their way over all pairs.
        #[arg(long, default_value_t = 500)]
        window: usize,
        /// A fixed rate in messages a second instead of the closed loop.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// One sender, many recipients: deliveries a second, time to the last one.
    Fanout {
        #[arg(long, default_value_t = 1_000)]
        recipients: usize,
        /// Messages that not everybody has.
        #[arg(long, default_value_t = 64)]
        in_flight: u64,
    },
    /// Everybody is cut and comes back while messages flow.
    Storm {
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
        #[arg(long)]
        no_jitter: bool,
    },
    /// Catching up with nothing new among many conversations, and after a week away.
    Sync {
        #[arg(long, default_value_t = 10_000)]
        conversations: usize,
        #[arg(long, default_value_t = 100_000)]
        elsewhere: usize,
        #[arg(long, default_value_t = 50_000)]
        missed: usize,
    },
    /// A recorded forum sent live by its authors.
    Replay {
        /// NDJSON, plain or zstd, as `import` takes it.
        file: PathBuf,
        /// The last so many are sent, the rest imported before.
        #[arg(long, default_value_t = 20_000)]
        last: usize,
        #[arg(long, default_value_t = 1_000.0)]
        messages_per_s: f64,
    },
    /// This machine's own bounds.
    Limits {
        #[arg(long, default_value_t = 507)]
        frame_bytes: usize,
        #[arg(long, default_value_t = 1_000)]
        connections: usize,
    },
}

pub(crate) fn run(arguments: BenchArguments) -> super::Result {
    let common = Common {
        binary: std::env::current_exe().map_err(|error| error.to_string())?,
        base: arguments.base.clone(),
        running: arguments.url.clone().zip(arguments.token.clone()),
        runs: arguments.runs.max(1),
        warm_up: Duration::from_secs_f64(arguments.warm_up_s),
        measure: Duration::from_secs_f64(arguments.measure_s),
        durability: match arguments.durability {
            Durability::Full => "full".to_owned(),
            Durability::Relaxed => "relaxed".to_owned(),
        },
    };
    let (title, figures) = super::run(scenario(&common, arguments.scenario))?;
    let mut out = std::io::stdout().lock();
    figures.print(&mut out, title, arguments.json).map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

async fn scenario(common: &Common, scenario: Scenario) -> Result<(&'static str, Figures), String> {
    let (title, figures) = match scenario {
        Scenario::Idle { connections, at_a_time } => {
            ("idle", benches::idle(common, connections, at_a_time).await)
        }
        Scenario::Direct { pairs, window, rate } => {
            ("direct", benches::direct(common, pairs, window, rate).await)
        }
        Scenario::Fanout { recipients, in_flight } => {
            ("fanout", benches::fanout(common, recipients, in_flight).await)
        }
        Scenario::Storm { clients, no_jitter } => {
            ("storm", benches::storm(common, clients, !no_jitter).await)
        }
        Scenario::Sync { conversations, elsewhere, missed } => {
            ("sync", benches::sync(common, conversations, elsewhere, missed).await)
        }
        Scenario::Replay { file, last, messages_per_s } => {
            ("replay", replay(common, &file, last, messages_per_s).await)
        }
        Scenario::Limits { frame_bytes, connections } => {
            ("limits", benches::limits(common, frame_bytes, connections))
        }
    };
    figures.map(|figures| (title, figures)).map_err(|error| error.to_string())
}

/// Imports all but the last messages, then has their authors send those live.
async fn replay(
    common: &Common,
    file: &std::path::Path,
    last: usize,
    messages_per_s: f64,
) -> stonechat_client::Result<Figures> {
    let failed = |error: forum::Error| std::io::Error::other(error.to_string());
    let lines = forum::read_lines(file).map_err(failed)?;
    let before = lines.len().saturating_sub(last);
    let directory = common.base.join(format!("stonechat-replay-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let data = directory.join("data");
    let imported = forum::run(file, &data, Some(before), true).await.map_err(failed)?;
    let options = ServerOptions {
        binary: common.binary.clone(),
        data,
        listen: ([127, 0, 0, 1], 0).into(),
        arguments: vec!["--limits".into(), "bench".into(), "--durability".into(), common.durability.clone()],
        environment: Vec::new(),
    };
    let stage = Stage::at(Server::start(options).await?).await?;
    let started = replay_on(&stage, &lines[before..], messages_per_s).await;
    let ready_in = stage.ready_in();
    let usage = stage.pid.map(Usage::of).transpose()?;
    drop(stage);
    drop(std::fs::remove_dir_all(&directory));
    let seen = started?;
    let mut figures = Figures::default();
    figures.number("import_s", imported.took_s);
    figures.number("imported", imported.messages as f64);
    figures.number("start_to_ready_s", ready_in.unwrap_or_default().as_secs_f64());
    figures.number("sent", seen.sent as f64);
    figures.number("acked", seen.acked as f64);
    figures.number("deliveries", seen.deliveries as f64);
    figures.number("expected_deliveries", seen.expected_deliveries as f64);
    figures.number("lost", seen.lost as f64);
    figures.number("duplicated", seen.duplicated as f64);
    figures.number("out_of_order", seen.out_of_order as f64);
    figures.number("deliveries_per_s", seen.deliveries as f64 / seen.took.as_secs_f64());
    figures.number("p50_ms", millis(&seen.delivery_us, 0.5));
    figures.number("p99_ms", millis(&seen.delivery_us, 0.99));
    if let Some(usage) = usage {
        figures.number("server_cpu_s", usage.cpu_s);
        figures.number("server_rss_kib", usage.rss_kib as f64);
    }
    figures.put("durability", common.durability.clone());
    Ok(figures)
}

async fn replay_on(
    stage: &Stage,
    lines: &[forum::Line],
    messages_per_s: f64,
) -> stonechat_client::Result<replay::Seen> {
    let tokens = stage.admin.create_device_tokens(&CreateDeviceTokens { user_ids: Vec::new() }).await?.users;
    let by_handle: HashMap<String, usize> =
        tokens.iter().enumerate().map(|(place, person)| (person.handle.clone(), place)).collect();
    let people: Vec<Person> =
        tokens.iter().map(|one| Person { user_id: one.user_id, token: one.token.clone() }).collect();
    let places = replay::places(&people);
    let (mut members, mut roots, mut channels) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut handles: Vec<&String> = lines.iter().map(|line| &line.channel_handle).collect();
    handles.sort_unstable();
    handles.dedup();
    for handle in handles {
        let reader = lines.iter().find(|line| line.channel_handle == *handle);
        let reader = reader.and_then(|line| by_handle.get(&line.sender_handle)).copied().unwrap_or(0);
        let rest = stage.admin.with_token(&people[reader].token);
        let id = rest.conversation(handle.clone()).await?.conversation_id;
        channels.insert(handle.clone(), id);
        let mut page = PageQuery { limit: Some(200), page: None };
        loop {
            let answer = rest.members(id, &page).await?;
            let known = answer.members.iter().filter_map(|member| places.get(&member.user_id).copied());
            members.entry(id).or_insert_with(Vec::new).extend(known);
            page.page = answer.next;
            if page.page.is_none() {
                break;
            }
        }
        for (topic, seq) in topics(&rest, id).await? {
            roots.insert((id, topic), seq);
        }
    }
    let lines = lines.iter().filter_map(|line| {
        Some(Line {
            channel: *channels.get(&line.channel_handle)?,
            topic: line.topic.clone(),
            sender: *by_handle.get(&line.sender_handle)?,
            text: line.text.clone(),
        })
    });
    let lines = lines.collect();
    let url = stage.url.clone();
    replay::run(Plan { url, people, members, roots, lines, messages_per_s }).await
}

/// The topics of a channel and their roots: an import notes the topic in the root's metadata.
async fn topics(
    rest: &stonechat_client::Rest,
    channel: stonechat_wire::ConversationId,
) -> stonechat_client::Result<Vec<(String, Seq)>> {
    let mut found = Vec::new();
    let mut query = MessagesQuery { limit: Some(200), ..MessagesQuery::default() };
    loop {
        let page = rest.messages(channel, &query).await?;
        for row in &page.messages {
            let TimelineRow::Message(message) = row else { continue };
            let metadata = message
                .metadata
                .as_ref()
                .and_then(|json| serde_json::from_str::<serde_json::Value>(json.get()).ok());
            if let Some(topic) = metadata.as_ref().and_then(|json| json["imported"]["topic"].as_str()) {
                found.push((topic.to_owned(), message.seq));
            }
        }
        match page.messages.first() {
            Some(first) if page.has_more_before => query.window = Window::Before(first.seq()),
            _ => return Ok(found),
        }
    }
}
