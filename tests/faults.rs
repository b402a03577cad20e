//! The worst day, on the real binary: no processes, no descriptors, no clock to trust, killed while it writes, flooded,
//! misled, and left running for a long time.
//!
//! Read-only disks are in `daemon/faults.rs`, full ones under other files than the prefix file in `observe/files.rs`,
//! beside what they test.

mod support;

#[path = "faults/frozen_disk.rs"]
mod frozen_disk;
#[path = "faults/full_disk.rs"]
mod full_disk;
#[path = "faults/hostile.rs"]
mod hostile;
#[path = "faults/privilege.rs"]
mod privilege;
#[path = "faults/shortage.rs"]
mod shortage;
#[path = "faults/slow_disk.rs"]
mod slow_disk;
#[path = "faults/soak.rs"]
mod soak;
#[path = "faults/time.rs"]
mod time;
#[path = "faults/violence.rs"]
mod violence;

use support::Lab;
use support::fake_bird::FakeBird;

/// A lab with one steered service, `web`.
pub fn lab(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[&[("ipv6", "false")], settings].concat());
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    lab
}

/// Small random numbers from a fixed seed (xorshift), so that a failure can be had again.
pub struct Random(pub u32);

impl Random {
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }
}
