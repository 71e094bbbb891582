//! Drill: load, drills and the checker of what clients saw. The hands that shake the server.

pub mod process;
pub mod stats;
pub mod table;
pub mod stage;
pub mod limits;
pub mod bench;
pub mod history;
pub mod checker;
pub mod load;
pub mod crash;
pub mod power;
