//! Limits: what this machine can do at all, measured beside a run so that figures can be told as ratios.
//!
//! A raw TCP broadcast from one thread, the latency of fdatasync, and SQLite alone writing the rows of our own
//! transaction.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use hdrhistogram::Histogram;
use rusqlite::Connection;
use stonechat_wire::{
    ClientId, ConversationId, DeviceId, Event, EventBody, Mentions, MessageBody, MessageId, Seq, Timestamp,
    UserId, websocket,
};
use tokio::time::Instant;

use crate::stats::millis;

const SCHEMA: &str = include_str!("../../store/src/migrations/0001_the_log.sql");
/// How long each bound is measured.
const MEASURE: Duration = Duration::from_secs(2);
const CONVERSATIONS: u32 = 100;
/// The store's own measure starts over after so many messages: the log file stays small.
const CHECKPOINT_EVERY: u32 = 4_000;

/// The length of the server's own frame for a message of 100 bytes, headers and all: what the raw loop must send.
///
/// # Errors
/// When it cannot be encoded.
pub fn message_frame_bytes() -> std::io::Result<usize> {
    let conversation_id = ConversationId::new();
    // Figures as wide as those of a server that has been running for a while.
    let seq = Seq(100_000);
    let event = Event {
        conversation_id,
        seq,
        ordinal: seq.0,
        from: UserId::new(),
        sender_device: Some(DeviceId::new()),
        client_id: Some(ClientId::new()),
        timestamp: Timestamp(1_767_225_600_125),
        body: EventBody::Message(MessageBody {
            message_id: MessageId::of(conversation_id, seq),
            content: "x".repeat(crate::bench::TEXT_BYTES),
            content_type: "text/markdown".to_owned(),
            metadata: None,
            reply_to: None,
            thread: None,
            thread_ordinal: None,
            mentions: Mentions::default(),
            version: BTreeMap::new(),
            deleted: false,
        }),
    };
    let mut frame = BytesMut::new();
    websocket::put_text(&mut frame, &serde_json::to_vec(&event)?);
    Ok(frame.len())
}

/// One frame per write to each of `connections` sockets from one thread, or `frames` of them at once: deliveries a
/// second, as the receivers count them.
///
/// # Errors
/// When sockets cannot be opened.
pub fn raw_broadcast(connections: usize, frame_bytes: usize, frames: usize) -> std::io::Result<f64> {
    let (mut sockets, readers) = pairs(connections)?;
    let received = Arc::new(AtomicU64::new(0));
    let counted = received.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let receivers = std::thread::spawn(move || runtime.block_on(receive(readers, counted)));
    let payload = vec![b'x'; frame_bytes * frames];
    let began = Instant::now();
    while began.elapsed() < MEASURE {
        for socket in &mut sockets {
            socket.write_all(&payload)?;
        }
    }
    let took = began.elapsed();
    let bytes = received.load(Ordering::Relaxed);
    // Every reader comes to its end.
    drop(sockets);
    receivers.join().map_err(|_| std::io::Error::other("the receivers panicked"))??;
    Ok(bytes as f64 / frame_bytes as f64 / took.as_secs_f64())
}

/// Connected sockets: those that write, and their other ends. One after the other, so that none waits for another.
fn pairs(count: usize) -> std::io::Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let mut writers = Vec::with_capacity(count);
    let mut readers = Vec::with_capacity(count);
    for _ in 0..count {
        readers.push(TcpStream::connect(address)?);
        let (writer, _) = listener.accept()?;
        writer.set_nodelay(true)?;
        writers.push(writer);
    }
    Ok((writers, readers))
}

