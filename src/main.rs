//! Table of contents.
#![allow(dead_code)]
mod config;
mod engine;
mod host;
mod render;
mod time;
mod wheel;

fn main() {}
