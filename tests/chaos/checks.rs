//! Checks that are steered by files: `modes/NAME` holds what the check of NAME does.

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    Fail,
    /// Runs until it is killed.
    Hang,
    /// Runs until it is killed, as another user, so that a daemon that is not root cannot kill it.
    Unkillable,
    /// Stops itself, as by a debugger.
    Stop,
    /// Kills itself.
    Die,
    /// Passes, and writes more than a pipe holds.
    Noise,
    /// Passes, and leaves a process behind in a session of its own, with its output closed.
    Leave,
    /// Passes, and leaves a process behind that keeps its output open.
    LeaveOpen,
    /// The command is not there.
    Missing,
}

impl Mode {
    pub const ALL: [Mode; 10] = [
        Mode::Pass,
        Mode::Fail,
        Mode::Hang,
        Mode::Unkillable,
        Mode::Stop,
        Mode::Die,
        Mode::Noise,
        Mode::Leave,
        Mode::LeaveOpen,
        Mode::Missing,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Mode::Pass => "pass",
            Mode::Fail => "fail",
            Mode::Hang => "hang",
            Mode::Unkillable => "unkillable",
            Mode::Stop => "stop",
            Mode::Die => "die",
            Mode::Noise => "noise",
            Mode::Leave => "leave",
            Mode::LeaveOpen => "leave-open",
            Mode::Missing => "missing",
        }
    }

    pub fn passes(self) -> bool {
        matches!(
            self,
            Mode::Pass | Mode::Noise | Mode::Leave | Mode::LeaveOpen
        )
    }
}

/// The check of NAME. The processes that it leaves behind can be told from others by how long they sleep.
pub const SCRIPT: &str = r#"#!/bin/sh
cd "$ANYCAST_TEST_LAB" || exit 99
[ "$1" != disk ] || echo "$$" >disk/touched/file || exit 98
mode=pass
[ ! -e "modes/$1" ] || read -r mode <"modes/$1"
case $mode in
pass) exit 0 ;;
fail) echo "$1 does not work" >&2; exit 1 ;;
hang) exec sleep 1000 ;;
unkillable) exec ./as-root --reuid=0 --regid=0 --clear-groups sleep 1000 ;;
stop) kill -STOP $$; exit 0 ;;
die) kill -KILL $$ ;;
noise) i=0; while [ $i -lt 2000 ]; do echo "$i: line after line after line after line after line"; i=$((i + 1)); done; exit 0 ;;
leave) setsid sleep 2000 </dev/null >/dev/null 2>&1 & exit 0 ;;
leave-open) sleep 2000 & exit 0 ;;
esac
exit 97
"#;
