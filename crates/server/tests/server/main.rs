//! Tests of the whole server: booted on a free port with a fresh directory, spoken to through the client.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

mod host;
mod accounts;
mod conversations;
mod doors;
mod events;
mod live;
mod presence;
mod bad_input;
mod operation;
mod web;
#[cfg(feature = "test-hooks")]
mod test_hooks;
mod rows;
mod regressions;
