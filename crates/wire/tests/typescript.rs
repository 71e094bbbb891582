//! TypeScript: the declarations of every type that crosses the network, as the web SDK imports them.
//!
//! `web/sdk/src/wire.ts` is what this renders; when a type changes, the file must change with it.

use std::collections::BTreeMap;
use std::path::Path;

use stonechat_wire::*;
use ts_rs::{Config, TS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/sdk/src/wire.ts");
const REWRITE: &str = "STONECHAT_WRITE_TYPES=1 cargo test -p stonechat-wire --features typescript";
/// Read by the compiler, which builds anew when it changes.
const WRITE: Option<&str> = option_env!("STONECHAT_WRITE_TYPES");

const HEADER: &str = "\
// Generated from crates/wire; do not edit. Everything that crosses the network, by its name on the wire.
//
// A field that the server leaves out, or that a request may leave out, is optional here; `null` stands only where
// the wire has it.
";

macro_rules! render {
    ($out:ident, $config:ident: $($name:ident)*) => {
        $(put(&mut $out, &declaration::<$name>(&$config));)*
    };
}

/// The whole file.
fn rendered() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = HEADER.to_owned();
    render!(out, config:
        UserId DeviceId ConversationId MessageId ClientId SessionId InviteId
        Seq Cursor ConversationRef Timestamp Code Problem);
    // An alias in Rust, which has no declaration of its own.
    let version = <BTreeMap<DeviceId, u64> as TS>::name(&config);
    let docs = "/** Which edits of a message a text has seen: per device, how many. */";
    put(&mut out, &format!("{docs}\nexport type Version = {version};\n"));
    render!(out, config:
        Event EventBody MessageBody EditBody Mentions ReactionAction);
    render!(out, config:
        Message ReactionCount ThreadSummary TimelineRow MessagesPage MessageVersion MessageHistory
        Reaction ReactionList ReadBy ThreadRow ThreadsPage PinsPage);
    render!(out, config:
        ConversationKind Role Posting CreateConversation ChangeConversation Conversation ConversationTotals
        ConversationsPage PublicChannel PublicChannelsPage Member MembersPage AddMembers ChangeMember
        SetMute SetFollow Read MarkUnread ReadPosition);
    render!(out, config:
        ServerRole Setup Login Refresh SignedIn ChangePassword PasswordReset WsTicket User UsersPage
        Settings Me ChangeMe Device DevicesPage ChangeDevice CreateInvite Invite InvitesPage InviteInfo
        AcceptInvite PresenceStatus Presence PresenceList SetPresence AccountEntry Membership SyncPage
        CreateBenchUsers CreateBenchConversations BenchConversations DeviceTokens DeviceToken
        CreateDeviceTokens Ready);
    render!(out, config:
        ClientFrame Connect SendMessage EditMessage DeleteMessage React PinMessage Typing TypingAction
        Subscription);
    render!(out, config:
        ServerFrame Control Hello Ack ErrorFrame GapReason BatchSummary PresenceCount);
    out
}

fn put(out: &mut String, declaration: &str) {
    out.push('\n');
    out.push_str(declaration);
}

fn declaration<T: TS + 'static>(config: &Config) -> String {
    // What is flattened into an event is named there, not written out again.
    let declared = T::decl(config).replace(&EventBody::inline_flattened(config), "EventBody");
    let docs = T::docs().map(|docs| format!("{}\n", on_one_line(&docs))).unwrap_or_default();
    format!("{docs}export {}\n", laid_out(&on_one_line(&declared)))
}

/// An object gets a line for each field, a long union one for each variant.
fn laid_out(declaration: &str) -> String {
    let (head, body) = declaration.trim_end_matches(';').split_once(" = ").expect("a declaration");
    let variants = split(body, '|');
    match &variants[..] {
        [_, _, ..] if declaration.len() > 100 => format!("{head} =\n  | {};", variants.join("\n  | ")),
        [object] if object.starts_with("{ ") && !object.contains("[key in") => {
            let (inside, after) = object.rsplit_once('}').expect("an object ends");
            let fields = split(inside.trim_start_matches("{ "), ',');
            let fields: String = fields.into_iter().filter(|field| !field.is_empty()).map(field).collect();
            format!("{head} = {{\n{fields}}}{after};")
        }
        _ => format!("{head} = {};", variants.join(" | ")),
    }
}

/// A field below its comment.
fn field(field: &str) -> String {
    match field.split_once(" */ ") {
        Some((comment, field)) => format!("  {comment} */\n  {field};\n"),
        None => format!("  {field};\n"),
    }
}

/// Comments without their line breaks, and every run of spaces as one.
fn on_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).map(|line| match line {
        "*/" => line,
        _ => line.strip_prefix('*').unwrap_or(line).trim_start(),
    });
    let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace(", }", " }")
}

/// The parts between separators that stand in no bracket and no comment.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut start, mut comment) = (0_usize, 0, false);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        comment = (comment || text[at..].starts_with("/**")) && !text[..at].ends_with("*/");
        match c {
            _ if comment => {}
            c if c == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            '{' | '(' | '<' | '[' => depth += 1,
            '}' | ')' | '>' | ']' => depth -= 1,
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[test]
fn the_web_sdk_has_the_types_of_the_wire() {
    let rendered = rendered();
    if WRITE.is_some() {
        std::fs::write(FILE, &rendered).expect("the SDK's directory is there");
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(written == rendered, "web/sdk/src/wire.ts is not what the types say; write it anew: {REWRITE}");
}

/// A type that was forgotten here would be missing from the SDK.
#[test]
fn every_type_of_the_wire_is_declared() {
    let rendered = rendered();
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for name in serialized_types(&text) {
            assert!(rendered.contains(&format!("export type {name} =")), "{name} is not declared");
            count += 1;
        }
    }
    assert!(count > 80, "the search finds types: {count}");
}

/// Names of public types that derive `Serialize`.
fn serialized_types(text: &str) -> Vec<&str> {
    let mut serialized = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("#[derive(") {
            serialized = line.contains("Serialize");
        }
        let name = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum "));
        if let Some(name) = name
            && std::mem::take(&mut serialized)
        {
            found.extend(name.split(|c: char| !c.is_alphanumeric()).next());
        }
    }
    found
}

#[test]
fn declarations_tell_apart_what_may_be_missing() {
    let rendered = rendered();
    for line in [
        "export type UserId = string;",
        "export type Seq = number;",
        "export type Timestamp = string;",
        "  metadata?: unknown;",
        "  mentions?: Mentions;",
        "  by_device: DeviceId | null;",
        "  expires_in_s?: number | null;",
        "  last_message?: Message;",
        "export type ServerFrame = Control | Event;",
        "} & EventBody;",
        "  | { \"type\": \"heartbeat\" }",
        "  | { \"type\": \"message\" } & MessageBody",
    ] {
        assert!(rendered.contains(line), "{line}\n{rendered}");
    }
    assert!(!rendered.contains("bigint"));
}
