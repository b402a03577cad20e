//! A withdrawal in place of a daemon that is gone: the engine with services that are all disabled and withdrawn.
//!
//! Files are written and BIRDs told as ever, with the same retries. What a daemon says of its services at the start is
//! not said, every BIRD is told whatever its file held, and so is every command of a service.

use super::notice::What;
use super::vocab::{Action, World};
use super::{Engine, Notice};
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
                engine.customs.want_once(&config, false);
            }
        }
        actions.extend(engine.finish_turn(now));
        (engine, actions)
    }

    pub fn progress(&self) -> Progress {
        let over = self.routes.finished(false) && self.customs.finished();
        match (over, self.customs.any_failed()) {
            (false, _) => Progress::Retrying,
            (true, false) => Progress::Done,
            (true, true) => Progress::CommandFailed,
        }
    }
}
