//! Verbs: what the one binary does besides serving.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use stonechat_server::import as forum;
use stonechat_server::serve;

pub(crate) mod bench;
pub(crate) mod drill;

type Result = std::result::Result<ExitCode, String>;

#[derive(Args)]
pub(crate) struct ImportArguments {
    /// NDJSON, plain or zstd, with the fields id, channel, thread, sender, sent_at, text.
    file: PathBuf,
    /// Directory of the database; no server may hold it.
    #[arg(long, env = "STONECHAT_DATA", default_value = "./stonechat-data")]
    data: PathBuf,
    /// Only the first so many messages, but all people and channels.
    #[arg(long)]
    messages: Option<usize>,
    /// Print one JSON object instead of a summary for people.
    #[arg(long)]
    json: bool,
}

pub(crate) fn import(arguments: ImportArguments) -> Result {
    let ImportArguments { file, data, messages, json } = arguments;
    let summary =
        run(async { forum::run(&file, &data, messages, json).await.map_err(|error| error.to_string()) })?;
    let mut out = std::io::stdout().lock();
    let printed = if json {
        let text = serde_json::to_string(&summary).map_err(|error| error.to_string())?;
        writeln!(out, "{text}")
    } else {
        let forum::Summary { channels, threads, people, messages, repeated, skipped, first_problem, took_s } =
            summary;
        let again = if repeated > 0 { format!(" ({repeated} were there already)") } else { String::new() };
        let problem = first_problem
            .map_or_else(String::new, |problem| format!("\n  skipped {skipped} lines; the first: {problem}"));
        writeln!(
            out,
            "imported {messages} messages{again} in {threads} threads of {channels} channels by {people} people \
             in {took_s:.1} s{problem}"
        )
    };
    printed.map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    verb: AdminVerb,
}

#[derive(Subcommand)]
enum AdminVerb {
    /// Print a new set-up link, while there is no admin; the one before works no more.
    SetupLink {
        /// Directory of the database; no server may hold it (a server prints a link when it starts).
        #[arg(long, env = "STONECHAT_DATA", default_value = "./stonechat-data")]
        data: PathBuf,
        /// The address people will reach the server at.
        #[arg(long, env = "STONECHAT_URL", default_value = "http://127.0.0.1:8440")]
        url: String,
    },
}

pub(crate) fn admin(arguments: AdminArguments) -> Result {
    let AdminVerb::SetupLink { data, url } = arguments.verb;
    let link = run(async { serve::new_setup_link(&data, &url).await.map_err(|error| error.to_string()) })?;
    let mut out = std::io::stdout().lock();
    match link {
        Some(link) => {
            writeln!(out, "open this once to create the first admin (valid 30 min, one use)\n→ {link}")
                .map_err(|error| error.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        None => Err("there is an admin already; sign in, or ask them for an invitation".to_owned()),
    }
}

/// Runs a verb on a runtime of its own. One thread: what is measured beside it keeps its core.
fn run<T>(work: impl Future<Output = std::result::Result<T, String>>) -> std::result::Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
}
