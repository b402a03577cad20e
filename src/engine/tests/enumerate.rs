//! Every sequence of up to six things that can happen to a service, against a model that is written another way.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Pass,
    Fail,
    TimeOut,
    CannotStart,
    AddressLost,
    AddressBack,
    RunNow,
}

const STEPS: [Step; 7] = [
    Step::Pass,
    Step::Fail,
    Step::TimeOut,
    Step::CannotStart,
    Step::AddressLost,
    Step::AddressBack,
    Step::RunNow,
];

/// The model: a service is what the end of its history says.
struct Model {
    rise: usize,
    fall: usize,
    status: Status,
    assigned: bool,
    /// Results since the address was there last.
    history: Vec<bool>,
}

impl Model {
    fn result(&mut self, pass: bool) {
        self.history.push(pass);
        let row = self
            .history
            .iter()
            .rev()
            .take_while(|other| **other == pass)
            .count();
        match pass {
            true if row >= self.rise => self.status = Status::Up,
            false if row >= self.fall => self.status = Status::Down,
            _ => {}
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Pass if self.assigned => self.result(true),
            Step::Fail | Step::TimeOut | Step::CannotStart if self.assigned => self.result(false),
            Step::AddressLost => {
                self.assigned = false;
                self.history.clear();
                self.status = Status::Down;
            }
            Step::AddressBack => self.assigned = true,
            _ => {}
        }
    }
}

const PREFIX: &str = "192.0.2.1/32";

/// Has a run going on if there can be one, and lets it end as the step says.
fn run_ends(bench: &mut Bench, step: Step) {
    while bench.job_of("a").is_none() {
        if !bench.jump() {
            return;
        }
    }
    match step {
        Step::Pass => bench.answer("a", Ended::Exit(0)),
        Step::Fail => bench.answer("a", Ended::Exit(3)),
        Step::CannotStart => {
            let job = bench.job_of("a").expect("it runs");
            bench.jobs.remove(&job);
            let failure = StartFailure {
                status: 127,
                cause: "no such file".to_string(),
            };
            bench.event(Event::JobNotStarted { job, failure });
        }
        _ => {
            while bench.killed.is_empty() {
                assert!(bench.jump());
            }
            bench.reap_killed();
        }
    }
}

fn play(steps: &[Step], rise: u32, fall: u32, announced: bool) {
    let config = config([ServiceConfig {
        rise,
        fall,
        ..service("a", PREFIX)
    }]);
    let found: &[&str] = if announced { &[PREFIX] } else { &[] };
    let world = world(config, found);
    let all_addresses = world.addresses.clone();
    let mut bench = Bench::new(world);
    let mut model = Model {
        rise: rise as usize,
        fall: fall as usize,
        status: Status::Unknown,
        assigned: true,
        history: Vec::new(),
    };
    for step in steps {
        match step {
            Step::Pass | Step::Fail | Step::TimeOut | Step::CannotStart => {
                run_ends(&mut bench, *step)
            }
            Step::AddressLost => bench.event(Event::Addresses(Rc::default())),
            Step::AddressBack => bench.event(Event::Addresses(all_addresses.clone())),
            Step::RunNow => bench.event(Event::RunNow),
        }
        bench.reap_killed();
        model.apply(*step);
        assert_eq!(
            bench.status("a"),
            model.status,
            "{steps:?} rise {rise} fall {fall}"
        );
        assert!(
            model.assigned || bench.job_of("a").is_none(),
            "{steps:?}: a check without its address"
        );
    }
    // Whatever waits for the spacing of updates is written soon after.
    bench.pass(Duration::from_millis(300), |_| None);
    let expected = match model.status {
        Status::Up => true,
        Status::Unknown => announced,
        Status::Down | Status::Disabled => false,
    };
    assert_eq!(
        bench.in_file(PREFIX),
        expected,
        "{steps:?} rise {rise} fall {fall}"
    );
    // Two changes within the spacing may cancel out, so the file need not be written; but never for nothing.
    let changes = bench.said(|what| matches!(what, What::StateChanged { .. }));
    assert!(
        bench.writes.len() <= changes,
        "{steps:?}: a file written without a change"
    );
    assert_eq!(
        bench.reconfigurations.len(),
        bench.writes.len(),
        "{steps:?}"
    );
}

#[test]
fn every_sequence_of_six() {
    let mut steps = Vec::with_capacity(6);
    for length in 0..=6_u32 {
        for number in 0..7_usize.pow(length) {
            steps.clear();
            let mut rest = number;
            for _ in 0..length {
                steps.push(STEPS[rest % 7]);
                rest /= 7;
            }
            play(&steps, 2, 2, number % 2 == 0);
        }
    }
}

#[test]
fn every_sequence_of_four_with_every_rise_and_fall() {
    for (rise, fall) in [(1, 1), (1, 3), (3, 1), (3, 2), (2, 3)] {
        for number in 0..7_usize.pow(4) {
            let steps: Vec<Step> = (0..4)
                .map(|place| STEPS[number / 7_usize.pow(place) % 7])
                .collect();
            play(&steps, rise, fall, true);
            play(&steps, rise, fall, false);
        }
    }
}
