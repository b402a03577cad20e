//! What should happen now.
pub mod notice;
pub mod snapshot;
pub mod vocab;
