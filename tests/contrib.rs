//! Everything under contrib/, each by the program that will read it: the shells, systemd, BIRD, promtool, mandoc, dpkg.
//!
//! Nothing here touches the machine: units, packages and init scripts see private roots, and what looks for a running
//! daemon does so in a network namespace of its own. What these tests run is installed by `make contrib-tools` (part of
//! `make test`); a tool that is missing is a failure, not a skip.

#[path = "support/executable.rs"]
mod executable;
#[path = "contrib/tools.rs"]
#[cfg_attr(not(feature = "release-tests"), allow(dead_code))]
mod tools;

#[path = "contrib/bird.rs"]
mod bird;
#[cfg(feature = "release-tests")]
#[path = "contrib/booted.rs"]
mod booted;
#[path = "contrib/completions.rs"]
mod completions;
#[path = "contrib/debian.rs"]
mod debian;
#[path = "contrib/man.rs"]
mod man;
#[path = "contrib/monitoring.rs"]
mod monitoring;
#[path = "contrib/nagios.rs"]
mod nagios;
#[path = "contrib/openwrt.rs"]
mod openwrt;
#[path = "contrib/packaging.rs"]
mod packaging;
#[cfg(feature = "release-tests")]
#[path = "contrib/release.rs"]
mod release;
#[path = "contrib/shell.rs"]
mod shell;
#[path = "contrib/systemd.rs"]
mod systemd;
