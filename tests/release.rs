//! What `make test-release` runs before a release: see `contrib/release.rs`. Not part of `cargo test`, which is to end in
//! minutes.

#[path = "contrib/release.rs"]
mod release;
#[path = "contrib/tools.rs"]
#[allow(dead_code)] // The other binary, contrib.rs, uses all of it.
mod tools;
