//! Account: people and devices.
