//! Process: a server of our own, started, watched and ended. It never outlives the run that started it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use stonechat_client::Rest;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub binary: PathBuf,
    pub data: PathBuf,
    /// Port 0 chooses a free one.
    pub listen: SocketAddr,
    /// After `serve --listen … --data …`.
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// A running server.
pub struct Server {
    child: Child,
    pid: u32,
    url: String,
    setup_key: Option<String>,
    /// From the start of the process to the first good answer of `/ready`.
    pub ready_in: Duration,
    options: ServerOptions,
}

/// A start that takes longer has failed.
const START_DEADLINE: Duration = Duration::from_secs(30);

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When the process does not start or is not ready in time.
    pub async fn start(mut options: ServerOptions) -> std::io::Result<Self> {
        if options.listen.port() == 0 {
            options.listen = free_address(options.listen)?;
        }
        let began = Instant::now();
        let mut child = Command::new(&options.binary)
            .arg("serve")
            .args(["--listen", &options.listen.to_string()])
            .arg("--data")
            .arg(&options.data)
            .args(["--log", "json"])
            .args(&options.arguments)
            .envs(options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or_else(|| std::io::Error::other("the server ended at once"))?;
        let setup_key = said_key(&mut child).await?;
        let url = format!("http://{}", options.listen);
        let rest = Rest::new(&url).map_err(std::io::Error::other)?;
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while rest.ready().await.is_err() {
            if began.elapsed() > START_DEADLINE {
                return Err(std::io::Error::other("the server was not ready in time"));
            }
            look.tick().await;
        }
        Ok(Self { child, pid, url, setup_key, ready_in: began.elapsed(), options })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The key of the set-up link, while there is no admin.
    pub fn setup_key(&self) -> Option<&str> {
        self.setup_key.as_deref()
    }

    /// What this server was started with; another one with it takes its place.
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }

    /// SIGKILL: as a crash or the kernel's out-of-memory killer would.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill(mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    /// SIGTERM, then waits; after the deadline SIGKILL. `true`: it ended by itself, with success.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn stop(mut self, deadline: Duration) -> std::io::Result<bool> {
        let pid = self.pid.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        match tokio::time::timeout(deadline, self.child.wait()).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => {
                self.child.kill().await?;
                Ok(false)
            }
        }
    }
}

/// Reads what the server says until it is ready; the set-up link is in it.
async fn said_key(child: &mut Child) -> std::io::Result<Option<String>> {
    let stdout = child.stdout.take().ok_or_else(|| std::io::Error::other("no output to read"))?;
    let mut lines = BufReader::new(stdout).lines();
    let mut key = None;
    let read = async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, found)) = line.split_once("/setup#k=") {
                key = Some(found.trim().to_owned());
            }
            if line.starts_with("ready") {
                return Ok(());
            }
        }
        Err(std::io::Error::other("the server ended before it was ready"))
    };
    tokio::time::timeout(START_DEADLINE, read)
        .await
        .map_err(|_| std::io::Error::other("the server said nothing"))??;
    Ok(key)
}

fn free_address(wanted: SocketAddr) -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(wanted)?.local_addr()
}
