//! What others read: values become text and text becomes values, and nothing is touched on the way.
//!
//! Every function here is pure, so each is tested by what goes in and what comes out. Files, sockets and clocks are
//! `host`'s; what is worth saying is `engine`'s.

pub mod bird_reply;
pub mod date;
pub mod decimal;
pub mod escape;
pub mod json;
pub mod metrics;
pub mod prefix_list;
pub mod record;
pub mod status;
pub mod syslog;
pub mod table;
pub mod test_report;
pub mod words;

#[cfg(test)]
mod sample;

/// What has come of asking for the next piece of a text that is made piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// There are more.
    More,
    Last,
    /// A reload came in between: this text does not go on.
    Outdated,
}
