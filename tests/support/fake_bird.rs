//! A birdc that does what a file says, and a BIRD behind it that remembers what it was given.
//!
//! Each call adds a line to `bird.calls` when it begins. A call that succeeds copies both prefix files to
//! `bird.loaded4` and `bird.loaded6`: what "BIRD" exports from then on. Two calls at the same time are noted in
//! `bird.overlaps`.

use std::time::{Duration, Instant};

use super::{Lab, PATIENCE, prefixes};

/// The manners of BIRD that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// `Reconfigured`.
    Good,
    /// `Reconfiguration in progress`.
    InProgress,
    /// `Reconfiguration already in progress, queueing new config`.
    Queued,
    /// A syntax error, exit 1: BIRD 2.0.10 and later.
    Broken,
    /// A syntax error, exit 0: BIRD 1.6.
    BrokenOld,
    /// `Reconfiguration ignored, shutting down`, exit 0.
    ShuttingDown,
    /// No socket to talk to.
    Down,
    /// Access denied, exit 1.
    Denied,
    /// Never answers and ignores SIGTERM.
    Hanging,
    /// Good, after 0.4 seconds.
    Slow,
}

impl Mood {
    fn word(self) -> &'static str {
        match self {
            Mood::Good => "good",
            Mood::InProgress => "progress",
            Mood::Queued => "queued",
            Mood::Broken => "broken",
            Mood::BrokenOld => "broken-old",
            Mood::ShuttingDown => "shutting-down",
            Mood::Down => "down",
            Mood::Denied => "denied",
            Mood::Hanging => "hanging",
            Mood::Slow => "slow",
        }
    }
}

const SCRIPT: &str = r#"#!/bin/sh
# Stands in for birdc: see tests/support/fake_bird.rs
cd "$ANYCAST_TEST_LAB" || exit 99
if [ -e bird.busy ] && read -r other <bird.busy && [ "$other" != $$ ] && kill -0 "$other" 2>/dev/null; then
    echo "$$ beside $other" >>bird.overlaps
fi
echo $$ >bird.busy
read -r up _ </proc/uptime
echo "$up $*" >>bird.calls
mood=good
[ ! -e bird.mood ] || read -r mood <bird.mood
case $mood in
hanging) trap '' TERM; while :; do sleep 1000; done ;;
down)
    echo 'Unable to connect to server control socket (/run/bird/bird.ctl): Connection refused' >&2
    exit 1 ;;
slow) sleep 0.4 ;;
esac
echo 'BIRD 2.0.12 ready.'
case $mood in
denied)
    printf 'Access restricted\nAccess denied\n'
    exit 1 ;;
esac
echo 'Reading configuration from /etc/bird/bird.conf'
case $mood in
broken | broken-old)
    echo "/etc/bird/bird.conf:7:12 syntax error, unexpected '}'"
    [ $mood = broken-old ]
    exit ;;
shutting-down)
    echo 'Reconfiguration ignored, shutting down'
    exit 0 ;;
esac
cat 4/prefixes.conf >bird.new4 2>/dev/null && mv bird.new4 bird.loaded4
cat 6/prefixes.conf >bird.new6 2>/dev/null && mv bird.new6 bird.loaded6
case $mood in
progress) echo 'Reconfiguration in progress' ;;
queued) echo 'Reconfiguration already in progress, queueing new config' ;;
*) echo 'Reconfigured' ;;
esac
rm -f bird.busy
exit 0
"#;

pub struct FakeBird<'a> {
    lab: &'a Lab,
}

impl<'a> FakeBird<'a> {
    pub fn install(lab: &'a Lab) -> FakeBird<'a> {
        lab.script("birdc", SCRIPT);
        FakeBird { lab }
    }

    pub fn mood(&self, mood: Mood) {
        self.lab
            .write("bird.mood.new", &format!("{}\n", mood.word()));
        std::fs::rename(self.lab.path("bird.mood.new"), self.lab.path("bird.mood"))
            .expect("rename");
    }

    /// The binary is gone, or comes back.
    pub fn missing(&self, missing: bool) {
        let (from, to) = if missing {
            ("birdc", "birdc.away")
        } else {
            ("birdc.away", "birdc")
        };
        std::fs::rename(self.lab.path(from), self.lab.path(to)).expect("rename");
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.lab.read("bird.calls").lines().count()
    }

    /// Whether two calls ever ran at the same time.
    pub fn overlapped(&self) -> bool {
        self.lab.path("bird.overlaps").exists()
    }

    /// What BIRD would export, without the dummies.
    pub fn exports(&self, family: &str) -> Vec<String> {
        prefixes::announced(&self.lab.read(&format!("bird.loaded{family}")))
    }

    /// Waits until BIRD exports exactly these (sorted as text).
    #[track_caller]
    pub fn wait_exports(&self, family: &str, wanted: &[&str]) -> Duration {
        let begin = Instant::now();
        let mut wanted: Vec<String> = wanted.iter().map(|s| s.to_string()).collect();
        wanted.sort();
        loop {
            let mut exports = self.exports(family);
            exports.sort();
            if exports == wanted {
                return begin.elapsed();
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "BIRD exports {exports:?} instead of {wanted:?} after {PATIENCE:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
