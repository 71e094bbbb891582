//! Import: a forum's messages from NDJSON, plain or zstd: channels, threads, people and times.
//!
//! A topic's first message becomes the root, the rest its replies. Run again after an interruption it goes on where it
//! stopped. Works on a data directory that no server holds.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use stonechat_store::append::{Append, Target};
use stonechat_store::import::ImportChannel;
use stonechat_store::key::Actor;
use stonechat_store::writer::Settings as WriterSettings;
use stonechat_store::{Durability, Store, Writer};
use stonechat_wire::{ClientId, ConversationId, Seq, Timestamp};
use uuid::Uuid;

use crate::conversation::handle_of;
use crate::serve;

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Row {
    id: u64,
    channel: String,
    thread: String,
    sender: String,
    sent_at: Timestamp,
    text: String,
}

/// A line as it would stand here: the handles its channel and sender get.
#[derive(Clone, Debug)]
pub struct Line {
    pub channel_handle: String,
    pub topic: String,
    pub sender_handle: String,
    pub text: String,
}

/// The lines of a file, for those who send them themselves.
///
/// # Errors
/// When the file cannot be read.
pub fn read_lines(file: &Path) -> Result<Vec<Line>, Error> {
    let rows = read(file, &mut Summary::default())?;
    let line = |row: Row| Line {
        channel_handle: handle_of(&row.channel).unwrap_or_default(),
        topic: row.thread,
        sender_handle: handle(&row.sender),
        text: row.text,
    };
    Ok(rows.into_iter().map(line).collect())
}