/// Counts bytes until every socket has come to its end.
async fn receive(sockets: Vec<TcpStream>, received: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for socket in sockets {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpStream::from_std(socket)?;
        let received = received.clone();
        tasks.spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while socket.readable().await.is_ok() {
                match socket.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => {
                        received.fetch_add(count as u64, Ordering::Relaxed);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Latency of fdatasync after appending 4 KiB: median and 99th percentile in milliseconds.
///
/// # Errors
/// When the file cannot be written.
pub fn fdatasync(directory: &Path) -> std::io::Result<(f64, f64)> {
    let path = directory.join("limits.fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let mut histogram = crate::bench::direct::histogram();
    for _ in 0..500 {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        histogram.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    std::fs::remove_file(path)?;
    Ok(quantiles(&histogram))
}

fn quantiles(histogram: &Histogram<u64>) -> (f64, f64) {
    (millis(histogram, 0.5), millis(histogram, 0.99))
}

/// Messages a second of SQLite alone with the rows of our transaction, in batches of `batch`, a checkpoint thread beside.
///
/// # Errors
/// When the database cannot be written.
pub fn bare_store(directory: &Path, batch: u32) -> Result<f64, rusqlite::Error> {
    let path = directory.join("limits.db");
    let open = || -> Result<Connection, rusqlite::Error> {
        let sql = Connection::open(&path)?;
        sql.query_row("pragma journal_mode = wal", [], |_| Ok(()))?;
        sql.pragma_update(None, "synchronous", "full")?;
        sql.pragma_update(None, "wal_autocheckpoint", 0)?;
        sql.pragma_update(None, "cache_size", -16_384)?;
        sql.busy_timeout(Duration::from_secs(5))?;
        Ok(sql)
    };
    let sql = open()?;
    sql.execute_batch(SCHEMA)?;
    prepare_rows(&sql)?;
    let checkpointing = open()?;
    let (wanted, waiting) = std::sync::mpsc::sync_channel::<()>(1);
    let checkpointer = std::thread::spawn(move || {
        while waiting.recv().is_ok() {
            drop(checkpointing.pragma(None, "wal_checkpoint", "passive", |_| Ok(())));
        }
    });
    let (mut messages, mut position) = (0_u32, 0_i64);
    let mut seqs = vec![0_i64; CONVERSATIONS as usize];
    let began = Instant::now();
    while began.elapsed() < MEASURE {
        write_batch(&sql, batch, &mut messages, &mut position, &mut seqs)?;
        if messages % CHECKPOINT_EVERY < batch {
            let _ = wanted.try_send(());
            drop(sql.pragma(None, "wal_checkpoint", "passive", |_| Ok(())));
        }
    }
    let rate = f64::from(messages) / began.elapsed().as_secs_f64();
    drop(wanted);
    drop(checkpointer.join());
    drop(sql);
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(directory.join(format!("limits.db{suffix}"))));
    }
    Ok(rate)
}

fn prepare_rows(sql: &Connection) -> Result<(), rusqlite::Error> {
    sql.execute_batch("begin; insert into origins (id, position, started_at) values (1, 0, 0)")?;
    for key in 1..=CONVERSATIONS {
        sql.execute(
            "insert into conversations (key, id, kind, history_since_join, created_at, updated_at, member_count, \
             last_seq, ordinal, head_origin, head_position) values (?1, ?2, 1, 1, 0, 0, 2, 0, 0, 1, 0)",
            (key, uuid::Uuid::now_v7().as_bytes().as_slice()),
        )?;
        sql.execute(
            "insert into members (conversation, user, role, joined_seq, joined_at, read_seq, read_ordinal) \
             values (?1, ?1, 0, 0, 0, 0, 0)",
            [key],
        )?;
    }
    sql.execute_batch("commit")
}

/// The rows of one transaction of the writer: request, text and event per message, head and member per conversation,
/// and the origin.
fn write_batch(
    sql: &Connection,
    batch: u32,
    messages: &mut u32,
    position: &mut i64,
    seqs: &mut [i64],
) -> Result<(), rusqlite::Error> {
    let text = "x".repeat(crate::bench::TEXT_BYTES);
    sql.prepare_cached("begin immediate")?.execute([])?;
    for _ in 0..batch {
        let conversation = *messages % CONVERSATIONS;
        *messages += 1;
        *position += 1;
        let seq = &mut seqs[conversation as usize];
        *seq += 1;
        let client_id = uuid::Uuid::now_v7();
        let key = conversation + 1;
        sql.prepare_cached(
            "insert into requests (device, client_id, conversation, seq, body_hash, created_at) \
             values (?1, ?2, ?1, ?3, ?4, ?5) on conflict (client_id, device) do nothing",
        )?
        .execute((
            key,
            client_id.as_bytes().as_slice(),
            *seq,
            *position * 7_919,
            1_700_000_000_000_i64,
        ))?;
        sql.prepare_cached(
            "insert into versions (conversation, message_seq, seq, content) values (?1, ?2, ?2, ?3)",
        )?
        .execute((key, *seq, &text))?;
        sql.prepare_cached(
            "insert into events (conversation, seq, origin, position, kind, sender, device, client_id, created_at, \
             ordinal, version) values (?1, ?2, 1, ?3, 0, ?1, ?1, ?4, ?5, ?2, ?3)",
        )?
        .execute((key, *seq, *position, client_id.as_bytes().as_slice(), 1_700_000_000_000_i64))?;
    }
    for (at, seq) in seqs.iter().enumerate().take(batch.min(CONVERSATIONS) as usize) {
        let key = at as u32 + 1;
        sql.prepare_cached(
            "update conversations set updated_at = ?2, last_seq = ?3, ordinal = ?3, last_message_seq = ?3, \
             head_position = ?4 where key = ?1",
        )?
        .execute((key, 1_700_000_000_000_i64, seq, *position))?;
        sql.prepare_cached(
            "update members set own_total = ?2, last_spoke_seq = ?2 where conversation = ?1 and user = ?1",
        )?
        .execute((key, seq))?;
    }
    sql.prepare_cached("update origins set position = ?1 where id = 1 and closing is null")?
        .execute([*position])?;
    sql.execute_batch("commit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_loop_sends_frames_of_our_length() {
        let bytes = message_frame_bytes().unwrap();
        assert!((400..600).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn every_connection_of_the_raw_loop_has_its_other_end() {
        let (mut writers, mut readers) = pairs(3).unwrap();
        for (number, writer) in (0_u8..).zip(&mut writers) {
            writer.write_all(&[number]).unwrap();
        }
        let heard = readers.iter_mut().map(|reader| {
            let mut byte = [0];
            std::io::Read::read_exact(reader, &mut byte).unwrap();
            byte[0]
        });
        assert_eq!(heard.collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn the_bare_store_takes_the_schema_of_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let (median_ms, slow_ms) = fdatasync(directory.path()).unwrap();
        assert!(median_ms <= slow_ms);
        assert!(bare_store(directory.path(), 100).unwrap() > 0.0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing stays behind");
    }
}
