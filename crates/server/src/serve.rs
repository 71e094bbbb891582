//! Serve: starts a server and stops it: data directory, store, rooms, doors.
//!
//! What follows from a commit stands in [`start`], on one screen: the writer hands it to the router's queue, whose task
//! offers it to sessions; sync, pages and lists read it from the log. Invariant: one process per data directory.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use stonechat_store::writer::Settings as WriterSettings;
use stonechat_store::{Durability, Readers, Store, Writer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Rooms};
use crate::auth::Auth;
use crate::config::{LOCK_FILE, Settings};
use crate::conversation::Conversations;
use crate::presence::Presence;
use crate::router::{self, Router};
use crate::typing::Typing;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Settings(#[from] crate::config::Nonsense),
    #[error(
        "the data directory {directory} is in use by process {pid}: stop that one first, or choose another directory \
         with --data"
    )]
    Held { directory: String, pid: String },
    #[error("the data directory {directory} cannot be used: {source}")]
    Directory { directory: String, source: std::io::Error },
    #[error("port {address} cannot be opened: {source}; choose another with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the store cannot be opened: {}", .0.chain())]
    Store(#[from] stonechat_store::Error),
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    /// The one-use link of the first admin, while there are no users.
    pub setup_link: Option<String>,
    pub started_in: Duration,
    app: App,
    tasks: JoinSet<()>,
    writer_thread: std::thread::JoinHandle<()>,
    fatal: CancellationToken,
    _lock: DataLock,
}

/// How long a stop may take: told clients leave, what waits is written.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Clients told to come back are spread over this.
const RETURN_SPREAD: Duration = Duration::from_secs(20);
/// Kernel memory for what a reader has not taken; Linux doubles it.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// A request's header must be there within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BACKLOG: u32 = 4_096;

/// Starts a server; it serves from the moment this returns.
///
/// # Errors
/// [`Error`], which says what to do.
pub async fn start(settings: Settings) -> Result<Server, Error> {
    let began = tokio::time::Instant::now();
    settings.check()?;
    #[cfg(feature = "planted-faults")]
    plant(settings.planted_fault);
    let lock = DataLock::take(&settings.data)?;
    let store = Store::open(&settings.data, settings.durability())?;
    let readers = Readers::new(&store);

    // What follows from a commit: answers to who waits, and the router, which offers it to sessions.
    let fatal = CancellationToken::new();
    let (commits, waiting_commits) = tokio::sync::mpsc::channel(router::MAX_WAITING_COMMITS);
    let on_fatal = fatal.clone();
    let started = Writer::start(
        &store,
        WriterSettings { edit_window: settings.edit_window() },
        Box::new(move |commit| {
            // The router is gone only when the server stops; the log holds everything.
            drop(commits.blocking_send(commit));
        }),
        Box::new(move |_| on_fatal.cancel()),
    )?;
    let writer = started.writer;
    let router = Router::new(started.vector, settings.heartbeat_s, settings.heartbeat_timeout_s);
    let presence = Presence::new(readers.clone(), writer.clone(), router.clone(), settings.presence_ttl_s);
    let typing = Typing::new(readers.clone(), router.clone());
    let auth = Arc::new(Auth::open(&settings, readers.clone(), writer.clone()).await?);

    let mut tasks = JoinSet::new();
    tasks.spawn(
        router::Task {
            router: router.clone(),
            commits: waiting_commits,
            readers: readers.clone(),
            presence: presence.clone(),
            typing: typing.clone(),
            batch_window: settings.batch_window(),
            relaxed: store.durability() == Durability::Relaxed,
        }
        .run(),
    );
    tasks.spawn(presence.clone().tell(settings.batch_window()));
    tasks.spawn(typing.clone().expire());

    let listener = listen(settings.listen)?;
    let address =
        listener.local_addr().map_err(|source| Error::Listen { address: settings.listen, source })?;
    let setup_link = auth.setup_link(address).await?;
    let conversations = Conversations::new(writer.clone(), readers.clone(), &settings);
    let stop = CancellationToken::new();
    let rooms = Rooms {
        settings,
        store,
        writer,
        readers,
        auth,
        #[cfg(feature = "test-hooks")]
        hooks: router.hooks(),
        router,
        conversations,
        presence,
        typing,
        stop,
    };
    let app = App(Arc::new(rooms));
    tasks.spawn(accept(app.clone(), listener));
    Ok(Server {
        address,
        setup_link,
        started_in: began.elapsed(),
        app,
        tasks,
        writer_thread: started.thread,
        fatal,
        _lock: lock,
    })
}