/// What an import did.
#[derive(Debug, Default, serde::Serialize)]
pub struct Summary {
    pub channels: usize,
    pub threads: usize,
    pub people: usize,
    pub messages: usize,
    /// Of these were there already.
    pub repeated: usize,
    /// Lines that could not be taken, with the reason of the first.
    pub skipped: usize,
    pub first_problem: Option<String>,
    pub took_s: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Directory(#[from] serve::Error),
    #[error("{file} cannot be read: {source}")]
    File { file: String, source: std::io::Error },
    #[error("the store: {}", .0.chain())]
    Store(#[from] stonechat_store::Error),
}

/// Messages of one transaction.
const BATCH: usize = 1_000;
/// Names the requests of imported messages (a version 5 UUID's namespace, made once for this purpose).
const NAMESPACE: Uuid = Uuid::from_u128(0x5b1f_3c57_86a4_4bb1_9d0e_7c1a_52f0_9e11);

/// Imports a file into a data directory. `messages`: only the first so many, but all people and channels.
///
/// # Errors
/// When the directory is held, the file cannot be read, or the store fails.
pub async fn run(file: &Path, data: &Path, messages: Option<usize>, quiet: bool) -> Result<Summary, Error> {
    let began = tokio::time::Instant::now();
    let _lock = serve::lock(data)?;
    let mut summary = Summary::default();
    let rows = read(file, &mut summary)?;
    let store = Store::open(data, Durability::Full)?;
    let settings = WriterSettings { edit_window: Duration::ZERO };
    let started = Writer::start(&store, settings, Box::new(|_| ()), Box::new(|_| ()))?;
    let result = import(&started.writer, &rows, messages.unwrap_or(rows.len()), quiet, &mut summary).await;
    started.writer.stop();
    if started.thread.join().is_err() {
        tracing::error!("the writer did not end cleanly");
    }
    result?;
    summary.took_s = began.elapsed().as_secs_f64();
    Ok(summary)
}

fn read(file: &Path, summary: &mut Summary) -> Result<Vec<Row>, Error> {
    let problem = |source| Error::File { file: file.display().to_string(), source };
    let opened = std::fs::File::open(file).map_err(problem)?;
    let compressed = file.extension().is_some_and(|extension| extension == "zst");
    let reader: Box<dyn Read> =
        if compressed { Box::new(zstd::Decoder::new(opened).map_err(problem)?) } else { Box::new(opened) };
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(problem)?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Row>(&line) {
            Ok(row) if row.text.trim().is_empty() => skip(summary, number, "the text is empty"),
            Ok(row) => rows.push(row),
            Err(error) => skip(summary, number, &error.to_string()),
        }
    }
    Ok(rows)
}

fn skip(summary: &mut Summary, number: usize, reason: &str) {
    summary.skipped += 1;
    summary.first_problem.get_or_insert_with(|| format!("line {}: {reason}", number + 1));
}

async fn import(
    writer: &Writer,
    rows: &[Row],
    count: usize,
    quiet: bool,
    summary: &mut Summary,
) -> Result<(), Error> {
    let people = people(writer, rows).await?;
    let channels = channels(writer, rows, &people).await?;
    (summary.people, summary.channels) = (people.len(), channels.len());
    let bar = progress(count, quiet);
    let mut roots: HashMap<(&str, &str), Seq> = HashMap::new();
    let mut batch: Vec<(&Row, Append)> = Vec::with_capacity(BATCH);
    // Topics whose first message waits in the batch: a reply needs the root's place, so the batch goes first.
    let mut waiting: HashSet<(&str, &str)> = HashSet::new();
    for row in rows.iter().take(count) {
        let topic = (row.channel.as_str(), row.thread.as_str());
        if batch.len() == BATCH || waiting.contains(&topic) {
            write(writer, &mut batch, &mut roots, summary, &bar).await?;
            waiting.clear();
        }
        let (Some(actor), Some(channel)) = (people.get(&handle(&row.sender)), channels.get(&row.channel))
        else {
            continue;
        };
        let root = roots.get(&topic).copied();
        if root.is_none() {
            waiting.insert(topic);
        }
        batch.push((row, message(row, *actor, *channel, root)));
    }
    write(writer, &mut batch, &mut roots, summary, &bar).await?;
    summary.threads = roots.len();
    bar.finish_and_clear();
    writer.finish_import().await?;
    Ok(())
}

async fn write<'a>(
    writer: &Writer,
    batch: &mut Vec<(&'a Row, Append)>,
    roots: &mut HashMap<(&'a str, &'a str), Seq>,
    summary: &mut Summary,
    bar: &ProgressBar,
) -> Result<(), Error> {
    let (rows, messages): (Vec<&Row>, Vec<Append>) = batch.drain(..).unzip();
    let acks = writer.import_messages(messages).await?;
    for (row, ack) in rows.iter().zip(&acks) {
        roots.entry((row.channel.as_str(), row.thread.as_str())).or_insert(ack.seq);
        summary.repeated += usize::from(ack.repeated);
    }
    summary.messages += acks.len();
    bar.inc(acks.len() as u64);
    Ok(())
}

fn message(row: &Row, actor: Actor, channel: ConversationId, root: Option<Seq>) -> Append {
    let about = serde_json::json!({ "imported": { "id": row.id, "topic": row.thread } });
    let client_id = ClientId(Uuid::new_v5(&NAMESPACE, format!("{} {}", row.channel, row.id).as_bytes()));
    Append {
        metadata: if root.is_none() { serde_json::value::to_raw_value(&about).ok() } else { None },
        thread: root,
        sent_at: Some(row.sent_at),
        ..Append::new(actor, client_id, Target::Conversation(channel), row.text.replace('\0', ""))
    }
}

async fn people(writer: &Writer, rows: &[Row]) -> Result<HashMap<String, Actor>, Error> {
    let mut handles: Vec<String> = rows.iter().map(|row| handle(&row.sender)).collect();
    handles.sort_unstable();
    handles.dedup();
    Ok(writer.import_people(handles).await?)
}

async fn channels(
    writer: &Writer,
    rows: &[Row],
    people: &HashMap<String, Actor>,
) -> Result<HashMap<String, ConversationId>, Error> {
    let mut found: Vec<ImportChannel> = Vec::new();
    let mut places: HashMap<&str, (usize, HashSet<&str>)> = HashMap::new();
    for row in rows {
        let (place, seen) = places.entry(&row.channel).or_insert_with(|| {
            let handle = handle_of(&row.channel).unwrap_or_else(|_| format!("channel-{}", found.len() + 1));
            found.push(ImportChannel { name: shortened(&row.channel), handle, people: Vec::new() });
            (found.len() - 1, HashSet::new())
        });
        if seen.insert(&row.sender) {
            found[*place].people.push(handle(&row.sender));
        }
    }
    let mut made = HashMap::new();
    for (name, (place, _)) in places {
        let id = writer.import_channel(found[place].clone(), people.clone()).await?;
        made.insert(name.to_owned(), id);
    }
    Ok(made)
}

/// A sender's name as a handle: what does not fit becomes `-`.
fn handle(sender: &str) -> String {
    let fits =
        |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let handle: String = sender.chars().map(fits).take(32).collect();
    let handle = handle.trim_start_matches(['.', '_', '-']);
    if handle.is_empty() { "somebody".to_owned() } else { handle.to_owned() }
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

fn progress(count: usize, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("  {bar:40} {human_pos}/{human_len} messages · {per_sec} · {eta} left");
    ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
