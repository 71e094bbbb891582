//! stonechat: one binary with verbs.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stonechat_server::config::{LogFormat, Settings};
use stonechat_server::serve;

mod verbs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-hosted real-time chat: an acknowledged message is on disk, stands in one place, and is shown once.
#[derive(Parser)]
#[command(name = "stonechat", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the API, the live connections and the web page.
    Serve(Box<Settings>),
    /// Bring in messages of another system: `stonechat import forum.ndjson.zst`.
    Import(verbs::ImportArguments),
    /// What an operator does by hand.
    Admin(verbs::AdminArguments),
    /// Load on a server, measured from outside: `stonechat bench direct --json`.
    Bench(verbs::bench::BenchArguments),
    /// Faults on purpose, and a checker over what clients saw: `stonechat drill crash --kills 20`.
    Drill(verbs::drill::DrillArguments),
}

/// The exit code of a server whose store cannot go on.
const STORE_FAILED: u8 = 70;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.verb {
        Verb::Serve(settings) => run_server(*settings),
        Verb::Import(arguments) => verbs::import(arguments),
        Verb::Admin(arguments) => verbs::admin(arguments),
        Verb::Bench(arguments) => verbs::bench::run(arguments),
        Verb::Drill(arguments) => verbs::drill::run(arguments),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "stonechat: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run_server(settings: Settings) -> Result<ExitCode, String> {
    log_to_stderr(settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async move {
        let data = settings.data.display().to_string();
        let server = serve::start(settings).await.map_err(|error| error.to_string())?;
        announce(&server, &data);
        tokio::select! {
            () = stop_signal() => {
                tracing::info!(connections = server.connections(), "stopping");
                server.stop().await;
                Ok(ExitCode::SUCCESS)
            }
            // Nobody knows what is on disk: no further answer, no clean close.
            () = server.failed() => Ok(ExitCode::from(STORE_FAILED)),
        }
    })
}

fn announce(server: &serve::Server, data: &str) {
    let mut out = std::io::stdout().lock();
    let version = env!("CARGO_PKG_VERSION");
    let ready = server.started_in.as_secs_f64();
    // A terminal gets lines for people; a pipe the same facts on one line each.
    let _ = writeln!(out, "stonechat {version}   data {data}");
    if let Some(link) = &server.setup_link {
        let _ = writeln!(
            out,
            "\n  open this once to create the first admin (valid 30 min, one use)\n  → {link}\n"
        );
    }
    let _ = writeln!(out, "  web        http://{}", server.address);
    let _ = writeln!(out, "ready in {ready:.2} s · Ctrl+C stops");
    let _ = out.flush();
}

async fn stop_signal() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("STONECHAT_LOG_FILTER")
        .from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
}
