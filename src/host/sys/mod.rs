//! The only unsafe code: thin wrappers of libc.
pub mod access;
