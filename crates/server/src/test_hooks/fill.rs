//! Fill: many messages at once, as if people had talked for days. The same seed brings the same texts.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stonechat_store::append::{Append, Target};
use stonechat_store::key::Actor;
use stonechat_store::{Result, Writer};
use stonechat_wire::{ClientId, ConversationId, Seq, Timestamp};

/// Messages of one transaction: what it brings a live socket stays below the bound of its queue.
const BATCH: usize = 500;
/// The oldest message lies at most this far back.
const SPREAD: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A few messages stand at most this far apart.
const LONGEST_PAUSE: Duration = Duration::from_secs(20 * 60);

/// What to write.
pub(crate) struct Fill {
    pub(crate) conversation: ConversationId,
    pub(crate) messages: u32,
    /// Who writes, in turns of a few messages.
    pub(crate) actors: Vec<Actor>,
    /// Instead of texts of all kinds.
    pub(crate) text: Option<String>,
    pub(crate) seed: u64,
}

impl Fill {
    /// Appends all of it; gives the place of the last message.
    ///
    /// # Errors
    /// What the store refused; the batches before stand.
    pub(crate) async fn write(self, writer: &Writer) -> Result<Option<Seq>> {
        if self.actors.is_empty() {
            return Ok(None);
        }
        let mut random = SmallRng::seed_from_u64(self.seed);
        let mut times = times(self.messages, Timestamp::now());
        let (mut last, mut turn, mut speaker) = (None, 0, 0);
        loop {
            let batch: Vec<Append> = times
                .by_ref()
                .take(BATCH)
                .filter_map(|sent_at| {
                    if turn == 0 {
                        (turn, speaker) =
                            (1 + random.random_range(0..4), random.random_range(0..self.actors.len()));
                    }
                    turn -= 1;
                    let content = self.text.clone().unwrap_or_else(|| text(&mut random));
                    self.actors.get(speaker).map(|actor| self.message(*actor, content, sent_at))
                })
                .collect();
            if batch.is_empty() {
                return Ok(last);
            }
            last = writer.import_messages(batch).await?.last().map(|ack| ack.seq);
        }
    }

    fn message(&self, actor: Actor, content: String, sent_at: Timestamp) -> Append {
        let target = Target::Conversation(self.conversation);
        Append { sent_at: Some(sent_at), ..Append::new(actor, ClientId::new(), target, content) }
    }
}

/// When each message was sent, oldest first; the last one now.
fn times(messages: u32, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let pause = (SPREAD / messages.max(1)).min(LONGEST_PAUSE);
    let before = move |n: u32| i64::try_from((pause * n).as_millis()).unwrap_or(i64::MAX);
    (0..messages).rev().map(move |n| Timestamp(now.0.saturating_sub(before(n))))
}

fn pick<'a>(random: &mut SmallRng, choices: &[&'a str]) -> &'a str {
    choices.get(random.random_range(0..choices.len())).copied().unwrap_or_default()
}

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "the", "build", "breaks", "after", "we", "moved", "cache", "into", "a",
    "volume", "and", "nobody", "noticed", "because", "green", "runs", "were", "old",
    "please", "look", "at", "when", "you", "find", "time", "it", "is",
    "not", "urgent", "but", "tomorrow", "demo", "needs", "numbers", "from", "yesterday",
    "Grüße", "naïve", "東京", "stone", "bird", "wire", "answer", "question", "measured",
    "twice",
];

/// One to twelve lines, mostly few; some of them Markdown.
fn text(random: &mut SmallRng) -> String {
    let lines = if random.random_range(0..5) == 0 {
        4 + random.random_range(0..9)
    } else {
        1 + random.random_range(0..3)
    };
    if lines >= 4 && random.random_range(0..3) == 0 {
        return code(random, lines);
    }
    let lines: Vec<String> = (0..lines).map(|_| line(random)).collect();
    lines.join("\n")
}

fn line(random: &mut SmallRng) -> String {
    let length = 2 + random.random_range(0..16);
    let sentence = words(random, length);
    match random.random_range(0..10) {
        0 => format!("- {sentence}"),
        1 => format!("> {sentence}"),
        2 => format!("**{}** {sentence}", pick(random, WORDS)),
        3 => format!("`{}` {sentence}", pick(random, WORDS)),
        4 => format!(
            "{sentence} [{}](https://example.org/{})",
            pick(random, WORDS),
            random.random_range(0..1_000)
        ),
        _ => sentence,
    }
}

/// A line and a block of code, of so many lines together.
fn code(random: &mut SmallRng, lines: usize) -> String {
    let mut text = format!("{}\n```rust\n", words(random, 5));
    for n in 0..lines - 3 {
        text.push_str(&format!("let step_{n} = {};\n", random.random_range(0..10_000)));
    }
    text.push_str("```");
    text
}

fn words(random: &mut SmallRng, count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| pick(random, WORDS)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_texts_of_one_to_twelve_lines() {
        let texts = |seed| {
            let mut random = SmallRng::seed_from_u64(seed);
            (0..2_000).map(|_| text(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        let mut lines: Vec<_> = texts(1).iter().map(|text| text.lines().count()).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines, (1..=12).collect::<Vec<_>>());
        assert!(texts(1).iter().any(|text| text.contains("```")));
    }

    #[test]
    fn times_go_forward_and_end_now() {
        let now = Timestamp(1_700_000_000_000);
        for messages in [1, 2, 100, 100_000] {
            let times: Vec<_> = times(messages, now).collect();
            assert!(times.len() == messages as usize && times.is_sorted() && times.last() == Some(&now));
            assert!(now.0 - times[0].0 <= SPREAD.as_millis() as i64);
        }
        let times: Vec<_> = times(3, now).collect();
        assert_eq!(times[2].0 - times[0].0, 40 * 60 * 1_000);
        assert_eq!(super::times(0, now).count(), 0);
    }
}
