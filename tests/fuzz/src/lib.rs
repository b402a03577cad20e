//! The pure modules of the daemon, included as they are, and what must hold of them whatever they are fed.
//!
//! A crate of its own, and no part of the build: `tests/fuzz/run` has it built by cargo-fuzz. A finding becomes a
//! case in the unit tests of the module that it concerns.

// What the daemon uses and these targets do not.
#![allow(dead_code, unused_imports)]

#[path = "../../../src/config/mod.rs"]
mod config;
#[path = "../../../src/engine/mod.rs"]
mod engine;
mod memory;
#[path = "../../../src/host/addresses/message.rs"]
pub mod message;
pub mod properties;
#[path = "../../../src/render/mod.rs"]
mod render;
#[path = "../../../src/sorted.rs"]
mod sorted;
#[path = "../../../src/host/addresses/table.rs"]
pub mod table;
#[path = "../../../src/time.rs"]
mod time;
#[path = "../../../src/wheel.rs"]
mod wheel;

/// Of the wing that touches the kernel, what is pure: the parser of its messages.
mod host {
    pub mod sys {
        pub mod netlink {
            pub use libc::{
                NLMSG_DONE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
            };
        }
    }

    pub mod addresses {
        pub use crate::{message, table};
    }
}
