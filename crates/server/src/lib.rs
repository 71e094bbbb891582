//! The Stonechat server: one process that serves the API, the live connections and the web page.
//!
//! Imports run down only: main → serve → {gateway, rest} → app → rooms → {access, router} → store → wire.

pub mod config;
pub mod serve;
pub mod import;
mod app;
mod gateway;
mod rest;
mod auth;
mod conversation;
mod presence;
mod typing;
mod router;
#[cfg(feature = "test-hooks")]
mod test_hooks;
mod page;
