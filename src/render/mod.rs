//! What others read: values become text and text becomes values, and nothing is touched on the way.
//!
//! Every function here is pure, so each is tested by what goes in and what comes out. Files, sockets and clocks are
//! `host`'s; what is worth saying is `engine`'s.
