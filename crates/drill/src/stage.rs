//! Stage: a server and the people of a load run: an own server on a fresh directory, or one that is running.

use std::path::{Path, PathBuf};

use stonechat_client::{Error, Rest, Result};
use stonechat_wire::{
    ConversationId, CreateBenchConversations, CreateBenchUsers, DeviceToken, Setup, UserId,
};

use crate::bench::people::Person;
use crate::process::{Server, ServerOptions};

/// Where a run takes place.
pub struct Stage {
    pub admin: Rest,
    pub url: String,
    pub pid: Option<u32>,
    server: Option<Server>,
    directory: Option<PathBuf>,
    prefix: u64,
    /// Renews the admin's access token, which lives for ten minutes only.
    refresh_token: Option<String>,
}

/// People made by one request.
const AT_ONCE: usize = 5_000;
/// Groups made by one request: the body stays under its limit.
const GROUPS_AT_ONCE: usize = 500;

impl Stage {
    /// Starts a server of our own under `base`, in a fresh directory that goes with the stage.
    ///
    /// # Errors
    /// When it does not start or cannot be set up.
    pub async fn own(binary: &Path, base: &Path, arguments: &[&str]) -> Result<Self> {
        let directory = base.join(format!("stonechat-run-{}-{}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir_all(&directory)?;
        let options = ServerOptions {
            binary: binary.to_owned(),
            data: directory.join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
        };
        let server = Server::start(options).await?;
        let mut stage = Self::at(server).await?;
        stage.directory = Some(directory);
        Ok(stage)
    }

    /// A server that was just started on empty data: becomes its admin.
    ///
    /// # Errors
    /// When it is set up already.
    pub async fn at(server: Server) -> Result<Self> {
        let rest = Rest::new(server.url())?;
        let key = server.setup_key().ok_or_else(|| std::io::Error::other("the server is set up already"))?;
        let setup = Setup {
            key: key.to_owned(),
            server_name: "Load".to_owned(),
            name: "Load".to_owned(),
            handle: "load".to_owned(),
            password: format!("load {}", rand::random::<u64>()),
            device_name: Some("load".to_owned()),
        };
        let signed_in = rest.setup(&setup).await?;
        Ok(Self {
            admin: rest.with_token(signed_in.access_token),
            url: server.url().to_owned(),
            pid: Some(server.pid()),
            server: Some(server),
            directory: None,
            prefix: 0,
            refresh_token: Some(signed_in.refresh_token),
        })
    }

    /// A server that runs already, by an admin's token. Its process is not measured.
    ///
    /// # Errors
    /// When the address is none.
    pub fn running(url: &str, token: &str) -> Result<Self> {
        Ok(Self {
            admin: Rest::new(url)?.with_token(token),
            url: url.to_owned(),
            pid: None,
            server: None,
            directory: None,
            prefix: u64::from(rand::random::<u32>()),
            refresh_token: None,
        })
    }

    async fn renew(&mut self) -> Result<()> {
        if let Some(token) = &self.refresh_token {
            let signed_in = self.admin.refresh(token).await?;
            self.admin = self.admin.with_token(signed_in.access_token);
            self.refresh_token = Some(signed_in.refresh_token);
        }
        Ok(())
    }

    /// New people.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn people(&mut self, count: usize) -> Result<Vec<Person>> {
        self.renew().await?;
        let mut people = Vec::with_capacity(count);
        while people.len() < count {
            self.prefix += 1;
            let wanted = CreateBenchUsers {
                count: u32::try_from((count - people.len()).min(AT_ONCE)).unwrap_or(u32::MAX),
                prefix: format!("b{}", self.prefix),
            };
            let made = self.admin.create_bench_users(&wanted).await?.users;
            people
                .extend(made.into_iter().map(|DeviceToken { user_id, token, .. }| Person { user_id, token }));
        }
        Ok(people)
    }

    /// New groups of people.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn groups(&mut self, groups: &[Vec<UserId>]) -> Result<Vec<ConversationId>> {
        self.renew().await?;
        let mut made = Vec::with_capacity(groups.len());
        for some in groups.chunks(GROUPS_AT_ONCE) {
            let wanted = CreateBenchConversations { conversations: some.to_vec() };
            made.extend(self.admin.create_bench_conversations(&wanted).await?.conversation_ids);
        }
        Ok(made)
    }

    /// The server itself, where it is ours.
    ///
    /// # Errors
    /// When it is not.
    pub fn take_server(&mut self) -> Result<Server> {
        self.server.take().ok_or_else(|| Error::from(std::io::Error::other("this server is not ours to end")))
    }

    pub fn put_server(&mut self, server: Server) {
        self.pid = Some(server.pid());
        self.server = Some(server);
    }

    pub fn data(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("data"))
    }

    /// How long the server took from its start to the first good answer of `/ready`.
    pub fn ready_in(&self) -> Option<std::time::Duration> {
        self.server.as_ref().map(|server| server.ready_in)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The server goes first; its directory after it.
        drop(self.server.take());
        if let Some(directory) = &self.directory {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}
