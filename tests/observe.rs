//! What the daemon tells, proved with those who read it: log files, rsyslog, Prometheus' own parsers, terminals.

mod support;

#[path = "observe/files.rs"]
mod files;
#[path = "observe/forms.rs"]
mod forms;
#[path = "observe/many.rs"]
mod many;
#[path = "observe/metrics.rs"]
mod metrics;
#[path = "observe/notify.rs"]
mod notify;
#[path = "observe/status.rs"]
mod status;
#[path = "observe/syslog.rs"]
mod syslog;

use support::Lab;
use support::fake_bird::FakeBird;

/// A lab with two services, `web` (steered) and `dns`, and these settings of the daemon.
pub fn lab(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(settings);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    lab.service("dns", &[("ip_prefix", "2001:db8:53::53/128")]);
    lab
}

/// Lets `web` fall and rise, each seen in the prefix file.
pub fn flip(lab: &Lab) {
    for (status, wanted) in [(0, 1), (1, 0), (0, 1)] {
        lab.answer("web", status);
        support::wait_until("the file follows", || lab.announced("4").len() == wanted);
    }
}
