//! A small world for the tests of this wing: services in every state, both families, fixed clocks.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::config::fixture::service_config;
use crate::config::{CommandLine, Family, ServiceConfig};
use crate::engine::snapshot::{
    Counts, CustomCounters, FamilyCounters, FamilyView, HostCounters, Overview, Reloads,
    ServiceCounters, ServiceView, Snapshot, Source,
};
use crate::engine::vocab::{LastRun, Obstacle, Reason, Refusal, Status, Verdict};
use crate::sorted::Set;
use crate::time::{Calendar, Mono, Now, Wall};

pub const PID: u32 = 4711;

pub fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

/// 2026-11-23 05:46:23.339709 UTC, two hours, three minutes and 4.5 seconds after the start.
pub fn now() -> Now {
    Now {
        mono: at(7384.5),
        wall: Wall::from_micros(1_795_412_783_339_709),
    }
}

/// So many seconds after the start.
pub fn at(seconds: f64) -> Mono {
    Mono::from_micros(1_000_000) + Duration::from_secs_f64(seconds)
}

pub fn calendar() -> Calendar {
    Calendar {
        year: 2026,
        month: 11,
        day: 3,
        hour: 5,
        minute: 46,
        second: 7,
        micros: 339_709,
        offset: 7200,
    }
}

pub fn config(name: &str, prefixes: &[&str]) -> Rc<ServiceConfig> {
    Rc::new(ServiceConfig {
        check_cmd: CommandLine::of(["/usr/bin/curl".to_string(), "--fail".to_string()]),
        fall: 3,
        maintenance_file: Some("/run/drain me".into()),
        custom_cmd: Some(CommandLine::of([
            "/usr/local/bin/tell".to_string(),
            "me".to_string(),
        ])),
        custom_timeout: Duration::from_millis(1500),
        ..service_config(name, prefixes)
    })
}

/// What a [`Snapshot`] borrows.
pub struct World {
    pub services: Vec<(Rc<ServiceConfig>, Option<LastRun<'static>>)>,
    written: [Set<IpNetwork>; 2],
    trouble: Obstacle,
    /// How often all services are there, for a large world.
    pub times: usize,
    pub reloads: u64,
}

impl Source for World {
    fn window(&self, places: Range<usize>, prefixes: bool) -> Snapshot<'_> {
        let mut snapshot = self.snapshot();
        let services = std::mem::take(&mut snapshot.services);
        let services = services.into_iter().skip(places.start).take(places.len());
        snapshot.services = services.collect();
        for view in snapshot.services.iter_mut().filter(|_| !prefixes) {
            view.assigned.clear();
            view.advertised.clear();
        }
        snapshot
    }

    fn overview(&self, _: Mono, most: usize) -> Overview<'_> {
        let services = self.views();
        let mut counts = Counts::default();
        for view in &services {
            counts.add(view.status, view.maintenance, false);
        }
        let ill = services
            .into_iter()
            .filter(|view| view.status == Status::Down);
        Overview {
            counts,
            ill: ill.take(most).collect(),
        }
    }
}

