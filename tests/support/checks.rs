//! Checks that are steered by files: what a check answers, and what it has seen.
//!
//! `checks/NAME` holds the exit status of the next run (0 if there is no such file); `checks/NAME.plan` holds one
//! status a line, taken one a run, the last one for ever. Each run adds a line to `checks/NAME.runs`: the milliseconds
//! of the monotonic clock at its start, its status, and `up` if the prefix file announced the service when it began.

use super::Lab;

/// What one run saw and said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub at_ms: u64,
    pub status: u8,
    /// Whether the prefix file announced the prefix when the run began.
    pub announced: bool,
}

const SCRIPT: &str = r#"#!/bin/sh
# check NAME: see tests/support/checks.rs
name=$1
cd "$ANYCAST_TEST_LAB/checks" || exit 99
read -r up _ </proc/uptime
seen=down
for file in ../4/prefixes.conf ../6/prefixes.conf; do
    [ -e "$file" ] || continue
    while read -r line; do
        case $line in "$ANYCAST_IP_PREFIX" | "$ANYCAST_IP_PREFIX,") seen=up ;; esac
    done <"$file"
done
if [ -e "$name.plan" ]; then
    { read -r status; rest=$(cat); } <"$name.plan"
    [ -z "$rest" ] || printf '%s\n' "$rest" >"$name.plan"
else
    status=0
    [ ! -e "$name" ] || read -r status <"$name"
fi
echo "$up $status $seen" >>"$name.runs"
exit "$status"
"#;

impl Lab {
    /// Puts the script in place that [`Lab::service`] names by default.
    pub fn install_checks(&self) {
        self.script("check", SCRIPT);
    }

    /// The check of `service` answers `status` from now on.
    pub fn answer(&self, service: &str, status: u8) {
        // Renamed into place, so that a check that reads at this moment sees the old or the new one.
        self.write(&format!("checks/.{service}"), &format!("{status}\n"));
        std::fs::rename(
            self.path(&format!("checks/.{service}")),
            self.path(&format!("checks/{service}")),
        )
        .expect("rename");
    }

    /// The check of `service` answers these, one a run, and the last one for ever.
    pub fn plan(&self, service: &str, statuses: &[u8]) {
        let lines: String = statuses.iter().map(|s| format!("{s}\n")).collect();
        self.write(&format!("checks/{service}.plan"), &lines);
    }

    /// The runs of the check of `service` so far.
    pub fn runs(&self, service: &str) -> Vec<Run> {
        let text = self.read(&format!("checks/{service}.runs"));
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| {
                let mut words = line.split(' ');
                let mut word = || {
                    words
                        .next()
                        .unwrap_or_else(|| panic!("short line {line:?}"))
                };
                // Seconds with two decimals, as /proc/uptime has them.
                let at_ms = word().replace('.', "").parse::<u64>().expect("uptime") * 10;
                let status = word().parse().expect("status");
                let announced = word() == "up";
                Run {
                    at_ms,
                    status,
                    announced,
                }
            })
            .collect()
    }
}
