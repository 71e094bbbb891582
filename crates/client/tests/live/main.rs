//! Live: the SDK against servers that misbehave on purpose.

#[cfg(test)]
mod chat;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod fake;