fn last(verdict: Verdict, micros: u64, first_line: &'static str) -> Option<LastRun<'static>> {
    Some(LastRun {
        verdict,
        ended: at(7380.0),
        took: Duration::from_micros(micros),
        first_line,
    })
}

pub fn world() -> World {
    let services = vec![
        (
            config("foo.bar.com", &["10.52.12.1"]),
            last(Verdict::Pass, 5_141, "ok"),
        ),
        (
            config(
                "foo1IPv6.bar.com",
                &["fd12:aba6:57db:ffff::1/128", "10.52.12.3/32"],
            ),
            last(
                Verdict::Fail(7),
                12_000,
                "curl: (7) Failed to connect\x1b[2J",
            ),
        ),
        (
            config("slow.example", &["10.52.12.2/32"]),
            last(Verdict::TimedOut, 2_001_000, ""),
        ),
        (config("we\"ird\\x\n.example", &["10.52.0.0/16"]), None),
        (
            config("drained.example", &["10.52.12.4/32"]),
            last(Verdict::Pass, 900, ""),
        ),
        (config("off.example", &["10.9.9.9/32"]), None),
        (
            config("lost.example", &["10.52.12.5/32"]),
            last(Verdict::Pass, 900, "fine"),
        ),
    ];
    let v4 = ["10.52.12.1/32", "10.52.0.0/16"];
    World {
        services,
        written: [v4.into_iter().map(net).collect(), Set::new()],
        trouble: Obstacle::Bird(Refusal::Said("x.conf:1:1 syntax error".to_string())),
        times: 1,
        reloads: 2,
    }
}

impl World {
    fn view(&self, index: usize) -> ServiceView<'_> {
        let (config, last) = &self.services[index];
        ServiceView {
            config,
            status: Status::Up,
            reason: Reason::Passed { count: 2 },
            maintenance: false,
            since: at(20.25),
            assigned: vec![Some(true); config.prefixes.len()],
            advertised: vec![true; config.prefixes.len()],
            last: *last,
            next_run: Some(at(7390.0)),
            running: false,
            state_value: Some(0),
            duration: last.as_ref().map(|last| last.took),
            counters: ServiceCounters::default(),
        }
    }

    fn views(&self) -> Vec<ServiceView<'_>> {
        let mut services: Vec<ServiceView> = (0..self.services.len())
            .map(|index| self.view(index))
            .collect();
        services[0].counters = ServiceCounters {
            passed: 737,
            changes: 1,
            last_change: Some(at(20.25)),
            ..ServiceCounters::default()
        };
        down(
            &mut services[1],
            Reason::Failed {
                count: 3,
                verdict: Verdict::Fail(7),
            },
            7,
        );
        services[1].assigned = vec![Some(true), Some(false)];
        services[1].running = true;
        services[1].counters.failed = 12;
        down(
            &mut services[2],
            Reason::Failed {
                count: 1,
                verdict: Verdict::TimedOut,
            },
            126,
        );
        services[2].assigned = vec![None];
        services[2].duration = None;
        services[2].counters.timed_out = 3;
        services[2].counters.first_time_out = Some(at(10.5));
        services[3].status = Status::Unknown;
        services[3].reason = Reason::NotChecked;
        services[3].state_value = None;
        services[3].counters.not_started = 1;
        down(&mut services[4], Reason::Maintenance, 0);
        services[4].maintenance = true;
        out_of_service(&mut services);
        (0..self.times).flat_map(|_| services.clone()).collect()
    }

    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            started: at(0.0),
            services: self.views(),
            families: vec![self.family(Family::V4), self.family(Family::V6)],
            customs: CustomCounters { done: 3, failed: 1 },
            reloads: Reloads {
                good: self.reloads,
                refused: 1,
                last_good: at(100.0),
            },
            running: 1,
            waiting: 2,
            abandoned: 1,
        }
    }

    fn family(&self, family: Family) -> FamilyView<'_> {
        let healthy = family == Family::V4;
        FamilyView {
            family,
            written: &self.written[family.index()],
            settled: healthy,
            trouble: (!healthy).then_some(&self.trouble),
            counters: FamilyCounters {
                reconfigured: 5,
                reconfigure_failed: if healthy { 0 } else { 3 },
                last_reconfigure: healthy.then_some(Duration::from_micros(4_700)),
                files_written: 6,
                file_failures: 1,
            },
        }
    }
}

/// The last two are not checked at present.
fn out_of_service(services: &mut [ServiceView]) {
    services[5].status = Status::Disabled;
    services[5].reason = Reason::Disabled;
    services[5].state_value = None;
    services[5].next_run = None;
    services[5].advertised = vec![false];
    services[5].assigned = vec![None];
    let prefix = net("10.52.12.5/32");
    down(&mut services[6], Reason::AddressMissing { prefix }, 1);
    services[6].assigned = vec![Some(false)];
    services[6].next_run = None;
}

fn down(service: &mut ServiceView, reason: Reason, state_value: i32) {
    service.status = Status::Down;
    service.reason = reason;
    service.since = at(7000.0);
    service.state_value = Some(state_value);
    service.advertised = vec![false; service.config.prefixes.len()];
    service.counters.changes = 2;
    service.counters.last_change = Some(at(7000.0));
}

pub fn host() -> HostCounters {
    HostCounters {
        log_lines_dropped: 17,
        metrics_failures: 2,
        history_failures: 4,
    }
}