#[cfg(feature = "planted-faults")]
fn plant(fault: Option<crate::config::PlantedFault>) {
    use stonechat_store::writer::planted::{Fault, plant};
    match fault {
        Some(crate::config::PlantedFault::AckBeforeCommit) => plant(Fault::AckBeforeCommit),
        Some(crate::config::PlantedFault::PublishBeforeCommit) => plant(Fault::PublishBeforeCommit),
        None => {}
    }
}

impl Server {
    /// Ends when the store cannot go on; the process must then end without another answer.
    pub async fn failed(&self) {
        self.fatal.cancelled().await;
    }

    pub fn connections(&self) -> usize {
        self.app.router.session_count()
    }

    /// Stops accepting, tells clients when to come back, writes what waits, closes the store.
    pub async fn stop(mut self) {
        self.app.stop.cancel();
        self.app.router.going_away(RETURN_SPREAD);
        let deadline = tokio::time::Instant::now() + STOP_DEADLINE;
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while self.app.router.session_count() > 0 && tokio::time::Instant::now() < deadline {
            look.tick().await;
        }
        self.app.presence.keep_last_seen().await;
        self.app.writer.stop();
        let thread = self.writer_thread;
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the writer did not end cleanly");
        }
        self.tasks.shutdown().await;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let open = || {
        let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| Error::Listen { address, source })
}

async fn accept(app: App, listener: TcpListener) {
    let routes = crate::page::routes().merge(crate::rest::routes()).with_state(app.clone());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = app.stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve_connection(app.clone(), routes.clone(), stream, peer));
                }
                Err(error) => {
                    // Out of files, or the peer was gone already: the next one may do.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    drop(listener);
    // Requests under way are answered; streams end with their sessions.
    let drain = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_DEADLINE, drain).await.is_err() {
        tracing::warn!("some requests were cut off by the stop");
    }
}

async fn serve_connection(app: App, routes: axum::Router, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let service = TowerToHyperService::new(routes.layer(axum::Extension(peer)));
    #[cfg(feature = "test-hooks")]
    let service = crate::test_hooks::door::Door::new(app.hooks.clone(), service);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = app.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Holds the data directory for one process, by a lock that the system releases when the process ends.
struct DataLock {
    _file: File,
}

impl DataLock {
    fn take(directory: &Path) -> Result<Self, Error> {
        let problem = |source| Error::Directory { directory: directory.display().to_string(), source };
        make_private(directory).map_err(problem)?;
        let path = directory.join(LOCK_FILE);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&path).map_err(problem)?;
        if file.try_lock().is_err() {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(problem)?;
            return Err(Error::Held {
                directory: directory.display().to_string(),
                pid: pid.trim().to_owned(),
            });
        }
        file.set_len(0).map_err(problem)?;
        writeln!(file, "{}", std::process::id()).map_err(problem)?;
        Ok(Self { _file: file })
    }
}

/// Takes the lock of a data directory for a verb that works on it without a server.
///
/// # Errors
/// [`Error::Held`] while a server runs on it.
pub fn lock(directory: &Path) -> Result<impl Sized, Error> {
    DataLock::take(directory)
}

/// A new set-up link for a data directory that no server holds; `None`: there is an admin already.
///
/// # Errors
/// [`Error::Held`] while a server runs on it; a failure of the store.
pub async fn new_setup_link(directory: &Path, url: &str) -> Result<Option<String>, Error> {
    let _lock = DataLock::take(directory)?;
    let store = Store::open(directory, Durability::Full)?;
    let settings = Settings { url: Some(url.to_owned()), ..Settings::default() };
    let writer_settings = WriterSettings { edit_window: settings.edit_window() };
    let started = Writer::start(&store, writer_settings, Box::new(|_| ()), Box::new(|_| ()))?;
    let auth = Auth::open(&settings, Readers::new(&store), started.writer.clone()).await?;
    let link = auth.setup_link(settings.listen).await;
    started.writer.stop();
    if started.thread.join().is_err() {
        tracing::error!("the writer did not end cleanly");
    }
    Ok(link?)
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if directory.is_dir() {
        return std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700));
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
