//! A withdrawal in place of a daemon that is gone: the engine with services that are all disabled and withdrawn.
//!
//! Files are written and BIRDs told as ever, with the same retries. What a daemon says of its services at the start is
//! not said, every BIRD is told whatever its file held, and so is every command of a service.

use super::Engine;
use super::notice::{Notice, What};
use super::vocab::{Action, World};
use crate::time::Mono;

/// How far a withdrawal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Retrying,
    /// Every file is written, every BIRD agrees, every command has run.
    Done,
    /// The same, but the command of some service failed.
    CommandFailed,
}

impl Engine {
    pub fn withdraw(now: Mono, world: World, seed: u64) -> (Engine, Vec<Action>) {
        let (mut engine, mut actions) = Engine::start(now, world, seed, true);
        let of_a_start = |what: &What| {
            matches!(
                what,
                What::Started { .. } | What::NoServices | What::Disabled { .. }
            )
        };
        actions.retain(
            |action| !matches!(action, Action::Say(Notice { what, .. }) if of_a_start(what)),
        );
        for id in engine.services.order.clone() {
            let service = engine.services.get(id);
            let told = service.filter(|service| service.config.custom_cmd.is_some());
            if let Some(config) = told.map(|service| service.config.clone()) {
                engine.customs.want(&config, false);
            }
        }
        actions.extend(engine.finish_turn(now));
        (engine, actions)
    }

    pub fn progress(&self) -> Progress {
        let over =
            self.routes.files_settled() && self.routes.bird_knows() && self.customs.finished();
        match (over, self.customs.any_failed()) {
            (false, _) => Progress::Retrying,
            (true, false) => Progress::Done,
            (true, true) => Progress::CommandFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::fixture::{A, config, quick, world};
    use super::*;
    use crate::config::{Announce, CommandLine, Config, ServiceConfig};
    use crate::engine::vocab::{Accepted, Ended, Event, JobId, Output};

    fn withdrawn() -> Config {
        let service = ServiceConfig {
            disabled: true,
            on_disabled: Announce::Withdraw,
            custom_cmd: Some(CommandLine::of(["tell"])),
            ..quick("a", A)
        };
        let mut config = config([service]);
        config.daemon.purge_ip_prefixes = true;
        config.daemon.update_interval = Duration::ZERO;
        config
    }

    /// Carries out what the engine asks for, until nothing is left; the commands of services end with `ended`.
    fn carry_out(found: &[&str], ended: Ended) -> (Engine, Vec<String>) {
        let now = Mono::from_micros(1_000_000);
        let (mut engine, mut actions) = Engine::withdraw(now, world(withdrawn(), found), 1);
        let mut done = Vec::new();
        while !actions.is_empty() {
            assert_eq!(engine.progress(), Progress::Retrying);
            for action in std::mem::take(&mut actions) {
                let event = match action {
                    Action::WriteFile { job, prefixes, .. } => {
                        done.push(format!("write {}", prefixes.len()));
                        let outcome = Ok(());
                        Event::FileWritten { job, outcome }
                    }
                    Action::Reconfigure { job, .. } => {
                        done.push("tell BIRD".to_string());
                        let outcome = Ok(Accepted::Reconfigured);
                        Event::ReconfigureEnded { job, outcome }
                    }
                    Action::StartCustom { job, service, up } => {
                        done.push(format!("{} {up}", service.name));
                        custom(job, ended)
                    }
                    Action::Say(notice) => {
                        let what = notice.what;
                        assert!(!matches!(
                            what,
                            What::Started { .. } | What::Disabled { .. }
                        ));
                        continue;
                    }
                    _ => continue,
                };
                actions.extend(engine.step(now, event));
            }
            actions.extend(engine.finish_turn(now));
            actions.retain(|action| !matches!(action, Action::Say(_)));
        }
        done.sort();
        (engine, done)
    }

    fn custom(job: JobId, ended: Ended) -> Event {
        let output = Output::default();
        Event::JobEnded { job, ended, output }
    }

    #[test]
    fn files_birds_and_commands_are_told_once_each() {
        let all = ["a false", "tell BIRD", "tell BIRD", "write 0"];
        let (engine, done) = carry_out(&[A, "192.0.2.9/32"], Ended::Exit(0));
        assert_eq!(done, all);
        assert_eq!(engine.progress(), Progress::Done);
        // A file that announces nothing is left as it is.
        let (engine, done) = carry_out(&[], Ended::Exit(0));
        assert_eq!(done, all[..3]);
        assert_eq!(engine.progress(), Progress::Done);
    }

    /// A command that need not wait for a file begins at once, and its end is not that of the whole.
    #[test]
    fn neither_waits_for_the_other_and_both_count() {
        let now = Mono::from_micros(1_000_000);
        let (mut engine, actions) = Engine::withdraw(now, world(withdrawn(), &[]), 1);
        let command = actions.iter().find_map(|action| match action {
            Action::StartCustom { job, .. } => Some(*job),
            _ => None,
        });
        engine.step(now, custom(command.expect("a command"), Ended::Exit(0)));
        assert_eq!(engine.progress(), Progress::Retrying);
    }

    #[test]
    fn a_command_that_fails_is_no_success() {
        let (engine, _) = carry_out(&[A], Ended::Exit(1));
        assert_eq!(engine.progress(), Progress::CommandFailed);
    }
}
