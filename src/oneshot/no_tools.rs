//! In place of `oneshot/tools.rs` in a build without the feature `tools`: says that there is none.

use std::process::ExitCode;

use super::{USAGE_STATUS, refuse};
use crate::cli::Shown;
use crate::config::load::Source;

/// `-t`.
pub fn test(_: &Source, _json: bool) -> ExitCode {
    no("--test", "run the commands of the checks by hand")
}

/// `-s`. The daemon answers all the same.
pub fn status(_: &Source, _json: bool, _what: &Shown) -> ExitCode {
    no(
        "--status",
        "read the socket: socat -u ABSTRACT-CONNECT:anycast-healthchecker.status -",
    )
}

/// `--drain`, or `--undrain` if not `on`.
pub fn drain(_: &Source, _service: &str, on: bool) -> ExitCode {
    match on {
        true => no("--drain", "make the maintenance_file of the service"),
        false => no("--undrain", "remove the maintenance_file of the service"),
    }
}

fn no(option: &str, instead: &str) -> ExitCode {
    refuse(&format!(
        "this is the minimal build, which has no {option}; {instead}"
    ));
    ExitCode::from(USAGE_STATUS)
}
