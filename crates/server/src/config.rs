//! Config: the settings of a server, read once from flags and environment; nonsense is refused before a port opens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// What `stonechat serve` can be told. Flags win over the environment.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address and port to serve on; loopback unless another is asked for.
    #[arg(long, env = "STONECHAT_LISTEN", default_value = "127.0.0.1:8440")]
    pub listen: SocketAddr,

    /// Directory of the database and keys; made when absent.
    #[arg(long, env = "STONECHAT_DATA", default_value = "./stonechat-data")]
    pub data: PathBuf,

    /// Whether acknowledged messages survive the loss of power.
    #[arg(long, env = "STONECHAT_DURABILITY", default_value = "full")]
    pub durability: DurabilitySetting,

    /// Serve plain HTTP on an address that is not loopback.
    #[arg(long, env = "STONECHAT_INSECURE_HTTP")]
    pub insecure_http: bool,

    /// A reverse proxy in front of this server speaks TLS to the world.
    #[arg(long, env = "STONECHAT_BEHIND_PROXY")]
    pub behind_proxy: bool,

    /// The address people use, for links and the Origin check (`https://chat.example.org`).
    #[arg(long, env = "STONECHAT_URL")]
    pub url: Option<String>,

    /// How logs are written; `auto`: for people on a terminal, JSON otherwise.
    #[arg(long, env = "STONECHAT_LOG", default_value = "auto")]
    pub log: LogFormat,

    /// `bench` lifts the limits of load runs.
    #[arg(long, env = "STONECHAT_LIMITS", default_value = "default")]
    pub limits: LimitsSetting,

    /// How long a message may be edited, in seconds.
    #[arg(long, env = "STONECHAT_EDIT_WINDOW_S", default_value_t = 900)]
    pub edit_window_s: u64,

    /// How often the server sends a heartbeat, in seconds; clients are told.
    #[arg(long, env = "STONECHAT_HEARTBEAT_S", default_value_t = 25)]
    pub heartbeat_s: u32,

    /// A connection from which nothing came for so long is closed, in seconds.
    #[arg(long, env = "STONECHAT_HEARTBEAT_TIMEOUT_S", default_value_t = 35)]
    pub heartbeat_timeout_s: u32,

    /// How long somebody without a sign of life still counts as online, in seconds.
    #[arg(long, env = "STONECHAT_PRESENCE_TTL_S", default_value_t = 60)]
    pub presence_ttl_s: u32,

    /// Builds of the crash drill only: what the server is to get wrong.
    #[cfg(feature = "planted-faults")]
    #[arg(long)]
    pub planted_fault: Option<PlantedFault>,

    /// Presence changes and receipts are gathered for so long, in milliseconds.
    #[arg(long, env = "STONECHAT_BATCH_WINDOW_MS", default_value_t = 5_000)]
    pub batch_window_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilitySetting {
    Full,
    Relaxed,
}

#[cfg(feature = "planted-faults")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlantedFault {
    AckBeforeCommit,
    PublishBeforeCommit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Auto,
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsSetting {
    Default,
    Bench,
}

/// Why a server does not start with these settings.
#[derive(Debug, thiserror::Error)]
pub enum Nonsense {
    #[error(
        "{0} is not a loopback address, and passwords must not cross a network in the clear: put a TLS proxy in front \
         and say --behind-proxy, or say --insecure-http to accept the risk (built-in TLS is not there yet)"
    )]
    PublicWithoutTls(SocketAddr),
    #[error("the heartbeat timeout ({timeout} s) must be longer than the heartbeat ({heartbeat} s)")]
    TimeoutTooShort { heartbeat: u32, timeout: u32 },
    #[error("--heartbeat-s must be at least 1")]
    NoHeartbeat,
    #[error("--url must begin with http:// or https:// and end without a slash")]
    Url,
}

impl Settings {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// [`Nonsense`], with what to do instead.
    pub fn check(&self) -> Result<(), Nonsense> {
        if !self.listen.ip().is_loopback() && !self.insecure_http && !self.behind_proxy {
            return Err(Nonsense::PublicWithoutTls(self.listen));
        }
        if self.heartbeat_s == 0 {
            return Err(Nonsense::NoHeartbeat);
        }
        if self.heartbeat_timeout_s <= self.heartbeat_s {
            return Err(Nonsense::TimeoutTooShort {
                heartbeat: self.heartbeat_s,
                timeout: self.heartbeat_timeout_s,
            });
        }
        if let Some(url) = &self.url
            && (!(url.starts_with("http://") || url.starts_with("https://")) || url.ends_with('/'))
        {
            return Err(Nonsense::Url);
        }
        Ok(())
    }

    /// Whether people reach this server by HTTPS.
    pub fn is_https(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    pub fn edit_window(&self) -> Duration {
        Duration::from_secs(self.edit_window_s)
    }

    pub fn batch_window(&self) -> Duration {
        Duration::from_millis(self.batch_window_ms)
    }

    pub fn durability(&self) -> stonechat_store::Durability {
        match self.durability {
            DurabilitySetting::Full => stonechat_store::Durability::Full,
            DurabilitySetting::Relaxed => stonechat_store::Durability::Relaxed,
        }
    }
}

impl Default for Settings {
    /// As `serve` without flags and environment.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8440)),
            data: PathBuf::from("./stonechat-data"),
            durability: DurabilitySetting::Full,
            insecure_http: false,
            behind_proxy: false,
            url: None,
            log: LogFormat::Auto,
            limits: LimitsSetting::Default,
            edit_window_s: 900,
            heartbeat_s: 25,
            heartbeat_timeout_s: 35,
            presence_ttl_s: 60,
            #[cfg(feature = "planted-faults")]
            planted_fault: None,
            batch_window_ms: 5_000,
        }
    }
}

/// The file in the data directory that says which process holds it.
pub const LOCK_FILE: &str = "stonechat.lock";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn op_02_a_public_address_needs_a_word() {
        let public = SocketAddr::from(([192, 0, 2, 1], 80));
        let text = refusal(|settings| settings.listen = public);
        assert!(
            text.contains("--behind-proxy") && text.contains("--insecure-http") && text.contains("TLS"),
            "{text}"
        );
        assert_eq!(refusal(|settings| (settings.listen, settings.insecure_http) = (public, true)), "");
        assert_eq!(refusal(|settings| (settings.listen, settings.behind_proxy) = (public, true)), "");
        assert_eq!(refusal(|_| ()), "");
    }

    #[test]
    fn heartbeats_and_urls_that_cannot_be_meant() {
        assert!(refusal(|settings| settings.heartbeat_s = 0).contains("at least 1"));
        assert!(refusal(|settings| settings.heartbeat_timeout_s = 25).contains("longer"));
        assert!(refusal(|settings| settings.url = Some("chat.example.org".into())).contains("http"));
    }
}
