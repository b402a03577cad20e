//! Table of contents: arguments → what to do → exit code.

// What only they use is dropped by the linker.
#![cfg_attr(not(feature = "tools"), allow(dead_code))]

mod cli;
mod config;
mod engine;
mod host;
mod oneshot;
mod render;
mod sorted;
mod time;
mod wheel;

use std::process::ExitCode;

use cli::Command;
use host::withdraw::{self, When};

fn main() -> ExitCode {
    if let Some(code) = host::hidden_mode(std::env::args_os()) {
        return code;
    }
    host::prepare();
    match cli::parse(std::env::args_os().skip(1)) {
        Err(error) => oneshot::usage(&error),
        Ok(Command::Help) => oneshot::help(),
        Ok(Command::Version) => oneshot::version(),
        Ok(Command::PrintDefaults) => oneshot::print_defaults(),
        Ok(Command::Check(source)) => oneshot::check(&source),
        Ok(Command::PrintConf { source, json }) => oneshot::print_conf(&source, json),
        Ok(Command::Run(source)) => host::reactor::run(source),
        Ok(Command::Test { source, json }) => oneshot::test(&source, json),
        Ok(Command::Status { source, json, what }) => oneshot::status(&source, json, &what),
        Ok(Command::Drain { source, service }) => oneshot::drain(&source, &service, true),
        Ok(Command::Undrain { source, service }) => oneshot::drain(&source, &service, false),
        Ok(Command::Withdraw { source, after }) => withdraw::run(&source, When::After(after)),
        Ok(Command::Watch { source, patience }) => withdraw::run(&source, When::Watch(patience)),
        Ok(Command::CreateFiles { source, empty }) => withdraw::create_files(&source, empty),
    }
}
