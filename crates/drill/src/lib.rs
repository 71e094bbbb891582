//! Drill: load, drills and the checker of what clients saw. The hands that shake the server.

pub mod bench;
