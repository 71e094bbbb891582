//! Drill: faults on purpose as verbs. Exit code 1 when the checker found a violation that was not planted.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use stonechat_drill::checker::{self, Report};
use stonechat_drill::crash::{self, Plan};

#[derive(Args)]
pub(crate) struct DrillArguments {
    #[command(subcommand)]
    drill: Drill,
    /// One JSON object instead of a report for people.
    #[arg(long, global = true)]
    json: bool,
    /// The same seed, the same moments; printed with every run.
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Where data goes.
    #[arg(long, global = true, default_value = ".")]
    base: PathBuf,
    /// Seconds between two faults, at most.
    #[arg(long, global = true, default_value_t = 3.0)]
    calm_s: f64,
    #[arg(long, global = true, default_value_t = 16)]
    clients: u32,
    #[arg(long, global = true, default_value_t = 8)]
    conversations: u32,
    /// Unacknowledged messages of one client.
    #[arg(long, global = true, default_value_t = 20)]
    window: usize,
}

#[derive(Subcommand)]
enum Drill {
    /// `kill -9` of the server under load, restart, check.
    Crash {
        #[arg(long, default_value_t = 20)]
        kills: u32,
        #[arg(long, default_value_t = 100_000)]
        at_least_acked: u64,
        /// The control: builds a server that gets this wrong, and must report violations.
        #[arg(long)]
        planted_fault: Option<Planted>,
    },
    /// Cut the power of the file system under load, restart, check. Root only.
    Power {
        #[arg(long, default_value_t = 10)]
        cuts: u32,
        /// The control: SQLite with synchronous=NORMAL, which must show losses.
        #[arg(long)]
        relaxed: bool,
    },
    /// Shows that the checker tells every kind of fault.
    SelfTest {
        #[arg(long, default_value_t = 20)]
        rounds: u64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Planted {
    AckBeforeCommit,
    PublishBeforeCommit,
}

pub(crate) fn run(arguments: DrillArguments) -> super::Result {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    let plan = Plan {
        binary,
        base: arguments.base,
        faults: 0,
        seed,
        calm: Duration::from_secs_f64(arguments.calm_s),
        clients: arguments.clients,
        conversations: arguments.conversations,
        window: arguments.window,
        at_least_acked: 0,
        durability: "full".to_owned(),
        planted_fault: None,
    };
    let (title, report, expects_violations) = match arguments.drill {
        Drill::SelfTest { rounds } => return self_test(seed, rounds),
        Drill::Crash { kills, at_least_acked, planted_fault } => {
            let mut plan = Plan { faults: kills, at_least_acked, ..plan };
            if let Some(fault) = planted_fault {
                plan.binary = build_planted()?;
                plan.at_least_acked = 0;
                plan.planted_fault = fault.to_possible_value().map(|value| value.get_name().to_owned());
            }
            (
                "crash",
                super::run(async { crash::crash(&plan).await.map_err(|error| error.to_string()) })?,
                planted_fault.is_some(),
            )
        }
        Drill::Power { cuts, relaxed } => {
            let durability = if relaxed { "relaxed" } else { "full" }.to_owned();
            let plan = Plan { faults: cuts, durability, ..plan };
            (
                "power",
                super::run(async { crash::power(&plan).await.map_err(|error| error.to_string()) })?,
                relaxed,
            )
        }
    };
    print(title, seed, &report, arguments.json).map_err(|error| error.to_string())?;
    let as_expected = report.violations.is_empty() != expects_violations;
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(title: &str, seed: u64, report: &Report, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let object = serde_json::json!({ "drill": title, "seed": seed, "report": report });
        return writeln!(out, "{object}");
    }
    writeln!(out, "\ndrill {title} (seed {seed})\n{report}")
}

fn self_test(seed: u64, rounds: u64) -> super::Result {
    let mut faults = 0;
    for round in 0..rounds {
        faults += checker::self_test(seed.wrapping_add(round))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "the checker passed {rounds} correct histories and told {faults} planted faults (seed {seed})"
    )
    .map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the careless server beside the shipped one. It needs the source tree and cargo.
fn build_planted() -> Result<PathBuf, String> {
    let target = std::env::temp_dir().join("stonechat-planted-faults");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new("cargo")
        .args(["build", "--locked", "--release", "--features", "planted-faults", "--bin", "stonechat"])
        .args(["--manifest-path", manifest, "--target-dir"])
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo is needed to build the careless server: {error}"))?;
    if !status.success() {
        return Err("the careless server could not be built".to_owned());
    }
    Ok(target.join("release/stonechat"))
}
