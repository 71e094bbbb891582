//! People of a load run: users with tokens, and their sockets, spread over loopback addresses.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use stonechat_client::{ConnectOptions, Connection, Error, Received, Result};
use stonechat_wire::{ClientFrame, Connect, Control, Cursor, ServerFrame, UserId};

/// Somebody who can sign in.
#[derive(Clone, Debug)]
pub struct Person {
    pub user_id: UserId,
    pub token: String,
}

/// Sockets per local address. Few: the kernel searches a free port among those of an address, and with thousands
/// taken or in `TIME_WAIT` that search costs the load generator seconds in one system call after the other.
const PER_ADDRESS: usize = 500;

/// The loopback address of the n-th client: 127.x.0.2, 127.x.0.3 …, with an x of this process, so that one run does
/// not meet the ports that the run before it has just used.
pub fn local_address(n: usize) -> IpAddr {
    let of_process = u8::try_from(std::process::id() % 250).unwrap_or(0);
    let host = u16::try_from(2 + n / PER_ADDRESS).unwrap_or(u16::MAX);
    let [high, low] = host.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, of_process, high, low))
}

/// Opens a socket and says `connect`, no more.
///
/// # Errors
/// What the connection said.
pub async fn open(url: &str, n: usize, person: &Person, cursor: Option<Cursor>) -> Result<Connection> {
    let options = ConnectOptions {
        local_address: Some(local_address(n)),
        timeout: Duration::from_secs(60),
        ..ConnectOptions::default()
    };
    let connection = Connection::open(url, &options).await?;
    let frame = ClientFrame::Connect(Connect { token: Some(person.token.clone()), ticket: None, cursor });
    connection.send(&frame).await?;
    Ok(connection)
}

/// Opens a socket and returns when the server has said it is caught up, with the cursor it gave.
///
/// # Errors
/// What the connection or the server said.
pub async fn connect(
    url: &str,
    n: usize,
    person: &Person,
    cursor: Option<Cursor>,
) -> Result<(Connection, Cursor)> {
    let mut connection = open(url, n, person, cursor).await?;
    loop {
        match connection.recv().await? {
            Received::Frame(ServerFrame::Control(Control::Reset { cursor })) => {
                return Ok((connection, cursor));
            }
            Received::Frame(ServerFrame::Control(Control::Cursor { cursor, has_more: false })) => {
                return Ok((connection, cursor));
            }
            Received::Frame(_) => {}
            Received::Closed(closed) => {
                return Err(Error::from(std::io::Error::other(format!("{} {}", closed.code, closed.reason))));
            }
        }
    }
}

/// Opens many sockets, so many at a time.
///
/// # Errors
/// The first that failed.
pub async fn connect_all(url: &str, people: &[Person], at_a_time: usize) -> Result<Vec<Connection>> {
    let opened = connect_all_with_cursors(url, people, at_a_time).await?;
    Ok(opened.into_iter().map(|(connection, _)| connection).collect())
}

/// As [`connect_all`], with the cursor each was given.
///
/// # Errors
/// The first that failed.
pub async fn connect_all_with_cursors(
    url: &str,
    people: &[Person],
    at_a_time: usize,
) -> Result<Vec<(Connection, Cursor)>> {
    use futures_util::stream::{StreamExt, TryStreamExt};
    let opened = futures_util::stream::iter(people.iter().enumerate())
        .map(|(n, person)| connect(url, n, person, None))
        .buffered(at_a_time)
        .try_collect();
    opened.await
}
