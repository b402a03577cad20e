//! Where our verdict on a configuration is not the reference's, and why. "R" numbers are those of
//! REFERENCE.md.

/// Which way a verdict differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    OnlyOursRefuses,
    OnlyOursAccepts,
}

pub struct Difference {
    pub way: Way,
    pub reason: &'static str,
    /// Titles of the cases.
    pub cases: &'static [&'static str],
}

use Way::{OnlyOursAccepts, OnlyOursRefuses};

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        way: OnlyOursRefuses,
        reason: "R6: such a span ends the reference, keeps it busy or makes every run fail",
        cases: &[
            "[s] check_interval = 0",
            "[s] check_interval = -1",
            "[s] check_interval = 0.0",
            "[s] check_interval = nan",
            "[s] check_interval = inf",
            "[s] check_interval = -inf",
            "[s] check_interval = 1e999",
            "[s] check_timeout = 0",
            "[s] check_timeout = -1",
            "[s] check_timeout = 0.0",
            "[s] check_timeout = nan",
            "[s] check_timeout = inf",
            "[s] check_timeout = -inf",
            "[s] check_timeout = 1e999",
            "[s] custom_bird_reconfigure_cmd_timeout = 0",
            "[s] custom_bird_reconfigure_cmd_timeout = -1",
            "[s] custom_bird_reconfigure_cmd_timeout = 0.0",
            "[s] custom_bird_reconfigure_cmd_timeout = nan",
            "[s] custom_bird_reconfigure_cmd_timeout = inf",
            "[s] custom_bird_reconfigure_cmd_timeout = -inf",
            "[s] custom_bird_reconfigure_cmd_timeout = 1e999",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R6: the reference is never up or never down with such a count",
        cases: &[
            "[s] check_rise = 0",
            "[s] check_rise = -1",
            "[s] check_fail = 0",
            "[s] check_fail = -1",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R7: digits of other scripts are refused, with a message",
        cases: &[
            "[s] check_interval = ٣",
            "[s] check_timeout = ٣",
            "[s] custom_bird_reconfigure_cmd_timeout = ٣",
            "[s] check_rise = ٣",
            "[s] check_fail = ٣",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R6: the threads of the reference die of it at the start",
        cases: &[
            "[daemon] splay_startup = -1",
            "[daemon] splay_startup = inf",
            "[daemon] splay_startup = nan",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R6: the exporter of the reference dies of it in silence",
        cases: &[
            "[daemon] prometheus_exporter_interval = 0",
            "[daemon] prometheus_exporter_interval = -1",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R40, SPEC 2: counters are 1 or more; the reference keeps one file where none are asked for",
        cases: &[
            "[daemon] bird_changes_counter = 0",
            "[daemon] bird_changes_counter = -1",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "no datagram can be sent to such a port, so every message would be lost",
        cases: &[
            "[daemon] log_server_port = 0",
            "[daemon] log_server_port = 65536",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "SPEC 2: BIRD refuses to read a list of that name, and with it its whole configuration",
        cases: &[
            "[daemon] bird_variable =",
            "[daemon] bird_variable = 1A",
            "[daemon] bird_variable = A-B",
            "[daemon] bird_variable = A B",
            "[daemon] bird6_variable = 1A",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "SPEC 2: one BIRD that reads both files refuses the second definition of a name",
        cases: &[
            "[daemon] bird_variable = X\\nbird6_variable = X\\nbird_reconfigure_cmd = birdc configure\\n\
             bird6_reconfigure_cmd = birdc configure",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "the families would overwrite each other",
        cases: &["[daemon] bird6_conf = {dir}/bird/p.conf"],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "SPEC 2: the histories of the two would mix",
        cases: &[
            "[daemon] bird_keep_changes = 1\\nbird6_keep_changes = 1\\nbird6_conf = {dir}/bird/q.conf",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R12: not looked at by the reference, and the end of it at the first change",
        cases: &[
            "[daemon] bird_reconfigure_cmd =",
            "[daemon] bird_reconfigure_cmd = 'a",
            "[daemon] bird_reconfigure_cmd = a\\\\",
            "[s] custom_bird_reconfigure_cmd = 'a",
            "[daemon] log_format_journalctl = maybe",
            "[daemon] log_format_journalctl = %(x)s",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R10: BIRD refuses a list with a prefix of the other family",
        cases: &[
            "[daemon] dummy_ip_prefix = ::1",
            "[daemon] dummy_ip6_prefix = 10.9.9.9",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "R8: prefixes are compared after normalising, the dummies too",
        cases: &[
            "[daemon] dummy_ip_prefix = 10.0.0.1",
            "10.0.0.1 and 10.0.0.1/32",
            "2001:db8:1::1 and 2001:DB8:1::1",
            "10.189.200.255 and 10.0.0.1",
        ],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "SPEC 3: the name of the service is in the environment of each run, which can hold no NUL",
        cases: &["nul-in-section"],
    },
    Difference {
        way: OnlyOursRefuses,
        reason: "SPEC 2: settings that the reference does not know",
        cases: &[
            "[s] shared_prefix = x",
            "[s] on_start = x",
            "[s] on_exit = x",
            "[s] check_fast_interval = x",
            "[s] maintenance_file = %(x)s",
        ],
    },
    Difference {
        way: OnlyOursAccepts,
        reason: "SPEC 2: a service may have several prefixes",
        cases: &[
            "[s] ip_prefix = 10.0.0.1, 10.0.0.2",
            "[s] ip_prefix = 10.0.0.1 10.0.0.2",
            "[s] ip_prefix = 10.0.0.1,\\n  2001:db8:1::2",
            "[s] ip_prefix = 10.0.0.1,",
        ],
    },
    Difference {
        way: OnlyOursAccepts,
        reason: "SPEC 2: shared_prefix",
        cases: &["10.0.0.1/32\nshared_prefix = 1 and 10.0.0.1/32\nshared_prefix = 1"],
    },
    Difference {
        way: OnlyOursAccepts,
        reason: "R15: the directory of a bare name is the current one",
        cases: &["[daemon] pidfile = x.pid"],
    },
    Difference {
        way: OnlyOursAccepts,
        reason: "R16, SPEC 2: a byte-order mark is skipped",
        cases: &["bom"],
    },
];
