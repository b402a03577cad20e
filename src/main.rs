//! Table of contents.
#![allow(dead_code)]
mod cli;
mod config;
mod engine;
mod host;
mod oneshot;
mod render;
mod time;
mod wheel;

use cli::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Err(error) => oneshot::usage(&error),
        Ok(Command::Help) => oneshot::help(),
        Ok(Command::Version) => oneshot::version(),
        Ok(Command::PrintDefaults) => oneshot::print_defaults(),
        Ok(Command::Check(source)) => oneshot::check(&source),
        Ok(Command::PrintConf { source, json }) => oneshot::print_conf(&source, json),
        Ok(_) => ExitCode::FAILURE,
    }
}
