//! The level of what goes to standard error, where that is systemd's journal.
//!
//! journald takes a `<N>` in front of a line for its level (sd-daemon(3)) and files every other line under "info", the
//! reasons of a failed start too. `JOURNAL_STREAM` names device and inode of its socket; a child that writes elsewhere
//! inherits the variable, so they are compared with what fd 2 is. Anywhere else a line stays as it is.

use std::borrow::Cow;
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use crate::config::Level;
use crate::render::record::severity;

/// `text`, some whole lines, as standard error is to have it.
pub fn on_stderr(level: Level, text: &str) -> Cow<'_, str> {
    match stderr_is_journal() {
        true => Cow::Owned(with_level(level, text)),
        false => Cow::Borrowed(text),
    }
}

fn with_level(level: Level, text: &str) -> String {
    let number = severity(level);
    let lines = text.split_inclusive('\n');
    lines.map(|line| format!("<{number}>{line}")).collect()
}

fn stderr_is_journal() -> bool {
    let Ok(told) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    let own = io::stderr().as_fd().try_clone_to_owned();
    let Ok(found) = own.and_then(|fd| File::from(fd).metadata()) else {
        return false;
    };
    told == format!("{}:{}", found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_level() {
        assert_eq!(with_level(Level::Error, "one\ntwo\n"), "<3>one\n<3>two\n");
        assert_eq!(with_level(Level::Warning, "one"), "<4>one");
        assert_eq!(with_level(Level::Info, ""), "");
    }
}
